// Package audit records every request: one structured log line, and one FHIR R4
// AuditEvent to a sink. A Record has no place for the content of a resource, for
// a search value or for a free text, so that neither can hold PHI; ids of
// resources are in the AuditEvent only.
//
// It imports nothing of the gateway but the JSON writer, and no HTTP client: the
// sink that creates events on a FHIR server is given a function.
package audit

import "time"

// Record is what is known of one request when it ends.
type Record struct {
	// Time is when the request came, Duration how long it took.
	Time     time.Time
	Duration time.Duration
	// RequestID is the gateway's own id of the request, TraceID that of its trace.
	RequestID, TraceID string
	// Upstream is the configured name.
	Upstream string
	// Interaction is the code of the policy contract (read, search-type …);
	// ResourceType what was asked for. Both are empty when the request could not
	// be parsed.
	Interaction, ResourceType string
	// Params are the names of the search parameters, without their values.
	Params []string
	// Issuer, Subject and Client say who; all are empty for no token.
	Issuer, Subject, Client string
	// Roles are those of the token, ActAs the one that the caller asked for.
	Roles []string
	ActAs string
	// PurposeOfUse holds codes of v3-ActReason.
	PurposeOfUse []string
	// Status is the HTTP status of the answer; 0 when it was cut.
	Status int
	// Reasons are the codes that policy or the gateway gave.
	Reasons []string
	// Revision names the revision of policy that decided.
	Revision string
	// Seen counts the resources read from the server for this request, Visible
	// those sent, Withheld those left out, Masked those sent with a mask applied.
	Seen, Visible, Withheld, Masked int
	// Resources are those that were sent or written.
	Resources []Resource
	// UpstreamCalls counts exchanges with the server.
	UpstreamCalls int
}

// Resource names one resource.
type Resource struct{ Type, ID, VersionID string }

// unusual stands for a value that doesn't have the form that it should: it may
// be anything, so it is not recorded.
const unusual = "unusual"

func clean(s string) string {
	if s == "" || isCode(s) {
		return s
	}
	return unusual
}

// isCode reports whether s is of the form of everything that a client could have
// put in freely: at most 128 letters, digits and _ . : -, beginning with a letter
// or _.
func isCode(s string) bool {
	if len(s) > 128 {
		return false
	}
	for i := range len(s) {
		b := s[i]
		letter := b|0x20 >= 'a' && b|0x20 <= 'z' || b == '_'
		if !letter && (i == 0 || (b < '0' || b > '9') && b != '.' && b != ':' && b != '-') {
			return false
		}
	}
	return s != ""
}

// isID is the FHIR datatype id.
func isID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		b := s[i]
		if (b|0x20 < 'a' || b|0x20 > 'z') && (b < '0' || b > '9') && b != '.' && b != '-' {
			return false
		}
	}
	return true
}

// cleaned is r with everything unusual replaced or dropped. Issuer, Subject,
// Client and Roles are from a verified token, Revision and Upstream from
// configuration: they are kept as they are.
func (r Record) cleaned() Record {
	r.RequestID, r.TraceID = cleanID(r.RequestID), cleanID(r.TraceID)
	r.Interaction, r.ResourceType, r.ActAs = clean(r.Interaction), clean(r.ResourceType), clean(r.ActAs)
	r.Params, r.PurposeOfUse, r.Reasons = cleanAll(r.Params), cleanAll(r.PurposeOfUse), cleanAll(r.Reasons)
	return r
}

func cleanID(s string) string {
	if s == "" || isID(s) {
		return s
	}
	return unusual
}

func cleanAll(list []string) []string {
	for i, s := range list {
		if isCode(s) {
			continue
		}
		out := append([]string(nil), list...) // The caller's list is not changed.
		for j := i; j < len(out); j++ {
			out[j] = clean(out[j])
		}
		return out
	}
	return list
}
