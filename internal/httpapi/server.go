// Package httpapi is the HTTP face of the gateway and the only user of Echo:
// routes, limits, authentication, refusals as OperationOutcome, health,
// readiness and metrics. What is asked is understood by package fhir, and
// answered by package gateway.
//
// It must not import adapters: identity and stores are handed in.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/gateway"
)

// Authenticator turns an Authorization header into a principal. Its errors have
// a method Code() string with a stable code: "no-token" is answered as the
// anonymous principal, "identity-unavailable" as 503, others as 401.
type Authenticator interface {
	Authenticate(ctx context.Context, upstream, authorization string) (access.Principal, error)
}

// Base is one FHIR base that clients use.
type Base struct {
	// Upstream is the configured name of the FHIR server behind.
	Upstream string
	// Host is the host that the base is bound to; empty: any.
	Host string
	// Path is where the base begins, such as "/fhir", without a trailing slash;
	// empty for the root.
	Path    string
	Gateway *gateway.Gateway
	// SMART gives the document at .well-known/smart-configuration; nil when
	// nothing is known of the authorization server.
	SMART func() *SMARTConfiguration
}

// Purpose is how a purpose of use may be stated by header.
type Purpose struct {
	Enabled     bool
	MaxDuration time.Duration
	MinReason   int // characters
}

// Options make up the HTTP face.
type Options struct {
	Bases         []Base
	Authenticator Authenticator
	Definitions   *definitions.Definitions
	Purpose       Purpose
	MaxBody       int64 // bytes, after decompression
	MaxURL        int   // bytes
	// Ready reports why the gateway can't serve; nil when it can.
	Ready func(ctx context.Context) error
	// Record records requests that are refused before the gateway has them.
	Record  func(ctx context.Context, r gateway.Record, must bool) error
	Log     *slog.Logger
	Metrics *Metrics
	Clock   func() time.Time
}

// Server is the HTTP face. It is an http.Handler.
type Server struct {
	Options

	echo *echo.Echo
}

// New makes the HTTP face.
func New(o Options) *Server {
	s := &Server{Options: o, echo: echo.New()}
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.HTTPErrorHandler = s.fail
	s.echo.Use(s.recoverPanic)
	s.echo.GET("/healthz", s.health)
	s.echo.GET("/readyz", s.ready)
	s.echo.Any("/*", s.serve)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

func (s *Server) health(c echo.Context) error {
	return c.String(http.StatusOK, "ok\n") //nolint:wrapcheck // Echo's own
}

func (s *Server) ready(c echo.Context) error {
	if err := s.Ready(c.Request().Context()); err != nil {
		s.Log.Warn("not ready", "error", err)
		return c.String(http.StatusServiceUnavailable, "not ready\n") //nolint:wrapcheck // Echo's own
	}
	return c.String(http.StatusOK, "ready\n") //nolint:wrapcheck // Echo's own
}

// canonicalHost is a host in small letters without the ports that URLs leave out.
func canonicalHost(host string) string {
	host = strings.ToLower(host)
	for _, port := range []string{":443", ":80"} {
		host = strings.TrimSuffix(host, port)
	}
	return host
}

// over reports whether b rather than o is meant where both fit: one that is
// bound to the host, then the longer path.
func (b *Base) over(o *Base) bool {
	if (b.Host != "") != (o.Host != "") {
		return b.Host != ""
	}
	return len(b.Path) > len(o.Path)
}

// base finds the FHIR base that a request is for, and the escaped path below it.
func (s *Server) base(r *http.Request) (*Base, string, bool) {
	path := r.URL.EscapedPath()
	host := canonicalHost(r.Host)
	var best *Base
	for i := range s.Bases {
		b := &s.Bases[i]
		if b.Host != "" && canonicalHost(b.Host) != host || path != b.Path && !strings.HasPrefix(path, b.Path+"/") {
			continue
		}
		if best == nil || b.over(best) {
			best = b
		}
	}
	if best == nil {
		return nil, "", false
	}
	return best, strings.TrimPrefix(path, best.Path), true
}

// serve answers one FHIR request.
func (s *Server) serve(c echo.Context) error {
	started := s.Clock()
	r := c.Request()
	id := newRequestID()
	h := c.Response().Header()
	h.Set("X-Request-Id", id)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	base, path, ok := s.base(r)
	if !ok {
		return errNoBase
	}
	if path == smartPath {
		return s.smart(c, base)
	}
	v := visit{request: access.Request{Upstream: base.Upstream, Time: started}, id: id}
	err := s.exchange(c, base, path, &v)
	code := v.request.Interaction.Code
	status := c.Response().Status
	if err != nil && !c.Response().Committed {
		status = s.answerRefusal(c, err)
	} else if err != nil {
		s.Metrics.cut(base.Upstream)
		s.Log.ErrorContext(r.Context(), "answer cut", "request_id", id, "upstream", base.Upstream, "interaction", code.String(), "error", err)
		panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http cuts a connection: the client must see that the answer isn't whole
	}
	if !v.served {
		s.recordRefusal(r.Context(), v, status, err)
	}
	s.Metrics.request(base.Upstream, code, status, s.Clock().Sub(started))
	return nil
}

// visit is one FHIR request on its way through the HTTP face.
type visit struct {
	request access.Request
	id      string
	served  bool // the gateway has it, and records it
}

// recordRefusal records a request that was refused before the gateway saw it.
func (s *Server) recordRefusal(ctx context.Context, v visit, status int, err error) {
	r := gateway.Record{
		Time: v.request.Time, Duration: s.Clock().Sub(v.request.Time), RequestID: v.id, TraceID: traceID(ctx), Request: v.request, Status: status,
	}
	var refusal *fhir.Refusal
	if errors.As(err, &refusal) {
		r.Reasons = []string{refusal.Code}
	}
	if err := s.Record(context.WithoutCancel(ctx), r, false); err != nil {
		s.Log.ErrorContext(ctx, "a refusal isn't recorded", "request_id", v.id, "error", err)
	}
}

// exchange authenticates, parses and serves one request.
func (s *Server) exchange(c echo.Context, base *Base, path string, v *visit) error {
	r := c.Request()
	if err := s.checkRequest(r); err != nil {
		return err
	}
	var err error
	if v.request.Principal, err = s.authenticate(r, base.Upstream); err != nil {
		return err
	}
	if err := s.circumstances(r, &v.request); err != nil {
		return err
	}
	body, err := s.body(r)
	if err != nil {
		return err
	}
	form := ""
	if isSearchForm(r) {
		if len(body) > 0 && !isForm(r) {
			return errForm // before it is read as what it isn't
		}
		form = string(body)
	}
	in, err := fhir.Parse(s.Definitions, r.Method, path, r.URL.RawQuery, form)
	if err != nil {
		return err
	}
	v.request.Interaction = in
	if err := checkBody(r, in, body); err != nil {
		return err
	}
	call := gateway.Call{
		Request: v.request, Body: body, RequestID: v.id, TraceID: traceID(r.Context()), Return: returnPreference(r),
		IfMatch: r.Header.Get("If-Match"), IfNoneMatch: r.Header.Get("If-None-Match"), IfModifiedSince: r.Header.Get("If-Modified-Since"),
	}
	sink := newSink(c, r)
	v.served = true
	if err := base.Gateway.Serve(r.Context(), call, sink); err != nil {
		sink.abort()
		return err //nolint:wrapcheck // a refusal, translated in answerRefusal
	}
	return sink.close()
}

// authenticate makes the principal; without a token the anonymous one.
func (s *Server) authenticate(r *http.Request, upstream string) (access.Principal, error) {
	values := r.Header.Values("Authorization")
	if len(values) > 1 {
		return access.Principal{}, refuseToken("token-malformed", "more than one Authorization header")
	}
	header := ""
	if len(values) == 1 {
		header = values[0]
	}
	p, err := s.Authenticator.Authenticate(r.Context(), upstream, header)
	if err == nil {
		return p, nil
	}
	var coded interface{ Code() string }
	if !errors.As(err, &coded) {
		return access.Principal{}, refuseToken("token-refused", "the bearer token can't be used")
	}
	switch code := coded.Code(); code {
	case "no-token":
		return access.Principal{}, nil
	case "identity-unavailable":
		return access.Principal{}, errIdentity.Because(err)
	default:
		return access.Principal{}, refuseToken(code, publicText(err))
	}
}

// publicText is the text of the coded error itself, without what wraps it.
func publicText(err error) string {
	var coded interface {
		error
		Code() string
	}
	if errors.As(err, &coded) {
		return coded.Error()
	}
	return "the bearer token can't be used"
}

func refuseToken(code, text string) *fhir.Refusal {
	issue := fhir.IssueLogin
	if code == "token-expired" {
		issue = fhir.IssueExpired
	}
	return fhir.Refuse(http.StatusUnauthorized, code, issue, strings.ToUpper(text[:1])+text[1:]+".")
}

// recoverPanic turns a panic into a 500, but for those that cut a connection.
func (s *Server) recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if e, ok := cause.(error); ok && errors.Is(e, http.ErrAbortHandler) || c.Response().Committed {
				panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http cuts a connection
			}
			s.Log.Error("panic", "request_id", c.Response().Header().Get("X-Request-Id"), "at", panicPlace())
			err = errInternal
		}()
		return next(c)
	}
}

// fail answers errors that don't come from serve: unknown routes and Echo's own.
func (s *Server) fail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	var he *echo.HTTPError
	if errors.As(err, &he) {
		// The router knows the usual methods only; whatever else comes is refused and
		// recorded like them.
		if err = s.serve(c); err == nil {
			return
		}
	}
	s.answerRefusal(c, err)
}
