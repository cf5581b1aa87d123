package app_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/fhirgate/fhirgate/internal/app"
	"github.com/fhirgate/fhirgate/internal/config"
	"github.com/fhirgate/fhirgate/internal/demo"
	"github.com/fhirgate/fhirgate/test/peers"
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

// startDemo starts the demo's servers and the gateway before them, with its
// configuration edited: pairs of old and new text.
func startDemo(t *testing.T, edits ...string) (*app.App, *demo.Demo, *httptest.Server) {
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
	text := strings.NewReplacer(edits...).Replace(string(raw))
	if len(edits) > 0 && text == string(raw) {
		t.Fatal("the edits change nothing")
	}
	if err := os.WriteFile(d.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newApp(t, d)
	server.Config.Handler = a.Handler()
	server.Start()
	t.Cleanup(server.Close)
	return a, d, server
}

// newApp puts a gateway together from the demo's configuration.
func newApp(t *testing.T, d *demo.Demo) *app.App {
	t.Helper()
	c, err := config.Load(d.Config)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// get is a GET as one of the demo's people, and gives its status.
func get(t *testing.T, d *demo.Demo, person, path string) int {
	t.Helper()
	status, _ := fetch(t, d, person, d.Gateway+path)
	return status
}

// fetch is a GET of a URL as one of the demo's people; nobody: of the server
// behind, as the gateway.
func fetch(t *testing.T, d *demo.Demo, person, url string) (int, []byte) {
	t.Helper()
	token := ""
	var err error
	if person == "" {
		var raw []byte
		raw, err = os.ReadFile(filepath.Join(filepath.Dir(d.Config), "upstream.token"))
		token = string(raw)
	} else {
		token, err = demo.Token(t.Context(), d.Issuer, person)
	}
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

func TestTracesNameNobody(t *testing.T) {
	var c collector
	otlp := httptest.NewServer(&c)
	defer otlp.Close()
	a, d, _ := startDemo(t, "log:\n", "tracing:\n  endpoint: "+otlp.URL+"\n  sample_ratio: 1\nlog:\n")
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
	a, d, _ := startDemo(t)
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
	a, d, _ := startDemo(t)
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

func TestAuditEventsGoToTheServer(t *testing.T) {
	a, d, _ := startDemo(t, "events: file\n  file: audit.ndjson", "events: upstream")
	get(t, d, "patient", "/Patient/anna-berg")
	get(t, d, "practitioner2", "/Patient/anna-berg")
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	status, body := fetch(t, d, "", d.Upstream+"/AuditEvent")
	if status != http.StatusOK || gjson.GetBytes(body, "entry.#").Int() != 2 {
		t.Fatalf("status %d, want two events: %s", status, body)
	}
	var outcomes []string
	for _, o := range gjson.GetBytes(body, "entry.#.resource.outcome").Array() {
		outcomes = append(outcomes, o.String())
	}
	slices.Sort(outcomes)
	if !slices.Equal(outcomes, []string{"0", "4"}) {
		t.Errorf("outcomes %v, want a success and a refusal", outcomes)
	}
}

// TestReplicasShareState: two gateways on one PostgreSQL open one another's page
// links, know the same participants, and count on the same limits.
func TestReplicasShareState(t *testing.T) {
	t.Setenv("FHIRGATE_APP_TEST_DSN", peers.Postgres(t))
	first, d, _ := startDemo(t, "store:\n  path: fhirgate.db", "store:\n  driver: postgres\n  dsn: env:FHIRGATE_APP_TEST_DSN")
	limits := filepath.Join(d.Policies, "fhirgate", "tables", "limits", "data.yaml")
	if err := os.WriteFile(limits, []byte("clients: {\"*\": {requests_per_minute: 20, rows_per_day: 100000}}\npersons: {\"*\": {requests_per_minute: 1000, rows_per_day: 100000}}\nroles: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := first.LoadPolicy(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := newApp(t, d)
	other := httptest.NewServer(second.Handler())
	defer other.Close()
	defer func() {
		_ = errors.Join(first.Close(context.WithoutCancel(t.Context())), second.Close(context.WithoutCancel(t.Context())))
	}()
	elsewhere := func(url string) string {
		return strings.Replace(url, strings.TrimSuffix(d.Gateway, "/fhir"), other.URL, 1)
	}

	_, page := fetch(t, d, "patient", d.Gateway+"/Observation?_count=1")
	next := gjson.GetBytes(page, `link.#(relation="next").url`).String()
	if status, body := fetch(t, d, "patient", elsewhere(next)); status != http.StatusOK || gjson.GetBytes(body, "entry.#").Int() != 1 {
		t.Errorf("another replica's page link: status %d, %s", status, body)
	}
	served := 0
	for i := range 60 { // three times the limit of a minute, of which at most two pass
		url := d.Gateway + "/Patient/anna-berg"
		if i%2 == 1 {
			url = elsewhere(url)
		}
		if status, _ := fetch(t, d, "patient", url); status == http.StatusOK {
			served++
		}
	}
	if served > 40 || served < 10 {
		t.Errorf("%d of 60 requests were served by two replicas with a limit of 20", served)
	}
}
