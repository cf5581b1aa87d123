package mask

import (
	"fmt"
	"slices"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// Merge puts back what a writer didn't see: stored is the version that the writer
// read through this mask, incoming what the writer sends, and the result what to
// store. Both must have passed wire.Check.
//
// What the mask can't touch is as incoming has it. A masked element must come
// exactly as it is shown: as its placeholder, or not at all. Anything else is
// ErrHidden, whether or not something is stored there. Items of arrays that the
// mask can touch keep their places: they may be changed and appended to; a
// removal, a new order, or a change after which it isn't certain which item is
// which is ErrAmbiguous. The narrative that was hidden and the label REDACTED stay
// as they are stored.
//
// Whether Merge refuses, and with which error, depends on the masked stored
// version, incoming and the mask alone: the writer learns nothing. In the end the
// result, masked, is checked to be what the writer sent.
func (m *Mask) Merge(stored, incoming []byte, k *Keys) ([]byte, error) {
	if m.resourceTypeOf(stored) != m.resourceType || m.resourceTypeOf(incoming) != m.resourceType {
		return nil, ErrResource
	}
	if m.Empty() {
		return slices.Clone(incoming), nil
	}
	view, err := m.Apply(nil, stored, k)
	if err != nil {
		return nil, err
	}
	bareView, bareIncoming := withoutLabel(view), withoutLabel(incoming)
	if wire.Equal(bareView, bareIncoming) {
		return slices.Clone(stored), nil
	}
	if m.opaque || !k.sharesPlaceholders(bareView, bareIncoming) {
		return nil, fmt.Errorf("merge %s: %w", m.resourceType, ErrAmbiguous)
	}
	g := merger{mask: m, keys: k}
	result := g.resource(withoutLabel(stored), bareView, bareIncoming)
	if err := g.verdict(); err != nil {
		return nil, fmt.Errorf("merge %s: %w", m.resourceType, err)
	}
	if hasLabel(stored) {
		result = withLabel(result)
	}
	return result, m.checkMerged(result, incoming, k)
}

// checkMerged is the last line: a result that its writer wouldn't see as what was
// sent isn't stored.
func (m *Mask) checkMerged(result, incoming []byte, k *Keys) error {
	if err := wire.Check(result, wire.Limits{}); err != nil {
		return fmt.Errorf("merge %s: %w", m.resourceType, ErrAmbiguous)
	}
	seen, err := m.Apply(nil, result, k)
	if err != nil {
		return err
	}
	sent, err := m.Apply(nil, incoming, k)
	if err != nil {
		return err
	}
	if !wire.Equal(withoutLabel(seen), withoutLabel(sent)) {
		return fmt.Errorf("merge %s: %w", m.resourceType, ErrAmbiguous)
	}
	return nil
}

// merger goes on after a finding, so that which one is reported doesn't depend on
// the order of what is hidden.
type merger struct {
	mask              *Mask
	keys              *Keys
	hidden, ambiguous bool
}

func (g *merger) verdict() error {
	switch {
	case g.hidden:
		return ErrHidden
	case g.ambiguous:
		return ErrAmbiguous
	}
	return nil
}

func (g *merger) resource(stored, view, incoming []byte) []byte {
	m := g.mask
	own, nested := m.concern(m.resourceType), m.nestedConcern(stored, m.resourceType)
	e := m.entry(entryKey{typeName: m.resourceType, narrative: own.narrative || nested.narrative})
	o := g.agree(e, stored, incoming)
	return g.object(o.next, stored, view, incoming)
}

// agree gives the outcome for a stored value, and refuses an incoming one for
// which the conditions say something else.
func (g *merger) agree(e *edge, stored, incoming []byte) *outcome {
	was, is := e.bits(stored), e.bits(incoming)
	switch {
	case is&^was != 0:
		g.hidden = true
	case is != was:
		g.ambiguous = true
	}
	return e.outcome(stored)
}

// part is a member by its name, without "_", and its two values.
type part struct {
	name           string
	value, sibling []byte
}

func (p part) same(o part) bool {
	return p.name == o.name && sameValue(p.value, o.value) && sameValue(p.sibling, o.sibling)
}

// isAbsentMasked says whether the part is what stands for a masked element.
func (p part) isAbsentMasked() bool {
	return isAbsentMasked(p.value) || p.value == nil && isAbsentMasked(p.sibling)
}

// sameValue compares two values of which either may be absent.
func sameValue(a, b []byte) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return wire.Equal(a, b)
}

// group is an element in the three versions; more than one part only for a choice.
type group struct{ stored, view, incoming []part }

// object merges an object; any of the three may be empty.
func (g *merger) object(n *node, stored, view, incoming []byte) []byte {
	if n == nil {
		return incoming
	}
	var order []string
	groups := map[string]*group{}
	collect := func(object []byte, into func(*group) *[]part) {
		for k, v := range wire.Members(object) {
			name := wire.Key(k)
			sibling := len(name) > 1 && name[0] == '_'
			if sibling {
				name = name[1:]
			}
			key := n.edge([]byte(name)).element.Name
			if groups[key] == nil {
				groups[key] = &group{}
				order = append(order, key)
			}
			addPart(into(groups[key]), name, v, sibling)
		}
	}
	collect(stored, func(gr *group) *[]part { return &gr.stored })
	collect(incoming, func(gr *group) *[]part { return &gr.incoming })
	collect(view, func(gr *group) *[]part { return &gr.view })
	out := []byte{'{'}
	for _, key := range order {
		for _, p := range g.element(n, groups[key]) {
			out = appendMember(out, p.name, p.value)
			out = appendMember(out, "_"+p.name, p.sibling)
		}
	}
	return append(out, '}')
}

func addPart(parts *[]part, name string, value []byte, sibling bool) {
	i := slices.IndexFunc(*parts, func(p part) bool { return p.name == name })
	if i < 0 {
		i = len(*parts)
		*parts = append(*parts, part{name: name})
	}
	if sibling {
		(*parts)[i].sibling = value
	} else {
		(*parts)[i].value = value
	}
}

func appendMember(dst []byte, name string, value []byte) []byte {
	if value == nil {
		return dst
	}
	if len(dst) > 1 {
		dst = append(dst, ',')
	}
	dst = wire.AppendString(dst, name)
	return append(append(dst, ':'), value...)
}

// element merges one element.
func (g *merger) element(n *node, gr *group) []part {
	if slices.EqualFunc(gr.view, gr.incoming, part.same) {
		return gr.stored
	}
	if slices.ContainsFunc(gr.view, part.isAbsentMasked) {
		g.hidden = true
		return nil
	}
	all := append(append(slices.Clone(gr.stored), gr.view...), gr.incoming...)
	first := n.edge([]byte(all[0].name))
	if first.element.Choice {
		return g.choice(n, first, gr)
	}
	if first.dead() {
		return gr.incoming
	}
	if first.required() && len(gr.incoming) == 0 {
		// What is hidden in it would be left, and shown as masked.
		g.ambiguous = true
		return nil
	}
	return g.single(first, partOf(gr.stored, all[0].name), partOf(gr.view, all[0].name), partOf(gr.incoming, all[0].name))
}

func partOf(parts []part, name string) part {
	for _, p := range parts {
		if p.name == name {
			return p
		}
	}
	return part{name: name}
}

// choice merges an element whose name tells its type: of what type a hidden value
// is must not matter.
func (g *merger) choice(n *node, e *edge, gr *group) []part {
	anyLive, allMasked := false, true
	for _, typeName := range e.element.Types {
		variant := n.edge([]byte(choiceName(e.element.Name, typeName)))
		anyLive = anyLive || !variant.dead()
		allMasked = allMasked && variant.fixed != nil && variant.fixed.action != nil
	}
	if !anyLive {
		return gr.incoming
	}
	for _, p := range gr.incoming {
		variant := n.edge([]byte(p.name))
		if variant.fixed != nil && variant.fixed.action != nil && !p.same(partOf(gr.view, p.name)) {
			g.hidden = true
			return nil
		}
	}
	sameName := func(a, b part) bool { return a.name == b.name }
	switch {
	case allMasked:
		g.hidden = true
		return nil
	case len(gr.view) != 1 || !slices.EqualFunc(gr.view, gr.incoming, sameName):
		g.ambiguous = true
		return nil
	}
	name := gr.view[0].name
	variant := n.edge([]byte(name))
	if variant.dead() {
		return gr.incoming
	}
	return g.single(variant, partOf(gr.stored, name), gr.view[0], gr.incoming[0])
}

// single merges an element of one type that the mask can touch and that isn't as
// it was shown.
func (g *merger) single(e *edge, stored, view, incoming part) []part {
	switch {
	case e.fixed != nil && e.fixed.action != nil:
		g.hidden = true
		return nil
	case e.kind == definitions.Primitive:
		return g.primitive(e, stored, view, incoming)
	case incoming.sibling != nil || stored.sibling != nil || e.kind == definitions.Unknown:
		g.ambiguous = true
		return nil
	}
	value := g.value(e, stored.value, view.value, incoming.value)
	if value == nil {
		return nil
	}
	return []part{{name: stored.name, value: value}}
}

// primitive merges a primitive that itself isn't masked, while something in its
// sibling can be.
func (g *merger) primitive(e *edge, stored, view, incoming part) []part {
	for _, v := range [][]byte{stored.value, stored.sibling, view.value, incoming.value, incoming.sibling} {
		if wire.KindOf(v) == wire.Array {
			g.ambiguous = true
			return nil
		}
	}
	out := part{name: stored.name, value: incoming.value}
	out.sibling = g.merged(e.fixed.next, stored.sibling, view.sibling, incoming.sibling)
	return []part{out}
}

// merged merges objects that may be absent; nil when nothing is left.
func (g *merger) merged(n *node, stored, view, incoming []byte) []byte {
	for _, v := range []*[]byte{&stored, &view, &incoming} {
		if *v == nil {
			*v = []byte("{}")
		}
		if wire.KindOf(*v) != wire.Object {
			g.ambiguous = true
			return nil
		}
	}
	out := g.object(n, stored, view, incoming)
	if _, some := wire.Open(out, 0, '{'); !some {
		return nil
	}
	return out
}
