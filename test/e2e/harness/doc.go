// Package harness puts a whole gateway together for tests: a FHIR server behind
// it (the embedded demo store, or the real HAPI), the demo's identity provider,
// a configuration file, and the gateway made from that file. Tests speak to it
// over HTTP alone, and to the server behind to see what arrived there.
package harness
