package mask

import (
	"slices"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// Touches says whether the mask could hide anything of what a search parameter
// reads at the path: the element, what contains it or what it contains.
// Conditions count as if they held, and in doubt the answer is yes.
func (m *Mask) Touches(p definitions.Path) bool {
	if len(p.Segments) == 0 {
		return true
	}
	if len(p.Segments) > 1 && p.Segments[1] == "text" && m.concern(p.Segments[0]).narrative {
		return true
	}
	touched := func(l *list) bool { return m.listTouches(l, p) }
	if touched(&m.lists[0]) {
		return true
	}
	for i := range m.lists[1:] {
		if !touched(&m.lists[1+i]) {
			return false
		}
	}
	return len(m.lists) > 1
}

func (m *Mask) listTouches(l *list, p definitions.Path) bool {
	root, names := p.Segments[0], p.Segments[1:]
	types := m.typesAt(root, names)
	if len(l.ids) > 0 && (slices.Contains(types, "Reference") || len(names) == 0 || slices.Contains(names, "reference")) {
		return true
	}
	for _, s := range l.starts {
		if s.root != root && s.root != anyType && m.defs.IsResource(root) {
			continue
		}
		if m.patternTouches(m.patterns[s.at.pattern()].segments, names, types) {
			return true
		}
	}
	return false
}

// typesAt are the types that the element at the end of a path can have.
func (m *Mask) typesAt(root string, names []string) []string {
	types := []string{root}
	for _, name := range names {
		var next []string
		for _, f := range findElements(m.defs, types, segment{name: name}) {
			next = append(next, f.typeName)
		}
		types = next
	}
	return types
}

func (m *Mask) patternTouches(segments []segment, names, types []string) bool {
	for i, s := range segments {
		if s.deep {
			return m.deepTouches(s.name, names[min(i, len(names)):], types)
		}
		if i == len(names) {
			return true // a rule for something below
		}
		if !sameElement(s.name, names[i]) {
			return false
		}
	}
	return true
}

// deepTouches looks for the name among the elements on the way and everything
// below the last.
func (m *Mask) deepTouches(name string, names, types []string) bool {
	if slices.ContainsFunc(names, func(n string) bool { return sameElement(name, n) }) || len(types) == 0 {
		return true
	}
	below := reachable(m.defs, types, true)
	return len(findElements(m.defs, below, segment{name: name})) > 0
}

// sameElement says whether the name in a rule can be that of the element: its own
// or, for a choice, that of one of its types.
func sameElement(ruleName, element string) bool {
	rest, ok := strings.CutPrefix(ruleName, element)
	return ok && (rest == "" || 'A' <= rest[0] && rest[0] <= 'Z')
}
