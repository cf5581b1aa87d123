package mask

import (
	"fmt"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// CheckNew refuses, with ErrPlaceholder, a new resource that has in it what masks
// show in place of values: data-absent-reason masked, the label REDACTED, hashes
// and pseudonyms anywhere, and, where this mask puts them, the values of Replace
// and Generalize. A truncated value can't be told from one that was never longer.
func (m *Mask) CheckNew(incoming []byte, k *Keys) error {
	if m.resourceTypeOf(incoming) != m.resourceType {
		return ErrResource
	}
	found := map[string]int{}
	k.placeholders(found, incoming)
	if len(found) > 0 {
		return fmt.Errorf("new %s: %w", m.resourceType, ErrPlaceholder)
	}
	if m.Empty() {
		return nil
	}
	w := walker{mask: m, src: incoming, keys: k}
	w.root(wire.SkipSpace(incoming, 0))
	if w.err != nil {
		return fmt.Errorf("mask %s: %w", m.resourceType, w.err)
	}
	if w.placeholder {
		return fmt.Errorf("new %s: %w", m.resourceType, ErrPlaceholder)
	}
	return nil
}

// isPlaceholder says whether a value is what the action shows.
func (a *action) isPlaceholder(value []byte) bool {
	switch a.kind {
	case Replace:
		return wire.Equal(value, a.value)
	case Generalize:
		if _, ok := a.values[scalarText(value)]; ok {
			return false
		}
		return isAnyOf(value, a.outputs())
	case Remove, Hash, Truncate, Pseudonymize:
	}
	return false
}

// sharesPlaceholders says whether incoming has no placeholder more often than the
// view has: one that was copied elsewhere would be stored.
func (k *Keys) sharesPlaceholders(view, incoming []byte) bool {
	had, has := map[string]int{}, map[string]int{}
	k.placeholders(had, view)
	k.placeholders(has, incoming)
	for text, n := range has {
		if n > had[text] {
			return false
		}
	}
	return true
}

// placeholders counts the placeholders in a value by their texts.
func (k *Keys) placeholders(counts map[string]int, value []byte) {
	switch wire.KindOf(value) {
	case wire.Object:
		switch {
		case isRedacted(value):
			counts[redactedCode]++
		case textOf(value, "url") == absentReasonURL && textOf(value, "valueCode") == "masked":
			counts[absentReasonURL]++
		}
		resourceType := textOf(value, "resourceType")
		for key, v := range wire.Members(value) {
			if wire.KeyIs(key, "id") && resourceType != "" {
				k.countText(counts, resourceType, v)
			}
			k.placeholders(counts, v)
		}
	case wire.Array:
		for item := range wire.Items(value) {
			k.placeholders(counts, item)
		}
	case wire.Text:
		k.countText(counts, valueType, value)
	case wire.Number, wire.True, wire.False, wire.Null, wire.Invalid:
	}
}

// countText counts a hash, or a pseudonym: of the type, or of the type that is
// named in a reference.
func (k *Keys) countText(counts map[string]int, typeName string, value []byte) {
	text, _ := wire.String(value)
	if k == nil || len(text) < min(smallText, hashText) {
		return
	}
	if len(k.Hash) >= minKeyBytes && k.isHash(text) {
		counts[text]++
	}
	if k.Pseudonym == nil {
		return
	}
	id := text
	if name, rest, ok := strings.Cut(text, "/"); ok {
		typeName = name
		id, _, _ = strings.Cut(rest, "/")
	}
	if k.Pseudonym.Is(typeName, id) {
		counts[typeName+"/"+id]++
	}
}
