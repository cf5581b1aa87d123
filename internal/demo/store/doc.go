// Package store is a FHIR R4 server in one process: the server behind the gateway in `fhirgate demo` and in tests, spoken
// to over HTTP exactly like a foreign one. It keeps resources as compacted JSON bytes in memory, every version of them,
// and builds a search index for a (type, search parameter) the first time somebody searches by it. With a directory it
// also keeps an append-only journal, replayed at Open.
//
// It behaves as HAPI FHIR does wherever FHIR leaves a choice (update without a change makes no version, tags and security
// labels survive an update that leaves them out, a resource that others refer to can't be deleted, an unknown search
// parameter is 400), so that what is tested before it holds before a real server.
//
// It knows nothing of the gateway: it may import internal/fhir/... and nothing else of the project.
package store
