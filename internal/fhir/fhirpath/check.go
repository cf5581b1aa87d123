package fhirpath

import (
	"fmt"
	"slices"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// scope is what is known before a resource is seen: the types that the items in focus can have.
type scope struct {
	defs  *definitions.Definitions
	types []string
}

// anyResource is the type of all resources.
const anyResource = "Resource"

func (n literal) check(scope) ([]string, error) { return []string{n.value.Type}, nil }

func (n this) check(s scope) ([]string, error) { return s.types, nil }

func (n wholeResource) check(scope) ([]string, error) { return []string{anyResource}, nil }

func (n typeRoot) check(s scope) ([]string, error) { return s.narrow(s.types, n.name, n.offset) }

// narrow refuses a type that none of the types can be.
func (s scope) narrow(types []string, name string, offset int) ([]string, error) {
	possible := slices.ContainsFunc(types, func(t string) bool {
		return isA(s.defs, t, name) || isA(s.defs, name, t)
	})
	if !possible {
		return nil, &SyntaxError{Offset: offset, Reason: fmt.Sprintf("no value has the type %s here", name)}
	}
	return []string{name}, nil
}

func (n member) check(s scope) ([]string, error) {
	types, err := n.input.check(s)
	if err != nil {
		return nil, err
	}
	var result []string
	for _, name := range types {
		result = append(result, s.elementTypes(name, n.name)...)
	}
	if len(result) == 0 {
		return nil, &SyntaxError{Offset: n.offset, Reason: fmt.Sprintf("no element %s here", n.name)}
	}
	slices.Sort(result)
	return slices.Compact(result), nil
}

// elementTypes are the types of an element of a type, or of all resource types when the type is abstract.
func (s scope) elementTypes(name, element string) []string {
	t, ok := s.defs.Type(name)
	if !ok {
		return nil
	}
	if e, ok := t.Element(element); ok {
		return e.Types
	}
	var types []string
	if t.Kind == definitions.Resource && t.Abstract {
		for _, resource := range s.defs.ResourceTypes() {
			if isA(s.defs, resource, name) {
				types = append(types, s.elementTypes(resource, element)...)
			}
		}
	}
	return types
}

func (n where) check(s scope) ([]string, error) {
	types, err := n.input.check(s)
	if err != nil {
		return nil, err
	}
	_, err = n.criteria.check(scope{defs: s.defs, types: types})
	return types, err
}

func (n item) check(s scope) ([]string, error) { return n.input.check(s) }

func (n ofType) check(s scope) ([]string, error) {
	types, err := n.input.check(s)
	if err != nil {
		return nil, err
	}
	return s.narrow(types, n.name, n.offset)
}

func (n isType) check(s scope) ([]string, error) {
	types, err := n.input.check(s)
	if err != nil {
		return nil, err
	}
	_, err = s.narrow(types, n.name, n.offset)
	return []string{"boolean"}, err
}

func (n refersTo) check(s scope) ([]string, error) {
	types, err := n.input.check(s)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(types, "Reference") || !isA(s.defs, n.name, anyResource) {
		return nil, &SyntaxError{Offset: n.offset, Reason: "resolve() is of a Reference and to a resource type only"}
	}
	return []string{"boolean"}, nil
}

func (n exists) check(s scope) ([]string, error) {
	_, err := n.input.check(s)
	return []string{"boolean"}, err
}

func (n logic) check(s scope) ([]string, error) {
	if _, err := n.left.check(s); err != nil {
		return nil, err
	}
	_, err := n.right.check(s)
	return []string{"boolean"}, err
}

func (n union) check(s scope) ([]string, error) {
	left, err := n.left.check(s)
	if err != nil {
		return nil, err
	}
	right, err := n.right.check(s)
	return slices.Concat(left, right), err
}

// check refuses a comparison that could never be made.
func (n equality) check(s scope) ([]string, error) {
	left, err := n.left.check(s)
	if err != nil {
		return nil, err
	}
	right, err := n.right.check(s)
	if err != nil {
		return nil, err
	}
	for _, a := range left {
		for _, b := range right {
			if canCompare(s.classOf(a), s.classOf(b)) {
				return []string{"boolean"}, nil
			}
		}
	}
	return nil, &SyntaxError{Offset: n.offset, Reason: fmt.Sprintf("a %s can't be compared with a %s", left[0], right[0])}
}

// classOf is the class of the values of a type.
func (s scope) classOf(name string) class {
	t, ok := s.defs.Type(name)
	switch {
	case !ok || t.Kind != definitions.Primitive:
		return object
	case name == "boolean":
		return boole
	case isA(s.defs, name, "integer"), name == "decimal":
		return numeral
	}
	return classOf(name, wire.Text)
}
