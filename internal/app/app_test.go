package app_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fhirgate/fhirgate/internal/app"
	"github.com/fhirgate/fhirgate/internal/config"
	"github.com/fhirgate/fhirgate/internal/demo"
)

// collector is an OTLP collector over HTTP.
type collector struct {
	mu   sync.Mutex
	body bytes.Buffer
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = io.Copy(&c.body, r.Body)
	w.WriteHeader(http.StatusOK)
}

// startDemo starts the demo's servers and the gateway before them, with more
// configuration.
func startDemo(t *testing.T, more string) (*app.App, *demo.Demo, *httptest.Server) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	dir := t.TempDir()
	d, err := demo.Start(t.Context(), demo.Options{Dir: dir, Listen: server.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	raw, err := os.ReadFile(d.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.Config, append(raw, more...), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(d.Config)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = a.Handler()
	server.Start()
	t.Cleanup(server.Close)
	return a, d, server
}

// get is a GET as one of the demo's people, and gives its status.
func get(t *testing.T, d *demo.Demo, person, path string) int {
	t.Helper()
	token, err := demo.Token(t.Context(), d.Issuer, person)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.Gateway+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func TestTracesNameNobody(t *testing.T) {
	var c collector
	otlp := httptest.NewServer(&c)
	defer otlp.Close()
	a, d, _ := startDemo(t, "tracing:\n  endpoint: "+otlp.URL+"\n  sample_ratio: 1\n")
	for _, path := range []string{"/Patient/anna-berg", "/Patient?family=Berg"} {
		if status := get(t, d, "practitioner", path); status != http.StatusOK {
			t.Fatalf("%s: status %d", path, status)
		}
	}
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := c.body.String()
	for _, want := range []string{"policy", "upstream GET", "search-type", "fhirgate.revision"} {
		if !strings.Contains(spans, want) {
			t.Errorf("no %q in the spans", want)
		}
	}
	for _, secret := range []string{"anna-berg", "Berg", "family", "Bearer"} {
		if strings.Contains(spans, secret) {
			t.Errorf("the spans hold %q", secret)
		}
	}
}

func TestAuditFileHoldsEachRequest(t *testing.T) {
	a, d, _ := startDemo(t, "")
	get(t, d, "patient", "/Patient/anna-berg")
	get(t, d, "patient", "/Patient?family=Canary")
	get(t, d, "stranger", "/Nothing/1")
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(d.Config), "audit.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(raw, []byte("\n")); got != 3 {
		t.Errorf("%d events, want 3:\n%s", got, raw)
	}
	if bytes.Contains(raw, []byte("Canary")) {
		t.Error("an event holds a search value")
	}
}

func TestDiscoveryIsPerBase(t *testing.T) {
	a, d, _ := startDemo(t, "")
	defer func() { _ = a.Close(t.Context()) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.Gateway+"/.well-known/smart-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"token_endpoint":"` + d.Issuer + `/token"`; resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(want)) {
		t.Errorf("status %d, body %s, want %s", resp.StatusCode, body, want)
	}
}
