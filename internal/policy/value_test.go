package policy

import (
	"bytes"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// checkParse holds both parsers to OPA's own reader.
func checkParse(t *testing.T, keys keyTerms, doc []byte) {
	t.Helper()
	want, err := ast.ValueFromReader(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := parseResource(doc)
	if err != nil || kept.Compare(want) != 0 {
		t.Errorf("parseResource: %v, %v, want %v", kept, err, want)
	}
	input, err := parseInput(doc, keys)
	if err != nil || input.Compare(want) != 0 || input.Hash() != want.Hash() {
		t.Errorf("parseInput: %v, %v, want %v", input, err, want)
	}
	// Nothing of an input may change with the buffer that it was read from.
	clear(doc)
	if input.Compare(want) != 0 || kept.Compare(want) != 0 {
		t.Error("the value changes with the document's bytes")
	}
}

func TestParse(t *testing.T) {
	keys := newKeyTerms(definitions.R4())
	for _, name := range []string{"resourceType", "id", "birthDate", "valueQuantity", "div", "coding", "contained"} {
		if keys[name] == nil {
			t.Errorf("no term for %s", name)
		}
	}
	for _, doc := range []string{
		benchObservation, `{}`, ` {"a" : [ ] , "b":{ } } `, `{"a":[1,-2.50,1e3,true,false,null,"x",{"id":"y"},[[1],[]]]}`,
		`{"\u0069d":"a\"\\\n\u00e9\ud83d\ude00","id2":"é😀","":""}`, `{"a":1e9999,"b":-0.1E-9999}`, `{"_birthDate":{"extension":[{"url":"u","valueCode":"v"}]}}`,
	} {
		checkParse(t, keys, []byte(doc))
	}
	for _, doc := range []string{``, ` `, `{"a":}`, `{"a"`, `{"a":"x`, `{"a":1}x`, `{"a":x}`, `{"a":1e99999}`, `{"a":1e+99999}`, `{"a":[-1E-123456]}`} {
		if v, err := parseInput([]byte(doc), keys); err == nil {
			t.Errorf("%q: parsed as %v", doc, v)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(benchObservation))
	f.Add([]byte(`{"\u0069d":[1.0e5,"\n",{}],"x":null}`))
	keys := newKeyTerms(definitions.R4())
	f.Fuzz(func(t *testing.T, doc []byte) {
		_, err := parseInput(doc, keys) // mustn't panic or hang, whatever doc is
		if err == nil && wire.Check(doc, wire.Limits{}) == nil {
			checkParse(t, keys, doc)
		}
	})
}
