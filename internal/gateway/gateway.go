// Package gateway is the life of one request: decide, narrow, forward, judge
// and mask each resource, audit, answer. It declares the small interfaces that
// it needs and imports no adapter: HTTP serving, stores and the FHIR server's
// client are handed in.
package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// Policy decides about requests. The revision that makes a Plan judges all
// resources of that request.
type Policy interface {
	Plan(ctx context.Context, r access.Request) (access.Plan, error)
}

// Upstream is the FHIR server behind.
type Upstream interface {
	Do(ctx context.Context, e fhir.Exchange) (fhir.Answer, error)
	// Relative takes a link of the server's apart into path and query below its
	// base; a link that leads elsewhere is fhir.ErrForeignLink.
	Relative(link string) (path, query string, err error)
	// Base is the server's FHIR base, without a trailing slash.
	Base() string
}

// IfMatch says whether the FHIR server behind honours If-Match, or the
// configuration accepts by name that it doesn't.
type IfMatch interface {
	Safe(ctx context.Context, resourceType string, code fhir.Code) (bool, error)
}

// Quota holds callers to the limits that policy sets.
type Quota interface {
	// Request counts a request; ok is false past a limit, with the time until it
	// may be tried again.
	Request(ctx context.Context, limits []access.Limit) (ok bool, retry time.Duration, err error)
	// Rows counts n rows that are about to be sent; ok is false past a quota.
	Rows(ctx context.Context, limits []access.Limit, n int64) (ok bool, retry time.Duration, err error)
}

// Journal records what was done.
type Journal interface {
	// Record writes the audit record of a request. With must, an error means that
	// it isn't recorded, and the answer may not be given.
	Record(ctx context.Context, r Record, must bool) error
	// Review writes a review event; an error refuses the request.
	Review(ctx context.Context, r Review) error
}

// Written is told of each write that the FHIR server acknowledged.
type Written func(resourceType string)

// Limits bound one request; see docs/config.md.
type Limits struct {
	MaxResource    int // bytes
	MaxDepth       int
	ScanRows       int
	ScanBytes      int64
	ScanTime       time.Duration
	ScansPerCaller int
	PageDefault    int
	PageMax        int
	UpstreamPage   int
	PageLinkTTL    time.Duration
	OmitTotal      bool
}

// Options make up the gateway before one FHIR server.
type Options struct {
	// Name is the upstream's configured name.
	Name string
	// PublicBase is the FHIR base that clients use, without a trailing slash.
	PublicBase  string
	Definitions *definitions.Definitions
	Policy      Policy
	Upstream    Upstream
	IfMatch     IfMatch
	Quota       Quota
	Journal     Journal
	Written     Written
	Limits      Limits
	// PageKey seals page tokens: 32 bytes, the same on all replicas.
	PageKey []byte
	Clock   func() time.Time
	// OAuth gives the authorization and token endpoints, for the
	// CapabilityStatement; empty when they aren't known. May be nil.
	OAuth func() (authorize, token string)
	// Version is the gateway's own version, for the CapabilityStatement.
	Version string
}

// Gateway serves one FHIR base. Safe for concurrent use.
type Gateway struct {
	Options

	pages        *pageSealer
	scans        callers
	capabilities capabilityCache
	lacking      partial
	expressions  expressions
}

// New makes a gateway.
func New(o Options) (*Gateway, error) {
	pages, err := newPageSealer(o.PageKey)
	if err != nil {
		return nil, err
	}
	return &Gateway{Options: o, pages: pages, scans: callers{limit: o.Limits.ScansPerCaller}}, nil
}

// Call is one request, parsed, with the principal known.
type Call struct {
	Request access.Request
	// Body is the resource of a create or update, at most the configured size.
	Body []byte
	// IfMatch, IfNoneMatch and IfModifiedSince are the headers as sent.
	IfMatch, IfNoneMatch, IfModifiedSince string
	// Return is what Prefer asks a write to answer with.
	Return Return
	// RequestID and TraceID tie logs, audit and answer together.
	RequestID, TraceID string
}

// Return is the return preference of a write (R4 http.html#ops).
type Return uint8

// The return preferences.
const (
	ReturnRepresentation Return = iota
	ReturnMinimal
	ReturnOutcome
)

// Head is the head of an answer.
type Head struct {
	Status       int
	ETag         string
	LastModified time.Time
	Location     string
	// HasBody says that a FHIR JSON body follows.
	HasBody bool
}

// Sink takes the answer: Begin once, then the body.
type Sink interface {
	Begin(h Head)
	io.Writer
}

// Serve answers one call. An error before the sink's Begin is to be answered as
// an OperationOutcome (a *fhir.Refusal says how); after Begin it means that the
// answer isn't whole, and the connection must be cut.
func (g *Gateway) Serve(ctx context.Context, call Call, sink Sink) error {
	x := &exchange{Gateway: g, call: call, in: call.Request.Interaction, stage: stage{sink: sink}, started: g.Clock()}
	err := x.serve(ctx)
	if recorded := x.record(ctx, err); recorded != nil && err == nil {
		err = recorded
	}
	if err != nil {
		return err
	}
	return x.stage.finish()
}

// exchange is one call on its way.
type exchange struct {
	*Gateway

	call    Call
	in      fhir.Interaction
	plan    access.Plan
	stage   stage
	started time.Time
	counts  Counts
	touched []string

	// paged says that the request came by a page link, which link then holds.
	paged bool
	link  pageLink
	// compartment is that of a search, with the id on the server behind; partsOf
	// are the type searches that it can be made of, splitFirst says that it is.
	compartment fhir.Reference
	partsOf     []part
	splitFirst  bool
	// realInstance is the id on the server behind, for an instance's history.
	realInstance string
}

func (x *exchange) serve(ctx context.Context) error {
	if err := x.decide(ctx); err != nil {
		return err
	}
	if err := x.obey(ctx); err != nil {
		return err
	}
	switch x.in.Code {
	case fhir.Read, fhir.VRead:
		return x.read(ctx)
	case fhir.SearchType, fhir.SearchSystem, fhir.SearchCompartment,
		fhir.HistoryInstance, fhir.HistoryType, fhir.HistorySystem:
		return x.search(ctx)
	case fhir.Create:
		return x.create(ctx)
	case fhir.Update:
		return x.update(ctx)
	case fhir.Delete:
		return x.delete(ctx)
	case fhir.Capabilities:
		return x.statement(ctx)
	case fhir.Unknown:
	}
	return errNotSupported
}

// decide opens a page link and asks the request policy.
func (x *exchange) decide(ctx context.Context) error {
	if x.in.Query.Page != "" {
		if err := x.openPage(); err != nil {
			return err
		}
	}
	plan, err := x.Policy.Plan(ctx, x.call.Request)
	if err != nil {
		return planFailed(ctx, err)
	}
	x.plan = plan
	if plan.Decision.Effect != access.Allow {
		return x.denied(plan.Decision.Reasons)
	}
	if plan.Rule == nil {
		return errPolicy
	}
	return nil
}

// denied is the refusal for a request that policy denies. It depends on the
// request alone and so may say why.
func (x *exchange) denied(reasons []access.Reason) error {
	if x.call.Request.Principal.Anonymous() {
		return errLogin
	}
	return forbidden(reasons)
}

// forbidden gives policy's first reason.
func forbidden(reasons []access.Reason) *fhir.Refusal {
	r := fhir.Refuse(http.StatusForbidden, "policy-denied", fhir.IssueForbidden, "Policy doesn't allow this.")
	if len(reasons) > 0 {
		r.Code = reasons[0].Code
		if reasons[0].Text != "" {
			r.Text = reasons[0].Text
		}
	}
	return r
}

// planFailed is the refusal when there is no usable decision: a deny, told apart
// from one that policy meant.
func planFailed(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, fhir.ErrUnavailable):
		return errUnavailable.Because(err)
	}
	return errPolicy.Because(err)
}

// obey carries out the obligations that come before the answer.
func (x *exchange) obey(ctx context.Context) error {
	o := x.plan.Decision.Obligations
	ok, retry, err := x.Quota.Request(ctx, o.Limits)
	if err != nil {
		return errState.Because(err)
	}
	if !ok {
		return tooMany(errRate, retry)
	}
	if o.Review == "" {
		return nil
	}
	if err := x.Journal.Review(ctx, x.review(o.Review)); err != nil {
		return errState.Because(err)
	}
	return nil
}

func tooMany(r *fhir.Refusal, retry time.Duration) *fhir.Refusal {
	c := *r
	c.RetryAfter = max(1, int((retry+time.Second-1)/time.Second))
	return &c
}
