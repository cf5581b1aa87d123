package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/fhirgate/fhirgate/internal/demo/store"
)

func entryOf(fullURL, method, url, more, resource string) string {
	e := fmt.Sprintf(`{"fullUrl":%q,"request":{"method":%q,"url":%q%s}`, fullURL, method, url, more)
	if resource != "" {
		e += `,"resource":` + resource
	}
	return e + "}"
}

func bundleOf(kind string, entries ...string) string {
	return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`
}

func TestTransaction(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want(201, "PUT", "/Patient/old", `{"resourceType":"Patient","id":"old","identifier":[{"system":"urn:mrn","value":"7"}]}`)
	s.want(201, "PUT", "/Basic/gone", `{"resourceType":"Basic","id":"gone","code":{"text":"x"}}`)
	observation := func(subject string) string {
		return `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"` + subject + `"}}`
	}
	r := s.want(200, "POST", "", bundleOf("transaction",
		entryOf("", "GET", "Observation?subject:Patient.identifier=urn:mrn|8", "", ""),
		entryOf("urn:uuid:1", "POST", "Observation", "", observation("urn:uuid:2")),
		entryOf("urn:uuid:2", "POST", "Patient", `,"ifNoneExist":"identifier=urn:mrn|8"`, `{"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"8"}]}`),
		entryOf("urn:uuid:3", "POST", "Patient", `,"ifNoneExist":"identifier=urn:mrn|7"`, `{"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"7"}]}`),
		entryOf("urn:uuid:4", "POST", "Observation", "", observation("urn:uuid:3")),
		entryOf("urn:uuid:5", "POST", "Observation", "", observation("Patient?identifier=urn:mrn|7")),
		entryOf("", "PUT", "Patient/old", `,"ifMatch":"W/\"1\""`, `{"resourceType":"Patient","id":"old","active":true,"identifier":[{"system":"urn:mrn","value":"7"}]}`),
		entryOf("", "PUT", "Practitioner?identifier=9", "", `{"resourceType":"Practitioner","identifier":[{"value":"9"}]}`),
		entryOf("", "DELETE", "Basic/gone", "", ""),
	)).bundle(t)
	var got []string
	for _, e := range r.Entry {
		got = append(got, e.Response.Status)
	}
	want := "200 OK,201 Created,201 Created,200 OK,201 Created,201 Created,200 OK,201 Created,200 OK"
	if r.Type != "transaction-response" || strings.Join(got, ",") != want {
		t.Fatalf("%s: %v", r.Type, got)
	}
	if n := len(r.Entry[0].Resource["entry"].([]any)); n != 1 {
		t.Errorf("the read, which comes last, found %d", n)
	}
	if e := r.Entry[6].Response; e.Location != "Patient/old/_history/2" || e.Etag != "2" {
		t.Errorf("update answered %+v", e)
	}
	if got := s.ids("/Observation?subject=Patient/old"); len(strings.Fields(got)) != 2 {
		t.Errorf("found %q", got)
	}
	s.want(410, "GET", "/Basic/gone", "")
}

// TestTransactionIsAtomic: whatever fails, nothing of it is there, in no index and no history.
func TestTransactionIsAtomic(t *testing.T) {
	t.Parallel()
	patient := `{"resourceType":"Patient","id":"a","active":true}`
	for name, failing := range map[string]struct {
		status int
		entry  string
	}{
		"stale version":    {412, entryOf("", "PUT", "Patient/z", `,"ifMatch":"W/\"9\""`, `{"resourceType":"Patient","id":"z","active":true}`)},
		"absent reference": {400, entryOf("", "POST", "Observation", "", `{"resourceType":"Observation","subject":{"reference":"Patient/none"}}`)},
		"no match":         {404, entryOf("", "POST", "Observation", "", `{"resourceType":"Observation","subject":{"reference":"Patient?active=none"}}`)},
		"referred to":      {409, entryOf("", "DELETE", "Patient/z", "", "")},
		"written twice":    {400, entryOf("", "PUT", "Patient/a", "", `{"resourceType":"Patient","id":"a"}`)},
		"no resource type": {400, entryOf("", "POST", "Patient", "", `{}`)},
		"unknown method":   {405, entryOf("", "PATCH", "Patient/z", "", patient)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, store.Options{})
			s.want(201, "PUT", "/Patient/z", `{"resourceType":"Patient","id":"z"}`)
			s.want(201, "PUT", "/Basic/b", `{"resourceType":"Basic","id":"b","code":{"text":"b"},"subject":{"reference":"Patient/z"}}`)
			s.want(201, "PUT", "/Basic/d", `{"resourceType":"Basic","id":"d","code":{"text":"b"}}`)
			s.ids("/Patient?active=true")
			s.want(failing.status, "POST", "", bundleOf("transaction",
				entryOf("", "PUT", "Patient/a", "", patient), entryOf("", "DELETE", "Basic/d", "", ""),
				entryOf("", "POST", "Patient", "", patient), failing.entry))
			if got := s.ids("/Patient?active=true"); got != "" {
				t.Errorf("found %q", got)
			}
			if got := s.want(200, "GET", "/_history", "").bundle(t); len(got.Entry) != 3 {
				t.Errorf("history has %d entries", len(got.Entry))
			}
			s.want(404, "GET", "/Patient/a", "")
			s.want(200, "GET", "/Basic/d", "")
		})
	}
}

// TestTransactionDeletesTogether: a resource and all that refer to it can go in one transaction.
func TestTransactionDeletesTogether(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want(201, "PUT", "/Patient/a", `{"resourceType":"Patient","id":"a"}`)
	s.want(201, "PUT", "/Basic/b", `{"resourceType":"Basic","id":"b","code":{"text":"b"},"subject":{"reference":"Patient/a"}}`)
	s.want(409, "DELETE", "/Patient/a", "")
	s.want(200, "POST", "", bundleOf("transaction", entryOf("", "DELETE", "Patient/a", "", ""), entryOf("", "DELETE", "Basic?code:text=b", "", "")))
	s.want(410, "GET", "/Patient/a", "")
	s.want(410, "GET", "/Basic/b", "")
}

// TestTransactionsAreSeenWhole: while transactions give two patients the same language, no reader sees two languages.
func TestTransactionsAreSeenWhole(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	pair := func(language string) string {
		one := func(id string) string {
			return entryOf("", "PUT", "Patient/"+id, "", fmt.Sprintf(`{"resourceType":"Patient","id":%q,"communication":[{"language":{"coding":[{"code":%q}]}}]}`, id, language))
		}
		return bundleOf("transaction", one("a"), one("b"))
	}
	s.want(200, "POST", "", pair("start"))
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for w := range 2 {
		writers.Go(func() {
			for i := range 50 {
				s.do("POST", "", pair(fmt.Sprintf("l%d-%d", w, i)))
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				b := s.do("GET", "/Patient?_sort=language&_id=a,b", "").bundle(t)
				if len(b.Entry) != 2 || fmt.Sprint(b.Entry[0].Resource["communication"]) != fmt.Sprint(b.Entry[1].Resource["communication"]) {
					t.Errorf("saw %+v", b.Entry)
					return
				}
				if got := len(s.do("GET", fmt.Sprintf("/Patient?language=l0-%d", n%50), "").bundle(t).Entry); got == 1 {
					t.Error("found half of a transaction")
					return
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

func TestBatch(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	b := s.want(200, "POST", "/", bundleOf("batch",
		entryOf("", "PUT", "Patient/a", "", `{"resourceType":"Patient","id":"a"}`),
		entryOf("", "GET", "Patient/none", "", ""),
		entryOf("", "GET", "Patient/a", "", ""),
		entryOf("", "GET", "Patient?_id=a", "", ""),
		entryOf("", "GET", "Patient/a", `,"ifNoneMatch":"W/\"1\""`, ""),
		entryOf("", "POST", "", "", bundleOf("batch")),
	), "Prefer: return=representation").bundle(t)
	var got []string
	for _, e := range b.Entry {
		got = append(got, e.Response.Status)
	}
	if want := "201 Created,404 Not Found,200 OK,200 OK,304 Not Modified,400 Bad Request"; b.Type != "batch-response" || strings.Join(got, ",") != want {
		t.Fatalf("%s: %v", b.Type, got)
	}
	if b.Entry[0].Resource["id"] != "a" || b.Entry[2].Resource["id"] != "a" || b.Entry[1].Response.Outcome == nil {
		t.Errorf("entries: %+v", b.Entry)
	}
	s.want(400, "POST", "", `{"resourceType":"Bundle","type":"collection"}`)
	s.want(400, "POST", "", `{"resourceType":"Patient"}`)
}
