package fhirpath

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// node is a part of a compiled expression.
type node interface {
	// check finds the types that the values can have, and refuses what can never be.
	check(s scope) (types []string, err error)
	// eval gives the values of the node for the items in focus.
	eval(e evaluation, focus []Value) ([]Value, error)
}

// evaluation is what all nodes know while a resource is looked at.
type evaluation struct {
	defs     *definitions.Definitions
	resource Value
	*progress
}

// progress is what changes while a resource is looked at.
type progress struct {
	budget    int               // in bytes, see spend
	contained map[string]string // types of the contained resources by id, nil until asked for
}

// valueCost is what a value costs beside its bytes.
const valueCost = 64

// spend counts the bytes that are read; nested criteria can multiply them.
func (e evaluation) spend(bytes int) error {
	if e.budget -= bytes; e.budget < 0 {
		return fmt.Errorf("%w: too much to read", ErrEvaluation)
	}
	return nil
}

type (
	literal       struct{ value Value }
	this          struct{}
	wholeResource struct{}
	// typeRoot is the name of a type at the start of a path.
	typeRoot struct {
		name   string
		offset int
	}
	member struct {
		input  node
		name   string
		offset int
	}
	// extension is extension('url').
	extension struct {
		member
		url string
	}
	where  struct{ input, criteria node }
	exists struct{ input node }
	// item is first() or [index].
	item struct {
		input node
		index int
	}
	ofType struct {
		input  node
		name   string
		offset int
	}
	isType struct {
		input  node
		name   string
		offset int
	}
	// refersTo is resolve() is T.
	refersTo struct {
		input  node
		name   string
		offset int
	}
	union    struct{ left, right node }
	equality struct {
		left, right node
		negated     bool
		offset      int
	}
	logic struct {
		left, right node
		or          bool
	}
)

func literalText(s string) literal {
	return literal{Value{JSON: wire.AppendString(nil, s), Type: "string"}}
}

// literalNumber keeps the number as it is written, which is JSON but for zeros in front.
func literalNumber(s string) literal {
	typeName := "integer"
	if strings.Contains(s, ".") {
		typeName = "decimal"
	}
	for len(s) > 1 && s[0] == '0' && s[1] != '.' {
		s = s[1:]
	}
	return literal{Value{JSON: []byte(s), Type: typeName}}
}

func boolean(b bool) []Value {
	if b {
		return []Value{{JSON: []byte("true"), Type: "boolean"}}
	}
	return []Value{{JSON: []byte("false"), Type: "boolean"}}
}

func (n literal) eval(evaluation, []Value) ([]Value, error) { return []Value{n.value}, nil }

func (n this) eval(_ evaluation, focus []Value) ([]Value, error) { return focus, nil }

func (n wholeResource) eval(e evaluation, _ []Value) ([]Value, error) {
	return []Value{e.resource}, nil
}

func (n typeRoot) eval(e evaluation, focus []Value) ([]Value, error) {
	return keep(focus, func(v Value) (bool, error) { return isA(e.defs, v.Type, n.name), nil })
}

// keep returns the values for which the condition holds.
func keep(values []Value, condition func(Value) (bool, error)) ([]Value, error) {
	var kept []Value
	for _, v := range values {
		ok, err := condition(v)
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, v)
		}
	}
	return kept, nil
}

func (n member) eval(e evaluation, focus []Value) ([]Value, error) {
	input, err := n.input.eval(e, focus)
	if err != nil {
		return nil, err
	}
	var values []Value
	for _, v := range input {
		if values, err = e.appendChildren(values, v, n.name); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (n extension) eval(e evaluation, focus []Value) ([]Value, error) {
	all, err := n.member.eval(e, focus)
	if err != nil {
		return nil, err
	}
	return keep(all, func(v Value) (bool, error) {
		url, _ := wire.Get(v.JSON, "url")
		s, ok := wire.String(url)
		return ok && s == n.url, nil
	})
}

func (n where) eval(e evaluation, focus []Value) ([]Value, error) {
	input, err := n.input.eval(e, focus)
	if err != nil {
		return nil, err
	}
	if err := e.spend(valueCost * len(input)); err != nil {
		return nil, err
	}
	one := make([]Value, 1)
	return keep(input, func(v Value) (bool, error) {
		one[0] = v
		result, err := n.criteria.eval(e, one)
		if err != nil {
			return false, err
		}
		t, err := truth(result)
		return t == yes, err
	})
}

func (n exists) eval(e evaluation, focus []Value) ([]Value, error) {
	input, err := n.input.eval(e, focus)
	if err != nil {
		return nil, err
	}
	return boolean(len(input) > 0), nil
}

func (n item) eval(e evaluation, focus []Value) ([]Value, error) {
	input, err := n.input.eval(e, focus)
	if err != nil || n.index >= len(input) {
		return nil, err
	}
	return input[n.index : n.index+1], nil
}

func (n ofType) eval(e evaluation, focus []Value) ([]Value, error) {
	input, err := n.input.eval(e, focus)
	if err != nil {
		return nil, err
	}
	return keep(input, func(v Value) (bool, error) { return isA(e.defs, v.Type, n.name), nil })
}

func (n isType) eval(e evaluation, focus []Value) ([]Value, error) {
	input, err := n.input.eval(e, focus)
	if err != nil || len(input) == 0 {
		return nil, err
	}
	if len(input) > 1 {
		return nil, fmt.Errorf("%w: is on %d items", ErrEvaluation, len(input))
	}
	return boolean(isA(e.defs, input[0].Type, n.name)), nil
}

func (n union) eval(e evaluation, focus []Value) ([]Value, error) {
	left, err := n.left.eval(e, focus)
	if err != nil {
		return nil, err
	}
	right, err := n.right.eval(e, focus)
	if err != nil {
		return nil, err
	}
	for _, v := range slices.Concat(left, right) {
		if err := e.spend(valueCost + len(v.JSON)); err != nil {
			return nil, err
		}
	}
	return distinct(left, right), nil
}

// distinct joins lists without repeating a value.
func distinct(left, right []Value) []Value {
	var all []Value
	seen := make(map[string]struct{}, len(left)+len(right))
	var key []byte
	for _, list := range [][]Value{left, right} {
		for _, v := range list {
			key = wire.Compact(key[:0], v.JSON)
			key = wire.Compact(append(key, 0), v.sibling)
			if _, ok := seen[string(key)]; !ok {
				seen[string(key)] = struct{}{}
				all = append(all, v)
			}
		}
	}
	return all
}
