package mask

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

var generatedTypes = []string{
	"Patient", "Observation", "MedicationRequest", "Composition", "Encounter", "Condition", "Bundle", "Parameters", "Questionnaire", "AuditEvent",
}

func drawType(t *rapid.T) string { return rapid.SampledFrom(generatedTypes).Draw(t, "type") }

// masked says whether the rules mask the leaf: a restriction covers it, or every
// grant does.
func (l *leaf) masked(masks []Rule, grants [][]Rule) bool {
	if slices.ContainsFunc(masks, l.covered) {
		return true
	}
	for _, rules := range grants {
		if !slices.ContainsFunc(rules, l.covered) {
			return false
		}
	}
	return len(grants) > 0
}

// mayStay: what these actions leave of an Identifier, a Period or a Reference on
// purpose isn't gone.
func mayStay(r Rule) bool {
	return r.Action == Hash || r.Action == Pseudonymize || r.Action == Truncate
}

// hidingWholly are the rules without those.
func hidingWholly(masks []Rule, grants [][]Rule) ([]Rule, [][]Rule) {
	var out [][]Rule
	for _, rules := range grants {
		out = append(out, slices.DeleteFunc(slices.Clone(rules), mayStay))
	}
	return slices.DeleteFunc(slices.Clone(masks), mayStay), out
}

func TestMaskedCanariesAreGone(t *testing.T) {
	k := testKeys(t)
	rapid.Check(t, func(t *rapid.T) {
		typeName := drawType(t)
		g := generate(t, typeName)
		if len(g.leaves) == 0 {
			return
		}
		m, masks, grants := g.randomMask(t, typeName, true)
		out, err := m.Apply(nil, []byte(g.text), k)
		if errors.Is(err, ErrModifier) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := wire.Check(out, wire.Limits{}); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		again, err := m.Apply(nil, out, k)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out, again) {
			t.Fatalf("masked twice:\n%s\nonce:\n%s", again, out)
		}
		wholly, whollyGrants := hidingWholly(masks, grants)
		for _, l := range g.leaves {
			if l.unique && l.masked(wholly, whollyGrants) && bytes.Contains(out, []byte(l.canary)) {
				t.Fatalf("%v masked by %v %v is in\n%s\nof\n%s", l.chain, masks, grants, out, g.text)
			}
		}
		g.checkKept(t, string(out), masks, grants)
	})
}

// checkKept: what isn't masked is there, byte for byte.
func (g *generated) checkKept(t *rapid.T, out string, masks []Rule, grants [][]Rule) {
	ids := slices.ContainsFunc(append(slices.Concat(grants...), masks...), func(r Rule) bool { return strings.HasSuffix(r.Path, ".id") })
	free := func(l leaf) bool {
		return !l.masked(masks, grants) && !l.narrative && !l.display && !l.url && !ids
	}
	for _, l := range g.leaves {
		if free(l) && !strings.Contains(out, l.canary) {
			t.Fatalf("%v not masked by %v %v is missing in\n%s\nof\n%s", l.chain, masks, grants, out, g.text)
		}
	}
	for _, s := range g.subtrees {
		leaves := g.leaves[s.from:s.to]
		if len(leaves) > 0 && !slices.ContainsFunc(leaves, func(l leaf) bool { return !free(l) }) && !strings.Contains(s.text, "resourceType") && !strings.Contains(out, s.text) {
			if slices.ContainsFunc(leaves, func(l leaf) bool { return slices.Contains(l.chain[len(l.chain)-1].names, "security") }) {
				continue // the label is added there
			}
			if slices.ContainsFunc(leaves, func(l leaf) bool { return l.chain[len(l.chain)-1].names[0] == "meta" }) {
				continue
			}
			t.Fatalf("%s not masked by %v %v isn't byte for byte in\n%s", s.text, masks, grants, out)
		}
	}
}

// edit changes what a writer saw.
func edit(t *rapid.T, view, stored []byte) []byte {
	var names []string
	for k := range wire.Members(view) {
		if name := string(k); name != "resourceType" {
			names = append(names, name)
		}
	}
	name := ""
	if len(names) > 0 {
		name = rapid.SampledFrom(names).Draw(t, "member")
	}
	op := rapid.IntRange(0, 5).Draw(t, "edit")
	out := []byte{'{'}
	seen := map[string]bool{}
	for k, v := range wire.Members(view) {
		key := string(k)
		seen[key] = true
		if key == name {
			v = editValue(t, op, v)
		}
		out = appendMember(out, key, v)
	}
	if op == 4 { // what is hidden, as it is stored
		for k, v := range wire.Members(stored) {
			if !seen[string(k)] {
				out = appendMember(out, string(k), v)
				break
			}
		}
	}
	return append(out, '}')
}

func editValue(t *rapid.T, op int, v []byte) []byte {
	switch op {
	case 0:
		return nil
	case 1: // another text
		at := bytes.LastIndex(v, []byte("z\""))
		if at < 0 {
			return v
		}
		return append(append(slices.Clone(v[:at]), 'y'), v[at:]...)
	case 2, 3: // items
		items := itemsOf(v)
		if len(items) == 0 {
			return v
		}
		i := rapid.IntRange(0, len(items)-1).Draw(t, "item")
		if op == 2 {
			return joinItems(append(items, items[i]))
		}
		return joinItems(append(slices.Clone(items[i:]), items[:i]...))
	}
	return v
}

// sameError reduces an error to what the writer is told.
func sameError(err error) string {
	for _, e := range []error{ErrHidden, ErrAmbiguous, ErrModifier, ErrResource} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestMergeTellsNothing(t *testing.T) {
	k := testKeys(t)
	merged := 0
	rapid.Check(t, func(t *rapid.T) {
		typeName := drawType(t)
		g := generate(t, typeName)
		if len(g.leaves) == 0 {
			return
		}
		m, masks, grants := g.randomMask(t, typeName, true)
		stored := []byte(g.text)
		view, err := m.Apply(nil, stored, k)
		if err != nil {
			return
		}
		incoming := edit(t, view, stored)
		result, err := m.Merge(stored, incoming, k)
		// A stored version in which nothing is hidden looks the same.
		otherResult, otherErr := m.Merge(view, incoming, k)
		if sameError(err) != sameError(otherErr) {
			t.Fatalf("%v, but %v when nothing is hidden\nstored   %s\nview     %s\nincoming %s\nmasks %v %v", err, otherErr, stored, view, incoming, masks, grants)
		}
		if err != nil {
			return
		}
		merged++
		checkMerge(t, m, g, result, otherResult, masks, grants, k)
	})
	if merged == 0 {
		t.Error("no write was merged")
	}
}

func checkMerge(t *rapid.T, m *Mask, g *generated, result, other []byte, masks []Rule, grants [][]Rule, k *Keys) {
	if err := wire.Check(result, wire.Limits{}); err != nil {
		t.Fatal(err)
	}
	a, err := m.Apply(nil, result, k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Apply(nil, other, k)
	if err != nil {
		t.Fatal(err)
	}
	if !wire.Equal(withoutLabel(a), withoutLabel(b)) {
		t.Fatalf("seen afterwards:\n%s\nbut, when nothing was hidden:\n%s", a, b)
	}
	if bytes.Contains(result, []byte(absentMasked)) || bytes.Contains(result, []byte(redacted)) {
		t.Fatalf("a placeholder is stored: %s", result)
	}
	masks, grants = hidingWholly(masks, grants)
	for _, l := range g.leaves {
		if l.masked(masks, grants) && !bytes.Contains(result, []byte(l.canary)) {
			t.Fatalf("%v is hidden and lost in\n%s\nfrom\n%s", l.chain, result, g.text)
		}
	}
}
