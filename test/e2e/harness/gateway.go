package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/fhirgate/fhirgate/internal/app"
	"github.com/fhirgate/fhirgate/internal/config"
	"github.com/fhirgate/fhirgate/internal/demo/idp"
)

// Options make up a gateway. The zero value is of no use: an upstream is needed.
type Options struct {
	// Upstreams are the servers behind, by the name of the upstream; the name is
	// also the path of its base. Upstream is the only one, named main, at /fhir.
	Upstream  FHIR
	Upstreams map[string]FHIR
	// Bundle is the policy's folder; empty: the default library with wide rates.
	Bundle string
	// Limits are the limits of each upstream, as in the configuration file.
	Limits map[string]any
	// Timeouts likewise.
	Timeouts map[string]any
	// Config is merged into the configuration file: keys of its first two levels
	// replace those that the harness writes.
	Config map[string]map[string]any
	// LosesAudit says that its audit can't be written, so that its end reports it.
	LosesAudit bool
}

// Gateway is a running gateway and what belongs to it.
type Gateway struct {
	// Base is the FHIR base of the only upstream, or of the one named main.
	Base string
	// URL is the address of the gateway, without a slash at its end.
	URL string
	// ConfigFile is the configuration that it was made from, Bundle its policy.
	ConfigFile, Bundle string
	App                *app.App
	Provider           *idp.Provider
	Log                *Log

	issuer    string
	auditFile string
	client    *http.Client
	tokens    sync.Map
}

// Start starts a gateway on loopback; it ends with the test.
func Start(t testing.TB, o Options) *Gateway {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := Configure(t, o, "http://"+listener.Addr().String())
	c, err := config.Load(g.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	g.App, err = app.New(t.Context(), c, slog.New(slog.NewJSONHandler(g.Log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: g.App.Handler(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		if err := g.App.Close(context.WithoutCancel(t.Context())); (err != nil) != o.LosesAudit {
			t.Errorf("close the gateway: %v", err)
		}
	})
	return g
}

// Configure writes the configuration of a gateway at url, and starts its
// identity provider, but not the gateway.
func Configure(t testing.TB, o Options, url string) *Gateway {
	t.Helper()
	if o.Upstreams == nil {
		o.Upstreams = map[string]FHIR{"main": o.Upstream}
	}
	dir := t.TempDir()
	g := &Gateway{
		URL: url, Bundle: o.Bundle, Log: &Log{}, ConfigFile: filepath.Join(dir, "fhirgate.yaml"), auditFile: filepath.Join(dir, "audit.ndjson"),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}, CheckRedirect: noRedirect},
	}
	t.Cleanup(g.client.CloseIdleConnections)
	if g.Bundle == "" {
		g.Bundle = Library(t, nil)
	}
	var upstreams []any
	var audiences []string
	for name, f := range o.Upstreams {
		base := "/" + name
		if name == "main" {
			base = "/fhir"
			g.Base = url + base
			audiences = append([]string{g.Base}, audiences...)
		} else {
			audiences = append(audiences, url+base)
		}
		upstreams = append(upstreams, upstreamConfig(t, dir, name, base, f, o))
	}
	g.issuer = startProvider(t, g, audiences)
	c := map[string]any{
		"public_url": url,
		"listen":     map[string]any{"address": "127.0.0.1:0", "plaintext": true},
		"upstreams":  upstreams,
		"issuers":    []any{map[string]any{"name": "people", "url": g.issuer, "preset": "smart", "claims": map[string]any{"roles": []string{"roles"}}}},
		"policy":     map[string]any{"bundle": g.Bundle, "timeout": "10s", "purpose": map[string]any{"header": true}},
		"store":      map[string]any{"path": filepath.Join(dir, "state.db")},
		"audit":      map[string]any{"log": false, "events": "file", "file": g.auditFile, "flush_interval": "10ms"},
	}
	for section, values := range o.Config {
		merged, _ := c[section].(map[string]any)
		merged = maps.Clone(merged)
		if merged == nil {
			merged = map[string]any{}
		}
		maps.Copy(merged, values)
		c[section] = merged
	}
	raw, err := json.MarshalIndent(c, "", "  ") // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.ConfigFile, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

func upstreamConfig(t testing.TB, dir, name, base string, f FHIR, o Options) map[string]any {
	t.Helper()
	u := map[string]any{"name": name, "base": base, "url": f.URL, "issuers": []string{"people"}}
	if f.Token != "" {
		secret := filepath.Join(dir, name+".token")
		if err := os.WriteFile(secret, []byte(f.Token), 0o600); err != nil {
			t.Fatal(err)
		}
		u["credentials"] = map[string]any{"kind": "bearer", "token": "file:" + secret}
	}
	if o.Limits != nil {
		u["limits"] = o.Limits
	}
	if o.Timeouts != nil {
		u["timeouts"] = o.Timeouts
	}
	return u
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Log is the gateway's log, kept. Safe for concurrent use.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write never fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is everything that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
