package mask

import "github.com/fhirgate/fhirgate/internal/fhir/definitions"

// outcome decides about one value of the element.
func (e *edge) outcome(value []byte) *outcome {
	if e.fixed != nil {
		return e.fixed
	}
	bits := e.bits(value)
	e.mu.Lock()
	defer e.mu.Unlock()
	o, ok := e.outcomes[bits]
	if !ok {
		if e.outcomes == nil || len(e.outcomes) == maxOutcomes {
			e.outcomes = map[uint64]*outcome{}
		}
		o = e.decide(e.from.mask, bits)
		e.outcomes[bits] = o
	}
	return o
}

// bits says which conditions hold for a value.
func (e *edge) bits(value []byte) uint64 {
	var bits uint64
	for i, c := range e.conds {
		if c.holds(value) {
			bits |= 1 << i
		}
	}
	return bits
}

// decide joins what the lists say.
func (e *edge) decide(m *Mask, bits uint64) *outcome {
	var all effect
	all.add(e.base)
	for i, c := range e.conds {
		if bits&(1<<i) != 0 {
			all.add(c.effect)
		}
	}
	held := e.from.held
	acts := make([]*action, len(m.lists))
	for i := range acts {
		if held&(1<<i) != 0 {
			acts[i] = &action{kind: Remove, order: 0}
		}
	}
	for _, a := range all.acts {
		held |= 1 << a.list
		if old := acts[a.list]; old == nil || a.action.stricter(old) {
			acts[a.list] = a.action
		}
	}
	modifier := e.from.modifier || e.element.Modifier
	if act := joined(acts); act != nil {
		readable := e.element.Name == "text" || e.element.Name == "display"
		return &outcome{action: act, refused: modifier && !readable && !act.part && act.kind != Pseudonymize}
	}
	return &outcome{next: m.node(nodeSpec{
		typeName: e.typeName, states: all.states, held: held &^ 1, modifier: modifier, narrative: e.narrativeBelow(),
		resource: e.kind == definitions.Resource,
	})}
}

// narrativeBelow says whether narratives inside of the element go.
func (e *edge) narrativeBelow() bool {
	return e.from.narrative && (e.kind == definitions.Resource || e.typeName == compositionSection || carriesResources(e.typeName))
}

const compositionSection = "Composition.section"

// carriesResources says whether elements of the type have whole resources in
// them.
func carriesResources(typeName string) bool {
	switch typeName {
	case "Bundle.entry", "Bundle.entry.response", "Parameters.parameter":
		return true
	}
	return false
}

// joined is the action that the restrictions (acts[0]) and grants agree on, nil
// for none.
func joined(acts []*action) *action {
	var granted *action
	for _, a := range acts[1:] {
		if a == nil {
			return acts[0]
		}
		if granted == nil || granted.stricter(a) {
			granted = a
		}
	}
	if acts[0] == nil || granted != nil && granted.stricter(acts[0]) {
		return granted
	}
	return acts[0]
}
