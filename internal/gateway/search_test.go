package gateway_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/gateway"
)

func TestSearchPages(t *testing.T) {
	// Hidden ones at the start, at the end, as whole pages of the server's.
	w := newWorld(t, patients(40, 1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 38, 39, 40)...)
	w.options.Limits.UpstreamPage = 7
	w.rebuild()
	for _, c := range []struct{ who, query, ids, totals string }{
		{"half", "_count=10", "p04 p05 p06 p07 p08 p09 p10 p24 p25 p26|p27 p28 p29 p30 p31 p32 p33 p34 p35 p36|p37", "- - 21"},
		{"half", "_count=7", "p04 p05 p06 p07 p08 p09 p10|p24 p25 p26 p27 p28 p29 p30|p31 p32 p33 p34 p35 p36 p37", "- - 21"},
		{"half", "_count=21&_total=accurate", "p04 p05 p06 p07 p08 p09 p10 p24 p25 p26 p27 p28 p29 p30 p31 p32 p33 p34 p35 p36 p37", "21"},
		{"half", "_count=15&_total=accurate", "p04 p05 p06 p07 p08 p09 p10 p24 p25 p26 p27 p28 p29 p30 p31|p32 p33 p34 p35 p36 p37", "21 21"},
		{"half", "_count=15&_total=none", "p04 p05 p06 p07 p08 p09 p10 p24 p25 p26 p27 p28 p29 p30 p31|p32 p33 p34 p35 p36 p37", "- -"},
		{"half", "_count=0", "", "21"},
		{"half", "_summary=count", "", "21"},
		{"all", "_summary=count", "", "40"},
		{"noticed", "_summary=count", "", "-"},
		{"half", "_id=p01", "", "0"},
		{"half", "_id=p01,p04", "p04", "1"},
		{"half", "_id=p01&_summary=count", "", "0"},
	} {
		t.Run(c.who+" "+c.query, func(t *testing.T) {
			a := w.get(c.who, "Patient?"+c.query+"&_sort=_id")
			var pages, totals []string
			for range 10 {
				b := a.bundle(t)
				pages = append(pages, b.ids())
				total := "-"
				if b.Total != nil {
					total = strconv.Itoa(*b.Total)
				}
				totals = append(totals, total)
				if !strings.HasPrefix(b.link("self"), publicBase+"/Patient?") || strings.Contains(b.link("self"), "_page") {
					t.Errorf("self link %s", b.link("self"))
				}
				next := b.link("next")
				if next == "" {
					break
				}
				a = w.follow(c.who, next)
			}
			if got := strings.Join(pages, "|"); got != c.ids {
				t.Errorf("pages %s, want %s", got, c.ids)
			}
			if got := strings.Join(totals, " "); got != c.totals {
				t.Errorf("totals %s, want %s", got, c.totals)
			}
		})
	}
}

func TestSearchByPost(t *testing.T) {
	w := newWorld(t, patients(12, 2)...)
	w.options.Limits.UpstreamPage = 4
	w.rebuild()
	a := w.do(call{method: "POST", path: "Patient/_search", form: "gender=female&_count=6&_sort=_id", who: "half"})
	b := a.bundle(t)
	if b.ids() != "p01 p03 p04 p05 p06 p07" {
		t.Error(b.ids())
	}
	if got := w.requests[0]; got != "POST /fhir/Patient/_search" {
		t.Errorf("asked %s: a posted search must not become part of a URL", got)
	}
	if got := w.follow("half", b.link("next")).bundle(t).ids(); got != "p08 p09 p10 p11 p12" {
		t.Error(got)
	}
}

// TestPageLinks: a page link is good for its caller alone, unchanged, until it
// ends, for the search that it was made for; and its length tells nothing.
func TestPageLinks(t *testing.T) {
	w := newWorld(t, patients(30, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)...)
	next := w.get("half", "Patient?_count=2&_sort=_id").bundle(t).link("next")
	if all := w.get("all", "Patient?_count=2&_sort=_id").bundle(t).link("next"); len(all) != len(next) {
		t.Errorf("links of %d and %d bytes tell of hidden rows", len(next), len(all))
	}
	token := next[strings.Index(next, "_page=")+len("_page="):]
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("p0")) || strings.Contains(next, "sort") {
		t.Error("the link can be read")
	}
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1 << (i % 8)
		if r := w.get("half", "Patient?_page="+base64.RawURLEncoding.EncodeToString(changed)).refusal(t); r.Code != "bad-page-link" {
			t.Fatalf("byte %d changed: %v", i, r)
		}
	}
	for name, c := range map[string]call{
		"another caller":      {path: "Patient", query: "_page=" + token, who: "all"},
		"another role":        {path: "Patient", query: "_page=" + token, who: "half", actAs: "boss"},
		"another type":        {path: "Observation", query: "_page=" + token, who: "half"},
		"another interaction": {path: "Patient/_history", query: "_page=" + token, who: "half"},
		"another instance":    {path: "Patient/p01/_history", query: "_page=" + token, who: "half"},
		"the system":          {path: "", query: "_page=" + token, who: "half"},
		"cut":                 {path: "Patient", query: "_page=" + token[:len(token)-4], who: "half"},
		"short":               {path: "Patient", query: "_page=AAAA", who: "half"},
		"padded":              {path: "Patient", query: "_page=" + token + "%3D", who: "half"},
		"no base64":           {path: "Patient", query: "_page=*", who: "half"},
	} {
		if r := w.do(c).refusal(t); r.Code != "bad-page-link" {
			t.Errorf("%s: %v", name, r)
		}
	}
	if got := w.follow("half", next).bundle(t).ids(); got != "p14 p15" {
		t.Error(got)
	}
	w.options.PublicBase = "https://other.example/fhir"
	w.rebuild()
	if r := w.get("half", "Patient?_page="+token).refusal(t); r.Code != "bad-page-link" {
		t.Errorf("another base: %v", r)
	}
	w.options.PublicBase = publicBase
	w.rebuild()
	w.now = w.now.Add(time.Hour + time.Second)
	if r := w.follow("half", next).refusal(t); r.Code != "page-link-expired" {
		t.Error(r)
	}
}

// TestPageShrinks: rows that went since a link was made don't break it.
func TestPageShrinks(t *testing.T) {
	for _, pages := range []string{"", `,"link":[{"relation":"next","url":"/fhir/Patient?_page2=1"}]`} {
		w := newWorld(t, patients(12)...)
		next := w.get("all", "Patient?_count=5&_sort=_id").bundle(t).link("next")
		w.distort = func(rw http.ResponseWriter, r *http.Request) bool {
			rw.Header().Set("Content-Type", "application/fhir+json")
			if strings.Contains(r.URL.RawQuery, "_page2") {
				_, _ = io.WriteString(rw, `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":`+patient("p12")+`}]}`)
			} else {
				_, _ = io.WriteString(rw, `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":`+patient("p01")+`}]`+pages+`}`)
			}
			return true
		}
		want := ""
		if pages != "" {
			want = "p12"
		}
		if got := w.follow("all", next).bundle(t).ids(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestSearchOnMasked: rows and their order tell nothing of what is masked.
func TestSearchOnMasked(t *testing.T) {
	w := newWorld(t, patient("a", `"birthDate":"1980-02-03"`), `{"resourceType":"Observation","id":"o","status":"final","code":{},"subject":{"reference":"Patient/a"}}`)
	for _, path := range []string{
		"Patient?birthdate=1980", "Patient?birthdate:missing=true", "Patient?_sort=birthdate", "Patient?_sort=-birthdate", "Patient?birthdate=1980&_summary=count",
		"Observation?subject=Patient/a", "Observation?patient=a", "Observation?subject:missing=true", "Observation?subject:identifier=x", "Observation?_sort=subject",
		"Patient/a/Observation", "Patient/a/Observation?_summary=count", "Patient/a/*",
	} {
		if r := w.get("masked", path).refusal(t); r.Code != "search-on-masked-element" {
			t.Errorf("%s: %v", path, r)
		}
		if path != "Patient/a/*" { // which the server behind doesn't have
			if a := w.get("all", path); a.err != nil {
				t.Errorf("%s without masks: %v", path, a.err)
			}
		}
	}
	asked := len(w.requests)
	_ = w.get("masked", "Patient?birthdate=1980")
	if len(w.requests) != asked {
		t.Error("the server behind was asked")
	}
	for _, path := range []string{"Patient?gender=male", "Patient?_id=a", "Patient?_sort=_lastUpdated", "Observation?status=final", "Encounter/a/Observation"} {
		if a := w.get("masked", path); a.err != nil {
			t.Errorf("%s: %v", path, a.err)
		}
	}
}

func TestSummaryAndElements(t *testing.T) {
	w := newWorld(t,
		patient("a", `"meta":{"tag":[{"code":"x"}]}`, `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}`,
			`"active":false`, `"birthDate":"1980-02-03"`, `"_birthDate":{"id":"q"}`, `"maritalStatus":{"text":"m"}`, `"deceasedBoolean":true`, `"photo":[{"title":"t"}]`),
	)
	for query, want := range map[string]string{
		"_summary=true":                      `{"resourceType":"Patient","id":"a","meta":{…},"active":false,"birthDate":"1980-02-03","_birthDate":{"id":"q"},"deceasedBoolean":true}`,
		"_summary=text":                      `{"resourceType":"Patient","id":"a","meta":{…},"text":{…},"active":false,"deceasedBoolean":true}`,
		"_summary=data":                      `{"resourceType":"Patient","id":"a","meta":{…},"active":false,"birthDate":"1980-02-03","_birthDate":{"id":"q"},"maritalStatus":{"text":"m"},"deceasedBoolean":true,"photo":[{"title":"t"}]}`,
		"_elements=birthDate":                `{"resourceType":"Patient","id":"a","meta":{…},"active":false,"birthDate":"1980-02-03","_birthDate":{"id":"q"},"deceasedBoolean":true}`,
		"_elements=Patient.maritalStatus,id": `{"resourceType":"Patient","id":"a","meta":{…},"active":false,"maritalStatus":{"text":"m"},"deceasedBoolean":true}`,
		"_elements=Observation.code":         `{"resourceType":"Patient","id":"a","meta":{…},"active":false,"deceasedBoolean":true}`,
	} {
		b := w.get("all", "Patient?"+query).bundle(t)
		got := string(b.Entry[0].Resource)
		if strings.Count(got, `"code":"SUBSETTED"`) != 1 || !strings.Contains(got, `{"code":"x"}`) {
			t.Errorf("%s: tags of %s", query, got)
		}
		for _, key := range []string{"meta", "text"} {
			got = elide(got, key)
		}
		if got != want {
			t.Errorf("%s:\n%s, want\n%s", query, got, want)
		}
	}
	b := w.get("masked", "Patient?_elements=birthDate").bundle(t)
	if bytes.Contains(b.Entry[0].Resource, []byte("1980")) {
		t.Errorf("shaping undoes masks: %s", b.Entry[0].Resource)
	}
	b = w.get("all", "Patient?_summary=false").bundle(t)
	if bytes.Contains(b.Entry[0].Resource, []byte("SUBSETTED")) {
		t.Errorf("a whole resource is tagged: %s", b.Entry[0].Resource)
	}
}

// elide writes an object member as {…}.
func elide(doc, key string) string {
	i := strings.Index(doc, `"`+key+`":{`)
	if i < 0 {
		return doc
	}
	start := i + len(key) + 3
	depth := 0
	for j := start; j < len(doc); j++ {
		switch doc[j] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return doc[:start] + "{…}" + doc[j+1:]
			}
		}
	}
	return doc
}

func TestHistory(t *testing.T) {
	w := newWorld(t, patient("a"), patient("b", restricted), patient("c"))
	if a := w.do(call{method: "PUT", path: "Patient/a", body: patient("a", `"gender":"male"`)}); a.err != nil {
		t.Fatal(a.err)
	}
	for _, id := range []string{"a", "b"} {
		if a := w.do(call{method: "DELETE", path: "Patient/" + id}); a.err != nil {
			t.Fatal(a.err)
		}
	}
	b := w.get("half", "Patient/a/_history").bundle(t)
	if b.Type != "history" || *b.Total != 3 || b.ids() != "a a a" {
		t.Fatalf("%+v", b)
	}
	if e := b.Entry[0]; e.Resource != nil || e.Request.Method != "DELETE" || e.Request.URL != "Patient/a" || e.Response.Status != "204" || e.Response.Etag != `W/"3"` {
		t.Errorf("%+v", e)
	}
	if e := b.Entry[1]; e.Resource == nil || e.Request.Method != "PUT" || e.Response.Status != "200" || e.Response.Etag != `W/"2"` {
		t.Errorf("%+v", e)
	}
	if got := w.get("half", "Patient/_history").bundle(t).ids(); got != "a a c a" {
		t.Errorf("%s: the end of what is hidden is hidden", got)
	}
	if got := w.get("all", "_history").bundle(t).ids(); got != "b a a c b a" {
		t.Error(got)
	}
	if got := *w.get("half", "_history?_count=0").bundle(t).Total; got != 4 {
		t.Error(got)
	}
	first := w.get("half", "Patient/a/_history?_count=2").bundle(t)
	if got := first.ids() + "|" + w.follow("half", first.link("next")).bundle(t).ids(); got != "a a|a" {
		t.Error(got)
	}
}

func TestNotice(t *testing.T) {
	w := newWorld(t, patients(2)...)
	for _, path := range []string{"Patient", "Patient?_id=zzz", "Patient?_summary=count"} {
		b := w.get("noticed", path).bundle(t)
		if len(b.Entry) == 0 || b.Entry[0].Search.Mode != "outcome" || !bytes.Contains(b.Entry[0].Resource, []byte("results-may-be-withheld")) || b.Total != nil {
			t.Errorf("%s: %+v", path, b)
		}
	}
	if b := w.get("noticed", "Patient/_history").bundle(t); b.Entry[0].Search.Mode == "outcome" {
		t.Error("a history has no outcomes")
	}
}

func TestPseudonyms(t *testing.T) {
	w := newWorld(t, patient("a"), `{"resourceType":"Observation","id":"o","status":"final","code":{},"subject":{"reference":"Patient/a"}}`)
	b := w.get("pseudo", "Patient").bundle(t)
	id := b.ids()
	if id == "a" || bytes.Contains(b.Entry[0].Resource, []byte(`"a"`)) {
		t.Fatalf("%+v", b)
	}
	a := w.get("pseudo", "Patient/"+id)
	if a.err != nil || !bytes.Contains(a.body.Bytes(), []byte(id)) {
		t.Errorf("%v %s", a.err, a.body.Bytes())
	}
	if r := w.get("pseudo", "Patient/a").refusal(t); r.Code != "not-found" {
		t.Error("the real id is taken: ", r)
	}
	h := w.get("pseudo", "Patient/"+id+"/_history").bundle(t)
	if h.ids() != id || bytes.Contains(h.Entry[0].Resource, []byte(`"a"`)) {
		t.Errorf("%+v", h)
	}
	for _, path := range []string{"Patient/a/_history", "Patient/a/_history/1"} {
		if r := w.get("pseudo", path).refusal(t); r.Code != "not-found" {
			t.Errorf("%s: %v", path, r)
		}
	}
	if a := w.get("pseudo", "Observation/o"); a.err != nil || bytes.Contains(a.body.Bytes(), []byte("Patient/a\"")) {
		t.Errorf("%v %s", a.err, a.body.Bytes())
	}
}

// TestBounds: a search that reads too much ends by itself.
func TestBounds(t *testing.T) {
	w := newWorld(t, patients(60, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50)...)
	w.options.Limits.ScanRows = 15
	w.rebuild()
	if r := w.get("half", "Patient?_id="+strings.Repeat("p31,p32,", 3)+"p33,p34,p35,p36,p37,p38,p39,p40,p41,p42,p43,p44,p45,p46,p47").refusal(t); r.Code != "too-costly" {
		t.Error(r)
	}
	if r := w.get("half", "Patient?_summary=count").refusal(t); r.Code != "too-costly" {
		t.Error(r)
	}
	if b := w.get("half", "Patient?_count=10&_total=accurate&_sort=_id").bundle(t); b.Total != nil || b.link("next") == "" {
		t.Error("a page without a total is better than none")
	}
	w.options.Limits.ScanRows, w.options.Limits.ScanBytes = 1000, 100
	w.rebuild()
	if r := w.get("half", "Patient").refusal(t); r.Code != "too-costly" {
		t.Error(r)
	}
	w.options.Limits.ScanBytes, w.options.Limits.ScanTime = 1<<20, -1
	w.rebuild()
	if r := w.get("half", "Patient").refusal(t); r.Code != "too-costly" {
		t.Error(r)
	}
	w.options.Limits.ScansPerCaller = 0
	w.rebuild()
	if r := w.get("half", "Patient").refusal(t); r.Code != "too-many-searches" {
		t.Error(r)
	}
}

// TestBadPages: what the server behind gives as a page and isn't one never
// becomes a shorter answer.
func TestBadPages(t *testing.T) {
	entry := func(resource string) string {
		return `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":` + resource + `}]}`
	}
	for _, c := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"other type", "Patient", entry(`{"resourceType":"Group","id":"g"}`), 200, "upstream-answer"},
		{"no id", "Patient", entry(`{"resourceType":"Patient"}`), 200, "upstream-answer"},
		{"unknown type", "", entry(`{"resourceType":"Foo","id":"g"}`), 200, "upstream-answer"},
		{"type that wasn't asked for", "?_type=Group", entry(patient("a")), 200, "upstream-answer"},
		{"other instance", "Patient/a/_history", entry(patient("b")), 200, "upstream-answer"},
		{"other instance's end", "Patient/a/_history", `{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"Patient/b"},"response":{"etag":"W/\"2\""}}]}`, 200, "upstream-answer"},
		{"cut", "Patient", entry(patient("a"))[:80], 200, "upstream-answer"},
		{"no Bundle", "Patient", patient("a"), 200, "upstream-answer"},
		{"link elsewhere", "Patient", `{"resourceType":"Bundle","link":[{"relation":"next","url":"https://evil.example/fhir?x=1"}]}`, 200, "upstream-answer"},
		{"link out of the base", "Patient", `{"resourceType":"Bundle","link":[{"relation":"next","url":"/admin?x=1"}]}`, 200, "upstream-answer"},
		{"link to itself", "Patient?_count=1", `{"resourceType":"Bundle","link":[{"relation":"next","url":"/fhir/Patient?_count=20"}]}`, 200, "upstream-answer"},
		{"refused", "Patient", `{}`, 400, "search-rejected"},
		{"absent", "Patient", `{}`, 404, "search-rejected"},
		{"no rights", "Patient", `{}`, 403, "upstream-refused"},
		{"failure", "Patient", `{}`, 503, "upstream-unavailable"},
		{"no such instance", "Patient/a/_history", `{}`, 410, "not-found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.distort = func(rw http.ResponseWriter, _ *http.Request) bool {
				rw.Header().Set("Content-Type", "application/fhir+json")
				rw.WriteHeader(c.status)
				_, _ = io.WriteString(rw, c.body)
				return true
			}
			if r := w.get("all", c.path).refusal(t); r.Code != c.want {
				t.Error(r)
			}
		})
	}
}

// TestEndlessEmptyPages: pages without rows come to an end.
func TestEndlessEmptyPages(t *testing.T) {
	w := newWorld(t)
	n := 0
	w.distort = func(rw http.ResponseWriter, _ *http.Request) bool {
		n++
		rw.Header().Set("Content-Type", "application/fhir+json")
		_, _ = fmt.Fprintf(rw, `{"resourceType":"Bundle","link":[{"relation":"next","url":"/fhir/Patient?at=%d"}]}`, n)
		return true
	}
	if r := w.get("all", "Patient").refusal(t); r.Code != "too-costly" || n > w.options.Limits.ScanRows+1 {
		t.Errorf("%v after %d pages", r, n)
	}
}

// TestIncludesAreDropped: only matches are rows.
func TestIncludesAreDropped(t *testing.T) {
	w := newWorld(t)
	w.distort = func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.Header().Set("Content-Type", "application/fhir+json")
		_, _ = io.WriteString(rw, `{"resourceType":"Bundle","total":7,"entry":[{"resource":`+patient("a")+`,"search":{"mode":"match"}},{"resource":{"resourceType":"Group","id":"g"},"search":{"mode":"include"}},
			{"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}},{"fullUrl":"x"},{"resource":`+patient("b")+`}]}`)
		return true
	}
	if b := w.get("all", "Patient").bundle(t); b.ids() != "a b" || *b.Total != 2 {
		t.Errorf("%+v", b)
	}
}

// TestLargeAnswer: what fails after bytes have gone out is an error after Begin,
// or says in the Bundle that it isn't whole.
func TestLargeAnswer(t *testing.T) {
	var resources []string
	for i := range 40 {
		resources = append(resources, patient(fmt.Sprintf("q%02d", i), `"name":[{"text":"`+strings.Repeat("n", 4000)+`"}]`))
	}
	resources = append(resources, patients(3)...)
	w := newWorld(t, resources...)
	a := w.get("broken", "Patient?_count=50&_sort=_id") // p03 comes early
	if a.err == nil || a.begun {
		t.Errorf("%v, begun %v", a.err, a.begun)
	}
	w.options.Limits.UpstreamPage = 50
	w.rebuild()
	sorted := "Patient?_count=50&_sort=_id&_id=" + ids(40) + ",p03"
	w.distort = func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.Header().Set("Content-Type", "application/fhir+json")
		_, _ = io.WriteString(rw, `{"resourceType":"Bundle","entry":[{"resource":`+strings.Join(resources, `},{"resource":`)+`}]}`)
		return true
	}
	a = w.get("broken", sorted)
	if a.err == nil || !a.begun {
		t.Errorf("%v, begun %v", a.err, a.begun)
	}
	w.quotaRows = 30
	a = w.get("all", sorted)
	b := a.bundle(t)
	if last := b.Entry[len(b.Entry)-1]; last.Search.Mode != "outcome" || !bytes.Contains(last.Resource, []byte("quota-exhausted")) || b.Total != nil || b.link("next") != "" {
		t.Errorf("%v %.300s", a.err, last.Resource)
	}
	w.quotaRows = -1
	sink := &answer{fails: true}
	w.do(call{path: "Patient", query: "_count=50"})
	sink.err = w.gateway.Serve(t.Context(), gateway.Call{Request: w.records[len(w.records)-1].Request}, sink)
	if sink.err == nil {
		t.Error("a client that went away isn't an error")
	}
}

func ids(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("q%02d", i))
	}
	return strings.Join(list, ",")
}
