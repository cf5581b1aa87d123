package fhir

import "strings"

// Reference is a literal reference to a resource of this server.
type Reference struct{ Type, ID string }

// String is the relative form, Type/id.
func (r Reference) String() string { return r.Type + "/" + r.ID }

// ParseReference takes a relative reference apart (Type/id or
// Type/id/_history/vid). It reports false for anything else: absolute URLs,
// fragments, urn: and conditional references.
func ParseReference(s string) (Reference, bool) {
	typ, rest, ok := strings.Cut(s, "/")
	if !ok || !isTypeName(typ) {
		return Reference{}, false
	}
	id, version, versioned := strings.Cut(rest, "/_history/")
	if !IsID(id) || versioned && !IsID(version) {
		return Reference{}, false
	}
	return Reference{Type: typ, ID: id}, true
}

// IsID reports whether s is a FHIR logical id: 1 to 64 of A-Z a-z 0-9 - .
// (R4 datatypes.html#id). "." and ".." are no ids here: they change the
// meaning of a path.
func IsID(s string) bool {
	if s == "" || len(s) > 64 || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}

// isTypeName reports whether s has the shape of a resource type's name.
func isTypeName(s string) bool {
	if s == "" || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}
