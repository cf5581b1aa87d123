package store_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/demo/store"
)

// server is a store behind a real HTTP server on loopback.
type server struct {
	*store.Store
	t    *testing.T
	base string
}

func start(t *testing.T, opts store.Options) *server {
	t.Helper()
	s, err := store.Open("", opts)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, s, opts)
}

func serve(t *testing.T, s *store.Store, opts store.Options) *server {
	t.Helper()
	web := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		web.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &server{Store: s, t: t, base: web.URL + opts.BasePath}
}

// reply is what a request gave.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends one request; headers are "Name: value".
func (s *server) do(method, path, body string, headers ...string) reply {
	s.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = s.base + path
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(got) > 0 && strings.Contains(res.Header.Get("Content-Type"), "json") && !json.Valid(got) && res.Header.Get("Content-Encoding") == "" {
		s.t.Fatalf("%s %s: invalid JSON: %s", method, path, got)
	}
	return reply{res.StatusCode, res.Header, string(got)}
}

func (s *server) want(status int, method, path, body string, headers ...string) reply {
	s.t.Helper()
	r := s.do(method, path, body, headers...)
	if r.status != status {
		s.t.Fatalf("%s %s: %d, want %d: %.400s", method, path, r.status, status, r.body)
	}
	return r
}

// bundle is a Bundle as the tests read it.
type bundle struct {
	Type  string
	Total *int
	Link  []struct{ Relation, URL string }
	Entry []struct {
		FullURL  string `json:"fullUrl"`
		Resource map[string]any
		Search   struct{ Mode string }
		Request  struct{ Method, URL string }
		Response struct {
			Status, Location, Etag, LastModified string
			Outcome                              map[string]any
		}
	}
}

func (r reply) bundle(t *testing.T) bundle {
	t.Helper()
	var b bundle
	if err := json.Unmarshal([]byte(r.body), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b bundle) link(relation string) string {
	for _, l := range b.Link {
		if l.Relation == relation {
			return l.URL
		}
	}
	return ""
}

// refs returns Type/id of the entries with a mode, "" for any.
func (b bundle) refs(mode string) []string {
	var out []string
	for _, e := range b.Entry {
		if mode == "" || e.Search.Mode == mode {
			out = append(out, fmt.Sprint(e.Resource["resourceType"], "/", e.Resource["id"]))
		}
	}
	return out
}

// ids returns the ids of the matches of a search, sorted, joined.
func (s *server) ids(query string) string {
	s.t.Helper()
	b := s.want(200, "GET", query, "").bundle(s.t)
	var out []string
	for _, ref := range b.refs("match") {
		_, id, _ := strings.Cut(ref, "/")
		out = append(out, id)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// clock is a clock that tests move.
type clock struct{ at time.Time }

func newClock() *clock                   { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)} }
func (c *clock) now() time.Time          { return c.at }
func (c *clock) forward(d time.Duration) { c.at = c.at.Add(d) }
