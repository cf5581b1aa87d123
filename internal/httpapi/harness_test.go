package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
	"github.com/fhirgate/fhirgate/internal/httpapi"
	"github.com/fhirgate/fhirgate/internal/policy"
	"github.com/fhirgate/fhirgate/internal/upstream"
	"github.com/fhirgate/fhirgate/internal/upstream/credential"
)

// policyText allows whoever has a token.
const policyText = `package fhirgate

request := {"allow": input.principal.anonymous == false, "reasons": [{"code": "ok", "text": "it's \"fine\""}]}

read := {"allow": true}

write := {"allow": true}
`

// face is the HTTP face before a real gateway and a real FHIR server.
type face struct {
	t       testing.TB
	options httpapi.Options
	server  *httptest.Server
	log     lockedBuffer
	ready   error

	mu      sync.Mutex
	records []gateway.Record
	distort func(w http.ResponseWriter, r *http.Request) bool // answers instead of the FHIR server
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newFace(t testing.TB, change func(*httpapi.Options)) *face {
	t.Helper()
	f := &face{t: t}
	g := f.newGateway()
	f.options = httpapi.Options{
		Bases: []httpapi.Base{{Upstream: "main", Path: "/fhir", Gateway: g}}, Authenticator: authenticator{}, Definitions: definitions.R4(),
		Purpose: httpapi.Purpose{Enabled: true, MaxDuration: time.Hour, MinReason: 5}, MaxBody: 4 << 10, MaxURL: 1 << 10,
		Ready: func(context.Context) error { return f.ready }, Record: f.Record, Log: slog.New(slog.NewTextHandler(&f.log, nil)),
		Metrics: httpapi.NewMetrics(), Clock: time.Now,
	}
	if change != nil {
		change(&f.options)
	}
	f.server = httptest.NewUnstartedServer(httpapi.New(f.options))
	f.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	f.server.EnableHTTP2 = true
	f.server.StartTLS()
	t.Cleanup(f.server.Close)
	return f
}

func (f *face) newGateway() *gateway.Gateway {
	f.t.Helper()
	s, err := store.Open("", store.Options{BasePath: "/fhir"})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := s.Load(strings.NewReader(`{"resourceType":"Patient","id":"a","gender":"male"}`)); err != nil {
		f.t.Fatal(err)
	}
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		distort := f.distort
		f.mu.Unlock()
		if distort == nil || !distort(w, r) {
			s.Handler().ServeHTTP(w, r)
		}
	}))
	f.t.Cleanup(func() { behind.Close(); _ = s.Close() })
	client, err := upstream.New(upstream.Options{
		Base: behind.URL + "/fhir", Credential: credential.None{}, MaxConnections: 8,
		Connect: 5 * time.Second, ResponseHeader: 10 * time.Second, Total: 10 * time.Second, Idle: time.Minute,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(client.Close)
	revision, err := policy.LoadFS(fstest.MapFS{"policy.rego": &fstest.MapFile{Data: []byte(policyText)}})
	if err != nil {
		f.t.Fatal(err)
	}
	lookups, err := policy.NewLookups(nil, definitions.R4(), policy.LookupOptions{Clock: time.Now})
	if err != nil {
		f.t.Fatal(err)
	}
	p, err := revision.Bind(f.t.Context(), policy.Options{
		Definitions: definitions.R4(), Timeout: 5 * time.Second, ContextTimeout: 5 * time.Second, Lookups: lookups, MaskKey: make([]byte, 32),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	g, err := gateway.New(gateway.Options{
		Name: "main", PublicBase: "https://gate.example/fhir", Definitions: definitions.R4(), Policy: p, Upstream: client, IfMatch: safe{}, Quota: unlimited{}, Journal: f,
		Written: func(string) {}, PageKey: make([]byte, 32), Clock: time.Now,
		Limits: gateway.Limits{
			MaxResource: 1 << 20, MaxDepth: 64, ScanRows: 10_000, ScanBytes: 1 << 28, ScanTime: time.Minute, ScansPerCaller: 8,
			PageDefault: 1000, PageMax: 1000, UpstreamPage: 1000, PageLinkTTL: time.Hour,
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return g
}

// Record implements gateway.Journal.
func (f *face) Record(_ context.Context, r gateway.Record, _ bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.records = append(f.records, r)
	return nil
}

func (f *face) recorded() []gateway.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.records)
}

// Review implements gateway.Journal.
func (f *face) Review(context.Context, gateway.Review) error { return nil }

type safe struct{}

func (safe) Safe(context.Context, string, fhir.Code) (bool, error) { return true, nil }

type unlimited struct{}

func (unlimited) Request(context.Context, []access.Limit) (bool, time.Duration, error) {
	return true, 0, nil
}

func (unlimited) Rows(context.Context, []access.Limit, int64) (bool, time.Duration, error) {
	return true, 0, nil
}

// authenticator knows one token; others name the code of their refusal.
type authenticator struct{}

type coded string

func (c coded) Error() string { return "the token says " + string(c) }

func (c coded) Code() string { return string(c) }

func (authenticator) Authenticate(_ context.Context, _, authorization string) (access.Principal, error) {
	switch token, _ := strings.CutPrefix(authorization, "Bearer "); token {
	case "":
		return access.Principal{}, coded("no-token")
	case "good":
		return access.Principal{Subject: "s", Client: "c"}, nil
	case "uncoded":
		return access.Principal{Subject: "s"}, errors.New("secret")
	case "panic":
		panic("secret")
	default:
		return access.Principal{Subject: "s"}, coded(token)
	}
}

// request makes a request of the good caller; header lines are "Name: value".
func (f *face) request(method, path, body string, header ...string) *http.Request {
	f.t.Helper()
	var r *http.Request
	var err error
	if body == "" {
		r, err = http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, http.NoBody)
	} else {
		r, err = http.NewRequestWithContext(f.t.Context(), method, f.server.URL+path, strings.NewReader(body))
	}
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer good")
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case name == "Host":
			r.Host = value
		case name == "Authorization" && value == "":
			r.Header.Del(name)
		case name == "Authorization":
			r.Header.Set(name, value)
		default:
			r.Header.Add(name, value)
		}
	}
	return r
}

func (f *face) do(r *http.Request) *http.Response {
	f.t.Helper()
	resp, err := f.server.Client().Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}
