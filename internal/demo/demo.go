// Package demo is everything that `fhirgate demo` needs besides the gateway
// itself: a FHIR server with synthetic patients, an OpenID Connect provider with
// people, and a configuration that puts the gateway before them. It is linked
// into the demo command and tests only.
package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/fhirgate/fhirgate/internal/demo/data"
	"github.com/fhirgate/fhirgate/internal/demo/idp"
	"github.com/fhirgate/fhirgate/internal/demo/store"
	"github.com/fhirgate/fhirgate/policies"
)

// Options say how the demo runs.
type Options struct {
	// Dir keeps configuration, policies and state.
	Dir string
	// Listen is the address of the gateway, on loopback.
	Listen string
	// Patients is how many are generated besides the stories.
	Patients int
	// Keep keeps the FHIR server's data in Dir between runs.
	Keep bool
}

// Demo is what runs behind the gateway.
type Demo struct {
	// Gateway is the public FHIR base, Upstream that of the server behind, Issuer
	// the identity provider's.
	Gateway, Upstream, Issuer string
	// Config is the path of the gateway's configuration, Policies of its bundle.
	Config, Policies string

	store   *store.Store
	servers []*http.Server
}

const seed = 20_260_101

// upstreamToken is what the demo's FHIR server wants of the gateway; it keeps
// nobody out who can read this file, and shows that the caller's token is
// replaced.
const upstreamToken = "demo-upstream-secret"

var errLoopback = errors.New("the demo has people without passwords, so it listens on loopback only, such as 127.0.0.1:8080")

// Start starts the FHIR server and the identity provider on free ports of
// loopback, and writes the configuration for a gateway before them.
func Start(ctx context.Context, o Options) (_ *Demo, err error) {
	host, _, err := net.SplitHostPort(o.Listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen address %q: %w", o.Listen, errLoopback)
	}
	d := &Demo{Gateway: "http://" + o.Listen + "/fhir", Config: filepath.Join(o.Dir, "fhirgate.yaml"), Policies: filepath.Join(o.Dir, "policies")}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if err := d.startStore(ctx, o); err != nil {
		return nil, fmt.Errorf("demo FHIR server: %w", err)
	}
	if err := d.startProvider(ctx, o); err != nil {
		return nil, fmt.Errorf("demo identity provider: %w", err)
	}
	if err := d.writePolicies(); err != nil {
		return nil, fmt.Errorf("demo policies: %w", err)
	}
	if err := d.writeConfig(o); err != nil {
		return nil, fmt.Errorf("demo configuration: %w", err)
	}
	return d, nil
}

// Close stops what Start started.
func (d *Demo) Close() error {
	var errs []error
	for _, s := range d.servers {
		errs = append(errs, s.Close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}

// listen takes a free port of loopback.
func listen(ctx context.Context) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
}

func (d *Demo) serve(l net.Listener, h http.Handler) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	d.servers = append(d.servers, s)
	go func() { _ = s.Serve(l) }()
}

func (d *Demo) startStore(ctx context.Context, o Options) (err error) {
	l, err := listen(ctx)
	if err != nil {
		return err
	}
	d.Upstream = "http://" + l.Addr().String() + "/fhir"
	dir := ""
	if o.Keep {
		dir = filepath.Join(o.Dir, "store")
	}
	fresh := true
	if dir != "" {
		_, statErr := os.Stat(dir)
		fresh = errors.Is(statErr, fs.ErrNotExist)
	}
	d.store, err = store.Open(dir, store.Options{BasePath: "/fhir", BaseURL: d.Upstream, Token: upstreamToken})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if fresh {
		if err := loadPatients(d.store, o.Patients); err != nil {
			return errors.Join(err, l.Close())
		}
	}
	d.serve(l, d.store.Handler())
	return nil
}

// loadPatients loads the stories and generated patients.
func loadPatients(s *store.Store, patients int) error {
	if err := s.Load(data.Stories()); err != nil {
		return fmt.Errorf("stories: %w", err)
	}
	if patients == 0 {
		return nil
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(data.Generate(w, seed, patients)) }()
	if err := s.Load(r); err != nil {
		_ = r.Close()
		return fmt.Errorf("generated patients: %w", err)
	}
	return nil
}

func (d *Demo) startProvider(ctx context.Context, o Options) error {
	l, err := listen(ctx)
	if err != nil {
		return err
	}
	d.Issuer = "http://" + l.Addr().String()
	var people []idp.Person
	for _, p := range data.People() {
		people = append(people, idp.Person{Name: p.Name, Claims: p.Claims()})
	}
	options := idp.Options{Issuer: d.Issuer, Audiences: []string{d.Gateway}, People: people}
	if o.Keep {
		options.KeyDir = filepath.Join(o.Dir, "keys")
	}
	provider, err := idp.New(options)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	d.serve(l, provider.Handler())
	return nil
}

// writePolicies lays the default library out for reading and changing. One that
// is there already is somebody's work and stays.
func (d *Demo) writePolicies() error {
	if _, err := os.Stat(d.Policies); err == nil {
		return nil
	}
	return os.CopyFS(d.Policies, policies.FS)
}

func (d *Demo) writeConfig(o Options) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# Written by fhirgate demo.
public_url: %q
listen:
  address: %q
upstreams:
  - name: demo
    base: /fhir
    url: %q
    credentials:
      kind: bearer
      token: file:%s
    issuers: [demo]
issuers:
  - name: demo
    url: %q
    preset: smart
    claims:
      roles: [roles]
policy:
  bundle: policies
  poll_interval: 1s
  purpose:
    header: true
store:
  path: fhirgate.db
audit:
  log: false
  events: file
  file: audit.ndjson
log:
  level: warn
  format: text
`, "http://"+o.Listen, o.Listen, d.Upstream, filepath.Join(o.Dir, "upstream.token"), d.Issuer)
	if err := os.WriteFile(filepath.Join(o.Dir, "upstream.token"), []byte(upstreamToken), 0o600); err != nil {
		return err
	}
	return os.WriteFile(d.Config, b.Bytes(), 0o600)
}

// State is what tells other commands about a running demo.
type State struct {
	Gateway  string `json:"gateway"`
	Upstream string `json:"upstream"`
	Issuer   string `json:"issuer"`
	Dir      string `json:"dir"`
	PID      int    `json:"pid"`
}

// statePath is where the state of this user's running demo lies.
func statePath() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("fhirgate-demo-%d.json", os.Getuid()))
}

// Announce writes the state for `fhirgate demo token` and `demo people`.
func (d *Demo) Announce(dir string) (withdraw func(), err error) {
	raw, err := json.Marshal(State{Gateway: d.Gateway, Upstream: d.Upstream, Issuer: d.Issuer, Dir: dir, PID: os.Getpid()})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(statePath(), raw, 0o600); err != nil {
		return nil, fmt.Errorf("demo state: %w", err)
	}
	return func() {
		if s, err := Running(); err == nil && s.PID == os.Getpid() {
			_ = os.Remove(statePath())
		}
	}, nil
}

// ErrNotRunning means that no demo of this user is running.
var ErrNotRunning = errors.New("no demo is running")

// Running is the state of the running demo.
func Running() (State, error) {
	raw, err := os.ReadFile(statePath())
	if err != nil {
		return State{}, ErrNotRunning
	}
	var s State
	if err := json.Unmarshal(raw, &s); err != nil {
		return State{}, fmt.Errorf("demo state: %w", err)
	}
	return s, nil
}
