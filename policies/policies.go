// Package policies carries the default policy library, so that the demo and
// tests have it without a checkout. Everything else about it is in Rego.
package policies

import "embed"

// FS holds the bundle: .manifest, the stand-ins and the library.
//
//go:embed .manifest stand_ins.rego fhirgate
var FS embed.FS
