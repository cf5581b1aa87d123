package mask

import (
	"bytes"
	"errors"
	"testing"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// fuzzMasks are masks for Patient and Observation that use every action and form
// of a path.
func fuzzMasks(t testing.TB) []*Mask {
	t.Helper()
	var out []*Mask
	for _, resourceType := range []string{"Patient", "Observation", "Bundle"} {
		out = append(
			out,
			compile(t, resourceType, remove(t, "**.text", "**.extension", "Patient.birthDate", "Observation.code")),
			compile(t, resourceType, rules(t,
				`{"path":"Patient.name.given","action":"hash"}`, `{"path":"Patient.birthDate","action":"truncate","to":"year"}`,
				`{"path":"Patient.id","action":"pseudonymize"}`, `{"path":"Patient.identifier.where(system='s')","action":"remove"}`,
				`{"path":"Observation.where(code.coding.code='c').value","action":"remove"}`, `{"path":"*.meta.security","action":"remove"}`,
				`{"path":"Patient.gender","action":"generalize","map":{"male":"other"}}`, `{"path":"Patient.maritalStatus","action":"replace","value":{"text":"x"}}`)),
			compile(t, resourceType, nil, remove(t, "Patient.name", "Observation.note"), remove(t, "Patient.name.family", "Observation.note.text")),
		)
	}
	return out
}

var fuzzResources = []string{
	`{"resourceType":"Patient","id":"p","name":[{"family":"F","given":["A",null],"_given":[null,{"id":"i"}]}],"birthDate":"1980-01-02","gender":"male","maritalStatus":{"text":"t"}}`,
	`{"resourceType":"Patient","meta":{"security":[` + redacted + `,{"code":"R"}]},"identifier":[{"system":"s","value":"v"},{"system":"t"}],"contained":[{"resourceType":"Observation"}]}`,
	`{"resourceType":"Observation","code":{"coding":[{"code":"c"}]},"valueString":"s","subject":{"reference":"Patient/p","display":"d"},"note":[{"text":"n"}]}`,
	`{"resourceType":"Observation","code":` + absentMasked + `,"contained":[{"resourceType":"Patient","id":"p","name":[{"family":"F"}]}]}`,
	`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","name":[{"family":"F"}]}}]}`,
}

// FuzzApply: what comes out is JSON, masking it again changes nothing, and a
// failure leaves dst alone.
func FuzzApply(f *testing.F) {
	for _, doc := range fuzzResources {
		f.Add([]byte(doc))
	}
	masks, k := fuzzMasks(f), testKeys(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		if wire.Check(doc, wire.Limits{}) != nil {
			return
		}
		for i, m := range masks {
			out, err := m.Apply([]byte("x"), doc, k)
			if err != nil {
				if string(out) != "x" {
					t.Fatalf("mask %d: an error and %s", i, out)
				}
				continue
			}
			out = out[1:]
			if err := wire.Check(out, wire.Limits{MaxDepth: wire.DefaultMaxDepth + 8}); err != nil {
				t.Fatalf("mask %d: %v\n%s", i, err, out)
			}
			again, err := m.Apply(nil, out, k)
			if err != nil || !bytes.Equal(again, out) {
				t.Fatalf("mask %d: %v\ntwice %s\nonce  %s", i, err, again, out)
			}
		}
	})
}

// FuzzMerge: whether and how a write is refused is the same for a stored version
// in which nothing is hidden and that looks the same; a result is JSON.
func FuzzMerge(f *testing.F) {
	for i, doc := range fuzzResources {
		f.Add([]byte(doc), []byte(fuzzResources[(i+1)%len(fuzzResources)]))
		f.Add([]byte(doc), []byte(doc))
	}
	masks, k := fuzzMasks(f), testKeys(f)
	f.Fuzz(func(t *testing.T, stored, incoming []byte) {
		if wire.Check(stored, wire.Limits{}) != nil || wire.Check(incoming, wire.Limits{}) != nil {
			return
		}
		for i, m := range masks {
			view, err := m.Apply(nil, stored, k)
			if err != nil {
				continue
			}
			result, err := m.Merge(stored, incoming, k)
			if _, other := m.Merge(view, incoming, k); sameError(err) != sameError(other) {
				t.Fatalf("mask %d: %v, but %v when nothing is hidden", i, err, other)
			}
			if err == nil && wire.Check(result, wire.Limits{}) != nil {
				t.Fatalf("mask %d: %s", i, result)
			}
			if err := m.CheckNew(incoming, k); err != nil && !errors.Is(err, ErrPlaceholder) && !errors.Is(err, ErrResource) && !errors.Is(err, ErrModifier) {
				t.Fatalf("mask %d: %v", i, err)
			}
		}
	})
}

// FuzzParseRule: what is accepted compiles, or is refused with one of the errors
// that name why.
func FuzzParseRule(f *testing.F) {
	for _, rule := range []string{
		`{"path":"Patient.name.where(use='old' and text = 'a\\'b').family","action":"truncate","to":3}`,
		`{"path":"**.text","action":"remove"}`, `{"path":"*.meta.tag","action":"remove"}`, `{"path":"Observation.value[x]","action":"replace","value":"x"}`,
		`{"path":"Patient.gender","action":"generalize","map":{"a":"b"},"default":"c"}`, `{"path":"Observation.**.display","action":"hash"}`,
	} {
		f.Add([]byte(rule))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		r, err := ParseRule(object)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Fatal(err)
			}
			return
		}
		_, err = Compile(definitions.R4(), "Patient", []Rule{r}, nil)
		for _, known := range []error{nil, ErrSyntax, ErrPath, ErrAction, ErrModifier, ErrUnmaskable, ErrConflict} {
			if errors.Is(err, known) {
				return
			}
		}
		t.Fatal(err)
	})
}
