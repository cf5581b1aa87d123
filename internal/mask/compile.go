package mask

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// Mask is a compiled set of rules for resources of one type. It is safe for
// concurrent use; it builds its automaton as it meets elements, so that keeping
// and sharing one is cheaper than compiling it again.
type Mask struct {
	defs         *definitions.Definitions
	resourceType string
	// lists are the restrictions, first, and then each grant.
	lists    []list
	patterns []*pattern
	// opaque says that the answer of a condition can't be read off the masked
	// resource, because what it reads may be masked itself.
	opaque bool

	mu       sync.Mutex
	nodes    map[string]*node
	entries  map[entryKey]*edge
	concerns map[string]concern
}

// list is the rules of one grant, or the restrictions.
type list struct {
	starts []start
	// ids are the resource types whose ids are pseudonymised, anyType among them
	// for all: references to them are then too.
	ids []string
}

// start is where a path begins.
type start struct {
	root  string
	where []term
	at    state
}

// pattern is what remains of a path after its root.
type pattern struct {
	// text is the path as policy wrote it.
	text     string
	list     int
	segments []segment
	action   *action
	// parts are, for types on which the action works through their elements, the
	// patterns of these.
	parts map[string][]state
	// root and where are those of the path.
	root  string
	where []term
}

// action is an action with what it needs.
type action struct {
	kind   Action
	order  int
	value  []byte
	extent extent
	values map[string][]byte
	// other is what Generalize shows for a value that isn't in values; nil removes.
	other []byte
	// part says that the action goes with a pseudonym beside it.
	part bool
}

// stricter says whether a shows less than b.
func (a *action) stricter(b *action) bool {
	switch {
	case a.kind != b.kind:
		return a.kind > b.kind
	case a.kind == Truncate && a.extent != b.extent:
		return a.extent.date+a.extent.points < b.extent.date+b.extent.points
	}
	return a.order < b.order
}

// state is a pattern and the segment of it that comes next.
type state uint32

const segmentBits = 8

// newState packs both; maxRules rules have far fewer patterns than there is room for.
func newState(pattern, segment int) state {
	return state(pattern<<segmentBits | segment) //nolint:gosec // see maxRules and maxSegments
}

func (s state) pattern() int { return int(s >> segmentBits) }
func (s state) segment() int { return int(s & (1<<segmentBits - 1)) }

const (
	maxRules = 1 << 12
	maxLists = 64
)

// Compile makes the mask for resources of a type. Masks are restrictions; grants
// has one list of rules for each grant and masks what all of them cover; nil or
// empty, or with an empty list in it, it masks nothing. Rules for other types
// are applied to resources contained in it. All rules are checked, whatever
// their type; the error names the path.
func Compile(defs *definitions.Definitions, resourceType string, masks []Rule, grants [][]Rule) (*Mask, error) {
	if !defs.IsResource(resourceType) {
		return nil, fmt.Errorf("%w: %q is no resource type", ErrResource, resourceType)
	}
	m := &Mask{
		defs: defs, resourceType: resourceType,
		nodes: map[string]*node{}, entries: map[entryKey]*edge{}, concerns: map[string]concern{},
	}
	lists := [][]Rule{masks}
	granted := slices.ContainsFunc(grants, func(rules []Rule) bool { return len(rules) == 0 })
	for _, rules := range grants {
		same := func(other []Rule) bool { return slices.EqualFunc(rules, other, equalRules) }
		if !slices.ContainsFunc(lists[1:], same) {
			lists = append(lists, rules)
		}
	}
	if len(lists) > maxLists {
		return nil, fmt.Errorf("%w: more than %d different grants", ErrSyntax, maxLists-1)
	}
	for i, rules := range lists {
		m.lists = append(m.lists, list{})
		for _, r := range rules {
			if err := m.add(i, r); err != nil {
				return nil, fmt.Errorf("mask %q: %w", r.Path, err)
			}
		}
	}
	if granted {
		m.lists = m.lists[:1]
	}
	return m, m.checkConditions()
}

func equalRules(a, b Rule) bool {
	return a.Path == b.Path && a.Action == b.Action && a.To == b.To &&
		string(a.Value) == string(b.Value) && string(a.Default) == string(b.Default) && equalMaps(a.Map, b.Map)
}

func equalMaps(a, b map[string]json.RawMessage) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		other, ok := b[k]
		if !ok || string(v) != string(other) {
			return false
		}
	}
	return true
}

// add compiles one rule into a list.
func (m *Mask) add(listIndex int, r Rule) error {
	if err := r.checkKeys(); err != nil {
		return err
	}
	parsed, err := parsePath(r.Path)
	if err != nil {
		return err
	}
	act, err := newAction(r, len(m.patterns))
	if err != nil {
		return err
	}
	if err := checkPath(m.defs, parsed, act); err != nil {
		return err
	}
	if len(m.patterns) >= maxRules {
		return fmt.Errorf("%w: too many rules", ErrSyntax)
	}
	p := &pattern{text: r.Path, list: listIndex, segments: parsed.segments, action: act, root: parsed.root, where: parsed.where}
	at := m.pattern(p)
	m.addParts(p)
	l := &m.lists[listIndex]
	l.starts = append(l.starts, start{root: parsed.root, where: parsed.where, at: at})
	if isResourceID(parsed) {
		l.ids = append(l.ids, parsed.root)
	}
	return nil
}

// isResourceID says whether the path is that of a resource's id.
func isResourceID(p path) bool {
	return len(p.segments) == 1 && p.segments[0].name == "id" && !p.segments[0].deep
}

func (m *Mask) pattern(p *pattern) state {
	m.patterns = append(m.patterns, p)
	return newState(len(m.patterns)-1, 0)
}

// partsOf is, for the actions that work on complex types, which elements of the
// type they change and remove. Elements not named here stay: a Reference's type,
// an Identifier's use, type and system.
func partsOf(kind Action, typeName string) (changed, removed []string) {
	switch {
	case kind == Pseudonymize && typeName == "Reference":
		return []string{"reference"}, []string{"identifier", "display", "extension", "id"}
	case (kind == Pseudonymize || kind == Hash) && typeName == "Identifier":
		return []string{"value"}, []string{"period", "assigner", "extension", "id"}
	case kind == Truncate && typeName == "Period":
		return []string{"start", "end"}, []string{"extension", "id"}
	}
	return nil, nil
}

func (m *Mask) addParts(p *pattern) {
	for _, typeName := range [...]string{"Reference", "Identifier", "Period"} {
		changed, removed := partsOf(p.action.kind, typeName)
		if len(changed) == 0 || typeName == "Period" && p.action.extent.date == 0 {
			continue
		}
		if p.parts == nil {
			p.parts = map[string][]state{}
		}
		removal := &action{kind: Remove, order: p.action.order, part: p.action.kind == Pseudonymize}
		for _, name := range changed {
			p.parts[typeName] = append(p.parts[typeName], m.part(p, name, p.action))
		}
		for _, name := range removed {
			p.parts[typeName] = append(p.parts[typeName], m.part(p, name, removal))
		}
	}
}

func (m *Mask) part(p *pattern, name string, act *action) state {
	return m.pattern(&pattern{text: p.text, list: p.list, segments: []segment{{name: name}}, action: act})
}

func newAction(r Rule, order int) (*action, error) {
	a := &action{kind: r.Action, order: order}
	var err error
	switch r.Action {
	case Truncate:
		a.extent, err = parseExtent(r.To)
	case Replace:
		a.value, err = compactValue(r.Value)
	case Generalize:
		err = a.setMap(r)
	case Remove, Hash, Pseudonymize:
	}
	return a, err
}

// compactValue checks a JSON value of a rule.
func compactValue(value []byte) ([]byte, error) {
	doc := append(append([]byte(`{"v":`), value...), '}')
	if err := wire.Check(doc, wire.Limits{}); err != nil {
		return nil, fmt.Errorf("%w: a value isn't JSON", ErrSyntax)
	}
	out := wire.Compact(nil, value)
	if wire.KindOf(out) == wire.Null || string(out) == `""` {
		return nil, fmt.Errorf("%w: FHIR has no null or empty values", ErrSyntax)
	}
	if wire.SkipValue(out, 0) != len(out) {
		return nil, fmt.Errorf("%w: a value isn't JSON", ErrSyntax)
	}
	return out, nil
}

// setMap refuses a map that would map one of its own outputs on: masking twice
// must be masking once.
func (a *action) setMap(r Rule) error {
	a.values = make(map[string][]byte, len(r.Map))
	var err error
	for k, v := range r.Map {
		if a.values[k], err = compactValue(v); err != nil {
			return err
		}
	}
	if r.Default != nil {
		if a.other, err = compactValue(r.Default); err != nil {
			return err
		}
	}
	for _, v := range a.outputs() {
		again, ok := a.values[scalarText(v)]
		if ok && string(again) != string(v) {
			return fmt.Errorf("%w: the map has another value for one of its own values", ErrSyntax)
		}
	}
	return nil
}

// outputs are all values that Generalize can show.
func (a *action) outputs() [][]byte {
	var out [][]byte
	for _, v := range a.values {
		out = append(out, v)
	}
	if a.other != nil {
		out = append(out, a.other)
	}
	return out
}

// Empty says that the mask leaves every resource as it is.
func (m *Mask) Empty() bool {
	for i, l := range m.lists {
		if i > 0 && len(l.starts) == 0 {
			return len(m.lists[0].starts) == 0
		}
	}
	return len(m.lists[0].starts) == 0 && len(m.lists) == 1
}
