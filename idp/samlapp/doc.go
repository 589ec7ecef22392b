// Package samlapp signs people in to applications by a SAML response that the browser posts.
//
// An [Issuer] writes and signs responses; all applications of a gateway share one. [New] makes an
// application for any service provider, [NewConnect] one for Amazon Connect, which knows what AWS
// expects, and [NewLink] a tile that is only an address. [Metadata] is the document that the other
// side is given.
//
// Responses are not built as a tree and then canonicalised: they are written, once, in the bytes that
// exclusive canonicalisation would give (writer.go), so that a launch costs little more than its
// RSA signature. The tests hold the result against three independent verifiers.
package samlapp
