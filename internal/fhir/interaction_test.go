package fhir_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

func TestParseAccepts(t *testing.T) {
	for _, c := range []struct {
		method, path, query, form string
		code                      fhir.Code
		back                      string // path and query as they are written again
	}{
		{"GET", "", "", "", fhir.SearchSystem, ""},
		{"GET", "/", "_type=Patient,Observation&_id=a", "", fhir.SearchSystem, "?_id=a&_type=Patient%2CObservation"},
		{"POST", "/_search", "", "_type=Patient", fhir.SearchSystem, "?_type=Patient"},
		{"GET", "/metadata", "", "", fhir.Capabilities, "metadata"},
		{"GET", "/metadata", "_format=json&_pretty=true", "", fhir.Capabilities, "metadata"},
		{"GET", "/_history", "_since=2024-01-02T03:04:05Z&_count=2", "", fhir.HistorySystem, "_history?_since=2024-01-02T03%3A04%3A05Z&_count=2"},
		{"GET", "/Patient", "", "", fhir.SearchType, "Patient"},
		{"GET", "/Patient", "name=a&name=b", "", fhir.SearchType, "Patient?name=a&name=b"},
		{"GET", "/Patient", "name:exact=%C3%84rzte+x", "", fhir.SearchType, "Patient?name%3Aexact=%C3%84rzte+x"},
		{"GET", "/Patient", "name%3Acontains=a%2Cb", "", fhir.SearchType, "Patient?name%3Acontains=a%2Cb"},
		{"GET", "/Patient", "gender:not=male", "", fhir.SearchType, "Patient?gender%3Anot=male"},
		{"GET", "/Patient", "birthdate:missing=true", "", fhir.SearchType, "Patient?birthdate%3Amissing=true"},
		{"GET", "/Observation", "subject:Patient=1", "", fhir.SearchType, "Observation?subject%3APatient=1"},
		{"GET", "/Observation", "subject:identifier=s|v", "", fhir.SearchType, "Observation?subject%3Aidentifier=s%7Cv"},
		{"GET", "/Observation", "code-value-quantity=a$5", "", fhir.SearchType, "Observation?code-value-quantity=a%245"},
		{"GET", "/Observation", "_sort=-date,_id&_count=0", "", fhir.SearchType, "Observation?_sort=-date%2C_id&_count=0"},
		{"GET", "/Observation", "_elements=status,Observation.code&_total=accurate", "", fhir.SearchType, "Observation?_elements=status%2CObservation.code&_total=accurate"},
		{"GET", "/Observation", "_summary=false", "", fhir.SearchType, "Observation"},
		{"GET", "/Observation", "_summary=count&_format=application/fhir%2Bjson", "", fhir.SearchType, "Observation?_summary=count"},
		{"GET", "/Observation", "_format=application/fhir+json&&", "", fhir.SearchType, "Observation"},
		{"GET", "/Observation", "_lastUpdated=gt2020&_tag=x&_profile=y&_security=z&_source=w", "", fhir.SearchType, "Observation?_lastUpdated=gt2020&_tag=x&_profile=y&_security=z&_source=w"},
		{"POST", "/Patient/_search", "_format=json", "name=a&_count=3", fhir.SearchType, "Patient?name=a&_count=3"},
		{"POST", "/Patient/_search", "", "", fhir.SearchType, "Patient"},
		{"POST", "/Patient", "_format=json", "", fhir.Create, "Patient"},
		{"GET", "/Patient/1", "", "", fhir.Read, "Patient/1"},
		{"GET", "/Patient/a.b-C9", "_pretty=false", "", fhir.Read, "Patient/a.b-C9"},
		{"PUT", "/Patient/1", "", "", fhir.Update, "Patient/1"},
		{"DELETE", "/Patient/1", "", "", fhir.Delete, "Patient/1"},
		{"GET", "/Patient/1/_history", "_count=1", "", fhir.HistoryInstance, "Patient/1/_history?_count=1"},
		{"GET", "/Patient/1/_history/2", "", "", fhir.VRead, "Patient/1/_history/2"},
		{"GET", "/Patient/_history", "", "", fhir.HistoryType, "Patient/_history"},
		{"GET", "/Patient/1/Observation", "code=x", "", fhir.SearchCompartment, "Patient/1/Observation?code=x"},
		{"GET", "/Patient/1/*", "_type=Observation", "", fhir.SearchCompartment, "Patient/1/*?_type=Observation"},
		{"POST", "/Encounter/1/Observation/_search", "", "code=x", fhir.SearchCompartment, "Encounter/1/Observation?code=x"},
		{"GET", "/Practitioner/1/Patient", "", "", fhir.SearchCompartment, "Practitioner/1/Patient"},
	} {
		t.Run(c.method+" "+c.path+"?"+c.query+c.form, func(t *testing.T) {
			in, err := fhir.Parse(definitions.R4(), c.method, c.path, c.query, c.form)
			if err != nil {
				t.Fatal(err)
			}
			back := in.Path()
			if q := in.Query.Encode(); q != "" {
				back += "?" + q
			}
			if in.Code != c.code || back != c.back {
				t.Errorf("%v %s, want %v %s", in.Code, back, c.code, c.back)
			}
			if in.Posted != strings.HasSuffix(c.path, "_search") {
				t.Errorf("posted: %v", in.Posted)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("a", 65)
	for _, c := range []struct{ method, path, query, form, code string }{
		// Paths that another parser could read differently.
		{"GET", "//Patient", "", "", "path-not-canonical"},
		{"GET", "/Patient/", "", "", "path-not-canonical"},
		{"GET", "/Patient//1", "", "", "path-not-canonical"},
		{"GET", "/Patient/./1", "", "", "path-not-canonical"},
		{"GET", "/Patient/../Observation", "", "", "path-not-canonical"},
		{"GET", "/Patient/..", "", "", "path-not-canonical"},
		{"GET", "/Patient%2F1", "", "", "path-not-canonical"},
		{"GET", "/Patient%2f1", "", "", "path-not-canonical"},
		{"GET", "/Pati%65nt/1", "", "", "path-not-canonical"},
		{"GET", "/Patient/%2e%2e", "", "", "path-not-canonical"},
		{"GET", "/Patient/1;v=2", "", "", "path-not-canonical"},
		{"GET", `/Patient\1`, "", "", "path-not-canonical"},
		{"GET", "/Patient/1:2", "", "", "path-not-canonical"},
		{"GET", "/Patient/1,2", "", "", "path-not-canonical"},
		{"GET", "/Patient/1+2", "", "", "path-not-canonical"},
		{"GET", "/Patient/1@x", "", "", "path-not-canonical"},
		{"GET", "/Patient/1?x", "", "", "path-not-canonical"},
		{"GET", "/Patient/1#x", "", "", "path-not-canonical"},
		{"GET", "/Patient/1 ", "", "", "path-not-canonical"},
		{"GET", "/Patient/%00", "", "", "path-not-canonical"},
		// Types, ids and what isn't there.
		{"GET", "/patient", "", "", "unknown-resource-type"},
		{"GET", "/PATIENT/1", "", "", "unknown-resource-type"},
		{"GET", "/Resource/1", "", "", "unknown-resource-type"},
		{"GET", "/DomainResource", "", "", "unknown-resource-type"},
		{"GET", "/HumanName", "", "", "unknown-resource-type"},
		{"GET", "/fhir/Patient", "", "", "unknown-resource-type"},
		{"GET", "/Patient/" + long, "", "", "bad-id"},
		{"GET", "/Patient/a_b", "", "", "bad-id"},
		{"GET", "/Patient/*", "", "", "bad-id"},
		{"GET", "/Patient/ä", "", "", "bad-id"},
		{"GET", "/Patient/_Search", "", "", "bad-id"},
		{"GET", "/Patient/1/_history/a_b", "", "", "bad-id"},
		{"GET", "/Patient/1/_history/2/3", "", "", "unknown-path"},
		{"GET", "/Patient/_history/1", "", "", "unknown-path"},
		{"GET", "/Patient/_search/1", "", "", "unknown-path"},
		{"GET", "/metadata/x", "", "", "unknown-path"},
		{"GET", "/_history/1", "", "", "unknown-path"},
		{"GET", "/_export", "", "", "unknown-path"},
		{"GET", "/Patient/1/Medication", "", "", "unknown-path"},
		{"GET", "/Patient/1/_search", "", "", "unknown-path"},
		{"GET", "/Patient/1/Foo", "", "", "unknown-path"},
		{"GET", "/Observation/1/Patient", "", "", "unknown-path"},
		{"GET", "/Observation/1/*", "", "", "unknown-path"},
		{"GET", "/Patient/1/Observation/2", "", "", "unknown-path"},
		// Operations, batches, patches.
		{"GET", "/$everything", "", "", "operation-not-supported"},
		{"GET", "/Patient/1/$everything", "", "", "operation-not-supported"},
		{"POST", "/Patient/$export", "", "", "operation-not-supported"},
		{"GET", "/Patient/$match/1", "", "", "operation-not-supported"},
		{"POST", "", "", "", "batch-not-supported"},
		{"POST", "/", "", "", "batch-not-supported"},
		{"PATCH", "/Patient/1", "", "", "patch-not-supported"},
		{"PUT", "/Patient", "name=a", "", "conditional-not-supported"},
		{"DELETE", "/Patient", "name=a", "", "conditional-not-supported"},
		{"PATCH", "/Patient", "name=a", "", "conditional-not-supported"},
		// Methods.
		{"PUT", "/Patient", "", "", "method-not-allowed"},
		{"DELETE", "/Patient", "", "", "method-not-allowed"},
		{"HEAD", "/Patient/1", "", "", "method-not-allowed"},
		{"get", "/Patient/1", "", "", "method-not-allowed"},
		{"POST", "/Patient/1", "", "", "method-not-allowed"},
		{"GET", "/Patient/_search", "", "", "method-not-allowed"},
		{"GET", "/_search", "", "", "method-not-allowed"},
		{"POST", "/metadata", "", "", "method-not-allowed"},
		{"DELETE", "/Patient/1/_history", "", "", "method-not-allowed"},
		{"DELETE", "/Patient/1/_history/2", "", "", "method-not-allowed"},
		{"POST", "/Patient/1/Observation", "", "", "method-not-allowed"},
		{"OPTIONS", "/Patient", "", "", "method-not-allowed"},
		// Queries that can't be decoded.
		{"GET", "/Patient", "name=%zz", "", "bad-query"},
		{"GET", "/Patient", "name=a;b=c", "", "bad-query"},
		{"GET", "/Patient", "=a", "", "bad-query"},
		{"GET", "/Patient", "name=%00", "", "bad-query"},
		{"GET", "/Patient", "name=%0d%0a", "", "bad-query"},
		{"GET", "/Patient", "name=%ff", "", "bad-query"},
		{"GET", "/Patient", strings.Repeat("name=a&", 101), "", "bad-query"},
		// Parameters.
		{"GET", "/Patient", "nmae=a", "", "unknown-parameter"},
		{"GET", "/Patient", "Name=a", "", "unknown-parameter"},
		{"GET", "/Patient", "_foo=a", "", "unknown-parameter"},
		{"GET", "", "name=a", "", "unknown-parameter"},
		{"GET", "/Patient", "_ID=a", "", "unknown-parameter"},
		{"GET", "/Patient", "name=", "", "empty-parameter"},
		{"GET", "/Patient", "name", "", "empty-parameter"},
		{"GET", "/Patient", "name:=a", "", "modifier-not-supported"},
		{"GET", "/Patient", "name:text=a", "", "modifier-not-supported"},
		{"GET", "/Patient", "gender:in=a", "", "modifier-not-supported"},
		{"GET", "/Patient", "name:exact:exact=a", "", "modifier-not-supported"},
		{"GET", "/Patient", "birthdate:exact=a", "", "modifier-not-supported"},
		{"GET", "/Observation", "subject:Practitioner=a", "", "modifier-not-supported"},
		{"GET", "/Observation", "subject:patient=a", "", "modifier-not-supported"},
		{"GET", "/Patient", "birthdate:missing=maybe", "", "bad-missing"},
		{"GET", "/Observation", "subject.name=a", "", "chain-not-supported"},
		{"GET", "/Observation", "subject:Patient.name=a", "", "chain-not-supported"},
		{"GET", "/Patient", "_has:Observation:patient:code=a", "", "parameter-not-supported"},
		{"GET", "/Patient", "_include=Patient:link", "", "parameter-not-supported"},
		{"GET", "/Patient", "_include:iterate=Patient:link", "", "parameter-not-supported"},
		{"GET", "/Patient", "_revinclude=Observation:subject", "", "parameter-not-supported"},
		{"GET", "/Patient", "_revinclude:recurse=Observation:subject", "", "parameter-not-supported"},
		{"GET", "/Patient", "%5Finclude=Patient:link", "", "parameter-not-supported"},
		{"GET", "/Patient", "_filter=a", "", "parameter-not-supported"},
		{"GET", "/Patient", "_text=a", "", "parameter-not-supported"},
		{"GET", "/Patient", "_content=a", "", "parameter-not-supported"},
		{"GET", "/Patient", "_list=a", "", "parameter-not-supported"},
		{"GET", "/Patient", "_query=a", "", "parameter-not-supported"},
		{"GET", "/Patient", "_contained=true", "", "parameter-not-supported"},
		{"GET", "/Patient", "_type=Patient", "", "parameter-not-supported"},
		{"GET", "/Patient", "_since=2024-01-02T03:04:05Z", "", "parameter-not-supported"},
		// Control parameters.
		{"GET", "/Patient", "_count=1&_count=2", "", "duplicate-parameter"},
		{"GET", "/Patient", "_format=json&_format=json", "", "duplicate-parameter"},
		{"GET", "/Patient", "_page=a&name=b", "", "duplicate-parameter"},
		{"GET", "/Patient", "_page=a&_count=1", "", "duplicate-parameter"},
		{"GET", "/Patient", "_page=", "", "bad-control-parameter"},
		{"GET", "/Patient", "_count=-1", "", "bad-control-parameter"},
		{"GET", "/Patient", "_count=+1", "", "bad-control-parameter"},
		{"GET", "/Patient", "_count=4294967296", "", "bad-control-parameter"},
		{"GET", "/Patient", "_summary=yes", "", "bad-control-parameter"},
		{"GET", "/Patient", "_total=exact", "", "bad-control-parameter"},
		{"GET", "/Patient", "_pretty=1", "", "bad-control-parameter"},
		{"GET", "/Patient", "_elements=", "", "bad-control-parameter"},
		{"GET", "/Patient", "_elements=nmae", "", "bad-control-parameter"},
		{"GET", "/Patient", "_elements=name.family", "", "bad-control-parameter"},
		{"GET", "/Patient", "_elements=name&_summary=true", "", "bad-control-parameter"},
		{"GET", "", "_type=Foo", "", "bad-control-parameter"},
		{"GET", "", "_type=", "", "bad-control-parameter"},
		{"GET", "/_history", "_since=yesterday", "", "bad-control-parameter"},
		{"GET", "/Patient", "_sort=foo", "", "unknown-parameter"},
		{"GET", "/Patient", "_sort=", "", "unknown-parameter"},
		{"GET", "/Patient", "_sort=--name", "", "unknown-parameter"},
		{"GET", "/Observation", "_sort=code-value-quantity", "", "unknown-parameter"},
		{"GET", "/Patient", "_format=xml", "", "format-not-supported"},
		{"GET", "/Patient", "_format=application/fhir%2Bxml", "", "format-not-supported"},
		// Queries where there are none.
		{"GET", "/Patient/1", "name=a", "", "query-not-allowed"},
		{"GET", "/Patient/1", "_page=a", "", "query-not-allowed"},
		{"GET", "/Patient/1", "_summary=count", "", "query-not-allowed"},
		{"PUT", "/Patient/1", "name=a", "", "query-not-allowed"},
		{"POST", "/Patient", "name=a", "", "query-not-allowed"},
		{"GET", "/Patient/_history", "name=a", "", "query-not-allowed"},
		{"GET", "/Patient/_history", "_sort=name", "", "query-not-allowed"},
		{"GET", "/metadata", "mode=full", "", "query-not-allowed"},
		{"POST", "/Patient/_search", "name=a", "name=b", "query-and-body"},
		{"POST", "/Patient/_search", "_count=1", "", "query-and-body"},
	} {
		t.Run(c.method+" "+c.path+"?"+c.query, func(t *testing.T) {
			in, err := fhir.Parse(definitions.R4(), c.method, c.path, c.query, c.form)
			var r *fhir.Refusal
			if !errors.As(err, &r) {
				t.Fatalf("%+v, %v, want a refusal", in, err)
			}
			if r.Code != c.code {
				t.Errorf("refused as %s, want %s", r.Code, c.code)
			}
			if r.Status < http.StatusBadRequest || r.Text == "" {
				t.Errorf("status %d, text %q", r.Status, r.Text)
			}
		})
	}
}

func TestZeroCodeIsNoInteraction(t *testing.T) {
	var c fhir.Code
	if c != fhir.Unknown || c.String() != "unknown" || c.IsSearch() || c.IsHistory() || c.IsWrite() {
		t.Error("the zero code is an interaction")
	}
}

func TestCodesAreTold(t *testing.T) {
	seen := map[string]bool{}
	for c := fhir.Read; c <= fhir.Capabilities; c++ {
		if s := c.String(); s == "unknown" || seen[s] {
			t.Errorf("code %d is %q", c, s)
		} else {
			seen[s] = true
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, c := range []struct{ name, path, query string }{
		{"read", "/Patient/123", ""},
		{"search", "/Observation", "subject=Patient/123&code=http://loinc.org%7C8867-4&date=ge2020&_sort=-date&_count=50"},
	} {
		b.Run(c.name, func(b *testing.B) {
			defs := definitions.R4()
			for b.Loop() {
				if _, err := fhir.Parse(defs, "GET", c.path, c.query, ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
