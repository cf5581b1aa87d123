package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/demo/store"
)

func startClinic(t *testing.T) *server {
	t.Helper()
	c := newClock()
	s := start(t, store.Options{Now: c.now})
	if err := s.Load(strings.NewReader(strings.Join(clinicFor(""), "\n"))); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s := startClinic(t)
	for query, want := range searches() {
		for range 2 { // the second time with the index there
			if got := s.find(query, ""); got != want {
				t.Errorf("%s found %q, want %q", query, got, want)
			}
		}
	}
}

// TestSearchFollowsWrites: indexes that exist are kept up to date.
func TestSearchFollowsWrites(t *testing.T) {
	t.Parallel()
	s := startClinic(t)
	queries := []string{
		"/Observation?status=amended", "/Observation?status:missing=true", "/Observation?subject=Patient/p2", "/Observation?date=2025", "/Observation?value-quantity=5",
		"/Observation?value-string=new", "/Observation?subject:Patient.gender=male", "/Observation?status:not=final", "/Patient/p2/Observation",
	}
	check := func(want ...string) {
		t.Helper()
		for i, q := range queries {
			if got := s.ids(q); got != want[i] {
				t.Errorf("%s found %q, want %q", q, got, want[i])
			}
		}
	}
	check("", "", "o2", "", "", "", "o2", "o2", "o2")
	s.want(201, "PUT", "/Observation/n", `{"resourceType":"Observation","id":"n","status":"amended","code":{"text":"n"},"subject":{"reference":"Patient/p2"},"effectiveDateTime":"2025-01-01","valueQuantity":{"value":5}}`)
	check("n", "", "n o2", "n", "n", "", "n o2", "n o2", "n o2")
	s.want(200, "PUT", "/Observation/n", `{"resourceType":"Observation","id":"n","code":{"text":"n"},"subject":{"reference":"Patient/p1"},"valueString":"New"}`)
	check("", "n", "o2", "", "", "n", "o2", "n o2", "o2")
	s.want(200, "DELETE", "/Observation/n", "")
	check("", "", "o2", "", "", "", "o2", "o2", "o2")
}

func TestSearchByPost(t *testing.T) {
	t.Parallel()
	s := startClinic(t)
	form := "Content-Type: application/x-www-form-urlencoded"
	for path, want := range map[string]string{"/Patient/_search": "Patient/p1", "/_search?_type=Patient": "Patient/p1", "/Patient/p1/Patient/_search": "Patient/p1"} {
		b := s.want(200, "POST", path, "_id=p1,o1", form).bundle(t)
		if got := strings.Join(b.refs(""), " "); got != want {
			t.Errorf("%s found %q", path, got)
		}
	}
	s.want(415, "POST", "/Patient/_search", "{}")
}

func TestIncludes(t *testing.T) {
	t.Parallel()
	s := startClinic(t)
	for query, want := range includes() {
		if got := s.rows(query, "", "include"); got != want {
			t.Errorf("%s included %q, want %q", query, got, want)
		}
	}
}

func TestSort(t *testing.T) {
	t.Parallel()
	s := startClinic(t)
	for query, want := range sorts() {
		if got := s.rows(query, "", "match"); got != want {
			t.Errorf("%s gave %q, want %q", query, got, want)
		}
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want(201, "PUT", "/Patient/a", `{"resourceType":"Patient","id":"a","meta":{"tag":[{"code":"t"}]},"text":{"status":"generated","div":"<div/>"},"active":true,"_birthDate":{"id":"x"},"birthDate":"2000","maritalStatus":{"text":"m"},"deceasedBoolean":false}`)
	tag := `"tag":[{"code":"t"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"`
	for query, want := range map[string][2]string{
		"_summary=true":                            {`"active" "birthDate" "_birthDate" "deceasedBoolean"`, `"text" "maritalStatus"`},
		"_summary=text":                            {`"text"`, `"active" "birthDate" "maritalStatus"`},
		"_summary=data":                            {`"active" "maritalStatus"`, `"text":{"status"`},
		"_summary=false":                           {`"active" "text" "maritalStatus"`, `SUBSETTED`},
		"_elements=birthDate,Patient.deceased":     {`"birthDate" "_birthDate" "deceasedBoolean"`, `"active" "text" "maritalStatus"`},
		"_elements=active&_elements=maritalStatus": {`"active" "maritalStatus"`, `"birthDate"`},
	} {
		for _, path := range []string{"/Patient/a?", "/Patient?_id=a&"} {
			r := s.want(200, "GET", path+query, "")
			for _, in := range strings.Fields(want[0]) {
				if !strings.Contains(r.body, in) {
					t.Errorf("%s%s lacks %s: %s", path, query, in, r.body)
				}
			}
			for _, out := range strings.Fields(want[1]) {
				if strings.Contains(r.body, out) && out != `"text"` {
					t.Errorf("%s%s has %s", path, query, out)
				}
			}
			if query != "_summary=false" && !strings.Contains(r.body, tag) {
				t.Errorf("%s%s isn't tagged: %s", path, query, r.body)
			}
		}
	}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	s := startClinic(t)
	for query, want := range map[string]string{
		"":                            "3 3",
		"?_count=2":                   "3 2",
		"?_count=2&_total=accurate":   "3 2",
		"?_total=none":                "3 3",
		"?_count=0":                   "3 0",
		"?_summary=count":             "3 0",
		"?_summary=count&gender=male": "1 0",
	} {
		b := s.want(200, "GET", "/Patient"+query, "").bundle(t)
		total := "none"
		if b.Total != nil {
			total = fmt.Sprint(*b.Total)
		}
		if got := fmt.Sprint(total, " ", len(b.Entry)); got != want {
			t.Errorf("%q gave %s, want %s", query, got, want)
		}
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := start(t, store.Options{Now: c.now, BasePath: "/fhir", MaxPagings: 2})
	for i := range 7 {
		s.want(201, "PUT", fmt.Sprintf("/Patient/p%d", i), fmt.Sprintf(`{"resourceType":"Patient","id":"p%d"}`, i))
	}
	first := s.want(200, "GET", "/Patient?_count=3", "").bundle(t)
	if first.link("self") != s.base+"/Patient?_count=3" || first.link("previous") != "" || !strings.HasPrefix(first.link("next"), s.base+"?_getpages=") {
		t.Fatalf("links: %+v", first.Link)
	}
	s.want(200, "DELETE", "/Patient/p3", "")
	s.want(201, "PUT", "/Patient/p8", `{"resourceType":"Patient","id":"p8"}`)
	second := s.want(200, "GET", first.link("next"), "").bundle(t)
	third := s.want(200, "GET", second.link("next"), "").bundle(t)
	if got := fmt.Sprint(second.refs(""), third.refs(""), third.link("next")); got != "[Patient/p4 Patient/p5] [Patient/p6]" {
		t.Errorf("pages: %s", got)
	}
	if got := s.want(200, "GET", second.link("previous"), "").bundle(t).refs(""); fmt.Sprint(got) != "[Patient/p0 Patient/p1 Patient/p2]" {
		t.Errorf("previous: %v", got)
	}
	c.forward(2 * time.Hour)
	s.want(410, "GET", first.link("next"), "")

	old := s.want(200, "GET", "/Patient?_count=1", "").bundle(t).link("next")
	s.want(200, "GET", "/Patient?_count=1", "")
	s.want(200, "GET", old, "")
	s.want(200, "GET", "/Patient?_count=1", "")
	s.want(410, "GET", old, "")
}

func TestHistory(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := start(t, store.Options{Now: c.now})
	put := func(id, language string) {
		s.do("PUT", "/Patient/"+id, fmt.Sprintf(`{"resourceType":"Patient","id":%q,"language":%q}`, id, language))
		c.forward(time.Hour)
	}
	put("a", "1")
	put("b", "1")
	put("a", "2")
	s.want(201, "PUT", "/Basic/x", `{"resourceType":"Basic","id":"x","code":{"text":"x"}}`)
	c.forward(time.Hour)
	s.want(200, "DELETE", "/Patient/a", "")
	for path, want := range map[string]string{
		"/Patient/a/_history":                             "DELETE Patient/a/_history/3,PUT Patient/a/_history/2,POST Patient/a/_history/1",
		"/Patient/_history":                               "DELETE Patient/a/_history/3,PUT Patient/a/_history/2,POST Patient/b/_history/1,POST Patient/a/_history/1",
		"/_history?_count=2":                              "DELETE Patient/a/_history/3,POST Basic/x/_history/1",
		"/Patient/a/_history?_since=2026-01-02T05:00:00Z": "DELETE Patient/a/_history/3,PUT Patient/a/_history/2",
		"/_history?_since=2026-01-02T07:00:00%2B00:00":    "DELETE Patient/a/_history/3",
	} {
		b := s.want(200, "GET", path, "").bundle(t)
		var got []string
		for _, e := range b.Entry {
			got = append(got, e.Request.Method+" "+e.Request.URL)
			if (e.Request.Method == "DELETE") != (e.Resource == nil) || e.Response.Etag == "" {
				t.Errorf("%s: entry %+v", path, e)
			}
		}
		if strings.Join(got, ",") != want || b.Type != "history" || b.Total == nil {
			t.Errorf("%s gave %v", path, got)
		}
	}
	next := s.want(200, "GET", "/_history?_count=2", "").bundle(t).link("next")
	if b := s.want(200, "GET", next, "").bundle(t); len(b.Entry) != 2 || b.Entry[0].Request.URL != "Patient/a/_history/2" {
		t.Errorf("next page: %+v", b.Entry)
	}
	s.want(404, "GET", "/Patient/none/_history", "")
	s.want(400, "GET", "/_history?_since=nonsense", "")
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	r := s.want(200, "GET", "/metadata", "")
	for _, want := range []string{`"fhirVersion":"4.0.1"`, `"type":"Observation"`, `"versioning":"versioned-update"`, `"name":"value-quantity"`, `"code":"transaction"`} {
		if !strings.Contains(r.body, want) {
			t.Errorf("lacks %s", want)
		}
	}
}
