package fhirpath

import (
	"fmt"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

func (n refersTo) eval(e evaluation, focus []Value) ([]Value, error) {
	input, err := n.input.eval(e, focus)
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, v := range input {
		if err := e.spend(valueCost + len(v.JSON)); err != nil {
			return nil, err
		}
		if target, ok := e.target(v); ok {
			targets = append(targets, target)
		}
	}
	switch len(targets) {
	case 0:
		return nil, nil
	case 1:
		return boolean(isA(e.defs, targets[0], n.name)), nil
	}
	return nil, fmt.Errorf("%w: is on %d items", ErrEvaluation, len(targets))
}

// target is the type of the resource to which a reference points. A reference without text (by identifier) points to none.
func (e evaluation) target(v Value) (string, bool) {
	if v.Type != "Reference" {
		return "", false
	}
	value, _ := wire.Get(v.JSON, "reference")
	text, ok := wire.String(value)
	if !ok || text == "" {
		return "", false
	}
	if id, ok := strings.CutPrefix(text, "#"); ok {
		return e.containedType(id)
	}
	if name, ok := e.typeInReference(text); ok {
		return name, true
	}
	value, _ = wire.Get(v.JSON, "type")
	name, _ := wire.String(value)
	return name, e.defs.IsResource(name)
}

// containedType is the type of a contained resource; the empty id is the resource itself (FHIR R4 references.html#contained).
func (e evaluation) containedType(id string) (string, bool) {
	if id == "" {
		return e.resource.Type, true
	}
	if e.contained == nil {
		e.contained = map[string]string{}
		all, _ := wire.Get(e.resource.JSON, "contained")
		for resource := range wire.Items(all) {
			value, _ := wire.Get(resource, "id")
			name, known := resourceType(e.defs, resource)
			if s, ok := wire.String(value); ok && known {
				e.contained[s] = name
			}
		}
	}
	name, ok := e.contained[id]
	return name, ok
}

// typeInReference finds the type in [base/]Type/id[/_history/version] and in Type?query.
func (e evaluation) typeInReference(text string) (string, bool) {
	text, _, conditional := strings.Cut(text, "?")
	segments := strings.Split(text, "/")
	if n := len(segments); n > 2 && segments[n-2] == "_history" {
		segments = segments[:n-2]
	}
	last := len(segments) - 2
	if conditional {
		last++
	}
	if last < 0 {
		return "", false
	}
	return segments[last], e.defs.IsResource(segments[last])
}
