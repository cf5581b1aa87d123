package fhir_test

import (
	"errors"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// TestQueryRoundTrip: what is written is read again as the same.
func TestQueryRoundTrip(t *testing.T) {
	defs := definitions.R4()
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(defs.ResourceTypes()).Draw(t, "type")
		form := url.Values{}
		for range rapid.IntRange(0, 4).Draw(t, "params") {
			p := rapid.SampledFrom(defs.SearchParameters(typ)).Draw(t, "param")
			if !fhir.IsSupported(p.Code) {
				continue
			}
			form.Add(p.Code, rapid.StringMatching(`[ -~äß€]{1,12}`).Draw(t, "value"))
		}
		if rapid.Bool().Draw(t, "counted") {
			form.Set("_count", strconv.Itoa(rapid.IntRange(0, 1<<20).Draw(t, "count")))
		}
		if rapid.Bool().Draw(t, "summarised") {
			form.Set("_summary", rapid.SampledFrom([]string{"true", "text", "data", "count", "false"}).Draw(t, "summary"))
		}
		if rapid.Bool().Draw(t, "sorted") {
			form.Set("_sort", rapid.SampledFrom([]string{"_id", "-_lastUpdated", "_id,-_lastUpdated"}).Draw(t, "sort"))
		}
		if rapid.Bool().Draw(t, "totalled") {
			form.Set("_total", rapid.SampledFrom([]string{"none", "estimate", "accurate"}).Draw(t, "total"))
		}
		in, err := fhir.Parse(defs, "GET", "/"+typ, form.Encode(), "")
		if err != nil {
			t.Fatal(err)
		}
		again, err := fhir.Parse(defs, "GET", "/"+in.Path(), in.Query.Encode(), "")
		if err != nil || !reflect.DeepEqual(again, in) {
			t.Fatalf("%+v, %v, want %+v", again, err, in)
		}
		posted, err := fhir.Parse(defs, "POST", "/"+typ+"/_search", "", form.Encode())
		if posted.Posted = false; err != nil || !reflect.DeepEqual(posted, in) {
			t.Fatalf("posted %+v, %v, want %+v", posted, err, in)
		}
	})
}

// TestEncodeUpstream: the server behind is asked for rows, never for a part of
// their elements.
func TestEncodeUpstream(t *testing.T) {
	in, err := fhir.Parse(definitions.R4(), "GET", "/Patient", "name=a&_elements=name&_total=accurate&_count=3&_sort=-birthdate&_format=json", "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := in.Query.EncodeUpstream(20), "name=a&_sort=-birthdate&_count=20"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzParse: what is accepted names a known interaction, has a path that is read
// again as the same, and holds nothing that steers a URL.
func FuzzParse(f *testing.F) {
	f.Add("GET", "/Patient", "name:exact=a&_count=1", "")
	f.Add("POST", "/Patient/1/Observation/_search", "_format=json", "code=x%7Cy")
	f.Add("GET", "/Patient/1/_history/2", "", "")
	f.Add("GET", "/Patient/1/*", "_type=Observation", "")
	f.Add("GET", "/%2e%2e", "a;b", "")
	defs := definitions.R4()
	f.Fuzz(func(t *testing.T, method, path, query, form string) {
		in, err := fhir.Parse(defs, method, path, query, form)
		if err != nil {
			var r *fhir.Refusal
			if !errors.As(err, &r) {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if in.Code == fhir.Unknown {
			t.Fatal("accepted what isn't an interaction")
		}
		back := in.Path()
		if strings.ContainsAny(back, "%?#;\\ ") || strings.Contains(back, "..") && !strings.Contains(path, "..") || strings.Contains(back, "//") {
			t.Fatalf("path %q", back)
		}
		if in.Query.Page != "" {
			return
		}
		if in.Posted {
			method, in.Posted = "GET", false
		}
		again, err := fhir.Parse(defs, method, back, in.Query.Encode(), "")
		if err != nil || !reflect.DeepEqual(again, in) {
			t.Fatalf("%+v, %v, want %+v", again, err, in)
		}
	})
}
