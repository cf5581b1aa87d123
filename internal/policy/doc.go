// Package policy is the only user of Rego: it turns a bundle into an immutable
// revision, evaluates the entry points of docs/contract.md, and parses what they
// return strictly into access.Plan and its judgements. Unknown, undefined, an
// error, a time-out and an unexpected shape all deny.
//
// It must not import the gateway, HTTP servers or stores; what policy may look
// up on the FHIR server comes through the Fetcher port.
package policy
