package mask

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// condition is the terms of a where(), resolved for the type of the element.
type condition []resolvedTerm

type resolvedTerm struct {
	// steps are, for each name of the term's path, the JSON names that it has.
	steps [][]string
	text  string
}

// resolve finds the JSON names of a condition on elements of a type; ok is false
// when a term can never be true of that type.
func resolve(defs *definitions.Definitions, where []term, typeName string) (condition, bool) {
	var out condition
	for _, t := range where {
		r, ok := resolveTerm(defs, t, typeName)
		if !ok {
			return nil, false
		}
		out = append(out, r)
	}
	return out, true
}

func resolveTerm(defs *definitions.Definitions, t term, typeName string) (resolvedTerm, bool) {
	types := []string{typeName}
	out := resolvedTerm{text: t.text}
	for _, name := range t.path {
		var names, next []string
		for _, f := range findElements(defs, types, segment{name: name}) {
			jsonName := f.element.Name
			if f.element.Choice {
				jsonName = choiceName(f.element.Name, f.typeName)
			}
			if !slices.Contains(names, jsonName) {
				names = append(names, jsonName)
			}
			next = append(next, f.typeName)
		}
		if len(names) == 0 {
			return resolvedTerm{}, false
		}
		out.steps = append(out.steps, names)
		types = next
	}
	for _, name := range types {
		if last, ok := defs.Type(name); ok && last.Kind == definitions.Primitive {
			return out, true
		}
	}
	return resolvedTerm{}, false
}

// choiceName is the JSON name of a choice with a value of that type.
func choiceName(element, typeName string) string {
	return element + strings.ToUpper(typeName[:1]) + typeName[1:]
}

// holds says whether all terms are true of the object; any value at a term's path
// is enough for it.
func (c condition) holds(object []byte) bool {
	for _, t := range c {
		if !anyEqual(object, t.steps, t.text) {
			return false
		}
	}
	return true
}

func anyEqual(value []byte, steps [][]string, text string) bool {
	switch wire.KindOf(value) {
	case wire.Array:
		for item := range wire.Items(value) {
			if anyEqual(item, steps, text) {
				return true
			}
		}
		return false
	case wire.Object:
		if len(steps) == 0 {
			return false
		}
		for _, name := range steps[0] {
			if v, ok := wire.Get(value, name); ok && anyEqual(v, steps[1:], text) {
				return true
			}
		}
		return false
	case wire.Text, wire.Number, wire.True, wire.False:
		return len(steps) == 0 && scalarIs(value, text)
	case wire.Null, wire.Invalid:
	}
	return false
}

// scalarIs compares the text of a string, number or boolean.
func scalarIs(value []byte, text string) bool {
	if wire.KindOf(value) == wire.Text {
		return wire.KeyIs(value[1:len(value)-1], text)
	}
	return string(value) == text
}

// scalarText is the text of a string, number or boolean.
func scalarText(value []byte) string {
	if s, ok := wire.String(value); ok {
		return s
	}
	return string(value)
}

// evidence is an element that a condition reads: the names from the resource on,
// the first of which the condition's own element has below it.
type evidence struct {
	names []string
	below int
	deep  bool
}

// checkConditions refuses rules of one list (or restriction and list) of which
// one could change the answer of another's condition from one masking to the
// next.
func (m *Mask) checkConditions() error {
	for _, p := range m.patterns {
		for _, e := range p.evidence() {
			if e.names[e.below] == "text" && e.below == 0 || e.names[0] == "meta" && slices.Contains(e.names, "security") {
				return fmt.Errorf("mask %q: %w: the gateway sets meta.security and the narrative", p.text, ErrConflict)
			}
			if err := m.checkEvidence(p, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkEvidence holds what a condition of the pattern reads against every rule
// that may mask it.
func (m *Mask) checkEvidence(p *pattern, e evidence) error {
	for _, other := range m.patterns {
		if other.root == "" || !other.covers(p.root, e) {
			continue
		}
		m.opaque = true
		apart := p.list != 0 && other.list != 0 && p.list != other.list
		if !apart && (other.action.kind != Remove || p.action.kind != Remove) {
			return fmt.Errorf("mask %q: %w: %q", p.text, ErrConflict, other.text)
		}
	}
	return nil
}

// evidence lists what the conditions of the pattern read.
func (p *pattern) evidence() []evidence {
	var out []evidence
	var names []string
	deep := false
	add := func(where []term) {
		for _, t := range where {
			all := append(slices.Clone(names), t.path...)
			out = append(out, evidence{names: all, below: len(names), deep: deep})
		}
	}
	add(p.where)
	for _, s := range p.segments {
		deep = deep || s.deep
		names = append(names, s.name)
		add(s.where)
	}
	return out
}

// covers says whether the pattern could mask the evidence without masking the
// whole element whose condition it is. In doubt it says yes.
func (p *pattern) covers(root string, e evidence) bool {
	last := e.names[len(e.names)-1]
	if isReferencePart(last) && isResourceID(path{segments: p.segments}) {
		return true
	}
	if root != p.root && root != anyType && p.root != anyType {
		return false
	}
	end := p.segments[len(p.segments)-1].name
	deep := e.deep
	for _, s := range p.segments {
		deep = deep || s.deep
	}
	if deep {
		inside := e.names[e.below:]
		return slices.ContainsFunc(inside, func(name string) bool { return sameName(name, end) }) ||
			isReferencePart(last) && isReferencePart(end)
	}
	if len(p.segments) <= e.below || len(p.segments) > len(e.names) {
		return false
	}
	for i, s := range p.segments {
		both := i == len(e.names)-1 && isReferencePart(s.name) && isReferencePart(last)
		if !both && !sameName(s.name, e.names[i]) {
			return false
		}
	}
	return true
}

// isReferencePart says whether the name may be that of a part of a Reference of
// which others go when it goes.
func isReferencePart(name string) bool {
	return name == "reference" || name == "identifier" || name == "display"
}

// sameName says whether two names may be those of one element: a choice has a
// name of its own and one for each type.
func sameName(a, b string) bool {
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}
