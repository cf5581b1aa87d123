// Package smart holds the values of SMART App Launch: scopes as a token
// carries them. It is part of the core: it has no I/O, no clock and no
// goroutines, and imports nothing but the standard library.
package smart

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Context is the first part of a resource scope; its zero value is no context
// and grants nothing.
type Context string

// The contexts of SMART App Launch 2.2, "FHIR resource scope syntax".
const (
	Patient Context = "patient"
	User    Context = "user"
	System  Context = "system"
)

// AnyType is the Type of a scope for every resource type.
const AnyType = "*"

// Scope is one SMART resource scope, of either syntax. The zero value grants
// nothing. What a scope grants is never wider than its text: a v1 scope becomes
// the set of interactions that SMART 2.2, "Scope equivalence", gives for it.
type Scope struct {
	// Context is whose data the scope speaks of.
	Context Context
	// Type is a resource type's name or AnyType. The name is checked for its form
	// only; one that FHIR doesn't define matches no resource and so grants nothing.
	Type string
	// Create, Read, Update, Delete and Search are the interactions granted. Read
	// includes vread and instance history, Search type history (SMART 2.2).
	Create, Read, Update, Delete, Search bool
	// Params are the search parameters, decoded, that a resource must match; nil
	// when the scope has none. Names may carry modifiers (code:in); whoever cannot
	// judge a parameter exactly must take the scope as granting nothing.
	Params url.Values
	// Text is the scope as the token had it.
	Text string
}

// permissionLetters is the only order in which v2 permissions may be written.
const permissionLetters = "cruds"

// maxTypeBytes bounds a type's name; FHIR's longest is about half of that.
const maxTypeBytes = 64

// ParseScopes splits a scope claim (RFC 6749 section 3.3: tokens with single
// spaces between them; more spaces are forgiven) into resource scopes and
// everything else: openid, fhirUser, launch/patient and so on. Whatever starts
// like a resource scope but is not one exactly is in other and grants nothing.
// Repeated tokens count once. Both slices keep the claim's order.
func ParseScopes(claim string) (scopes []Scope, other []string) {
	for text := range strings.SplitSeq(claim, " ") {
		if text == "" {
			continue
		}
		scope, ok := parseScope(text)
		switch {
		case !ok && !slices.Contains(other, text):
			other = append(other, text)
		case ok && !slices.ContainsFunc(scopes, func(s Scope) bool { return s.Text == text }):
			scopes = append(scopes, scope)
		}
	}
	return scopes, other
}

// parseScope reads one token; ok is false when it isn't exactly a resource scope.
func parseScope(text string) (scope Scope, ok bool) {
	if !isScopeToken(text) {
		return Scope{}, false
	}
	path, query, hasQuery := strings.Cut(text, "?")
	context, rest, found := strings.Cut(path, "/")
	typeName, permissions, dotted := strings.Cut(rest, ".")
	if !found || !dotted || !isType(typeName) {
		return Scope{}, false
	}
	scope = Scope{Context: Context(context), Type: typeName, Text: text}
	switch scope.Context {
	case Patient, User, System:
	default:
		return Scope{}, false
	}
	if !hasQuery && scope.grantV1(permissions) {
		return scope, true
	}
	if !scope.grantV2(permissions) {
		return Scope{}, false
	}
	if hasQuery {
		if scope.Params, ok = parseParams(query); !ok {
			return Scope{}, false
		}
	}
	return scope, true
}

// grantV1 sets what a SMART v1 permission means. Search parameters are not part
// of that syntax, so a v1 scope with a query is malformed.
func (s *Scope) grantV1(permission string) bool {
	read := permission == "read" || permission == "*"
	write := permission == "write" || permission == "*"
	s.Read, s.Search = read, read
	s.Create, s.Update, s.Delete = write, write, write
	return read || write
}

// grantV2 sets what a non-empty, ordered subset of "cruds" means.
func (s *Scope) grantV2(permissions string) bool {
	next := 0
	for _, letter := range []byte(permissions) {
		at := strings.IndexByte(permissionLetters[next:], letter)
		if at < 0 {
			return false
		}
		next += at + 1
	}
	has := func(letter string) bool { return strings.Contains(permissions, letter) }
	s.Create, s.Read, s.Update, s.Delete, s.Search = has("c"), has("r"), has("u"), has("d"), has("s")
	return permissions != ""
}

// isScopeToken reports whether text is RFC 6749's scope-token: printable ASCII
// but for space, quote and backslash.
func isScopeToken(text string) bool {
	for _, b := range []byte(text) {
		if b < 0x21 || b > 0x7e || b == '"' || b == '\\' {
			return false
		}
	}
	return text != ""
}

// isType reports whether name has the form of a resource type's name, or is "*".
func isType(name string) bool {
	if name == AnyType {
		return true
	}
	if name == "" || len(name) > maxTypeBytes || name[0] < 'A' || name[0] > 'Z' {
		return false
	}
	for _, b := range []byte(name) {
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') {
			return false
		}
	}
	return true
}

// parseParams reads the search parameters of a v2 scope. It is stricter than
// net/url: every pair has a name and a value, and both decode to plain text.
func parseParams(query string) (url.Values, bool) {
	params := url.Values{}
	for pair := range strings.SplitSeq(query, "&") {
		rawName, rawValue, found := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(rawName)
		value, valueErr := url.QueryUnescape(rawValue)
		if !found || nameErr != nil || valueErr != nil || !isParamName(name) || !isPlain(value) {
			return nil, false
		}
		params.Add(name, value)
	}
	return params, true
}

// isParamName reports whether name is a search parameter's code, with or without
// modifiers and chains; which of those are understood is not decided here.
func isParamName(name string) bool {
	for _, b := range []byte(name) {
		letter := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
		if !letter && strings.IndexByte("_-.:", b) < 0 {
			return false
		}
	}
	return name != ""
}

// isPlain reports whether value is valid UTF-8 without control characters.
func isPlain(value string) bool {
	return value != "" && utf8.ValidString(value) && !strings.ContainsFunc(value, unicode.IsControl)
}
