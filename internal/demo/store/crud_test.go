package store_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/demo/store"
)

func TestLifeOfAResource(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := start(t, store.Options{BasePath: "/fhir", Now: c.now})

	r := s.want(201, "POST", "/Patient", `{ "resourceType": "Patient", "id": "mine", "active": true, "name": [ {"family": "Öz \u0041"} ] }`)
	location := r.header.Get("Location")
	if !strings.HasPrefix(location, s.base+"/Patient/") || !strings.HasSuffix(location, "/_history/1") || r.header.Get("ETag") != `W/"1"` || r.header.Get("Last-Modified") != "Fri, 02 Jan 2026 03:04:05 GMT" {
		t.Fatalf("created: %v", r.header)
	}
	id := strings.TrimSuffix(strings.TrimPrefix(location, s.base+"/Patient/"), "/_history/1")
	path := "/Patient/" + id
	want := `{"resourceType":"Patient","id":"` + id + `","meta":{"versionId":"1","lastUpdated":"2026-01-02T03:04:05.678+00:00"},"active":true,"name":[{"family":"Öz \u0041"}]}`
	if r.body != want {
		t.Fatalf("created %s\nwant %s", r.body, want)
	}
	if r = s.want(200, "GET", path, ""); r.body != want || r.header.Get("Content-Location") != location || r.header.Get("Location") != "" {
		t.Fatalf("read %s %v", r.body, r.header)
	}
	s.want(304, "GET", path, "", `If-None-Match: W/"1"`)
	s.want(304, "GET", path, "", "If-Modified-Since: Fri, 02 Jan 2026 03:04:05 GMT")
	s.want(200, "GET", path, "", "If-Modified-Since: Fri, 02 Jan 2026 03:04:04 GMT")

	c.forward(time.Hour)
	update := `{"resourceType":"Patient","id":"` + id + `","active":false}`
	if r = s.want(200, "PUT", path, update, `If-Match: W/"1"`); r.header.Get("ETag") != `W/"2"` {
		t.Fatalf("updated: %v", r.header)
	}
	s.want(412, "PUT", path, update, `If-Match: W/"1"`)
	if r = s.want(200, "PUT", path, update); r.header.Get("ETag") != `W/"2"` {
		t.Fatalf("an update without a change made version %s", r.header.Get("ETag"))
	}
	if r = s.want(200, "GET", location, ""); r.body != want {
		t.Fatalf("vread %s", r.body)
	}
	s.want(404, "GET", path+"/_history/3", "")
	s.want(304, "GET", path, "", `If-None-Match: W/"2"`)
	s.want(200, "GET", path, "", `If-None-Match: W/"1"`)

	s.want(412, "DELETE", path, "", `If-Match: W/"1"`)
	s.want(200, "DELETE", path, "", `If-Match: W/"2"`)
	s.want(200, "DELETE", path, "")
	s.want(410, "GET", path, "")
	s.want(410, "GET", path+"/_history/3", "")
	s.want(200, "GET", path+"/_history/2", "")
	s.want(412, "PUT", path, update, `If-Match: W/"3"`)
	if r = s.want(201, "PUT", path, update); r.header.Get("ETag") != `W/"4"` {
		t.Fatalf("brought back: %v", r.header)
	}
	if got := s.ids("/Patient?active=false"); got != id {
		t.Fatalf("found %q", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	p := `{"resourceType":"Patient","id":"a"}`
	s.want(201, "PUT", "/Patient/a", p)
	for _, tt := range []struct {
		status             int
		method, path, body string
		headers            []string
	}{
		{404, "GET", "/Patient/b", "", nil},
		{404, "GET", "/Nonsense/b", "", nil},
		{404, "GET", "/Nonsense", "", nil},
		{400, "GET", "/", "", nil},
		{400, "GET", "/Patient/a/$everything", "", nil},
		{400, "PUT", "/Patient/b", p, nil},
		{400, "PUT", "/Observation/a", p, nil},
		{400, "PUT", "/Patient", p, nil},
		{400, "POST", "/Observation", p, nil},
		{400, "POST", "/Patient", `{"resourceType":"Patient","id":"a","id":"b"}`, nil},
		{400, "POST", "/Patient", `{"resourceType":"Patient"`, nil},
		{400, "POST", "/Patient", `{"resourceType":"Nonsense"}`, nil},
		{400, "POST", "/Patient", `{}`, nil},
		{400, "PUT", "/Patient/a", `{"resourceType":"Patient","id":"a","managingOrganization":{"reference":"Organization/none"}}`, nil},
		{405, "PATCH", "/Patient/a", p, nil},
		{415, "POST", "/Patient", p, []string{"Content-Type: application/fhir+xml"}},
		{406, "GET", "/Patient/a", "", []string{"Accept: application/fhir+xml"}},
		{406, "GET", "/Patient/a?_format=xml", "", nil},
		{400, "GET", "/Patient?nonsense=1", "", nil},
		{400, "GET", "/Patient?name:nonsense=1", "", nil},
		{400, "GET", "/Patient?birthdate=yesterday", "", nil},
		{400, "GET", "/Patient?_count=many", "", nil},
		{400, "GET", "/Patient?_sort=nonsense", "", nil},
		{400, "GET", "/Patient?_include=Patient:name", "", nil},
		{400, "GET", "/Patient?_summary=nonsense", "", nil},
		{400, "GET", "/Patient?_filter=x", "", nil},
		{400, "GET", "/Observation?_has:Patient:name:x=1", "", nil},
		{400, "GET", "/Observation?code.text=1", "", nil},
		{410, "GET", "?_getpages=none", "", nil},
	} {
		r := s.do(tt.method, tt.path, tt.body, tt.headers...)
		if r.status != tt.status || !strings.Contains(r.body, `"resourceType":"OperationOutcome"`) {
			t.Errorf("%s %s: %d %.200s, want %d with an outcome", tt.method, tt.path, r.status, r.body, tt.status)
		}
	}
	s.want(200, "DELETE", "/Patient/never", "")
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	bearer := start(t, store.Options{Token: "secret"})
	bearer.want(401, "GET", "/metadata", "")
	bearer.want(401, "GET", "/metadata", "", "Authorization: Bearer wrong")
	bearer.want(200, "GET", "/metadata", "", "Authorization: Bearer secret")
	header := start(t, store.Options{Token: "secret", Header: "X-Api-Key"})
	header.want(401, "GET", "/metadata", "", "Authorization: Bearer secret")
	header.want(200, "GET", "/metadata", "", "X-Api-Key: secret")
}

func TestPrefer(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	for prefer, want := range map[string]string{"": "Patient", "return=representation": "Patient", "return=OperationOutcome": "OperationOutcome", "return=minimal": ""} {
		r := s.want(201, "POST", "/Patient", `{"resourceType":"Patient"}`, "Prefer: "+prefer)
		if want == "" && r.body != "" || !strings.Contains(r.body, want) {
			t.Errorf("Prefer %q gave %q", prefer, r.body)
		}
	}
}

func TestLabelsSurviveUpdates(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want(201, "PUT", "/Patient/a", `{"resourceType":"Patient","id":"a","meta":{"profile":["http://p"],"security":[{"system":"s","code":"R"}],"tag":[{"code":"t1"}]}}`)
	s.want(200, "PUT", "/Patient/a", `{"resourceType":"Patient","id":"a","meta":{"tag":[{"code":"t2"}]},"active":true}`)
	for query, want := range map[string]string{"_security=s|R": "a", "_tag=t1": "a", "_tag=t2": "a", "_profile=http://p": "", "_security:not=s|R": "", "_tag:not=t3": "a"} {
		if got := s.ids("/Patient?" + query); got != want {
			t.Errorf("%s found %q, want %q", query, got, want)
		}
	}
}

func TestConditionalWrites(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	withID := func(value string) string {
		return `{"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"` + value + `"}]}`
	}
	s.want(201, "POST", "/Patient", withID("1"), "If-None-Exist: identifier=urn:mrn|1")
	if r := s.want(200, "POST", "/Patient", withID("1"), "If-None-Exist: identifier=urn:mrn|1"); r.header.Get("ETag") != `W/"1"` {
		t.Errorf("existing: %v", r.header)
	}
	s.want(200, "PUT", "/Patient?identifier=urn:mrn|1", withID("2"))
	s.want(201, "PUT", "/Patient?identifier=urn:mrn|1", withID("2"))
	s.want(412, "PUT", "/Patient?identifier=urn:mrn|2", withID("3"))
	s.want(412, "POST", "/Patient", withID("3"), "If-None-Exist: identifier=urn:mrn|2")
	s.want(400, "DELETE", "/Patient", "")
	s.want(200, "DELETE", "/Patient?identifier=urn:mrn|2", "")
	if got := s.ids("/Patient"); got != "" {
		t.Errorf("%q are left", got)
	}
	s.want(200, "DELETE", "/Patient?identifier=none", "")
}

func TestReferentialIntegrity(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	observation := `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"}}`
	s.want(400, "PUT", "/Observation/o", observation)
	s.want(201, "PUT", "/Patient/a", `{"resourceType":"Patient","id":"a"}`)
	s.want(201, "PUT", "/Observation/o", observation)
	s.want(409, "DELETE", "/Patient/a", "")
	s.want(200, "GET", "/Patient/a", "")
	s.want(200, "DELETE", "/Observation/o", "")
	s.want(200, "DELETE", "/Patient/a", "")

	lax := start(t, store.Options{AllowDangling: true})
	lax.want(201, "PUT", "/Observation/o", observation)
	lax.want(201, "PUT", "/Patient/a", `{"resourceType":"Patient","id":"a"}`)
	lax.want(200, "DELETE", "/Patient/a", "")
}

// TestConcurrentUpdates has many clients update one version: exactly one may win each round.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want(201, "PUT", "/Patient/a", `{"resourceType":"Patient","id":"a"}`)
	for round := 1; round <= 10; round++ {
		var wins, losses atomic.Int32
		var all sync.WaitGroup
		for client := range 8 {
			all.Go(func() {
				r := s.do("PUT", "/Patient/a", fmt.Sprintf(`{"resourceType":"Patient","id":"a","language":"l-%d-%d"}`, round, client), fmt.Sprintf(`If-Match: W/"%d"`, round))
				switch r.status {
				case 200:
					wins.Add(1)
				case 412:
					losses.Add(1)
				}
				s.do("GET", "/Patient?language=x", "")
			})
		}
		all.Wait()
		if wins.Load() != 1 || losses.Load() != 7 {
			t.Fatalf("round %d: %d won, %d lost", round, wins.Load(), losses.Load())
		}
	}
}

func TestBinary(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want(201, "PUT", "/Binary/b", `{"resourceType":"Binary","id":"b","contentType":"text/csv","data":"MSwy"}`)
	for accept, want := range map[string]string{"*/*": "text/csv 1,2", "application/fhir+json": `application/fhir+json;charset=UTF-8 {"resourceType":"Binary"`, "image/png": "text/csv 1,2"} {
		r := s.want(200, "GET", "/Binary/b", "", "Accept: "+accept)
		if got := r.header.Get("Content-Type") + " " + r.body; !strings.HasPrefix(got, want) {
			t.Errorf("%s got %s", accept, got)
		}
	}
	if r := s.want(200, "GET", "/Binary/b?_format=json", ""); !strings.Contains(r.body, "MSwy") {
		t.Errorf("_format=json got %s", r.body)
	}
}

func TestGzip(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(`{"resourceType":"Patient","id":"a","name":[{"text":"` + strings.Repeat("x", 2000) + `"}]}`)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	s.want(201, "PUT", "/Patient/a", packed.String(), "Content-Encoding: gzip")
	r := s.want(200, "GET", "/Patient/a", "", "Accept-Encoding: gzip")
	u, err := gzip.NewReader(strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(u)
	if err != nil || !strings.Contains(string(plain), "xxxx") {
		t.Fatalf("%v: %.100s", err, plain)
	}
}
