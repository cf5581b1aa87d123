package mask

import (
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// primitive walks the value of a primitive or its "_" sibling. A condition can't
// be on a primitive, so the outcome is always the same.
func (w *walker) primitive(e *edge, mem member) (end int, kept bool) {
	end = wire.SkipValue(w.src, mem.value)
	o := e.outcome(nil)
	switch {
	case o.action == nil && o.next == nil:
		return end, true
	case o.action == nil:
		return end, w.sibling(e, o.next, mem, end)
	case mem.underscore:
		if _, ok := wire.Get(w.src[mem.object:], string(mem.name)); ok {
			return end, false
		}
		return end, w.gone(e, mem, end)
	}
	w.refuse(o)
	before := w.mark()
	switch wire.KindOf(w.src[mem.value:end]) {
	case wire.Array:
		_, kept = w.items(mem.value, func(i int) (int, bool) {
			itemEnd := wire.SkipValue(w.src, i)
			return itemEnd, w.change(e, o.action, i, itemEnd)
		})
	case wire.Null, wire.Object, wire.Invalid:
		kept = false
	case wire.Text, wire.Number, wire.True, wire.False:
		kept = w.change(e, o.action, mem.value, end)
	}
	if kept {
		return end, true
	}
	w.back(before)
	return end, w.gone(e, mem, end)
}

// change puts the action's result in place of a value; kept is false when there
// is none.
func (w *walker) change(e *edge, act *action, i, end int) (kept bool) {
	old := w.src[i:end]
	if kind := wire.KindOf(old); kind == wire.Null || kind == wire.Object || kind == wire.Array {
		return false
	}
	w.placeholder = w.placeholder || act.isPlaceholder(old)
	changed, ok, err := w.transform(e, act, old)
	if err != nil {
		w.fail(err)
		return false
	}
	if !ok {
		return false
	}
	if string(changed) != string(old) {
		w.put(i, end, changed)
	}
	return true
}

// sibling masks inside of a primitive's "_" member. A primitive that has neither a
// value nor a sibling left goes.
func (w *walker) sibling(e *edge, next *node, mem member, end int) (kept bool) {
	value := w.src[mem.value:end]
	if wire.KindOf(value) == wire.Array {
		return w.siblings(e, next, mem, end)
	}
	if !mem.underscore {
		return true
	}
	if wire.KindOf(value) != wire.Object {
		return false
	}
	if e.required() && isAbsentMasked(value) {
		return true
	}
	before := w.mark()
	if _, kept = w.object(next, mem.value, plain); kept {
		return true
	}
	w.back(before)
	if _, ok := wire.Get(w.src[mem.object:], string(mem.name)); ok {
		return false
	}
	return w.gone(e, mem, end)
}

// siblings masks inside of the "_" member of a repeating primitive: both arrays
// lose the same items, which keeps the pads of one over the items of the other.
func (w *walker) siblings(e *edge, next *node, mem member, end int) (kept bool) {
	values, others := w.pair(mem)
	sub := walker{mask: w.mask, keys: w.keys, contained: w.contained, resourceType: w.resourceType}
	var out [2][]byte
	some := [2]bool{}
	changed := false
	for i := range max(len(values), len(others)) {
		value, other := itemAt(values, i), itemAt(others, i)
		masked := other
		if !e.required() || !isAbsentMasked(other) {
			masked = sub.siblingItem(next, other)
		}
		if sub.err != nil {
			w.fail(sub.err)
		}
		changed = changed || string(masked) != string(other)
		if isNull(value) && isNull(masked) {
			changed = true
			continue
		}
		out[0], out[1] = append(append(out[0], ','), value...), append(append(out[1], ','), masked...)
		some[0], some[1] = some[0] || !isNull(value), some[1] || !isNull(masked)
	}
	which := 0
	if mem.underscore {
		which = 1
	}
	switch {
	case !changed:
		return true
	case some[which]:
		out[which][0] = '['
		w.put(mem.value, end, append(out[which], ']'))
		return true
	case some[1-which]:
		return false
	}
	return w.gone(e, mem, end)
}

// pair gives the items of a primitive and of its sibling.
func (w *walker) pair(mem member) (values, others [][]byte) {
	object := w.src[mem.object:]
	name := string(mem.name)
	v, _ := wire.Get(object, name)
	for item := range wire.Items(v) {
		values = append(values, item)
	}
	v, _ = wire.Get(object, "_"+name)
	for item := range wire.Items(v) {
		others = append(others, item)
	}
	return values, others
}

// siblingItem masks one item of a sibling; what is left empty is null.
func (w *walker) siblingItem(next *node, item []byte) []byte {
	if wire.KindOf(item) != wire.Object {
		return null
	}
	w.src, w.out, w.copied = item, nil, 0
	if _, kept := w.object(next, 0, plain); !kept {
		return null
	}
	w.flush(len(item))
	return w.out
}

var null = []byte("null") //nolint:gochecknoglobals // never written to; copied into what is

func isNull(item []byte) bool { return wire.KindOf(item) == wire.Null }

func itemAt(items [][]byte, i int) []byte {
	if i < len(items) {
		return items[i]
	}
	return null
}
