package mask

import (
	"fmt"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// Keys are the secrets of the actions that need some.
type Keys struct {
	// Hash is the key of Hash, at least 32 bytes.
	Hash []byte
	// Pseudonym is that of the caller's class.
	Pseudonym *Pseudonymizer
}

// Apply appends the masked resource to dst. The resource must have passed
// wire.Check and be of the mask's type. On an error dst comes back with its old
// length and nothing of the resource may be sent.
func (m *Mask) Apply(dst, resource []byte, k *Keys) ([]byte, error) {
	start := wire.SkipSpace(resource, 0)
	if m.resourceTypeOf(resource) != m.resourceType {
		return dst, ErrResource
	}
	if m.Empty() {
		return append(dst, resource...), nil
	}
	w := walker{mask: m, src: resource, out: dst, keys: k}
	w.root(start)
	if w.err != nil {
		return dst, fmt.Errorf("mask %s: %w", m.resourceType, w.err)
	}
	w.flush(len(resource))
	return w.out, nil
}

// walker copies a resource. What it leaves as it is, it copies late and in runs:
// copied is how far.
type walker struct {
	mask   *Mask
	src    []byte
	out    []byte
	copied int
	keys   *Keys
	err    error
	// contained says that the walk is inside of a contained resource, resourceType
	// is the type of the resource that it is in.
	contained    bool
	resourceType string
	// placeholder says that a masked element had the value that masking gives it.
	placeholder bool
}

// flush copies what lies before i.
func (w *walker) flush(i int) {
	if i > w.copied {
		w.out = append(w.out, w.src[w.copied:i]...)
		w.copied = i
	}
}

// cut leaves out what lies between from and to.
func (w *walker) cut(from, to int) {
	w.flush(from)
	w.copied = max(w.copied, to)
}

// put writes text in place of what lies between from and to.
func (w *walker) put(from, to int, text []byte) {
	w.cut(from, to)
	w.out = append(w.out, text...)
}

// mark is a point to come back to.
type mark struct{ out, copied int }

func (w *walker) mark() mark { return mark{len(w.out), w.copied} }

func (w *walker) back(m mark) { w.out, w.copied = w.out[:m.out], m.copied }

func (w *walker) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// role is what an object is to the label.
type role uint8

const (
	plain    role = iota
	labelled      // a resource that gets the label
	metadata      // the meta of one
)

// root walks the whole resource.
func (w *walker) root(i int) {
	m := w.mask
	own, nested := m.concern(m.resourceType), m.nestedConcern(w.src[i:], m.resourceType)
	w.resource(i, entryKey{typeName: m.resourceType, narrative: own.narrative || nested.narrative}, own.label || w.isLabelled(nested))
}

// isLabelled says whether the label on what a resource contains goes on it, too:
// contained resources can't have one of their own, entries can.
func (w *walker) isLabelled(nested concern) bool {
	return nested.label && w.mask.resourceType != "Bundle" && w.mask.resourceType != "Parameters"
}

// resource walks a resource; it's never left empty.
func (w *walker) resource(i int, key entryKey, label bool) (end int, kept bool) {
	outer, outerType := w.contained, w.resourceType
	w.contained, w.resourceType = key.contained, key.typeName
	defer func() { w.contained, w.resourceType = outer, outerType }()
	o := w.mask.entry(key).outcome(w.src[i:])
	r := plain
	if label {
		r = labelled
	}
	end, _ = w.object(o.next, i, r)
	return end, true
}

// member is where a member of an object is.
type member struct {
	// object is the index of the object's brace.
	object      int
	key, keyEnd int
	value       int
	name        []byte
	underscore  bool
}

// readMember reads the key that starts at i.
func (w *walker) readMember(object, i int) member {
	m := member{object: object, key: i, keyEnd: wire.SkipString(w.src, i)}
	m.value = wire.SkipColon(w.src, m.keyEnd)
	m.name = w.src[i+1 : m.keyEnd-1]
	for _, b := range m.name {
		if b == '\\' {
			m.name = []byte(wire.Key(m.name))
			break
		}
	}
	if len(m.name) > 1 && m.name[0] == '_' {
		m.name, m.underscore = m.name[1:], true
	}
	return m
}

// object walks an object; kept is false when masking left nothing of it. n may be
// nil for the label's sake.
func (w *walker) object(n *node, start int, r role) (end int, kept bool) {
	i, more := wire.Open(w.src, start, '{')
	last, first := start+1, true // the end of what was kept last
	content, removed, labelSeen := false, false, false
	for more && w.err == nil {
		mem := w.readMember(start, i)
		var ok bool
		switch {
		case r == labelled && string(mem.name) == "meta" && !mem.underscore:
			end, ok = w.meta(n, mem)
			labelSeen = true
		case r == metadata && string(mem.name) == "security" && !mem.underscore:
			end, ok = w.security(n, mem), true
			labelSeen = true
		default:
			end, ok = w.member(n, mem)
		}
		i, more = wire.Next(w.src, end)
		switch {
		case ok:
			last, first = end, false
			content = content || !isExtensionURL(n, mem)
		case !first:
			w.cut(last, end)
		case more:
			w.cut(mem.key, i)
		default:
			w.cut(mem.key, end)
		}
		removed = removed || !ok
	}
	if r != plain && !labelSeen {
		w.insertLabel(r, last, first)
		return i, true
	}
	return i, content || !removed
}

// isExtensionURL: an extension that has lost its value says nothing with its url
// alone (R4 extensibility.html, ext-1).
func isExtensionURL(n *node, mem member) bool {
	return n != nil && n.typ != nil && n.typ.Name == "Extension" && string(mem.name) == "url"
}

// member walks one member; kept is false when it goes, comma and all.
func (w *walker) member(n *node, mem member) (end int, kept bool) {
	if n == nil {
		return wire.SkipValue(w.src, mem.value), true
	}
	e := n.edge(mem.name)
	switch {
	case e.dead():
		return wire.SkipValue(w.src, mem.value), true
	case e.kind == definitions.Primitive:
		return w.primitive(e, mem)
	case mem.underscore && e.kind != definitions.Unknown:
		// Only primitives have a sibling (R4 json.html#primitive); what this one means
		// is unknown, so that it can't be masked inside.
		return wire.SkipValue(w.src, mem.value), false
	}
	return w.complex(e, mem)
}

// complex walks the value of an element that isn't a primitive.
func (w *walker) complex(e *edge, mem member) (end int, kept bool) {
	before := w.mark()
	switch w.src[mem.value] {
	case '[':
		end, kept = w.array(e, mem)
	case '{':
		end, kept = w.item(e, mem.value)
	default:
		end = wire.SkipValue(w.src, mem.value)
		o := e.outcome(nil)
		kept = o.action == nil && o.next == nil || e.kind == definitions.Unknown && o.action == nil
	}
	if kept {
		return end, true
	}
	w.back(before)
	return end, w.gone(e, mem, end)
}

// gone deals with an element that went: kept is true when something stands for
// it.
func (w *walker) gone(e *edge, mem member, end int) (kept bool) {
	if e.element.Modifier {
		w.fail(ErrModifier)
	}
	if !e.required() || !w.needsAbsence(e, mem) {
		return false
	}
	w.put(mem.key, end, e.absent.member)
	return true
}

// needsAbsence says whether the member is the first of those in its object that
// belong to the element, and the others go too. They are those of other types of
// a choice: a primitive's sibling is never asked about while the value is there.
func (w *walker) needsAbsence(e *edge, mem member) bool {
	i, more := wire.Open(w.src, mem.object, '{')
	for more {
		other := w.readMember(mem.object, i)
		same := string(other.name) == string(mem.name)
		if o := e.from.edge(other.name); o.element == e.element && !same {
			if other.key < mem.key || o.fixed == nil || o.fixed.action == nil || o.fixed.action.kind != Remove {
				return false
			}
		}
		i, more = wire.Next(w.src, wire.SkipValue(w.src, other.value))
	}
	return true
}

// array walks the items of an array, which goes when none of them stays.
func (w *walker) array(e *edge, mem member) (end int, kept bool) {
	if e.fixed != nil && e.fixed.action != nil && e.fixed.action.kind == Remove {
		w.refuse(e.fixed)
		return wire.SkipValue(w.src, mem.value), false
	}
	return w.items(mem.value, func(i int) (int, bool) {
		if w.src[i] == '{' {
			return w.item(e, i)
		}
		o := e.outcome(nil)
		return wire.SkipValue(w.src, i), o.action == nil && (o.next == nil || e.kind == definitions.Unknown && w.src[i] != '[')
	})
}

// items walks an array; kept is false when masking left nothing of it.
func (w *walker) items(start int, walk func(i int) (end int, kept bool)) (end int, kept bool) {
	i, more := wire.Open(w.src, start, '[')
	last, first, removed := start+1, true, false
	for more && w.err == nil {
		at := i
		end, ok := walk(at)
		i, more = wire.Next(w.src, end)
		switch {
		case ok:
			last, first = end, false
		case !first:
			w.cut(last, end)
		case more:
			w.cut(at, i)
		default:
			w.cut(at, end)
		}
		removed = removed || !ok
	}
	return i, !first || !removed
}

// item walks one object that is, or is one of, an element's values.
func (w *walker) item(e *edge, i int) (end int, kept bool) {
	if e.kind == definitions.Resource {
		return w.nested(e, i)
	}
	end = -1
	if e.fixed == nil || e.fixed.action != nil {
		end = wire.SkipValue(w.src, i)
	}
	var o *outcome
	if end < 0 {
		o = e.fixed
	} else {
		o = e.outcome(w.src[i:end])
	}
	switch {
	case o.action != nil:
		return end, w.replaceItem(e, o, i, end)
	case o.next == nil:
		return wire.SkipValue(w.src, i), true
	case end >= 0 && isAnyOf(w.src[i:end], e.values):
		return end, true
	case e.required():
		// What stands for a masked element isn't masked again.
		if end = wire.SkipValue(w.src, i); isAbsentMasked(w.src[i:end]) {
			return end, true
		}
	}
	before := w.mark()
	if end, kept = w.object(o.next, i, plain); !kept {
		w.back(before)
	}
	return end, kept
}

// replaceItem masks one whole object.
func (w *walker) replaceItem(e *edge, o *outcome, i, end int) (kept bool) {
	w.refuse(o)
	item := w.src[i:end]
	w.placeholder = w.placeholder || o.action.isPlaceholder(item)
	if e.fixed == nil && (isAnyOf(item, e.values) || e.required() && isAbsentMasked(item)) {
		return true
	}
	if o.action.kind != Replace || !fitsType(w.mask.defs, o.action.value, e.typeName) {
		return false
	}
	w.put(i, end, o.action.value)
	return true
}

func (w *walker) refuse(o *outcome) {
	if o.refused {
		w.fail(ErrModifier)
	}
}

func isAnyOf(value []byte, values [][]byte) bool {
	for _, v := range values {
		if wire.Equal(value, v) {
			return true
		}
	}
	return false
}

// nested walks a resource in a resource. One of a type that FHIR doesn't define
// goes: nothing says what in it is masked.
func (w *walker) nested(e *edge, i int) (end int, kept bool) {
	end = wire.SkipValue(w.src, i)
	resource := w.src[i:end]
	o := e.outcome(resource)
	if o.action != nil {
		w.refuse(o)
		return end, false
	}
	typeName := w.mask.resourceTypeOf(resource)
	if typeName == "" {
		return end, false
	}
	key := entryKey{carrier: o.next, typeName: typeName, contained: e.element.Name == "contained"}
	label := false
	key.narrative = o.next != nil && o.next.narrative
	if !key.contained {
		own := w.mask.concern(typeName)
		label, key.narrative = own.label, key.narrative || own.narrative
		inside := w.mask.nestedConcern(resource, typeName)
		label = label || inside.label && typeName != "Bundle" && typeName != "Parameters"
		key.narrative = key.narrative || inside.narrative
	}
	return w.resource(i, key, label)
}
