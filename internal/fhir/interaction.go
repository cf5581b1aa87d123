package fhir

import (
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// Code names a FHIR interaction (value sets type-restful-interaction and
// system-restful-interaction). The zero value is no interaction at all.
type Code uint8

// The interactions that the gateway knows. Everything else is refused.
const (
	Unknown Code = iota
	Read
	VRead
	SearchType
	SearchSystem
	SearchCompartment
	HistoryInstance
	HistoryType
	HistorySystem
	Create
	Update
	Delete
	Capabilities
)

// String is the code that policy, audit and metrics see.
func (c Code) String() string {
	switch c {
	case Unknown:
	case Read:
		return "read"
	case VRead:
		return "vread"
	case SearchType:
		return "search-type"
	case SearchSystem:
		return "search-system"
	case SearchCompartment:
		return "search-compartment"
	case HistoryInstance:
		return "history-instance"
	case HistoryType:
		return "history-type"
	case HistorySystem:
		return "history-system"
	case Create:
		return "create"
	case Update:
		return "update"
	case Delete:
		return "delete"
	case Capabilities:
		return "capabilities"
	}
	return "unknown"
}

// IsSearch reports whether the answer is a searchset.
func (c Code) IsSearch() bool {
	return c == SearchType || c == SearchSystem || c == SearchCompartment
}

// IsHistory reports whether the answer is a history Bundle.
func (c Code) IsHistory() bool {
	return c == HistoryInstance || c == HistoryType || c == HistorySystem
}

// IsWrite reports whether the interaction changes what is stored.
func (c Code) IsWrite() bool { return c == Create || c == Update || c == Delete }

// Interaction is one request to a FHIR server, understood completely. It is
// built by Parse alone; what is sent upstream is made from it, never from the
// client's own text.
type Interaction struct {
	Code      Code
	Type      string // resource type; empty at system level
	ID        string // logical id; empty above instance level
	VersionID string // for vread
	// Compartment is set for a compartment search: Patient/123/Observation.
	Compartment Reference
	// Query holds the parameters of searches and histories.
	Query Query
	// Posted says that a search came as POST [base]/…/_search.
	Posted bool
}

var (
	errPath        = Refuse(statusBadRequest, "path-not-canonical", IssueInvalid, "The path isn't a plain FHIR path: no empty, dot or percent-encoded segments are taken.")
	errUnknownPath = Refuse(statusNotFound, "unknown-path", IssueNotFound, "There is no such FHIR interaction at this path.")
	errUnknownType = Refuse(statusNotFound, "unknown-resource-type", IssueNotSupported, "The path names no resource type of this FHIR version.")
	errID          = Refuse(statusBadRequest, "bad-id", IssueValue, "A logical id is 1 to 64 characters of A-Z, a-z, 0-9, '-' and '.'.")
	errMethod      = Refuse(statusMethodNotAllowed, "method-not-allowed", IssueNotSupported, "This method isn't possible at this path.")
	errOperation   = Refuse(statusNotImplemented, "operation-not-supported", IssueNotSupported, "Operations aren't passed by this gateway.")
	errBatch       = Refuse(statusNotImplemented, "batch-not-supported", IssueNotSupported, "Batches and transactions aren't passed by this gateway.")
	errPatch       = Refuse(statusNotImplemented, "patch-not-supported", IssueNotSupported, "PATCH isn't passed by this gateway.")
	errConditional = Refuse(statusNotImplemented, "conditional-not-supported", IssueNotSupported, "Conditional writes aren't passed by this gateway.")
)

// Parse turns a request into the one Interaction that it is. path is the
// escaped path below the FHIR base, beginning with "/" or empty; rawQuery the
// query as sent; form the body of a POST …/_search, else empty.
// Whatever isn't understood completely is a *Refusal.
func Parse(defs *definitions.Definitions, method, path, rawQuery, form string) (Interaction, error) {
	segments, err := splitPath(path)
	if err != nil {
		return Interaction{}, err
	}
	in, err := parsePath(defs, method, segments, rawQuery != "")
	if err != nil {
		return Interaction{}, err
	}
	in.Query, err = parseQuery(defs, in, rawQuery, form)
	if err != nil {
		return Interaction{}, err
	}
	return in, nil
}

// splitPath splits a path into its segments and refuses every spelling that
// another parser could read differently.
func splitPath(path string) ([]string, error) {
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		return nil, nil
	}
	segments := strings.Split(path, "/")
	for _, s := range segments {
		if s == "" || s == "." || s == ".." || strings.ContainsAny(s, "%\\;:@,+ \t?#") {
			return nil, errPath
		}
	}
	return segments, nil
}

func parsePath(defs *definitions.Definitions, method string, s []string, queried bool) (Interaction, error) {
	for _, segment := range s {
		if strings.HasPrefix(segment, "$") {
			return Interaction{}, errOperation
		}
	}
	if len(s) == 0 || strings.HasPrefix(s[0], "_") || s[0] == "metadata" {
		return parseSystem(method, s)
	}
	if !defs.IsResource(s[0]) {
		return Interaction{}, errUnknownType
	}
	if len(s) == 1 || s[1] == "_search" || s[1] == "_history" {
		return parseType(method, s, queried)
	}
	if !IsID(s[1]) {
		return Interaction{}, errID
	}
	if len(s) >= 3 && s[2] != "_history" {
		return parseCompartment(defs, method, s)
	}
	return parseInstance(method, s)
}

// parseSystem: [base], [base]/metadata, [base]/_search, [base]/_history.
func parseSystem(method string, s []string) (Interaction, error) {
	switch {
	case len(s) == 0 && method == methodPost:
		return Interaction{}, errBatch
	case len(s) == 0:
		return only(method, methodGet, Interaction{Code: SearchSystem})
	case len(s) > 1:
		return Interaction{}, errUnknownPath
	case s[0] == "metadata":
		return only(method, methodGet, Interaction{Code: Capabilities})
	case s[0] == "_search":
		return only(method, methodPost, Interaction{Code: SearchSystem, Posted: true})
	case s[0] == "_history":
		return only(method, methodGet, Interaction{Code: HistorySystem})
	}
	return Interaction{}, errUnknownPath
}

// parseType: [base]/[type], …/_search, …/_history.
func parseType(method string, s []string, queried bool) (Interaction, error) {
	if len(s) > 2 {
		return Interaction{}, errUnknownPath
	}
	if len(s) == 2 && s[1] == "_search" {
		return only(method, methodPost, Interaction{Code: SearchType, Type: s[0], Posted: true})
	}
	if len(s) == 2 {
		return only(method, methodGet, Interaction{Code: HistoryType, Type: s[0]})
	}
	switch method {
	case methodGet:
		return Interaction{Code: SearchType, Type: s[0]}, nil
	case methodPost:
		return Interaction{Code: Create, Type: s[0]}, nil
	case methodPut, methodDelete, methodPatch:
		if queried {
			return Interaction{}, errConditional
		}
	}
	return Interaction{}, errMethod.allowing(methodGet, methodPost)
}

// parseInstance: [base]/[type]/[id], …/_history, …/_history/[vid].
func parseInstance(method string, s []string) (Interaction, error) {
	in := Interaction{Type: s[0], ID: s[1]}
	switch len(s) {
	case 2:
		switch method {
		case methodGet:
			in.Code = Read
		case methodPut:
			in.Code = Update
		case methodDelete:
			in.Code = Delete
		case methodPatch:
			return Interaction{}, errPatch
		default:
			return Interaction{}, errMethod.allowing(methodGet, methodPut, methodDelete)
		}
		return in, nil
	case 3:
		in.Code = HistoryInstance
	case 4:
		if !IsID(s[3]) {
			return Interaction{}, errID
		}
		in.Code, in.VersionID = VRead, s[3]
	default:
		return Interaction{}, errUnknownPath
	}
	return only(method, methodGet, in)
}

// parseCompartment: [base]/[compartment]/[id]/[type] and …/[type]/_search; the
// type may be * for every type of the compartment.
func parseCompartment(defs *definitions.Definitions, method string, s []string) (Interaction, error) {
	in := Interaction{Code: SearchCompartment, Compartment: Reference{Type: s[0], ID: s[1]}}
	want := methodGet
	switch {
	case len(s) == 4 && s[3] == "_search":
		want, in.Posted = methodPost, true
	case len(s) > 3:
		return Interaction{}, errUnknownPath
	}
	if s[2] != "*" {
		if _, inside := defs.CompartmentParams(s[0], s[2]); !inside {
			return Interaction{}, errUnknownPath
		}
		in.Type = s[2]
	} else if !isCompartment(defs, s[0]) {
		return Interaction{}, errUnknownPath
	}
	return only(method, want, in)
}

func isCompartment(defs *definitions.Definitions, name string) bool {
	for _, c := range defs.Compartments() {
		if c == name {
			return true
		}
	}
	return false
}

func only(method, want string, in Interaction) (Interaction, error) {
	if method != want {
		return Interaction{}, errMethod.allowing(want)
	}
	return in, nil
}

// Path is the interaction's path below a FHIR base, without a leading slash.
func (in Interaction) Path() string {
	var p []string
	if in.Compartment.Type != "" {
		p = append(p, in.Compartment.Type, in.Compartment.ID)
	}
	switch {
	case in.Code == Capabilities:
		return "metadata"
	case in.Type != "":
		p = append(p, in.Type)
	case in.Code == SearchCompartment:
		p = append(p, "*")
	}
	if in.ID != "" {
		p = append(p, in.ID)
	}
	if in.Code.IsHistory() || in.Code == VRead {
		p = append(p, "_history")
	}
	if in.Code == VRead {
		p = append(p, in.VersionID)
	}
	return strings.Join(p, "/")
}
