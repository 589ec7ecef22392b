// Package idp is the gateway: it proves who people are, asks what policy asks, and signs them in to
// applications. It knows nothing of Caddy.
package idp
