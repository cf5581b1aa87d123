package mask

import (
	"slices"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// value merges the value of a complex element.
func (g *merger) value(e *edge, stored, view, incoming []byte) []byte {
	for _, v := range [][]byte{stored, view, incoming} {
		if wire.KindOf(v) == wire.Array {
			return g.array(e, stored, view, incoming)
		}
	}
	if e.kind == definitions.Resource || carriesResources(e.typeName) {
		g.ambiguous = true
		return nil
	}
	if e.fixed != nil {
		return g.merged(e.fixed.next, stored, view, incoming)
	}
	return g.conditional(e, stored, view, incoming)
}

// conditional merges an object which conditions may mask.
func (g *merger) conditional(e *edge, stored, view, incoming []byte) []byte {
	switch {
	case view == nil:
		// There may be one that isn't shown.
		if e.outcome(incoming).action != nil {
			g.hidden = true
		}
		g.ambiguous = true
		return nil
	case incoming == nil:
		return g.merged(e.outcome(stored).next, stored, view, nil)
	}
	o := g.agree(e, stored, incoming)
	if o.action != nil {
		g.hidden = true
		return nil
	}
	if o.next == nil {
		return incoming
	}
	return g.merged(o.next, stored, view, incoming)
}

// array merges a repeating element. Items that are shown keep their order, and
// with it their places among those that aren't.
func (g *merger) array(e *edge, stored, view, incoming []byte) []byte {
	if shown := itemsOf(view); len(shown) == 1 && isAbsentMasked(shown[0]) {
		g.hidden = true // all that is shown is that there is something
		return nil
	}
	sItems, iItems := itemsOf(stored), itemsOf(incoming)
	if !allObjects(stored, sItems) || !allObjects(incoming, iItems) || carriesResources(e.typeName) {
		g.ambiguous = true
		return nil
	}
	vItems, shown := g.views(e, sItems)
	if len(iItems) < len(vItems) || !aligned(vItems, iItems) {
		g.ambiguous = true
		return nil
	}
	out := slices.Clone(sItems)
	for k, v := range vItems {
		if !wire.Equal(v, iItems[k]) {
			out[shown[k]] = g.item(e, sItems[shown[k]], v, iItems[k])
		}
	}
	for _, item := range iItems[len(vItems):] {
		out = append(out, g.item(e, nil, nil, item))
	}
	return joinItems(out)
}

func itemsOf(array []byte) [][]byte {
	var out [][]byte
	for item := range wire.Items(array) {
		out = append(out, item)
	}
	return out
}

func allObjects(array []byte, items [][]byte) bool {
	if array != nil && wire.KindOf(array) != wire.Array {
		return false
	}
	return !slices.ContainsFunc(items, func(i []byte) bool { return wire.KindOf(i) != wire.Object })
}

func joinItems(items [][]byte) []byte {
	var out []byte
	for _, item := range items {
		if item != nil {
			out = append(append(out, ','), item...)
		}
	}
	if out == nil {
		return nil
	}
	out[0] = '['
	return append(out, ']')
}

// views are the items as they are shown, and the index of each.
func (g *merger) views(e *edge, items [][]byte) (views [][]byte, shown []int) {
	for i, item := range items {
		w := walker{mask: g.mask, src: item, keys: g.keys, resourceType: g.mask.resourceType}
		_, kept := w.item(e, 0)
		if w.err != nil {
			g.ambiguous = true
		}
		if kept {
			w.flush(len(item))
			views, shown = append(views, w.out), append(shown, i)
		}
	}
	return views, shown
}

// aligned says whether each item that was changed is certainly the one that was
// shown at its place: nothing at another place is as much like it.
func aligned(views, incoming [][]byte) bool {
	for k, v := range views {
		if wire.Equal(v, incoming[k]) {
			continue
		}
		own := likeness(v, incoming[k])
		if own == otherID {
			return false
		}
		for j, other := range views {
			if j != k && likeness(other, incoming[k]) >= own {
				return false
			}
		}
		for j, other := range incoming {
			if j != k && likeness(v, other) >= own {
				return false
			}
		}
	}
	return true
}

// otherID is the likeness of items that say themselves that they are different.
const otherID = -1

// likeness is how many members two items have in common; the same id, or that of
// another item, says more than all members do.
func likeness(a, b []byte) int {
	const sameID = 1 << 20
	idA, okA := wire.Get(a, "id")
	idB, okB := wire.Get(b, "id")
	switch {
	case okA && okB && wire.Equal(idA, idB):
		return sameID
	case okA || okB:
		return otherID
	case wire.Equal(a, b):
		return sameID
	}
	n := 0
	for k, v := range wire.Members(a) {
		if other, ok := wire.Get(b, wire.Key(k)); ok && wire.Equal(v, other) {
			n++
		}
	}
	return n
}

// item merges one item, or takes up a new one (stored and view are nil).
func (g *merger) item(e *edge, stored, view, incoming []byte) []byte {
	if e.kind == definitions.Resource {
		return g.nested(e, stored, view, incoming)
	}
	if view != nil && isAbsentMasked(view) {
		g.hidden = true
		return nil
	}
	if stored == nil {
		o := e.outcome(incoming)
		if o.action != nil {
			g.hidden = true
			return nil
		}
		return g.merged(o.next, nil, nil, incoming)
	}
	return g.conditional(e, stored, view, incoming)
}

// nested merges a contained resource.
func (g *merger) nested(e *edge, stored, view, incoming []byte) []byte {
	typeName := g.mask.resourceTypeOf(incoming)
	if typeName == "" || stored != nil && g.mask.resourceTypeOf(stored) != typeName {
		g.ambiguous = true
		return nil
	}
	like := stored
	if stored == nil {
		like = incoming
	}
	o := g.agree(e, like, incoming)
	if o.action != nil {
		g.hidden = true
		return nil
	}
	key := entryKey{carrier: o.next, typeName: typeName, contained: true, narrative: o.next != nil && o.next.narrative}
	next := g.agree(g.mask.entry(key), like, incoming).next
	return g.merged(next, stored, view, incoming)
}
