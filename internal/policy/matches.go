package policy

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// builtinSearchMatches is fhir.search_matches(resource, param, values): each of
// values must match (repeats mean AND); a comma in one means OR.
func (p *Policy) builtinSearchMatches(_ rego.BuiltinContext, args []*ast.Term) (*ast.Term, error) {
	code, ok := text(args[1])
	values, isArray := args[2].Value.(*ast.Array)
	if !ok || !isArray {
		return nil, errArguments
	}
	for i := range values.Len() {
		value, ok := text(values.Elem(i))
		if !ok {
			return nil, errArguments
		}
		matches, err := p.matchesAny(args[0].Value, code, alternatives(value))
		if err != nil {
			return nil, err
		}
		if !matches {
			return ast.InternedTerm(false), nil
		}
	}
	return ast.InternedTerm(values.Len() > 0), nil
}

// alternatives splits a value at its commas, but not at those that are escaped
// (R4 search.html#escaping). One with another escape matches nothing: a code
// with $, | or \ in it is too rare to be worth a wrong match.
func alternatives(value string) []string {
	if !strings.Contains(value, `\`) {
		return strings.Split(value, ",")
	}
	var list []string
	var one strings.Builder
	escaped, odd := false, false
	end := func() {
		if !odd {
			list = append(list, one.String())
		}
		one.Reset()
		odd = false
	}
	for _, c := range value {
		switch {
		case escaped:
			odd = odd || c != ','
			one.WriteRune(c)
			escaped = false
		case c == '\\':
			escaped = true
		case c == ',':
			end()
		default:
			one.WriteRune(c)
		}
	}
	odd = odd || escaped
	end()
	return list
}

// matchesAny asks whether one of the alternatives matches.
func (p *Policy) matchesAny(resource ast.Value, code string, alternatives []string) (bool, error) {
	object, typ, err := resourceType(p.defs, resource)
	if err != nil {
		return false, err
	}
	def, ok := p.defs.SearchParameter(typ, code)
	if !ok {
		return false, nil // nothing of a type without the parameter matches
	}
	if !def.Mapped {
		return false, fmt.Errorf("%w: %s.%s", errParameter, typ, code)
	}
	match := matchToken
	switch def.Type {
	case "token":
	case "reference":
		match = matchReference
	case "string", "uri":
		match = matchExact
	default:
		return false, fmt.Errorf("%w: %s.%s is a %s parameter", errParameter, typ, code, def.Type)
	}
	found := false
	for _, path := range def.Paths {
		err := elements(p.defs, object, path, func(v ast.Value) bool {
			for _, want := range alternatives {
				found = found || match(v, want)
			}
			return found
		})
		if err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// tokenQuery is one value of a token search: [system]|[code], code alone matches
// any system, |code only codes without one, system| any code of the system (R4
// search.html#token).
type tokenQuery struct {
	system, code string
	split        bool // there was a |
}

// is matches a pair of system and code; nil is an absent one.
func (q tokenQuery) is(haveSystem, haveCode ast.Value) bool {
	system, hasSystem := haveSystem.(ast.String)
	code, hasCode := haveCode.(ast.String)
	sameCode := hasCode && string(code) == q.code && q.code != ""
	switch {
	case !q.split:
		return sameCode
	case q.system == "":
		return !hasSystem && sameCode
	case q.code == "":
		return hasSystem && string(system) == q.system
	}
	return hasSystem && string(system) == q.system && sameCode
}

// matchToken matches a code, boolean, string, Coding, CodeableConcept,
// Identifier or ContactPoint.
func matchToken(v ast.Value, want string) bool {
	system, code, split := strings.Cut(want, "|")
	q := tokenQuery{system: system, code: code, split: split}
	if !split {
		q.system, q.code = "", want
	}
	switch v := v.(type) {
	case ast.String:
		return (!split || system == "") && string(v) == q.code
	case ast.Boolean:
		return !split && v.String() == q.code
	case ast.Object:
		return matchTokenObject(v, q)
	}
	return false
}

func matchTokenObject(v ast.Object, q tokenQuery) bool {
	if codings, ok := member(v, "coding").(*ast.Array); ok {
		return codings.Until(func(t *ast.Term) bool {
			coding, ok := t.Value.(ast.Object)
			return ok && q.is(member(coding, "system"), member(coding, "code"))
		})
	}
	if value := member(v, "value"); value != nil {
		return q.is(member(v, "system"), value)
	}
	return q.is(member(v, "system"), member(v, "code"))
}

func matchReference(v ast.Value, want string) bool {
	ref, ok := literalReference(v)
	return ok && (ref.String() == want || ref.ID == want)
}

func matchExact(v ast.Value, want string) bool {
	s, ok := v.(ast.String)
	return ok && string(s) == want
}
