package fhir_test

import (
	"encoding/json"
	"testing"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

func TestRelativeLinks(t *testing.T) {
	const base = "http://host/fhir"
	for _, c := range []struct{ name, doc, want string }{
		{"reference", `{"reference":"http://host/fhir/Patient/1"}`, `{"reference":"Patient/1"}`},
		{"with a version", `{"reference":"http://host/fhir/Patient/1/_history/2"}`, `{"reference":"Patient/1/_history/2"}`},
		{"several", `["http://host/fhir/Patient/1","http://host/fhir/Patient/2"]`, `["Patient/1","Patient/2"]`},
		{"escaped slashes", `{"reference":"http:\/\/host\/fhir\/Patient\/1"}`, `{"reference":"Patient/1"}`},
		{"link in a narrative", `{"div":"<a href=\"http://host/fhir/Patient/1\">x</a>"}`, `{"div":"<a href=\"Patient/1\">x</a>"}`},
		{"base that begins the same", `{"reference":"http://host/fhir2/Patient/1"}`, `{"reference":"http://host/fhir2/Patient/1"}`},
		{"base in another", `{"reference":"http://other/?x=http://host/fhir/Patient/1"}`, `{"reference":"http://other/?x=http://host/fhir/Patient/1"}`},
		{"identifier system", `{"system":"http://host/fhir/sid/mrn/9"}`, `{"system":"http://host/fhir/sid/mrn/9"}`},
		{"operation", `{"url":"http://host/fhir/Patient/1/$everything"}`, `{"url":"http://host/fhir/Patient/1/$everything"}`},
		{"canonical with a version", `{"profile":"http://host/fhir/StructureDefinition/x|1"}`, `{"profile":"http://host/fhir/StructureDefinition/x|1"}`},
		{"the base itself", `{"url":"http://host/fhir"}`, `{"url":"http://host/fhir"}`},
		{"the base with a slash", `{"url":"http://host/fhir/"}`, `{"url":"http://host/fhir/"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := []byte(c.doc)
			if got := string(fhir.RelativeLinks(doc, base)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if string(doc) != c.doc {
				t.Error("changed in place")
			}
		})
	}
}

// FuzzRelativeLinks: JSON stays JSON, and what was done is done for good.
func FuzzRelativeLinks(f *testing.F) {
	f.Add("http://h/f/Patient/1", "\\", false)
	f.Add("x http://h/f/Patient/1\" y", "\"", true)
	f.Fuzz(func(t *testing.T, a, b string, escape bool) {
		doc, err := json.Marshal(map[string]any{"a": a, "b": []string{b, "http://h/f/" + a, a + "http://h/f/" + b}})
		if err != nil || wire.Check(doc, wire.Limits{}) != nil {
			return
		}
		if escape {
			doc = escapeSlashes(doc)
		}
		once := fhir.RelativeLinks(doc, "http://h/f")
		if err := wire.Check(once, wire.Limits{}); err != nil {
			t.Fatalf("%s became %s: %v", doc, once, err)
		}
		if len(once) > len(doc) {
			t.Fatalf("%s became longer: %s", doc, once)
		}
	})
}

func escapeSlashes(doc []byte) []byte {
	var out []byte
	for i, c := range doc {
		if c == '/' && (i == 0 || doc[i-1] != '\\') {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return out
}

func TestParseReference(t *testing.T) {
	for s, want := range map[string]fhir.Reference{
		"Patient/1":            {Type: "Patient", ID: "1"},
		"Patient/1/_history/2": {Type: "Patient", ID: "1"},
		"Patient/a.b-c":        {Type: "Patient", ID: "a.b-c"},
	} {
		if got, ok := fhir.ParseReference(s); !ok || got != want {
			t.Errorf("%s: %v %v", s, got, ok)
		}
	}
	for _, s := range []string{
		"", "/", "Patient", "Patient/", "/1", "patient/1", "Patient/..", "Patient/.", "Patient/1/", "Patient/1/2", "Patient/1/_history/", "Patient/1/_history/..",
		"Patient/1/_history/2/3", "http://h/Patient/1", "urn:uuid:x", "#x", "Patient?identifier=x", "Patient/1#x", "Pat1ent/1", "Patient/ä", "Pat@/1",
	} {
		if got, ok := fhir.ParseReference(s); ok {
			t.Errorf("%q is taken as %v", s, got)
		}
	}
}

func TestRefusalNeverSendsItsCause(t *testing.T) {
	r := fhir.Refuse(400, "a-code", fhir.IssueInvalid, `say "this"`).Because(json.Unmarshal([]byte("secret"), new(int)))
	doc := r.AppendOutcome(nil)
	var o struct {
		ResourceType string
		Issue        []struct {
			Severity, Code string
			Details        struct {
				Coding []struct{ System, Code string }
				Text   string
			}
		}
	}
	if err := json.Unmarshal(doc, &o); err != nil {
		t.Fatal(err)
	}
	i := o.Issue[0]
	if o.ResourceType != "OperationOutcome" || i.Severity != "error" || i.Code != "invalid" || i.Details.Coding[0].Code != "a-code" ||
		i.Details.Coding[0].System != fhir.CodeSystem || i.Details.Text != `say "this"` {
		t.Errorf("%s", doc)
	}
	if r.Unwrap() == nil || r.Error() == "400 a-code" {
		t.Error("the cause is lost")
	}
	if fhir.ETag("3") != `W/"3"` {
		t.Error(fhir.ETag("3"))
	}
}
