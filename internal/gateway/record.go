package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/fhir"
)

// Counts are what became of the resources of one request.
type Counts struct {
	Seen     int // judged
	Visible  int // sent
	Withheld int // denied
	Masked   int // sent with masks
}

// Record is what is kept of one request. It holds ids and codes, and nothing
// out of a resource or a query.
type Record struct {
	Time               time.Time
	Duration           time.Duration
	RequestID, TraceID string
	Request            access.Request
	Revision           string
	// Status is the HTTP status that is answered.
	Status int
	// Reasons are the codes of policy's decision, or of the refusal.
	Reasons []string
	Counts  Counts
	// Touched are the resources that were read or written, Type/id.
	Touched []string
	// Level is what policy asks of the record.
	Level access.AuditLevel
}

// Review is an event that somebody has to look at: break-glass, or a crossed
// quota.
type Review struct {
	Time      time.Time
	Code      string
	RequestID string
	Request   access.Request
	Revision  string
}

func (x *exchange) review(code string) Review {
	return Review{Time: x.started, Code: code, RequestID: x.call.RequestID, Request: x.call.Request, Revision: x.plan.Revision}
}

// recordTime bounds the wait for a record without which nothing may be answered.
const recordTime = 5 * time.Second

// maxTouched bounds the ids kept for one request.
const maxTouched = 1000

func (x *exchange) touch(typ, id string) {
	if len(x.touched) < maxTouched {
		x.touched = append(x.touched, typ+"/"+id)
	}
}

// record writes the audit record before the end of the answer is sent. An error
// means that the answer may not be given.
func (x *exchange) record(ctx context.Context, failure error) error {
	r := Record{
		Time: x.started, Duration: x.Clock().Sub(x.started),
		RequestID: x.call.RequestID, TraceID: x.call.TraceID,
		Request: x.call.Request, Revision: x.plan.Revision,
		Status: x.stage.head.Status, Counts: x.counts, Touched: x.touched,
		Level: x.plan.Decision.Obligations.Audit,
	}
	for _, reason := range x.plan.Decision.Reasons {
		r.Reasons = append(r.Reasons, reason.Code)
	}
	if failure != nil {
		r.Status = 500
		var refusal *fhir.Refusal
		if errors.As(failure, &refusal) {
			r.Status, r.Reasons = refusal.Status, []string{refusal.Code}
		}
	}
	must := r.Level == access.AuditFull
	// The record outlives a caller who has gone away, but an answer that waits for
	// it doesn't wait for ever.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	if err := x.Journal.Record(ctx, r, must); err != nil && must {
		return errAudit.Because(err)
	}
	return nil
}
