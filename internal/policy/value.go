package policy

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

var errValue = errors.New("not a JSON value")

// parseResource turns a resource that passed wire.Check into a Rego value.
// It reads the bytes once; OPA's own readers go through encoding/json and a
// second tree, at several times the cost.
func parseResource(doc []byte) (ast.Value, error) {
	term, err := parseTerm(doc)
	if err != nil {
		return nil, err
	}
	return term.Value, nil
}

func parseTerm(value []byte) (*ast.Term, error) {
	switch wire.KindOf(value) {
	case wire.Object:
		return parseObject(value)
	case wire.Array:
		return parseArray(value)
	case wire.Text:
		s, ok := wire.String(value)
		if !ok {
			return nil, errValue
		}
		return ast.StringTerm(s), nil
	case wire.Number:
		return ast.NumberTerm(json.Number(value)), nil
	case wire.True:
		return ast.InternedTerm(true), nil
	case wire.False:
		return ast.InternedTerm(false), nil
	case wire.Null:
		return ast.InternedNullTerm, nil
	case wire.Invalid:
	}
	return nil, errValue
}

func parseObject(value []byte) (*ast.Term, error) {
	pairs := make([][2]*ast.Term, 0, 12)
	for key, member := range wire.Members(value) {
		term, err := parseTerm(member)
		if err != nil {
			return nil, fmt.Errorf("object: %w", err)
		}
		pairs = append(pairs, [2]*ast.Term{keyTerm(key), term})
	}
	return ast.ObjectTerm(pairs...), nil
}

// keyTerm shares the terms of common member names.
func keyTerm(raw []byte) *ast.Term { return ast.InternedTerm(wire.Key(raw)) }

func parseArray(value []byte) (*ast.Term, error) {
	items := make([]*ast.Term, 0, 4)
	for item := range wire.Items(value) {
		term, err := parseTerm(item)
		if err != nil {
			return nil, fmt.Errorf("array: %w", err)
		}
		items = append(items, term)
	}
	return ast.ArrayTerm(items...), nil
}
