package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

// canary is in what a faulty server behind answers, under an element that
// everybody is kept from, so that none of it may reach a caller.
const canary = "canary-7f3a91"

// open is a policy that allows everybody everything, less Patient.name and
// Observation.note.
const open = `package fhirgate
import rego.v1
masks := {"Patient": [{"path": "Patient.name", "action": "remove"}], "Observation": [{"path": "Observation.note", "action": "remove"}]}
request := {"allow": true, "reasons": [{"code": "ok", "text": "ok"}], "masks": masks}
read := {"allow": true, "masks": object.get(masks, input.resource.resourceType, [])}
write := {"allow": true, "reasons": [{"code": "ok", "text": "ok"}]}
`

func openPolicy(t *testing.T) string {
	t.Helper()
	return harness.Policy(t, harness.Files{"policy.rego": open})
}

func patientOf(id string) string {
	return `{"resourceType":"Patient","id":"` + id + `","meta":{"versionId":"1"},"name":[{"family":"` + canary + `"}],"gender":"female"}`
}

func entryOf(resource string) string {
	return `{"fullUrl":"urn:x","resource":` + resource + `,"search":{"mode":"match"}}`
}

func bundleOf(entries ...string) string {
	return `{"resourceType":"Bundle","type":"searchset","entry":[` + strings.Join(entries, ",") + `]}`
}

// faulty answers everything with one status, media type and body.
type faulty struct {
	name   string
	status int
	media  string
	body   string
	// reset breaks the connection off after the body.
	reset bool
	// length is announced in place of the body's own.
	length int
}

func (f faulty) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if f.media == "" {
		f.media = "application/fhir+json"
	}
	w.Header().Set("Content-Type", f.media)
	if f.length > 0 {
		w.Header().Set("Content-Length", fmt.Sprint(f.length))
	}
	w.WriteHeader(f.status)
	_, _ = w.Write([]byte(f.body))
	if f.reset {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func TestFaultyServerBehind(t *testing.T) {
	t.Parallel()
	bundle := openPolicy(t)
	one := patientOf("x")
	html := `<html><body>` + canary + `</body></html>`
	many := make([]string, 3000)
	for i := range many {
		many[i] = entryOf(patientOf(fmt.Sprint("p", i)))
	}
	long := bundleOf(many...)
	for _, c := range []struct {
		faulty

		path     string
		want     int
		code     string
		cutIsFin bool // the answer had begun: the client must see it cut
	}{
		{faulty{name: "read: 500 with a stack trace", status: 500, body: `{"resourceType":"OperationOutcome","issue":[{"diagnostics":"` + canary + `"}]}`}, "Patient/x", 502, "upstream-unavailable", false},
		{faulty{name: "read: 401", status: 401, body: canary}, "Patient/x", 502, "upstream-refused", false},
		{faulty{name: "read: redirect", status: 302, body: canary}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: 204", status: 204}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: HTML with 200", status: 200, media: "text/html", body: html}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: HTML called JSON", status: 200, body: html}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: half a resource", status: 200, body: one[:len(one)/2]}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: half, then broken off", status: 200, body: one[:len(one)/2], reset: true}, "Patient/x", 502, "upstream-unavailable", false},
		{faulty{name: "read: shorter than announced", status: 200, body: one, length: len(one) + 10}, "Patient/x", 502, "upstream-unavailable", false},
		{faulty{name: "read: two resources", status: 200, body: one + one}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: another id", status: 200, body: patientOf("y")}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: another type", status: 200, body: strings.Replace(one, "Patient", "Person", 1)}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: type in other case", status: 200, body: strings.Replace(one, "Patient", "patient", 1)}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: repeated key", status: 200, body: strings.Replace(one, `"gender"`, `"name":[],"gender"`, 1)}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: repeated key, escaped", status: 200, body: strings.Replace(one, `"gender"`, `"n\u0061me":[{"text":"`+canary+`"}],"gender"`, 1)}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: repeated resourceType", status: 200, body: strings.Replace(one, `"gender"`, `"resourceType":"Organization","gender"`, 1)}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: invalid UTF-8", status: 200, body: strings.Replace(one, "female", "fem\xffale", 1)}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: too deep", status: 200, body: strings.Replace(one, `"female"`, strings.Repeat("[", 200)+strings.Repeat("]", 200), 1)}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: an array", status: 200, body: "[" + one + "]"}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: a Bundle", status: 200, body: bundleOf(entryOf(one))}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "read: nothing", status: 200}, "Patient/x", 502, "upstream-answer", false},
		{faulty{name: "vread: another version", status: 200, body: one}, "Patient/x/_history/2", 502, "upstream-answer", false},

		{faulty{name: "search: HTML", status: 200, media: "text/html", body: html}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: HTML called JSON", status: 200, body: html}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: half a Bundle", status: 200, body: bundleOf(entryOf(one), entryOf(one))[:300]}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: broken off between entries", status: 200, body: strings.TrimSuffix(bundleOf(entryOf(one)), "]}"), reset: true}, "Patient", 502, "upstream-unavailable", false},
		{faulty{name: "search: ends between entries", status: 200, body: strings.TrimSuffix(bundleOf(entryOf(one)), "]}")}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: ends after the entries", status: 200, body: strings.TrimSuffix(bundleOf(entryOf(one)), "}")}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: more after the end", status: 200, body: bundleOf(entryOf(one)) + `{"resourceType":"Bundle"}`}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: entries twice", status: 200, body: strings.TrimSuffix(bundleOf(entryOf(one)), "}") + `,"entry":[` + entryOf(one) + `]}`}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: an entry of another type", status: 200, body: bundleOf(entryOf(`{"resourceType":"Person","id":"x","name":[{"text":"` + canary + `"}]}`))}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: an entry without a type", status: 200, body: bundleOf(entryOf(`{"id":"x","name":[{"text":"` + canary + `"}]}`))}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: repeated key in an entry", status: 200, body: bundleOf(entryOf(strings.Replace(one, `"gender"`, `"name":[],"gender"`, 1)))}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: two resources in an entry", status: 200, body: bundleOf(`{"resource":` + one + `,"resource":` + one + `}`)}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: a resource that is no object", status: 200, body: bundleOf(`{"resource":"` + canary + `"}`)}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: not a Bundle", status: 200, body: one}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "search: 404", status: 404, body: canary}, "Patient", 400, "search-rejected", false},
		{faulty{name: "search: 503", status: 503, body: canary}, "Patient", 502, "upstream-unavailable", false},
		{faulty{name: "search: a next link that leads elsewhere", status: 200, body: strings.TrimSuffix(bundleOf(entryOf(one)), "}") + `,"link":[{"relation":"next","url":"http://127.0.0.1:1/fhir?x=1"}]}`}, "Patient", 502, "upstream-answer", false},
		{faulty{name: "long: broken off", status: 200, body: long[:len(long)-200], reset: true}, "Patient?_count=5000", 0, "", true},
		{faulty{name: "long: ends early", status: 200, body: long[:len(long)-200]}, "Patient?_count=5000", 0, "", true},
		{faulty{name: "long: an entry of another type at the end", status: 200, body: strings.TrimSuffix(long, "]}") + "," + entryOf(`{"resourceType":"Person","id":"x","name":[{"text":"`+canary+`"}]}`) + "]}"}, "Patient?_count=5000", 0, "", true},
		{faulty{name: "long: repeated key at the end", status: 200, body: strings.TrimSuffix(long, "]}") + "," + entryOf(strings.Replace(one, `"gender"`, `"name":[],"gender"`, 1)) + "]}"}, "Patient?_count=5000", 0, "", true},
		{faulty{name: "metadata: garbage", status: 200, body: canary}, "metadata", 502, "upstream-answer", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := harness.Start(t, harness.Options{Upstream: serveBehind(t, c.faulty), Bundle: bundle, Limits: map[string]any{"page_max": 5000}})
			for _, packed := range []bool{false, true} {
				r := g.Do(t, harness.Request{Who: "patient", Path: c.path, Gzip: packed})
				if strings.Contains(string(r.Body)+headerText(r.Header), canary) {
					t.Errorf("the canary reached the caller: %.300s", r.Body)
				}
				if c.cutIsFin {
					if r.Cut == nil {
						t.Errorf("status %d with %d bytes, and no end that a client could see as broken: …%.200s", r.Status, len(r.Body), r.Body[max(0, len(r.Body)-200):])
					}
					continue
				}
				r.Refused(t, c.want, c.code)
			}
			if text := g.Log.String() + g.Audit(t); strings.Contains(text, canary) {
				t.Error("the canary is in log or audit")
			}
		})
	}
}

func TestServerBehindDownOrSlow(t *testing.T) {
	t.Parallel()
	bundle := openPolicy(t)
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		url := "http://" + listener.Addr().String() + "/fhir"
		_ = listener.Close()
		g := harness.Start(t, harness.Options{Upstream: harness.FHIR{URL: url}, Bundle: bundle})
		for _, path := range []string{"Patient/x", "Patient", "metadata", "Patient/x/_history"} {
			g.Get(t, "patient", path).Refused(t, 502, "upstream-unavailable")
		}
		g.Do(t, harness.Request{Who: "patient", Method: "POST", Path: "Patient", Body: `{"resourceType":"Patient"}`}).Refused(t, 502, "write-outcome-unknown")
		g.Do(t, harness.Request{Who: "patient", Method: "PUT", Path: "Patient/x", Body: `{"resourceType":"Patient","id":"x"}`}).Refused(t, 502, "upstream-unavailable")
	})
	slow := func(t *testing.T, before string) *harness.Gateway {
		t.Helper()
		behind := serveBehind(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if before != "" {
				w.Header().Set("Content-Type", "application/fhir+json")
				_, _ = w.Write([]byte(before))
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
		}))
		return harness.Start(t, harness.Options{Upstream: behind, Bundle: bundle, Timeouts: map[string]any{"response_header": "300ms", "total": "600ms"}, Limits: map[string]any{"page_max": 5000}})
	}
	t.Run("no answer", func(t *testing.T) {
		t.Parallel()
		g := slow(t, "")
		for _, path := range []string{"Patient/x", "Patient"} {
			r := g.Get(t, "patient", path)
			if r.Status != 504 && r.Status != 502 {
				t.Errorf("%s: status %d", path, r.Status)
			}
			r.Refused(t, r.Status, r.Code())
		}
	})
	t.Run("half an answer", func(t *testing.T) {
		t.Parallel()
		g := slow(t, `{"resourceType":"Patient","id":"x","name":[{"family":"`+canary)
		r := g.Get(t, "patient", "Patient/x").Refused(t, 504, "upstream-timeout")
		if strings.Contains(string(r.Body), canary) {
			t.Error("the canary reached the caller")
		}
	})
	t.Run("half a Bundle", func(t *testing.T) {
		t.Parallel()
		g := slow(t, strings.TrimSuffix(bundleOf(entryOf(patientOf("x"))), "]}"))
		g.Get(t, "patient", "Patient").Refused(t, 504, "upstream-timeout")
	})
	t.Run("a long half of a Bundle", func(t *testing.T) {
		t.Parallel()
		many := make([]string, 3000)
		for i := range many {
			many[i] = entryOf(patientOf(fmt.Sprint("p", i)))
		}
		g := slow(t, strings.TrimSuffix(bundleOf(many...), "]}"))
		if r := g.Get(t, "patient", "Patient?_count=5000"); r.Cut == nil {
			t.Errorf("status %d with %d bytes, and not cut", r.Status, len(r.Body))
		}
	})
}

// TestCallerGoesAway holds the gateway to give up a search of somebody who has
// gone.
func TestCallerGoesAway(t *testing.T) {
	t.Parallel()
	var given atomic.Int64
	asked := make(chan struct{}, 1)
	behind := serveBehind(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		given.Add(1)
	}))
	g := harness.Start(t, harness.Options{Upstream: behind, Bundle: openPolicy(t)})
	token := g.Token(t, "patient")
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(g.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(conn, "GET /fhir/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", token)
	select {
	case <-asked:
	case <-time.After(20 * time.Second):
		t.Fatal("the server behind wasn't asked")
	}
	_ = conn.Close()
	harness.Eventually(t, "the exchange with the server behind to end", func() bool { return given.Load() == 1 })
	harness.Eventually(t, "the audit of the request", func() bool { return strings.Count(g.Audit(t), "\n") == 1 })
}
