// Package app is the only place where the parts are put together, started,
// reloaded and stopped. It turns a configuration into parts and holds no logic
// of its own besides.
package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/config"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/httpapi"
	"github.com/fhirgate/fhirgate/internal/identity"
	"github.com/fhirgate/fhirgate/internal/policy"
	"github.com/fhirgate/fhirgate/internal/store"
	"github.com/fhirgate/fhirgate/internal/store/quota"
)

// Version is the gateway's version; the linker sets it in releases.
var Version = "dev" //nolint:gochecknoglobals // set by the linker

// App is a gateway, put together. Run it once, then Close it.
type App struct {
	config    *config.Config
	log       *slog.Logger
	clock     func() time.Time
	defs      *definitions.Definitions
	store     *store.Store
	limiter   *quota.Limiter
	auth      *identity.Authenticator
	journal   *journal
	metrics   *httpapi.Metrics
	upstreams []*upstreamParts
	handler   http.Handler
	traces    *sdktrace.TracerProvider // nil: tracing is off
	draining  atomic.Bool
	closers   []func(context.Context) error
}

// New puts a gateway together from a configuration. It opens the store and loads
// the policy; it doesn't listen yet.
func New(ctx context.Context, c *config.Config, log *slog.Logger) (_ *App, err error) {
	a := &App{config: c, log: log, clock: time.Now, defs: definitions.R4(), metrics: httpapi.NewMetrics()} //nolint:forbidigo // the one clock
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close(context.WithoutCancel(ctx)))
		}
	}()
	steps := []func(context.Context) error{a.openStore, a.openTracing, a.openJournal, a.openIdentity, a.openUpstreams, a.LoadPolicy}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	a.handler = a.makeHandler()
	return a, nil
}

// Handler is the public HTTP handler.
func (a *App) Handler() http.Handler { return a.handler }

// Store is the gateway's durable state.
func (a *App) Store() *store.Store { return a.store }

// Close releases everything, in the reverse order of opening.
func (a *App) Close(ctx context.Context) error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i](ctx))
	}
	a.closers = nil
	return errors.Join(errs...)
}

// OpenStore opens the store that a configuration names.
func OpenStore(ctx context.Context, c config.Store) (*store.Store, error) {
	options := store.Options{MaxConnections: c.MaxConnections}
	if c.Driver == "sqlite" {
		s, err := store.OpenSQLite(ctx, c.Path, options)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		return s, nil
	}
	dsn, err := c.DSN.Read()
	if err != nil {
		return nil, fmt.Errorf("store.dsn: %w", err)
	}
	s, err := store.OpenPostgres(ctx, dsn, options)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return s, nil
}

func (a *App) openStore(ctx context.Context) (err error) {
	if a.store, err = OpenStore(ctx, a.config.Store); err != nil {
		return err
	}
	a.closers = append(a.closers, func(context.Context) error { return a.store.Close() })
	a.limiter = quota.New(a.store, a.clock)
	a.closers = append(a.closers, a.limiter.Close)
	return nil
}

func (a *App) openIdentity(ctx context.Context) (err error) {
	upstreams := make([]identity.Upstream, 0, len(a.config.Upstreams))
	for _, u := range a.config.Upstreams {
		upstreams = append(upstreams, identityUpstream(a.config, u))
	}
	a.auth, err = identity.New(upstreams, identity.Options{Clock: a.clock, Links: a.store.Links})
	if err != nil {
		return fmt.Errorf("issuers: %w", err)
	}
	if err := a.auth.Warm(ctx); err != nil {
		a.log.WarnContext(ctx, "an issuer can't be reached yet; its tokens are refused until it can", "error", err)
	}
	return nil
}

// LoadPolicy reads the bundle and puts it in the place of the one before, for
// requests that begin from now on. On an error the one before stays.
func (a *App) LoadPolicy(ctx context.Context) error {
	revision, err := policy.Load(a.config.Policy.Bundle)
	if err != nil {
		return fmt.Errorf("policy.bundle: %w", err)
	}
	bound := make([]*policy.Policy, len(a.upstreams))
	for i, u := range a.upstreams {
		if bound[i], err = u.bind(ctx, a, revision); err != nil {
			return fmt.Errorf("policy.bundle: upstream %s: %w", u.name, err)
		}
	}
	for i, u := range a.upstreams {
		u.policy.current.Store(bound[i])
	}
	a.log.InfoContext(ctx, "policy active", "revision", revision.ID())
	return nil
}

// currentPolicy serves the active revision; a request loads it once.
type currentPolicy struct {
	current atomic.Pointer[policy.Policy]
}

// Plan implements gateway.Policy.
func (p *currentPolicy) Plan(ctx context.Context, r access.Request) (access.Plan, error) {
	plan, err := p.current.Load().Plan(ctx, r)
	if err != nil {
		return access.Plan{}, err //nolint:wrapcheck // the gateway tells its causes apart
	}
	return plan, nil
}

func (a *App) makeHandler() http.Handler {
	bases := make([]httpapi.Base, 0, len(a.upstreams))
	for _, u := range a.upstreams {
		bases = append(bases, u.base)
	}
	server := httpapi.New(httpapi.Options{
		Bases: bases, Authenticator: a.auth, Definitions: a.defs,
		Purpose: httpapi.Purpose{
			Enabled: a.config.Policy.Purpose.Header, MaxDuration: a.config.Policy.Purpose.MaxDuration, MinReason: a.config.Policy.Purpose.MinReason,
		},
		MaxBody: int64(a.config.Listen.MaxBody), MaxURL: int(a.config.Listen.MaxURL),
		Ready: a.ready, Record: a.journal.Record, Log: a.log, Metrics: a.metrics, Clock: a.clock,
	})
	return a.traceRequests(server)
}

var errDraining = errors.New("shutting down")

// ready reports whether requests can be served.
func (a *App) ready(ctx context.Context) error {
	if a.draining.Load() {
		return errDraining
	}
	if err := a.store.Ping(ctx); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// Run listens and serves until the context ends, then finishes what is in
// flight. started is told the address that is listened on.
func (a *App) Run(ctx context.Context, started func(net.Addr)) error {
	l := a.config.Listen
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.Address)
	if err != nil {
		return fmt.Errorf("listen.address: %w", err)
	}
	server := &http.Server{
		Handler: a.handler, ReadHeaderTimeout: l.ReadHeaderTimeout, ReadTimeout: l.ReadTimeout, WriteTimeout: l.WriteTimeout,
		IdleTimeout: l.IdleTimeout, MaxHeaderBytes: int(l.MaxHeader), Protocols: protocols(l),
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	stopMetrics, err := a.serveMetrics(ctx)
	if err != nil {
		_ = listener.Close()
		return err
	}
	defer stopMetrics()
	stopWatch := a.watchPolicy(ctx)
	defer stopWatch()
	failed := make(chan error, 1)
	go func() {
		if l.TLS.On() {
			server.TLSConfig = &tls.Config{MinVersion: tlsVersion(l.TLS.MinVersion)}
			failed <- server.ServeTLS(listener, l.TLS.Cert, l.TLS.Key)
			return
		}
		failed <- server.Serve(listener)
	}()
	if started != nil {
		started(listener.Addr())
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	return a.shutdown(context.WithoutCancel(ctx), server)
}

// shutdown refuses readiness first, then new connections, and waits for requests
// in flight.
func (a *App) shutdown(ctx context.Context, server *http.Server) error {
	a.draining.Store(true)
	delay := time.NewTimer(a.config.Listen.ShutdownDelay)
	<-delay.C
	ctx, cancel := context.WithTimeout(ctx, a.config.Listen.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close()
		return fmt.Errorf("shutdown: requests were cut: %w", err)
	}
	return nil
}

func protocols(l config.Listen) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(l.HTTP2 && l.TLS.On())
	p.SetUnencryptedHTTP2(l.H2C)
	return p
}

func tlsVersion(name string) uint16 {
	if name == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// serveMetrics serves Prometheus metrics on a listener of their own.
func (a *App) serveMetrics(ctx context.Context) (stop func(), err error) {
	if a.config.Metrics.Listen == "" {
		return func() {}, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.config.Metrics.Listen)
	if err != nil {
		return nil, fmt.Errorf("metrics.listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics.Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: a.config.Listen.ReadHeaderTimeout}
	go func() { _ = server.Serve(listener) }()
	return func() { _ = server.Close() }, nil
}

// NewLog makes the process's log.
func NewLog(c config.Log, w *os.File) *slog.Logger {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	options := &slog.HandlerOptions{Level: levels[c.Level]}
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
