// Package gatehouse is a single sign-on gateway that is built into Caddy. People open a portal of
// application tiles, prove who they are, are asked for a second factor where the application's policy
// says so, and are signed in: by a SAML response that the browser posts to Amazon Connect or to any
// other SAML application. An admin writes one Caddyfile.
//
// This package is what a build of Caddy imports; it holds nothing itself:
//
//	xcaddy build --with github.com/gatehouse-sso/gatehouse
//
// # The tour
//
// Two rooms matter. Package caddymodule is the configuration: the app, its Caddyfile, its JSON, its
// command. It decides nothing. Package idp is the gateway: it knows nothing of Caddy, and every
// decision about people, policy and SAML is made there. Read idp's own documentation first, then
// follow one request:
//
//   - caddymodule/portal.go takes the request from Caddy,
//   - idp/routes.go finds the handler, idp/login.go checks a password,
//   - idp/next.go is the only place that says what comes after a step,
//   - idp/policy.go decides what is asked, idp/mfa.go asks it,
//   - idp/launch.go opens an application, idp/samlapp writes what the browser posts.
//
// The directories under idp are drivers, one library each, and none imports another: local (users in
// the configuration), totp (authenticator apps), samlapp (SAML applications), store (everything that
// is kept), awssignin (what AWS checks, to practise against), web (the pages). The interfaces between
// them are in idp itself, in files named after what they describe.
//
// # Trying it
//
// Caddyfile.example runs as it is; `make run` builds and starts it.
package gatehouse

import (
	_ "github.com/gatehouse-sso/gatehouse/caddymodule" // registers the modules with Caddy
)
