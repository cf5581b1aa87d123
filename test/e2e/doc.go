// Package e2e holds the end-to-end tests of the gateway: the same cases before
// the embedded demo store and the real HAPI server, over HTTP, from the token to
// the audit file.
package e2e
