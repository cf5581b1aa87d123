package fhirpath

import (
	"bytes"
	"fmt"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// appendChildren appends the values of an element of v. An item beside an array, or an array beside one item, is taken as it
// comes; a value whose kind of JSON isn't that of its type is an error.
func (e evaluation) appendChildren(values []Value, v Value, name string) ([]Value, error) {
	t, ok := e.defs.Type(v.Type)
	if !ok {
		return values, nil
	}
	object := v.JSON
	if t.Kind == definitions.Primitive {
		object = v.sibling
	}
	if err := e.spend(valueCost + len(object)); err != nil {
		return nil, err
	}
	element, ok := t.Element(name)
	if !ok || object == nil {
		return values, nil
	}
	if !element.Choice {
		value, _ := wire.Get(object, name)
		return e.appendProperty(values, object, name, value, element.Types[0])
	}
	for key, value := range wire.Members(object) {
		// A choice whose value has only extensions is there by its sibling alone.
		property := wire.Key(bytes.TrimPrefix(key, []byte("_")))
		if len(property) <= len(name) || property[:len(name)] != name {
			continue
		}
		found, typeName, ok := t.Property(property)
		if !ok || found != element {
			continue
		}
		if key[0] == '_' {
			if _, twice := wire.Get(object, property); twice {
				continue
			}
			value = nil
		}
		var err error
		if values, err = e.appendProperty(values, object, property, value, typeName); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// appendProperty appends the value of one JSON property, which is nil when it is absent, or its items, each with what stands
// for it in the sibling property of a primitive.
func (e evaluation) appendProperty(values []Value, object []byte, property string, value []byte, typeName string) ([]Value, error) {
	t, ok := e.defs.Type(typeName)
	if !ok {
		return values, nil
	}
	var sibling []byte
	if t.Kind == definitions.Primitive {
		sibling, _ = wire.Get(object, "_"+property)
	}
	if wire.KindOf(value) != wire.Array && wire.KindOf(sibling) != wire.Array {
		return e.appendValue(values, value, sibling, t)
	}
	items, siblings := list(value), list(sibling)
	var err error
	for i := range max(len(items), len(siblings)) {
		if values, err = e.appendValue(values, at(items, i), at(siblings, i), t); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// list is the items of an array, or a value as the only item.
func list(value []byte) [][]byte {
	if value == nil {
		return nil
	}
	if wire.KindOf(value) != wire.Array {
		return [][]byte{value}
	}
	var items [][]byte
	for item := range wire.Items(value) {
		items = append(items, item)
	}
	return items
}

func at(items [][]byte, i int) []byte {
	if i < len(items) {
		return items[i]
	}
	return nil
}

// appendValue appends one value, with the type of the resource that it is.
func (e evaluation) appendValue(values []Value, value, sibling []byte, t *definitions.Type) ([]Value, error) {
	if wire.KindOf(value) == wire.Null {
		value = nil
	}
	if wire.KindOf(sibling) == wire.Null {
		sibling = nil
	}
	if value == nil && sibling == nil {
		return values, nil
	}
	if sibling != nil && wire.KindOf(sibling) != wire.Object {
		return nil, fmt.Errorf("%w: the sibling of a %s isn't an object", ErrEvaluation, t.Name)
	}
	if value != nil && !kindFits(wire.KindOf(value), t) {
		return nil, fmt.Errorf("%w: the JSON of a %s has the wrong kind", ErrEvaluation, t.Name)
	}
	name := t.Name
	if t.Kind == definitions.Resource {
		var ok bool
		if name, ok = resourceType(e.defs, value); !ok {
			return nil, fmt.Errorf("%w: a resource without known resourceType", ErrEvaluation)
		}
	}
	return append(values, Value{JSON: value, Type: name, sibling: sibling}), nil
}

// kindFits says whether a type is represented by that kind of JSON value (FHIR R4 json.html#primitive).
func kindFits(kind wire.Kind, t *definitions.Type) bool {
	if t.Kind != definitions.Primitive {
		return kind == wire.Object
	}
	switch t.Name {
	case "boolean":
		return kind == wire.True || kind == wire.False
	case "integer", "unsignedInt", "positiveInt", "decimal":
		return kind == wire.Number
	}
	return kind == wire.Text
}
