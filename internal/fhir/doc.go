// Package fhir is FHIR as data: a request to one typed Interaction and back to
// a URL, the search grammar, references, Bundles as streams and
// OperationOutcome. Elements, search parameters and compartments come from the
// tables of fhir/definitions; JSON text from fhir/wire.
//
// It imports no other package of the gateway, and has no I/O of its own, no
// clock and no goroutines: readers and writers are handed in.
package fhir
