package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/demo/store"
	"github.com/fhirgate/fhirgate/test/peers"
)

// hapiFinds are the searches to which the real server gives another answer: FHIR R4 has them and HAPI doesn't, or it takes
// the parts of a composite from different components.
func hapiFinds() map[string]string {
	return map[string]string{
		"Observation?component-code-value-quantity=dia$gt100": "o3",
		"Observation?subject=BASE/Patient/~p1":                "",
		"Observation?date=ap2024-03-01":                       "Bad Request",
		"Patient?general-practitioner:identifier=urn:npi|77":  "Bad Request",
		"Patient/~p1/Observation":                             "Bad Request",
		"Patient/~p1/Observation?status=final&code=8867-4":    "Bad Request",
		"Patient/~p1/Patient":                                 "Bad Request",
		"Patient/~p1/*":                                       "Bad Request",
		"Patient/~p3/*":                                       "Bad Request",
		"Patient/none/Observation":                            "Bad Request",
		"Practitioner/~dr/*?_type=Observation":                "Bad Request",
		"?_id=~p1,~o1":                                        "Bad Request",
		"?_type=Patient,Practitioner&_id=~p1,~dr":             "Bad Request",
	}
}

func runPrefix(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("%s-%d-", strings.ToLower(t.Name()[4:8]), time.Now().UnixNano())
}

// TestSearchesLikeHAPI runs the searches against the real server.
func TestSearchesLikeHAPI(t *testing.T) {
	t.Parallel()
	hapi := &server{t: t, base: peers.HAPI(t)}
	prefix := runPrefix(t)
	var entries []string
	for _, line := range clinicFor(prefix) {
		typ := line[len(`{"resourceType":"`):]
		typ = typ[:strings.IndexByte(typ, '"')]
		id := line[strings.Index(line, `"id":"`)+len(`"id":"`):]
		id = id[:strings.IndexByte(id, '"')]
		entries = append(entries, entryOf("", "PUT", typ+"/"+id, "", line))
	}
	hapi.want(200, "POST", "", bundleOf("transaction", entries...))
	differs := hapiFinds()
	for query, want := range searches() {
		if strings.Contains(query, "_lastUpdated") {
			continue // the other server's clock is the real one
		}
		if other, ok := differs[query]; ok {
			want = other
		}
		if got := hapi.find(query, prefix); got != want {
			t.Errorf("%s found %q, want %q", query, got, want)
		}
	}
	for query, want := range includes() {
		if got := hapi.rows(query, prefix, "include"); got != want {
			t.Errorf("%s included %q, want %q", query, got, want)
		}
	}
	for query, want := range sorts() {
		if got := hapi.rows(query, prefix, "match"); got != want {
			t.Errorf("%s gave %q, want %q", query, got, want)
		}
	}
}

// step is a request with the statuses that the store and HAPI give; hapi 0: the same.
type step struct {
	method, path, body string
	header             string
	status, hapi       int
}

// interactions are a conversation about the patient ~p. Where HAPI differs a comment says why the store doesn't follow.
func interactions() []step {
	p := `{"resourceType":"Patient","id":"~p","active":true}`
	with := func(more string) string { return `{"resourceType":"Patient",` + more + `}` }
	mine := with(`"identifier":[{"value":"~"}]`)
	observation := `{"resourceType":"Observation","id":"~o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/~p"}}`
	return []step{
		{method: "GET", path: "/Patient/~p", status: 404},
		{method: "PUT", path: "/Patient/~p", body: p, status: 201},
		{method: "PUT", path: "/Patient/~p", body: p, status: 200},
		{method: "GET", path: "/Patient/~p", header: `If-None-Match: W/"1"`, status: 304},
		{method: "GET", path: "/Patient/~p/_history/2", status: 404},
		{method: "PUT", path: "/Patient/~p", body: with(`"id":"~p"`), header: `If-Match: W/"7"`, status: 412, hapi: 409}, // FHIR R4 http.html#concurrency
		{method: "PUT", path: "/Patient/~p", body: with(`"id":"~p"`), header: `If-Match: W/"1"`, status: 200},
		{method: "GET", path: "/Patient/~p/_history/abc", status: 404},
		{method: "GET", path: "/Nonsense/~p", status: 404},
		{method: "GET", path: "/Patient/~p/$nonsense", status: 400},
		{method: "POST", path: "/Patient", body: `{"resourceType":"Observation"}`, status: 400},
		{method: "POST", path: "/Patient", body: `{"resourceType":"Patient"`, status: 400},
		{method: "POST", path: "/Patient", body: with(`"managingOrganization":{"reference":"Organization/~none"}`), status: 400},
		{method: "PUT", path: "/Patient/~p", body: with(`"id":"other"`), status: 400},
		{method: "PUT", path: "/Patient/~p", body: `{"resourceType":"Patient"}`, status: 400},
		{method: "GET", path: "/Patient?nonsense=1", status: 400},
		{method: "GET", path: "/Patient?nonsense=1", header: "Prefer: handling=lenient", status: 400},
		{method: "GET", path: "/Patient?birthdate=yesterday", status: 400},
		{method: "GET", path: "/Patient?_sort=nonsense", status: 400},
		{method: "GET", path: "/Patient?_include=Patient:nonsense", status: 400},
		{method: "GET", path: "/Patient?_count=abc", status: 400},
		{method: "GET", path: "?_getpages=none", status: 410},
		{method: "GET", path: "/", status: 400},
		{method: "PUT", path: "/Observation/~o", body: observation, status: 201},
		{method: "DELETE", path: "/Patient/~p", status: 409},
		{method: "DELETE", path: "/Observation/~o", header: `If-Match: W/"7"`, status: 412, hapi: 200}, // HAPI doesn't look at it: a lost update
		{method: "DELETE", path: "/Observation/~o", status: 200},
		{method: "DELETE", path: "/Patient/~p", status: 200},
		{method: "DELETE", path: "/Patient/~p", status: 200},
		{method: "DELETE", path: "/Patient/~never", status: 200},
		{method: "GET", path: "/Patient/~p", status: 410},
		{method: "GET", path: "/Patient/~p/_history/3", status: 410},
		{method: "GET", path: "/Patient/~p/_history/2", status: 200},
		{method: "GET", path: "/Patient/~p/_history", status: 200},
		{method: "PUT", path: "/Patient/~p", body: p, status: 201},
		{method: "DELETE", path: "/Patient", status: 400},
		{method: "DELETE", path: "/Patient?identifier=~", status: 200},
		{method: "PUT", path: "/Patient?identifier=~", body: mine, status: 201},
		{method: "PUT", path: "/Patient?identifier=~", body: with(`"id":"wrong","identifier":[{"value":"~"}]`), status: 200},
		{method: "POST", path: "/Patient", body: mine, header: "If-None-Exist: identifier=~", status: 200},
		{method: "POST", path: "/Patient", body: mine, status: 201},
		{method: "POST", path: "/Patient", body: mine, header: "If-None-Exist: Patient?identifier=~", status: 412},
		{method: "PUT", path: "/Patient?identifier=~", body: mine, status: 412},
		{method: "DELETE", path: "/Patient?identifier=~", status: 200},
		{method: "POST", path: "", body: bundleOf("batch", entryOf("", "GET", "Patient/~none", "", ""), entryOf("", "PUT", "Patient/~p", "", p)), status: 200},
		{method: "POST", path: "", body: bundleOf("transaction", entryOf("", "PUT", "Patient/~p", `,"ifMatch":"W/\"1\""`, p)), status: 412, hapi: 409},
		{method: "POST", path: "", body: bundleOf("transaction", entryOf("", "PUT", "Patient/~p", "", p), entryOf("", "PUT", "Patient/~p", "", p)), status: 400},
		{method: "POST", path: "", body: bundleOf("transaction", entryOf("", "GET", "Patient/~none", "", "")), status: 200},
		{method: "POST", path: "", body: bundleOf("transaction", entryOf("", "PUT", "Observation/~o", "", strings.ReplaceAll(observation, "Patient/~p", "Patient?identifier=~none"))), status: 404},
		{method: "POST", path: "", body: bundleOf("nonsense"), status: 400},
		{method: "POST", path: "", body: p, status: 400},
		{method: "POST", path: "/Patient/~p", body: p, status: 400},
		{method: "GET", path: "/_history?_nonsense=1&_count=1", status: 200},
		{method: "GET", path: "/Patient/_history?_since=nonsense", status: 400},
		{method: "GET", path: "/Patient/~p", header: "Accept: image/png", status: 200},
		{method: "HEAD", path: "/Patient/~p", status: 200},
		{method: "GET", path: "/Patient/~p/", status: 200},
		{method: "GET", path: "/metadata", status: 200},
	}
}

// TestInteractionsLikeHAPI has the conversation with both servers.
func TestInteractionsLikeHAPI(t *testing.T) {
	t.Parallel()
	hapi := &server{t: t, base: peers.HAPI(t)}
	mine := start(t, store.Options{BasePath: "/fhir"})
	prefix := runPrefix(t)
	for _, st := range interactions() {
		fill := strings.NewReplacer("~", prefix).Replace
		var headers []string
		if st.header != "" {
			headers = append(headers, fill(st.header))
		}
		got := mine.do(st.method, fill(st.path), fill(st.body), headers...)
		other := hapi.do(st.method, fill(st.path), fill(st.body), headers...)
		wantOther := st.hapi
		if wantOther == 0 {
			wantOther = st.status
		}
		if got.status != st.status || other.status != wantOther {
			t.Errorf("%s %s %.80s (%s): %d, want %d; HAPI %d, want %d", st.method, st.path, st.body, st.header, got.status, st.status, other.status, wantOther)
		}
		if a, b := got.header.Get("ETag"), other.header.Get("ETag"); a != b && got.status == other.status && got.status != 304 {
			t.Errorf("%s %s: ETag %s, HAPI %s", st.method, st.path, a, b)
		}
		if (got.header.Get("Location") == "") != (other.header.Get("Location") == "") && len(st.path) > 0 {
			t.Errorf("%s %s: Location %q, HAPI %q", st.method, st.path, got.header.Get("Location"), other.header.Get("Location"))
		}
		shape := func(r reply) string {
			b := bundle{}
			if strings.HasPrefix(r.body, `{"resourceType":"Bundle"`) {
				b = r.bundle(t)
			}
			out := fmt.Sprint(b.Type, " ", len(b.Entry))
			for _, e := range b.Entry {
				out += fmt.Sprintf(" %s %s %s", e.Request.Method, e.Request.URL, e.Response.Status)
			}
			return out
		}
		if a, b := shape(got), shape(other); a != b && !strings.HasPrefix(st.path, "/_history") {
			t.Errorf("%s %s: %s, HAPI %s", st.method, st.path, a, b)
		}
	}
}

// TestPagesLikeHAPI walks through the same result on both servers: the same rows, links and totals on every page.
func TestPagesLikeHAPI(t *testing.T) {
	t.Parallel()
	hapi := &server{t: t, base: peers.HAPI(t)}
	mine := start(t, store.Options{BasePath: "/fhir"})
	prefix := runPrefix(t)
	var entries []string
	for i := range 30 {
		id := fmt.Sprintf("%s%02d", prefix, i)
		entries = append(entries, entryOf("", "PUT", "Patient/"+id, "", `{"resourceType":"Patient","id":"`+id+`","identifier":[{"system":"urn:run","value":"`+prefix+`"}]}`))
	}
	for _, s := range []*server{mine, hapi} {
		s.want(200, "POST", "", bundleOf("transaction", entries...))
	}
	walk := func(s *server, query string) string {
		var out strings.Builder
		next := "/Patient?_sort=_id&identifier=urn:run%7C" + prefix + query
		for pages := 0; next != "" && pages < 12; pages++ {
			b := s.want(200, "GET", next, "").bundle(t)
			total := "none"
			if b.Total != nil {
				total = fmt.Sprint(*b.Total)
			}
			fmt.Fprintf(&out, "total %s previous %t:", total, b.link("previous") != "")
			for _, ref := range b.refs("") {
				out.WriteString(" " + strings.TrimPrefix(ref, "Patient/"+prefix))
			}
			out.WriteString("\n")
			next = b.link("next")
		}
		return out.String()
	}
	for _, query := range []string{"", "&_count=5", "&_count=13", "&_count=14", "&_count=30", "&_count=7&_total=accurate", "&_count=7&_total=none", "&_count=0", "&_summary=count", "&_count=29"} {
		if a, b := walk(mine, query), walk(hapi, query); a != b {
			t.Errorf("%q\n%sHAPI\n%s", query, a, b)
		}
	}
}
