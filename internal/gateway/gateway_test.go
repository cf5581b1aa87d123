package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/demo/store"
	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/gateway"
	"github.com/fhirgate/fhirgate/internal/policy"
	"github.com/fhirgate/fhirgate/internal/upstream"
	"github.com/fhirgate/fhirgate/internal/upstream/credential"
)

const publicBase = "https://gate.example/fhir"

// world is a gateway before a real FHIR server, with a real policy.
type world struct {
	t        testing.TB
	store    *store.Store
	gateway  *gateway.Gateway
	policy   *policy.Policy
	options  gateway.Options
	now      time.Time
	requests []string // "METHOD path?query" that came to the server behind

	mu sync.Mutex
	// distort, when set, answers instead of the server behind; false leaves the
	// request to it.
	distort func(w http.ResponseWriter, r *http.Request) bool

	// What the ports were told.
	records []gateway.Record
	reviews []gateway.Review
	written []string
	// What the ports answer.
	quotaRows               int64 // rows left; below 0: without limit
	refuseRate, ifMatchSafe bool
	recordFails, stateFails error
}

// newWorld loads testdata/policy.rego and the resources.
func newWorld(t testing.TB, resources ...string) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), quotaRows: -1, ifMatchSafe: true}
	var err error
	w.store, err = store.Open("", store.Options{BasePath: "/fhir", AllowDangling: true, PageSize: 5, Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Load(strings.NewReader(strings.Join(resources, "\n"))); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(w.serveUpstream))
	t.Cleanup(func() { server.Close(); _ = w.store.Close() })
	client, err := upstream.New(upstream.Options{
		Base: server.URL + "/fhir", Credential: credential.None{}, MaxConnections: 16,
		Connect: time.Second, ResponseHeader: 10 * time.Second, Total: 10 * time.Second, Idle: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w.policy = w.bind(client)
	w.options = gateway.Options{
		Name: "main", PublicBase: publicBase, Definitions: definitions.R4(), Policy: w.policy, Upstream: client, IfMatch: w, Quota: w, Journal: w,
		Written: func(typ string) { w.written = append(w.written, typ) }, PageKey: bytes.Repeat([]byte{7}, 32), Clock: w.clock, Version: "test",
		Limits: gateway.Limits{
			MaxResource: 1 << 20, MaxDepth: 64, ScanRows: 200, ScanBytes: 1 << 24, ScanTime: time.Minute, ScansPerCaller: 2,
			PageDefault: 10, PageMax: 50, UpstreamPage: 100, PageLinkTTL: time.Hour,
		},
	}
	w.rebuild()
	return w
}

func (w *world) clock() time.Time { return w.now }

// rebuild makes the gateway anew after a change of its options.
func (w *world) rebuild() {
	w.t.Helper()
	g, err := gateway.New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.gateway = g
}

func (w *world) bind(client *upstream.Client) *policy.Policy {
	w.t.Helper()
	rego, err := os.ReadFile("testdata/policy.rego")
	if err != nil {
		w.t.Fatal(err)
	}
	revision, err := policy.LoadFS(fstest.MapFS{"policy.rego": &fstest.MapFile{Data: rego}})
	if err != nil {
		w.t.Fatal(err)
	}
	fetcher := upstream.Fetcher{Client: client, Limits: fhir.BundleLimits{MaxEntry: 1 << 20, MaxDepth: 64}}
	lookups, err := policy.NewLookups(fetcher, definitions.R4(), policy.LookupOptions{TTL: time.Minute, MaxRows: 100, MaxBytes: 1 << 20, Clock: w.clock})
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := revision.Bind(w.t.Context(), policy.Options{
		Definitions: definitions.R4(), Timeout: 5 * time.Second, ContextTimeout: 5 * time.Second, Lookups: lookups, MaskKey: make([]byte, 32),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) serveUpstream(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.requests = append(w.requests, r.Method+" "+r.URL.RequestURI())
	distort := w.distort
	w.mu.Unlock()
	if distort != nil && distort(rw, r) {
		return
	}
	w.store.Handler().ServeHTTP(rw, r)
}

// Safe implements gateway.IfMatch.
func (w *world) Safe(context.Context, string, fhir.Code) (bool, error) {
	return w.ifMatchSafe, w.stateFails
}

// Request implements gateway.Quota.
func (w *world) Request(context.Context, []access.Limit) (bool, time.Duration, error) {
	return !w.refuseRate, 90 * time.Second, w.stateFails
}

// Rows implements gateway.Quota.
func (w *world) Rows(_ context.Context, _ []access.Limit, n int64) (bool, time.Duration, error) {
	if w.quotaRows < 0 {
		return true, 0, nil
	}
	if w.quotaRows < n {
		return false, time.Hour, nil
	}
	w.quotaRows -= n
	return true, 0, nil
}

// Record implements gateway.Journal.
func (w *world) Record(_ context.Context, r gateway.Record, _ bool) error {
	w.records = append(w.records, r)
	return w.recordFails
}

// Review implements gateway.Journal.
func (w *world) Review(_ context.Context, r gateway.Review) error {
	w.reviews = append(w.reviews, r)
	return w.stateFails
}

// answer is what a sink took.
type answer struct {
	gateway.Head
	begun bool
	body  bytes.Buffer
	err   error
	fails bool
}

// Begin implements gateway.Sink.
func (a *answer) Begin(h gateway.Head) { a.Head, a.begun = h, true }

// Write implements io.Writer.
func (a *answer) Write(p []byte) (int, error) {
	if a.fails {
		return 0, errors.New("the client went away")
	}
	return a.body.Write(p)
}

// refusal is the refusal that the call ended with.
func (a *answer) refusal(t testing.TB) *fhir.Refusal {
	t.Helper()
	var r *fhir.Refusal
	if !errors.As(a.err, &r) {
		t.Fatalf("not refused: %+v %v %s", a.Head, a.err, a.body.Bytes())
	}
	if a.begun {
		t.Fatalf("refused after %s", a.body.Bytes())
	}
	return r
}

// bundle is a Bundle that was answered.
type bundle struct {
	Type  string
	Total *int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		FullURL  string
		Resource json.RawMessage
		Search   struct{ Mode string }
		Request  struct{ Method, URL string }
		Response struct{ Status, Etag, LastModified string }
	}
}

func (a *answer) bundle(t testing.TB) bundle {
	t.Helper()
	if a.err != nil {
		t.Fatal(a.err)
	}
	var b bundle
	if err := json.Unmarshal(a.body.Bytes(), &b); err != nil {
		t.Fatalf("%v: %s", err, a.body.Bytes())
	}
	return b
}

// ids are the ids of the matches.
func (b bundle) ids() string {
	var ids []string
	for _, e := range b.Entry {
		if e.Search.Mode != "outcome" {
			ids = append(ids, e.FullURL[strings.LastIndexByte(e.FullURL, '/')+1:])
		}
	}
	return strings.Join(ids, " ")
}

func (b bundle) link(relation string) string {
	for _, l := range b.Link {
		if l.Relation == relation {
			return l.URL
		}
	}
	return ""
}

// call is what differs between calls.
type call struct {
	method, path, query, form, body, who, actAs string
	gateway.Call
}

func (w *world) do(c call) *answer {
	w.t.Helper()
	if c.method == "" {
		c.method = http.MethodGet
	}
	if c.who == "" {
		c.who = "all"
	}
	in, err := fhir.Parse(definitions.R4(), c.method, "/"+c.path, c.query, c.form)
	if err != nil {
		w.t.Fatal(err)
	}
	c.Call.Request = access.Request{Upstream: "main", Interaction: in, ActAs: c.actAs, Time: w.now}
	if c.who != "nobody" {
		c.Call.Request.Principal = access.Principal{Issuer: "https://idp", Subject: c.who, Client: "app", Roles: []string{"r"}}
	}
	if c.body != "" {
		c.Call.Body = []byte(c.body)
	}
	a := &answer{}
	a.err = w.gateway.Serve(w.t.Context(), c.Call, a)
	return a
}

// get is a GET of path?query.
func (w *world) get(who, pathAndQuery string) *answer {
	w.t.Helper()
	path, query, _ := strings.Cut(pathAndQuery, "?")
	return w.do(call{who: who, path: path, query: query})
}

// follow is a GET of a link that the gateway gave.
func (w *world) follow(who, link string) *answer {
	w.t.Helper()
	rest, ok := strings.CutPrefix(link, publicBase+"/")
	if !ok {
		w.t.Fatalf("link %q", link)
	}
	return w.get(who, rest)
}

func patient(id string, members ...string) string {
	return `{"resourceType":"Patient","id":"` + id + `"` + strings.Join(append([]string{""}, members...), ",") + `}`
}

const restricted = `"meta":{"security":[{"system":"s","code":"R"}]}`

// patients are n patients; those whose number is among hidden are restricted.
func patients(n int, hidden ...int) []string {
	var out []string
	for i := 1; i <= n; i++ {
		id := "p" + string(rune('0'+i/10)) + string(rune('0'+i%10))
		if slices.Contains(hidden, i) {
			out = append(out, patient(id, restricted, `"gender":"female"`))
			continue
		}
		out = append(out, patient(id, `"gender":"female"`))
	}
	return out
}
