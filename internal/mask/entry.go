package mask

import (
	"bytes"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// concern is what a mask has to do with a resource type, whatever is in the
// resource.
type concern struct {
	// label says that resources of the type get the label REDACTED.
	label bool
	// narrative says that their narrative goes.
	narrative bool
}

// concern tells what the lists have to do with the type: what the restrictions
// have, or all grants.
func (m *Mask) concern(typeName string) concern {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.concerns[typeName]; ok {
		return c
	}
	out := m.lists[0].concern(m, typeName)
	if len(m.lists) > 1 {
		all := concern{true, true}
		for _, l := range m.lists[1:] {
			c := l.concern(m, typeName)
			all = concern{all.label && c.label, all.narrative && c.narrative}
		}
		out = concern{out.label || all.label, out.narrative || all.narrative}
	}
	m.concerns[typeName] = out
	return out
}

func (l *list) concern(m *Mask, typeName string) concern {
	var out concern
	for _, s := range l.starts {
		first := m.patterns[s.at.pattern()].segments[0]
		if s.root != typeName && !(s.root == anyType && m.hasElement(typeName, first)) {
			continue
		}
		out.label = true
		out.narrative = out.narrative || first.name != "meta" || first.deep
	}
	if len(l.ids) > 0 {
		return concern{true, true}
	}
	return out
}

func (m *Mask) hasElement(typeName string, s segment) bool {
	return s.deep || len(findElements(m.defs, []string{typeName}, s)) > 0
}

type entryKey struct {
	carrier              *node
	typeName             string
	contained, narrative bool
}

// entry is the edge into a resource: carrier, if any, is the node of the element
// that has the resource in it, from which rules for any depth and grants that
// cover it already go on.
func (m *Mask) entry(key entryKey) *edge {
	m.mu.Lock()
	e, ok := m.entries[key]
	m.mu.Unlock()
	if ok {
		return e
	}
	e = m.newEntry(key)
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.entries[key]; ok {
		return known
	}
	if len(m.entries) == maxNodes {
		clear(m.entries)
	}
	m.entries[key] = e
	return e
}

func (m *Mask) newEntry(key entryKey) *edge {
	from := &node{mask: m, narrative: key.narrative}
	e := &edge{element: &definitions.Element{Name: key.typeName, Max: 1}, typeName: key.typeName, kind: definitions.Resource, from: from}
	if key.carrier != nil {
		from.held, from.modifier = key.carrier.held, key.carrier.modifier
		e.base.states = append(e.base.states, key.carrier.states...)
	}
	for _, l := range m.lists {
		for _, s := range l.starts {
			if s.root != key.typeName && s.root != anyType || key.contained && isResourceID(path{segments: m.patterns[s.at.pattern()].segments}) {
				continue
			}
			effect := effect{states: []state{s.at}}
			if s.where == nil {
				e.base.add(effect)
			} else if c, ok := resolve(m.defs, s.where, key.typeName); ok {
				e.addCondition(conditional{holds: c.holds, effect: effect})
			}
		}
	}
	if len(e.conds) == 0 {
		e.fixed = e.decide(m, 0)
	}
	return e
}

// resourceType is the type of a resource, "" when it has none or one that FHIR
// doesn't define.
func (m *Mask) resourceTypeOf(resource []byte) string {
	v, ok := wire.Get(resource, "resourceType")
	if !ok {
		return ""
	}
	name, _ := wire.String(v)
	if !m.defs.IsResource(name) {
		return ""
	}
	return name
}

// nestedConcern is what the mask has to do with resources in the resource:
// contained ones, entries of a Bundle, parameters.
func (m *Mask) nestedConcern(resource []byte, typeName string) concern {
	var out concern
	if typeName != "Bundle" && typeName != "Parameters" && !mayHaveContained(resource) {
		return out
	}
	visit := func(nested []byte) {
		name := m.resourceTypeOf(nested)
		if name == "" {
			return
		}
		c := m.concern(name)
		deeper := m.nestedConcern(nested, name)
		out.label = out.label || c.label || deeper.label
		out.narrative = out.narrative || c.narrative || deeper.narrative
	}
	if contained, ok := wire.Get(resource, "contained"); ok {
		for item := range wire.Items(contained) {
			visit(item)
		}
	}
	switch typeName {
	case "Bundle":
		eachResource(resource, "entry", visit)
	case "Parameters":
		eachResource(resource, "parameter", visit)
	}
	return out
}

// mayHaveContained looks for the key, or an escape that could be part of it,
// which is much faster than reading all members.
func mayHaveContained(resource []byte) bool {
	return bytes.Contains(resource, []byte(`contained"`)) || bytes.Contains(resource, []byte(`\u`))
}

// eachResource visits the resources in the items of an array, and in those of
// parts and responses.
func eachResource(object []byte, name string, visit func([]byte)) {
	array, _ := wire.Get(object, name)
	for item := range wire.Items(array) {
		if r, ok := wire.Get(item, "resource"); ok {
			visit(r)
		}
		if name == "entry" {
			response, _ := wire.Get(item, "response")
			if r, ok := wire.Get(response, "outcome"); ok {
				visit(r)
			}
			continue
		}
		eachResource(item, "part", visit)
	}
}

// refersTo says whether a reference is to a resource of one of the types. One
// that doesn't say is taken for one that is (its display or identifier may name
// such a resource), a fragment for one that isn't.
func refersTo(defs *definitions.Definitions, reference []byte, types []string) bool {
	text := textOf(reference, "reference")
	if strings.HasPrefix(text, "#") {
		return false
	}
	stated := textOf(reference, "type")
	stated = stated[strings.LastIndexByte(stated, '/')+1:]
	known := false
	for _, part := range append(strings.Split(text, "/"), stated) {
		part, _, _ = strings.Cut(part, "?")
		for _, t := range types {
			if part == t || t == anyType {
				return true
			}
		}
		known = known || defs.IsResource(part)
	}
	return !known
}

func textOf(object []byte, name string) string {
	v, _ := wire.Get(object, name)
	s, _ := wire.String(v)
	return s
}
