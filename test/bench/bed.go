package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/fhirgate/fhirgate/internal/app"
	"github.com/fhirgate/fhirgate/internal/config"
	"github.com/fhirgate/fhirgate/internal/demo"
)

// bed is what runs: the demo's store and identity provider, the canned upstream,
// a bare proxy before each, and one gateway at a time.
type bed struct {
	clock    func() time.Time
	fixtures *fixtures
	demo     *demo.Demo
	tokens   map[string]string
	secret   string // what the demo store wants of a proxy
	canned   upstream
	store    upstream
	servers  []*http.Server
}

// upstream is a FHIR server with the bare proxy before it.
type upstream struct{ name, base, bare string }

// manyRequests are the default library's limits with numbers that load doesn't
// reach; every request and row still counts.
const manyRequests = `clients:
  "*": {requests_per_minute: 1000000000, rows_per_day: 1000000000000}
persons:
  "*": {requests_per_minute: 1000000000, rows_per_day: 1000000000000}
roles: {}
`

// newBed starts everything but the gateway, in dir.
func newBed(ctx context.Context, dir string, patients int, clock func() time.Time) (_ *bed, err error) {
	b := &bed{clock: clock, tokens: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.fixtures, err = newFixtures(); err != nil {
		return nil, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	if b.demo, err = demo.Start(ctx, demo.Options{Dir: dir, Listen: address, Patients: patients}); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	if err := os.WriteFile(filepath.Join(b.demo.Policies, "fhirgate", "tables", "limits", "data.yaml"), []byte(manyRequests), 0o600); err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	secret, err := os.ReadFile(filepath.Join(dir, "upstream.token"))
	if err != nil {
		return nil, fmt.Errorf("upstream token: %w", err)
	}
	b.secret = string(secret)
	for _, person := range []string{"practitioner", "patient", "researcher"} {
		if b.tokens[person], err = demo.Token(ctx, b.demo.Issuer, person); err != nil {
			return nil, fmt.Errorf("token: %w", err)
		}
	}
	return b, b.startUpstreams(ctx)
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// serve starts a server on a free port; handler is given its FHIR base.
func (b *bed) serve(ctx context.Context, handler func(base string) http.Handler) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	base := "http://" + l.Addr().String() + "/fhir"
	s := &http.Server{Handler: handler(base), ReadHeaderTimeout: 10 * time.Second}
	b.servers = append(b.servers, s)
	go func() { _ = s.Serve(l) }()
	return base, nil
}

func (b *bed) startUpstreams(ctx context.Context) error {
	store, err := url.Parse(b.demo.Upstream)
	if err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	b.canned.name, b.store.name, b.store.base = "canned answers", "demo store", b.demo.Upstream
	if b.canned.base, err = b.serve(ctx, func(base string) http.Handler {
		return newCanned(b.fixtures, base, store, b.secret)
	}); err != nil {
		return err
	}
	for _, u := range []*upstream{&b.canned, &b.store} {
		behind, err := url.Parse(u.base)
		if err != nil {
			return fmt.Errorf("upstream: %w", err)
		}
		if u.bare, err = b.serve(ctx, func(string) http.Handler { return newBare(behind, b.secret) }); err != nil {
			return err
		}
	}
	return b.load(ctx)
}

// load puts the fixtures into the demo store.
func (b *bed) load(ctx context.Context) error {
	client := newClient(1)
	defer client.CloseIdleConnections()
	put := func(path string, body []byte) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, b.store.base+"/"+path, bytes.NewReader(body))
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+b.secret)
		req.Header.Set("Content-Type", "application/fhir+json")
		resp, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err == nil && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
			err = fmt.Errorf("%w: %s: status %d: %.300s", errAnswer, path, resp.StatusCode, text)
		}
		return err
	}
	if err := put("Patient/anna-berg", b.fixtures.patient); err != nil {
		return err
	}
	for i, o := range b.fixtures.observations {
		if err := put("Observation/"+observationID(i), o); err != nil {
			return err
		}
	}
	return nil
}

// gateway starts the real gateway before an upstream, from the configuration
// that the demo wrote. What differs from it is that many clients share a person.
func (b *bed) gateway(ctx context.Context, u upstream) (base string, stop func() error, err error) {
	c, err := config.Load(b.demo.Config)
	if err != nil {
		return "", nil, fmt.Errorf("config: %w", err)
	}
	behind := &c.Upstreams[0]
	behind.URL = u.base
	behind.Limits.ScansPerCaller = 1000
	behind.Limits.PageMax, behind.Limits.UpstreamPage, behind.Limits.ScanRows = bundleRows, bundleRows, 2*bundleRows
	// All share two processors here, with whatever else the machine does: one
	// evaluation may have to wait for one longer than the 250 ms of the default.
	c.Policy.Timeout = 10 * time.Second
	c.Listen.ShutdownDelay = 0
	a, err := app.New(ctx, c, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return "", nil, fmt.Errorf("gateway: %w", err)
	}
	running, cancel := context.WithCancel(ctx)
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- a.Run(running, func(net.Addr) { close(started) }) }()
	stop = func() error {
		cancel()
		return errors.Join(<-ended, a.Close(context.WithoutCancel(ctx)))
	}
	select {
	case <-started:
		return b.demo.Gateway, stop, nil
	case err := <-ended:
		cancel()
		return "", nil, errors.Join(err, a.Close(context.WithoutCancel(ctx)))
	}
}

func (b *bed) close() error {
	var errs []error
	for _, s := range b.servers {
		errs = append(errs, s.Close())
	}
	if b.demo != nil {
		errs = append(errs, b.demo.Close())
	}
	return errors.Join(errs...)
}
