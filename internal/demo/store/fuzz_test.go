package store

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// FuzzParse: what the store accepts it stores as valid JSON from which the client's part comes apart again unchanged.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"resourceType":"Patient"}`,
		`{ "active" : true, "resourceType":"Patient", "meta":{"versionId":"7","tag":[{"code":"t"}]}, "x":[1.0,"é\ud83d\ude00"], "id":"a" }`,
		`{"resourceType":"Patient","meta":[],"reference":"a","id":1}`,
	} {
		f.Add([]byte(seed))
	}
	s, err := Open("", Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := s.parse(body)
		if err != nil {
			return
		}
		raw := stamp(nil, d.typ, "a", 3, 1e12, d.meta, d.rest)
		if err := wire.Check(raw, wire.Limits{}); err != nil {
			t.Fatalf("%s became %s: %v", body, raw, err)
		}
		again := split(raw)
		if again.typ != d.typ || again.id != "a" || !bytes.Equal(again.meta, d.meta) || !bytes.Equal(again.rest, d.rest) {
			t.Fatalf("%s came apart as %+v", raw, again)
		}
	})
}

// FuzzSearch: a query is answered or refused, never a failure of the server; and asking twice finds the same.
func FuzzSearch(f *testing.F) {
	for _, seed := range []string{
		"name=a&_sort=-name,_id", "_has:Observation:subject:code=x|y", "subject:Patient.name:exact=a", `identifier=a\,b|c,d`, "birthdate=ge2020-01-01T00:00:00Z",
		"_include=Patient:*&_revinclude:iterate=Observation:subject&_count=1", "_lastUpdated=ap2020", "_elements=name&_summary=count", "general-practitioner:identifier=|",
		"gender:missing=true&active:not=true",
	} {
		f.Add(seed)
	}
	s, err := Open("", Options{})
	if err != nil {
		f.Fatal(err)
	}
	load := `{"resourceType":"Patient","id":"a","name":[{"family":"a"}],"gender":"male","birthDate":"2020","identifier":[{"value":"b"}],"generalPractitioner":[{"reference":"Practitioner/x"}]}` + "\n" +
		`{"resourceType":"Observation","id":"o","code":{"coding":[{"code":"x"}]},"subject":{"reference":"Patient/a"}}`
	if err := s.Load(strings.NewReader(load)); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if _, err := url.ParseQuery(query); err != nil {
			return
		}
		var found [2]int
		for i := range found {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/Patient", nil)
			req.URL.RawQuery = query
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, req)
			if w.Code >= http.StatusInternalServerError {
				t.Fatalf("%d: %s", w.Code, w.Body)
			}
			found[i] = strings.Count(w.Body.String(), `"fullUrl"`)
		}
		if found[0] != found[1] {
			t.Fatalf("found %d, then %d", found[0], found[1])
		}
	})
}
