package upstream_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/upstream"
	"github.com/fhirgate/fhirgate/internal/upstream/credential"
)

func serve(t *testing.T, handler http.HandlerFunc) (*upstream.Client, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return client(t, server.URL+"/fhir", credential.None{}, 10*time.Second), server.URL
}

func client(t *testing.T, base string, c credential.Credential, total time.Duration) *upstream.Client {
	t.Helper()
	u, err := upstream.New(upstream.Options{
		Base: base, Credential: c, Connect: 5 * time.Second, ResponseHeader: 10 * time.Second, Total: total, Idle: time.Minute, MaxConnections: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

func TestNewRefuses(t *testing.T) {
	for _, base := range []string{"", "/fhir", "host/fhir", "http://user:pw@host/fhir", "http://host/fhir?a=b", "http://%zz"} {
		if _, err := upstream.New(upstream.Options{Base: base}); err == nil {
			t.Errorf("%q is taken", base)
		}
	}
}

func TestRelative(t *testing.T) {
	u := client(t, "https://Host.example:8443/a/fhir", credential.None{}, time.Second)
	for link, want := range map[string]string{
		"https://host.example:8443/a/fhir?x=1":               "?x=1",
		"HTTPS://HOST.example:8443/a/fhir/Patient?x=%2F&y=a": "Patient?x=%2F&y=a",
		"/a/fhir/Patient/1/_history/2":                       "Patient/1/_history/2?",
		"?page=2":                                            "?page=2",
		"https://host.example:8443/a/fhir/":                  "?",
	} {
		if path, query, err := u.Relative(link); err != nil || path+"?"+query != want {
			t.Errorf("%s: %s?%s, %v", link, path, query, err)
		}
	}
	for _, link := range []string{
		"http://host.example:8443/a/fhir?x=1", "https://host.example/a/fhir?x=1", "https://host.example:8443/a/fhir2/Patient", "https://host.example:8443/a", "//evil.example/a/fhir",
		"https://host.example:8443/a/fhir/../admin", "https://host.example:8443/a/fhir/%2e%2e/admin", "https://host.example:8443/a/fhir//x", "https://u@host.example:8443/a/fhir",
		"https://host.example:8443/a/fhir#x", "javascript:alert(1)", "Patient/1", "%zz", "https://host.example:8443.evil.example/a/fhir",
	} {
		if path, query, err := u.Relative(link); !errors.Is(err, fhir.ErrForeignLink) {
			t.Errorf("%s: %s?%s, %v", link, path, query, err)
		}
	}
}

func TestDoSends(t *testing.T) {
	var got *http.Request
	var body []byte
	u, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Location", "/fhir/Patient/1")
		w.Header().Set("ETag", `W/"3"`)
	})
	for _, c := range []struct {
		e          fhir.Exchange
		uri, media string
	}{
		{fhir.Exchange{Method: "GET", Path: "Patient/1"}, "/fhir/Patient/1", ""},
		{fhir.Exchange{Method: "GET", Path: "", Query: "a=b&c=%7C"}, "/fhir?a=b&c=%7C", ""},
		{fhir.Exchange{Method: "POST", Path: "Patient/_search", Form: true, Body: []byte("a=b")}, "/fhir/Patient/_search", "application/x-www-form-urlencoded"},
		{fhir.Exchange{Method: "PUT", Path: "Patient/1", Body: []byte("{}"), IfMatch: `W/"1"`}, "/fhir/Patient/1", "application/fhir+json; charset=utf-8"},
	} {
		a, err := u.Do(t.Context(), c.e)
		if err != nil {
			t.Fatal(err)
		}
		_ = a.Body.Close()
		if got.Method != c.e.Method || got.RequestURI != c.uri || got.Header.Get("Content-Type") != c.media || !bytes.Equal(body, c.e.Body) || got.Header.Get("If-Match") != c.e.IfMatch {
			t.Errorf("%+v: %s %s %v %s", c.e, got.Method, got.RequestURI, got.Header, body)
		}
		if a.Location != "/fhir/Patient/1" || a.ETag != `W/"3"` || a.IsJSON {
			t.Errorf("%+v", a)
		}
	}
}

func TestDoAnswers(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(`{"a":1}`))
	_ = z.Close()
	for _, c := range []struct {
		name, encoding string
		body           []byte
		want           string
		readFails      bool
		doFails        error
	}{
		{"plain", "", []byte("x"), "x", false, nil},
		{"identity", "identity", []byte("x"), "x", false, nil},
		{"gzip", "gzip", zipped.Bytes(), `{"a":1}`, false, nil},
		{"gzip cut", "gzip", zipped.Bytes()[:zipped.Len()-3], "", true, nil},
		{"no gzip", "gzip", []byte("x"), "", true, nil},
		{"no gzip at all", "gzip", nil, "", true, nil},
		{"unknown", "br", []byte("x"), "", false, fhir.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				if c.encoding != "" {
					w.Header().Set("Content-Encoding", c.encoding)
				}
				_, _ = w.Write(c.body)
			})
			a, err := u.Do(t.Context(), fhir.Exchange{Method: "GET"})
			if !errors.Is(err, c.doFails) {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			defer func() { _ = a.Body.Close() }()
			got, err := io.ReadAll(a.Body)
			if (err != nil) != c.readFails || err == nil && string(got) != c.want || !a.IsJSON {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// TestDoKeepsURLsOutOfErrors: a query may identify people.
func TestDoKeepsURLsOutOfErrors(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	u := client(t, server.URL+"/fhir", credential.None{}, time.Second)
	_, err := u.Do(t.Context(), fhir.Exchange{Method: "GET", Path: "Patient", Query: "name=Secret"})
	if !errors.Is(err, fhir.ErrUnavailable) || strings.Contains(err.Error(), "Secret") || strings.Contains(err.Error(), "/fhir") {
		t.Error(err)
	}
}

func TestDoDoesNotFollowRedirects(t *testing.T) {
	var asked atomic.Int32
	u, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, "http://127.0.0.1:1/elsewhere", http.StatusTemporaryRedirect)
	})
	a, err := u.Do(t.Context(), fhir.Exchange{Method: "GET", Path: "Patient/1"})
	if err != nil || a.Status != http.StatusTemporaryRedirect || asked.Load() != 1 {
		t.Errorf("%+v %v", a, err)
	}
	_ = a.Body.Close()
}

// TestDoEnds: the time limit holds for the body, too.
func TestDoEnds(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{")
		w.(http.Flusher).Flush()
		<-release
	}))
	t.Cleanup(func() { close(release); server.Close() })
	u := client(t, server.URL, credential.None{}, 300*time.Millisecond)
	a, err := u.Do(t.Context(), fhir.Exchange{Method: "GET"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(a.Body); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	_ = a.Body.Close()
}

// renewing is a bearer token that is renewed once it was refused.
type renewing struct{ refused atomic.Int32 }

func (c *renewing) Authorize(_ context.Context, r *http.Request) error {
	r.Header.Set("Authorization", fmt.Sprint("Bearer ", c.refused.Load()))
	return nil
}

func (c *renewing) Refused(*http.Request) bool { c.refused.Add(1); return true }

func TestDoRenewsCredentials(t *testing.T) {
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(b))
		if r.Header.Get("Authorization") != "Bearer 1" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	u := client(t, server.URL, &renewing{}, time.Second)
	a, err := u.Do(t.Context(), fhir.Exchange{Method: "PUT", Path: "Patient/1", Body: []byte("{}")})
	if err != nil || a.Status != 200 || strings.Join(bodies, " ") != "{} {}" {
		t.Errorf("%+v %v %q", a, err, bodies)
	}
	_ = a.Body.Close()
}

func fetcher(u *upstream.Client) upstream.Fetcher {
	return upstream.Fetcher{Client: u, Limits: fhir.BundleLimits{MaxEntry: 1 << 10, MaxDepth: 16}}
}

func TestFetchRead(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		found  bool
		fails  bool
	}{
		{"there", 200, ` {"resourceType":"Patient","id":"1"} `, true, false},
		{"absent", 404, `{}`, false, false},
		{"deleted", 410, `{}`, false, false},
		{"failure", 500, `{}`, false, true},
		{"no rights", 403, `{}`, false, true},
		{"no content", 204, ``, false, true},
		{"other id", 200, `{"resourceType":"Patient","id":"2"}`, false, true},
		{"no id", 200, `{"resourceType":"Patient"}`, false, true},
		{"other type", 200, `{"resourceType":"Group","id":"1"}`, false, true},
		{"no JSON", 200, `<Patient/>`, false, true},
		{"repeated key", 200, `{"resourceType":"Patient","id":"1","id":"1"}`, false, true},
		{"large", 200, `{"resourceType":"Patient","id":"1","x":"` + strings.Repeat("x", 1<<10) + `"}`, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if w.WriteHeader(c.status); c.status != 204 {
					_, _ = io.WriteString(w, c.body)
				}
			})
			got, ok, err := fetcher(u).FetchRead(t.Context(), fhir.Reference{Type: "Patient", ID: "1"})
			if ok != c.found || (err != nil) != c.fails || ok && string(got) != strings.TrimSpace(c.body) {
				t.Errorf("%s %v %v", got, ok, err)
			}
			if err != nil && !errors.Is(err, fhir.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
}

func TestFetchSearch(t *testing.T) {
	row := func(id int) string {
		return fmt.Sprintf(`{"resource":{"resourceType":"Patient","id":"%d","link":[{"other":{"reference":"BASE/Patient/9"}}]},"search":{"mode":"match"}}`, id)
	}
	page := func(next string, rows ...string) string {
		return `{"resourceType":"Bundle","entry":[` + strings.Join(rows, ",") + `],"link":[{"relation":"next","url":"` + next + `"}]}`
	}
	for _, c := range []struct {
		name  string
		pages []string
		rows  int
		fails bool
	}{
		{"none", []string{`{"resourceType":"Bundle"}`}, 0, false},
		{"pages", []string{page("BASE?p=1", row(1), row(2)), page("BASE?p=2"), page("", row(3))}, 3, false},
		{"as many as allowed", []string{page("", row(1), row(2), row(3), row(4))}, 4, false},
		{"too many", []string{page("BASE?p=1", row(1), row(2), row(3)), page("", row(4), row(5))}, 0, true},
		{"includes and outcomes", []string{page("", `{"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}}`, `{"resource":{"resourceType":"Group","id":"1"},"search":{"mode":"include"}}`, `{}`, row(1))}, 1, false},
		{"other type", []string{page("", `{"resource":{"resourceType":"Group","id":"1"}}`)}, 0, true},
		{"link elsewhere", []string{page("https://evil.example/x", row(1))}, 0, true},
		{"cut", []string{page("", row(1))[:60]}, 0, true},
		{"second page missing", []string{page("BASE?p=9", row(1))}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var base string
			u, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				n := 0
				_, _ = fmt.Sscanf(r.URL.Query().Get("p"), "%d", &n)
				if n >= len(c.pages) {
					w.WriteHeader(http.StatusGone)
					return
				}
				_, _ = io.WriteString(w, strings.ReplaceAll(c.pages[n], "BASE", base))
			})
			base = url + "/fhir"
			in, err := fhir.Parse(definitions.R4(), "GET", "/Patient", "name=a", "")
			if err != nil {
				t.Fatal(err)
			}
			rows, err := fetcher(u).FetchSearch(t.Context(), in, 4)
			if len(rows) != c.rows || (err != nil) != c.fails {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
			for i, r := range rows {
				if !bytes.Contains(r, []byte(`"Patient/9"`)) || !bytes.Contains(r, fmt.Appendf(nil, `"id":"%d"`, i+1)) {
					t.Errorf("%s", r)
				}
			}
		})
	}
}

// TestFetchSearchEnds: pages without end come to one.
func TestFetchSearchEnds(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"resourceType":"Bundle","link":[{"relation":"next","url":"/?p=%d"}]}`, n.Add(1))
	}))
	t.Cleanup(server.Close)
	u := client(t, server.URL, credential.None{}, 100*time.Millisecond)
	in, err := fhir.Parse(definitions.R4(), "GET", "/Patient", "", "")
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := fetcher(u).FetchSearch(t.Context(), in, 4); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func never(string, string) bool { return false }

func always(string, string) bool { return true }

func TestIfMatchStated(t *testing.T) {
	for _, c := range []struct {
		name string
		o    upstream.IfMatchOptions
		want bool
	}{
		{"stated", upstream.IfMatchOptions{Stated: true, Ignored: never, AcceptsRace: never}, true},
		{"ignored", upstream.IfMatchOptions{Stated: true, Ignored: always, AcceptsRace: never}, false},
		{"ignored, and accepted", upstream.IfMatchOptions{Ignored: always, AcceptsRace: always}, true},
	} {
		if safe, err := upstream.NewIfMatch(nil, c.o).Safe(t.Context(), "Patient", fhir.Update); err != nil || safe != c.want {
			t.Errorf("%s: %v %v", c.name, safe, err)
		}
	}
}

func TestIfMatchProbe(t *testing.T) {
	for _, c := range []struct {
		name                string
		create, conditional int
		safe, fails, kept   bool
	}{
		{"honours", 201, 412, true, false, true},
		{"conflicts", 201, 409, true, false, true},
		{"ignores", 201, 200, false, false, true},
		{"ignores, without content", 201, 204, false, false, true},
		{"fails", 201, 503, false, true, false},
		{"has no rights", 201, 403, false, true, false},
		{"can't", 201, 405, false, true, false},
		{"makes none", 405, 412, false, true, false},
	} {
		for _, code := range []fhir.Code{fhir.Update, fhir.Delete} {
			t.Run(c.name+" "+code.String(), func(t *testing.T) {
				var made, removed atomic.Int32
				u, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.Method == "POST":
						made.Add(1)
						w.WriteHeader(c.create)
						_, _ = io.WriteString(w, `{"resourceType":"Basic","id":"x1"}`)
					case r.Header.Get("If-Match") != "":
						w.WriteHeader(c.conditional)
					default:
						removed.Add(1)
						w.WriteHeader(http.StatusNoContent)
					}
				})
				m := upstream.NewIfMatch(u, upstream.IfMatchOptions{Ignored: never, AcceptsRace: never})
				for range 2 {
					if safe, err := m.Safe(t.Context(), "Patient", code); safe != c.safe || (err != nil) != c.fails {
						t.Errorf("%v %v", safe, err)
					}
				}
				if want := map[bool]int32{true: 1, false: 2}[c.kept]; made.Load() != want {
					t.Errorf("probed %d times, want %d", made.Load(), want)
				}
				if c.create == 201 && removed.Load() != made.Load() {
					t.Errorf("made %d, removed %d", made.Load(), removed.Load())
				}
			})
		}
	}
}

// TestIfMatchCallerGoes: who goes away waits no longer, and the probe still
// removes what it made.
func TestIfMatchCallerGoes(t *testing.T) {
	release, removed := make(chan struct{}), make(chan struct{})
	u, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == "POST":
			<-release
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"resourceType":"Basic","id":"x1"}`)
		case r.Header.Get("If-Match") == "":
			close(removed)
		}
	})
	m := upstream.NewIfMatch(u, upstream.IfMatchOptions{Ignored: never, AcceptsRace: never})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if safe, err := m.Safe(ctx, "Patient", fhir.Update); safe || !errors.Is(err, context.Canceled) {
		t.Errorf("%v %v", safe, err)
	}
	close(release)
	<-removed
}
