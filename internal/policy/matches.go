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
		matches, err := p.matchesAny(args[0].Value, code, strings.Split(value, ","))
		if err != nil {
			return nil, err
		}
		if !matches {
			return ast.InternedTerm(false), nil
		}
	}
	return ast.InternedTerm(values.Len() > 0), nil
}

// matchesAny asks whether one of the alternatives matches.
func (p *Policy) matchesAny(resource ast.Value, code string, alternatives []string) (bool, error) {
	object, typ, err := resourceType(p.defs, resource)
	if err != nil {
		return false, err
	}
	def, ok := p.defs.SearchParameter(typ, code)
	if !ok || !def.Mapped {
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

// matchToken follows R4 search.html#token: [system]|[code], code alone matches
// any system, |code only codes without one, system| any code of the system.
func matchToken(v ast.Value, want string) bool {
	system, code, split := strings.Cut(want, "|")
	if !split {
		system, code = "", want
	}
	is := func(haveSystem, haveCode ast.Value) bool {
		s, hasSystem := haveSystem.(ast.String)
		c, hasCode := haveCode.(ast.String)
		switch {
		case !split:
			return hasCode && string(c) == code && code != ""
		case system == "":
			return !hasSystem && hasCode && string(c) == code
		case code == "":
			return hasSystem && string(s) == system
		}
		return hasSystem && hasCode && string(s) == system && string(c) == code
	}
	switch v := v.(type) {
	case ast.String:
		return (!split || system == "") && string(v) == code
	case ast.Boolean:
		return !split && v.String() == code
	case ast.Object:
		if codings, ok := member(v, "coding").(*ast.Array); ok {
			for i := range codings.Len() {
				if coding, ok := codings.Elem(i).Value.(ast.Object); ok && is(member(coding, "system"), member(coding, "code")) {
					return true
				}
			}
			return false
		}
		if value := member(v, "value"); value != nil {
			return is(member(v, "system"), value)
		}
		return is(member(v, "system"), member(v, "code"))
	}
	return false
}

func matchReference(v ast.Value, want string) bool {
	ref, ok := literalReference(v)
	return ok && (ref.String() == want || ref.ID == want)
}

func matchExact(v ast.Value, want string) bool {
	s, ok := v.(ast.String)
	return ok && string(s) == want
}
