package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/fhirgate/fhirgate/internal/audit"
	"github.com/fhirgate/fhirgate/internal/config"
	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/gateway"
	"github.com/fhirgate/fhirgate/internal/httpapi"
	"github.com/fhirgate/fhirgate/internal/store"
	"github.com/fhirgate/fhirgate/internal/upstream"
)

// journal records what the gateways do: audit, metrics and review events.
type journal struct {
	recorder *audit.Recorder
	file     *audit.FileSink
	metrics  *httpapi.Metrics
	store    *store.Store
	clock    func() time.Time
}

// closeTime bounds how long waiting audit events are written at the end.
const closeTime = 10 * time.Second

func (a *App) openJournal(ctx context.Context) error {
	c := a.config.Audit
	key, err := a.store.Key(ctx, "audit-subject")
	if err != nil {
		return fmt.Errorf("audit: key: %w", err)
	}
	j := &journal{metrics: a.metrics, store: a.store, clock: a.clock}
	o := audit.Options{
		SubjectKey: key, ResourceIDs: c.ResourceIDs, Queue: c.Queue, FlushInterval: c.FlushInterval,
		Lost: func(events int, reason error) {
			a.log.ErrorContext(ctx, "audit events lost", "events", events, "error", reason)
		},
	}
	// Audit lines are written whatever the level of the process's own log.
	lines := NewLog(config.Log{Level: "info", Format: a.config.Log.Format}, os.Stderr)
	if c.Log {
		o.Log = lines
	}
	switch c.Events {
	case "log":
		o.Sink = audit.NewLogSink(lines, a.clock)
	case "file":
		if j.file, err = audit.NewFileSink(c.File); err != nil {
			return fmt.Errorf("audit.file: %w", err)
		}
		o.Sink = j.file
	case "upstream":
		if o.ByUpstream, err = a.upstreamSinks(); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	j.recorder = audit.New(o)
	a.journal = j
	a.closers = append(a.closers, j.close)
	return nil
}

// upstreamSinks store events on the upstream that was asked, or on the one that
// the configuration names.
func (a *App) upstreamSinks() (map[string]audit.Sink, error) {
	sinks := map[string]audit.Sink{}
	for _, u := range a.config.Upstreams {
		target := u
		if name := a.config.Audit.Upstream; name != "" {
			i := slices.IndexFunc(a.config.Upstreams, func(u config.Upstream) bool { return u.Name == name })
			target = a.config.Upstreams[i] // its validation found it
		}
		client, err := newClient(target)
		if err != nil {
			return nil, err
		}
		a.closers = append(a.closers, func(context.Context) error { client.Close(); return nil })
		sinks[u.Name] = audit.NewPostSink(func(ctx context.Context, bundle []byte) error { return postBundle(ctx, client, bundle) })
	}
	return sinks, nil
}

var errNotStored = errors.New("the FHIR server didn't store the audit events")

func postBundle(ctx context.Context, client *upstream.Client, bundle []byte) error {
	answer, err := client.Do(ctx, fhir.Exchange{Method: http.MethodPost, Body: bundle})
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
	_ = answer.Body.Close()
	switch {
	case answer.Status == http.StatusOK:
		return nil
	case answer.Status == http.StatusBadRequest, answer.Status == http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: status %d: %w", errNotStored, answer.Status, audit.ErrRejected)
	}
	return fmt.Errorf("%w: status %d", errNotStored, answer.Status)
}

func (j *journal) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	err := j.recorder.Close(ctx)
	if j.file != nil {
		err = errors.Join(err, j.file.Close())
	}
	return err
}

// reopenAudit opens the audit file again, after a rotation.
func (a *App) reopenAudit() {
	if a.journal.file == nil {
		return
	}
	if err := a.journal.file.Reopen(); err != nil {
		a.log.Error("the audit file can't be opened again", "error", err)
	}
}

// Record implements gateway.Journal.
func (j *journal) Record(ctx context.Context, r gateway.Record, must bool) error {
	j.metrics.Record(r)
	in, p := r.Request.Interaction, r.Request.Principal
	rec := audit.Record{
		Time: r.Time, Duration: r.Duration, RequestID: r.RequestID, TraceID: r.TraceID, Upstream: r.Request.Upstream,
		Interaction: in.Code.String(), ResourceType: in.Type, Issuer: p.Issuer, Subject: p.Subject, Client: p.Client,
		Roles: p.Roles, ActAs: r.Request.ActAs, PurposeOfUse: slices.Clone(p.PurposeOfUse), Status: r.Status, Reasons: r.Reasons, Revision: r.Revision,
		Seen: r.Counts.Seen, Visible: r.Counts.Seen - r.Counts.Withheld, Withheld: r.Counts.Withheld, Masked: r.Counts.Masked,
	}
	for _, param := range in.Query.Params {
		rec.Params = append(rec.Params, param.Name)
	}
	if r.Request.Purpose != nil {
		rec.PurposeOfUse = append(rec.PurposeOfUse, r.Request.Purpose.Code)
	}
	for _, text := range r.Touched {
		if ref, ok := fhir.ParseReference(text); ok {
			rec.Resources = append(rec.Resources, audit.Resource{Type: ref.Type, ID: ref.ID})
		}
	}
	return j.recorder.Record(ctx, rec, must) //nolint:wrapcheck // the gateway wraps it
}

// Review implements gateway.Journal.
func (j *journal) Review(ctx context.Context, r gateway.Review) error {
	p := r.Request.Principal
	review := store.Review{
		Time: r.Time, Upstream: r.Request.Upstream, RequestID: r.RequestID, Kind: r.Code, Issuer: p.Issuer, Subject: p.Subject, Client: p.Client,
	}
	if len(p.PurposeOfUse) > 0 {
		review.Purpose = p.PurposeOfUse[0]
	}
	if purpose := r.Request.Purpose; purpose != nil {
		review.Purpose, review.Reason = purpose.Code, purpose.Reason
	}
	return j.append(ctx, review)
}

func (j *journal) append(ctx context.Context, r store.Review) error {
	_, err := j.store.AppendReview(ctx, r)
	return err //nolint:wrapcheck // the gateway wraps it
}
