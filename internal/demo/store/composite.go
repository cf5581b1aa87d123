package store

import (
	"slices"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// compositeMatches evaluates a composite parameter: all parts hold in the same element (FHIR R4 search.html#combining).
func (k *seeker) compositeMatches(c *criterion, raw []byte) bool {
	for _, group := range c.p.parts {
		for _, object := range objectsAt(raw, group.context) {
			for _, value := range c.values {
				if k.partsMatch(group, object, splitEscaped(value, '$')) {
					return true
				}
			}
		}
	}
	return false
}

func (k *seeker) partsMatch(group composite, object []byte, values []string) bool {
	for i, part := range group.parts {
		if i >= len(values) || !k.valueMatches(part, object, values[i]) {
			return false
		}
	}
	return true
}

// valueMatches evaluates one value of a parameter on an object's bytes, without an index.
func (k *seeker) valueMatches(p *param, object []byte, value string) bool {
	switch p.def.Type {
	case "token":
		return slices.ContainsFunc(p.tokens(object), parseToken(value).matches)
	case "date":
		test, err := dateTest(value, k.now)
		return err == nil && slices.ContainsFunc(p.spans(object), test)
	case "number", "quantity":
		test, err := quantityTest(value)
		return err == nil && slices.ContainsFunc(p.quantities(object), test)
	case "reference":
		value = strings.TrimPrefix(unescape(value), k.base+"/")
		return slices.ContainsFunc(p.references(k.s, object), func(ref string) bool {
			return ref == value || strings.HasSuffix(ref, "/"+value) && !strings.Contains(value, "/")
		})
	}
	want := fold(unescape(value))
	return slices.ContainsFunc(p.strings(object), func(s string) bool { return strings.HasPrefix(fold(s), want) })
}

// objectsAt returns the objects at a path of elements.
func objectsAt(object []byte, path []string) [][]byte {
	if len(path) == 0 {
		return [][]byte{object}
	}
	value, _ := wire.Get(object, path[0])
	if wire.KindOf(value) != wire.Array {
		return objectsAt(value, path[1:])
	}
	var out [][]byte
	for item := range wire.Items(value) {
		out = append(out, objectsAt(item, path[1:])...)
	}
	return out
}
