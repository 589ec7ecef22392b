// Package e2e holds the journeys of people through the built binary and real servers: Chromium,
// xmlsec1, Apache with the Shibboleth service provider, a Samba domain, OpenLDAP. What is nobody's to run but its maker's has a
// stand-in: AWS (package awssignin) and Duo (package duoservice).
//
// The files without _test in their name start those servers and drive them, one noun each. Every
// server runs in a private directory on free ports of the loopback interface and is ended by its own
// process id. A server that is not installed fails the test; "make test" installs them all.
package e2e
