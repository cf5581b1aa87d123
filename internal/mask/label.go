package mask

import (
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// The label that says that a resource isn't shown whole (R4
// security-labels.html; code system v3-ObservationValue).
const (
	redactedSystem = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
	redactedCode   = "REDACTED"
	redacted       = `{"system":"` + redactedSystem + `","code":"` + redactedCode + `"}`
)

// isRedacted says whether a Coding is the label.
func isRedacted(coding []byte) bool {
	return textOf(coding, "code") == redactedCode && textOf(coding, "system") == redactedSystem
}

// insertLabel adds what is missing for the label at the end of an object.
func (w *walker) insertLabel(r role, last int, first bool) {
	at := max(last, w.copied)
	text := `"security":[` + redacted + `]`
	if r == labelled {
		text = `"meta":{` + text + `}`
	}
	if !first {
		text = "," + text
	}
	w.put(at, at, []byte(text))
}

// meta walks the meta of a resource that gets the label.
func (w *walker) meta(n *node, mem member) (end int, kept bool) {
	if w.src[mem.value] != '{' {
		end = wire.SkipValue(w.src, mem.value)
		w.put(mem.value, end, []byte(`{"security":[`+redacted+`]}`))
		return end, true
	}
	var next *node
	if n != nil {
		end = wire.SkipValue(w.src, mem.value)
		next = n.edge(mem.name).outcome(w.src[mem.value:end]).next
	}
	return w.object(next, mem.value, metadata)
}

// security walks the labels and sees to it that REDACTED is there once; so they
// are never left empty.
func (w *walker) security(n *node, mem member) (end int) {
	if w.src[mem.value] != '[' {
		end = wire.SkipValue(w.src, mem.value)
		w.put(mem.value, end, []byte(`[`+redacted+`]`))
		return end
	}
	var e *edge
	if n != nil {
		e = n.edge(mem.name)
	}
	seen, last, first := false, mem.value+1, true
	end, _ = w.items(mem.value, func(i int) (int, bool) {
		itemEnd, ok := wire.SkipValue(w.src, i), true
		switch {
		case isRedacted(w.src[i:itemEnd]):
			ok, seen = !seen, true
		case e != nil && !e.dead():
			itemEnd, ok = w.label(e, i, itemEnd)
		}
		if ok {
			last, first = itemEnd, false
		}
		return itemEnd, ok
	})
	if !seen {
		text := redacted
		if !first {
			text = "," + text
		}
		at := max(last, w.copied)
		w.put(at, at, []byte(text))
	}
	return end
}

// label walks one label that isn't REDACTED.
func (w *walker) label(e *edge, i, end int) (int, bool) {
	if w.src[i] != '{' {
		return end, false
	}
	return w.item(e, i)
}

// hasLabel says whether a resource carries REDACTED.
func hasLabel(resource []byte) bool {
	meta, _ := wire.Get(resource, "meta")
	labels, _ := wire.Get(meta, "security")
	for item := range wire.Items(labels) {
		if isRedacted(item) {
			return true
		}
	}
	return false
}

// withLabel is the resource with REDACTED added.
func withLabel(resource []byte) []byte {
	w := walker{src: resource}
	w.object(nil, wire.SkipSpace(resource, 0), labelled)
	w.flush(len(resource))
	return w.out
}

// withoutLabel is the resource without REDACTED, and without what is empty then.
func withoutLabel(resource []byte) []byte {
	if !hasLabel(resource) {
		return resource
	}
	out := []byte{'{'}
	for k, v := range wire.Members(resource) {
		name := wire.Key(k)
		if name == "meta" {
			v = metaWithoutLabel(v)
		}
		out = appendMember(out, name, v)
	}
	return append(out, '}')
}

func metaWithoutLabel(meta []byte) []byte {
	out := []byte{'{'}
	for k, v := range wire.Members(meta) {
		name := wire.Key(k)
		if name == "security" {
			var labels [][]byte
			for item := range wire.Items(v) {
				if !isRedacted(item) {
					labels = append(labels, item)
				}
			}
			v = joinItems(labels)
		}
		out = appendMember(out, name, v)
	}
	if len(out) == 1 {
		return nil
	}
	return append(out, '}')
}
