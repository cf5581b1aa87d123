package mask

import (
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// node is what the automaton knows inside of an object: which patterns go on
// from there. A nil node is an object in which nothing can be masked.
type node struct {
	mask *Mask
	// typ is nil where the definitions know nothing.
	typ    *definitions.Type
	states []state
	// held has the bit of each grant that covers the object already.
	held uint64
	// modifier says that the object is a modifier element or inside of one.
	modifier bool
	// narrative says that the narratives in it go.
	narrative bool

	edges atomic.Pointer[map[string]*edge]
}

// edge is what happens to an element of an object.
type edge struct {
	element *definitions.Element
	// typeName is "" where the definitions know nothing.
	typeName string
	parent   *definitions.Type
	kind     definitions.Kind
	// absent is what stands for the element when it is required and masked, without
	// the key; nil for optional ones.
	absent *absence

	base  effect
	conds []conditional
	// values are those that a Replace on the element shows: an item that is one was
	// masked already.
	values [][]byte
	// fixed is the outcome when there are no conditions.
	fixed *outcome
	from  *node

	mu       sync.Mutex
	outcomes map[uint64]*outcome
}

// conditional is an effect that depends on the element's content.
type conditional struct {
	holds  func(value []byte) bool
	effect effect
}

// effect is what a step through patterns leads to.
type effect struct {
	states []state
	acts   []listAction
}

type listAction struct {
	list   int
	action *action
}

func (e *effect) add(o effect) {
	e.states = append(e.states, o.states...)
	e.acts = append(e.acts, o.acts...)
}

// outcome is the verdict on an element: masked by action, or entered at next,
// which is nil when nothing below can be masked.
type outcome struct {
	action *action
	next   *node
	// refused says that a rule for any depth would mask what carries meaning inside
	// of a modifier element.
	refused bool
}

// dead says that the element is copied as it is.
func (e *edge) dead() bool {
	return e.fixed != nil && e.fixed.action == nil && e.fixed.next == nil && e.kind != definitions.Resource
}

// required says that the element must be there.
func (e *edge) required() bool { return e.absent != nil }

// What a resource makes the automaton keep is bounded.
const (
	maxConditions = 64
	maxOutcomes   = 1 << 8
	maxNodes      = 1 << 14
)

// edge finds what happens to a property; the name is without the "_" of a
// primitive's sibling.
func (n *node) edge(name []byte) *edge {
	if edges := n.edges.Load(); edges != nil {
		if e, ok := (*edges)[string(name)]; ok {
			return e
		}
	}
	return n.newEdge(string(name))
}

func (n *node) newEdge(name string) *edge {
	m := n.mask
	var e *edge
	if n.typ != nil {
		if el, typeName, ok := n.typ.Property(name); ok {
			e = m.buildEdge(n, el, typeName, name)
		}
	}
	if e == nil {
		// A name that FHIR doesn't define isn't kept: there is no end to them.
		return m.buildEdge(n, &definitions.Element{Name: name, Max: 1}, "", name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	edges := map[string]*edge{}
	if old := n.edges.Load(); old != nil {
		if known, ok := (*old)[name]; ok {
			return known
		}
		edges = maps.Clone(*old)
	}
	edges[name] = e
	n.edges.Store(&edges)
	return e
}

// buildEdge takes every pattern one step on, to the element.
func (m *Mask) buildEdge(n *node, el *definitions.Element, typeName, jsonName string) *edge {
	e := &edge{element: el, typeName: typeName, parent: n.typ, from: n}
	if t, ok := m.defs.Type(typeName); ok {
		e.kind = t.Kind
	}
	if typeName == "Resource" {
		e.kind = definitions.Resource
	}
	if el.Min > 0 {
		e.absent = newAbsence(m.defs, el)
	}
	for _, s := range n.states {
		p := m.patterns[s.pattern()]
		seg := p.segments[s.segment()]
		if seg.deep {
			e.base.states = append(e.base.states, s)
		}
		if seg.name == el.Name || seg.name == jsonName {
			e.step(m, p, s, seg)
		}
	}
	if n.narrative && e.isNarrative() {
		e.base.add(m.removal())
	}
	if e.isIn("Reference", "display") {
		e.base.acts = append(e.base.acts, m.displayActs(n)...)
	}
	if typeName == "Reference" {
		m.addReferences(e)
	}
	if len(e.conds) == 0 {
		e.fixed = e.decide(m, 0)
	}
	return e
}

// step adds what one pattern does when its segment names the element.
func (e *edge) step(m *Mask, p *pattern, s state, seg segment) {
	effect := m.advance(p, s, e.typeName)
	if p.action.kind == Replace && s.segment() == len(p.segments)-1 {
		e.values = append(e.values, p.action.value)
	}
	if seg.where == nil {
		e.base.add(effect)
		return
	}
	if c, ok := resolve(m.defs, seg.where, e.typeName); ok {
		e.addCondition(conditional{holds: c.holds, effect: effect})
	}
}

// addCondition takes the condition for true once there are too many: it may mask
// too much, never too little.
func (e *edge) addCondition(c conditional) {
	if len(e.conds) == maxConditions {
		e.base.add(c.effect)
		return
	}
	e.conds = append(e.conds, c)
}

// advance is where a pattern stands after a segment that ended on an element of
// the type.
func (m *Mask) advance(p *pattern, s state, typeName string) effect {
	if s.segment() < len(p.segments)-1 {
		return effect{states: []state{s + 1}}
	}
	if parts, ok := p.parts[typeName]; ok {
		return effect{states: parts}
	}
	return effect{acts: []listAction{{p.list, p.action}}}
}

func (e *edge) isIn(parent, name string) bool {
	return e.parent != nil && e.parent.Name == parent && e.element.Name == name
}

// isNarrative says whether the element is one: that of a resource or of a section
// of a Composition.
func (e *edge) isNarrative() bool {
	return e.element.Name == "text" && e.typeName == "Narrative"
}

// removal is that of every list.
func (m *Mask) removal() effect {
	var out effect
	for i := range m.lists {
		out.acts = append(out.acts, listAction{i, &action{kind: Remove, order: -1}})
	}
	return out
}

// displayActs remove a reference's display in each list that masks what it
// displays.
func (m *Mask) displayActs(n *node) []listAction {
	var out []listAction
	for _, s := range n.states {
		p := m.patterns[s.pattern()]
		seg := p.segments[s.segment()]
		if seg.name == "reference" || seg.name == "identifier" || seg.deep && seg.name == "value" {
			out = append(out, listAction{p.list, &action{kind: Remove, order: p.action.order}})
		}
	}
	return out
}

// addReferences makes references to resources whose ids are pseudonymised
// pseudonymous themselves. Where another rule changes by what a reference tells
// its target, all are: from what is left it couldn't be told a second time.
func (m *Mask) addReferences(e *edge) {
	told := !m.changesTarget(e.base.states)
	for _, c := range e.conds {
		told = told && !m.changesTarget(c.effect.states)
	}
	for _, l := range m.lists {
		i := slices.IndexFunc(l.starts, func(s start) bool {
			return isResourceID(path{segments: m.patterns[s.at.pattern()].segments})
		})
		if i < 0 {
			continue
		}
		types, follow := l.ids, effect{states: m.patterns[l.starts[i].at.pattern()].parts["Reference"]}
		if !told {
			e.base.add(follow)
			continue
		}
		e.addCondition(conditional{
			holds:  func(value []byte) bool { return refersTo(m.defs, value, types) },
			effect: follow,
		})
	}
}

// changesTarget says whether one of the states masks a Reference's reference or
// type in another way than with a pseudonym.
func (m *Mask) changesTarget(states []state) bool {
	return slices.ContainsFunc(states, func(s state) bool {
		p := m.patterns[s.pattern()]
		name := p.segments[s.segment()].name
		return name == "type" || name == "reference" && p.action.kind != Pseudonymize
	})
}

type nodeSpec struct {
	typeName            string
	states              []state
	held                uint64
	modifier, narrative bool
	resource            bool
}

// node finds or makes a node; nil when nothing can be masked from there on.
func (m *Mask) node(s nodeSpec) *node {
	slices.Sort(s.states)
	s.states = slices.Compact(s.states)
	if !m.alive(s) {
		return nil
	}
	key := []byte(s.typeName)
	key = append(key, 0, flag(s.modifier), flag(s.narrative))
	key = binary.LittleEndian.AppendUint64(key, s.held)
	for _, st := range s.states {
		key = binary.LittleEndian.AppendUint32(key, uint32(st))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.nodes[string(key)]
	if !ok {
		n = &node{mask: m, states: s.states, held: s.held, modifier: s.modifier, narrative: s.narrative}
		if s.typeName != "Resource" {
			n.typ, _ = m.defs.Type(s.typeName)
		}
		if len(m.nodes) == maxNodes {
			clear(m.nodes)
		}
		m.nodes[string(key)] = n
	}
	return n
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// alive says whether anything below could still be masked: by the restrictions,
// or by all grants together.
func (m *Mask) alive(s nodeSpec) bool {
	if s.narrative || s.resource || carriesResources(s.typeName) {
		return true
	}
	open := s.held
	for i, l := range m.lists {
		if len(l.ids) > 0 {
			open |= 1 << i
		}
	}
	for _, st := range s.states {
		open |= 1 << m.patterns[st.pattern()].list
	}
	all := uint64(1)<<len(m.lists) - 2
	return open&1 != 0 || all != 0 && open&all == all
}
