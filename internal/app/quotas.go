package app

import (
	"context"
	"time"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/store"
	"github.com/fhirgate/fhirgate/internal/store/quota"
)

// quotas holds the callers of one upstream to the limits that policy sets.
type quotas struct {
	limiter  *quota.Limiter
	upstream string
	journal  *journal
}

// Request implements gateway.Quota.
func (q *quotas) Request(ctx context.Context, limits []access.Limit) (bool, time.Duration, error) {
	return q.take(ctx, limits, quota.Minute, 1)
}

// Rows implements gateway.Quota.
func (q *quotas) Rows(ctx context.Context, limits []access.Limit, n int64) (bool, time.Duration, error) {
	return q.take(ctx, limits, quota.Day, n)
}

func (q *quotas) take(ctx context.Context, limits []access.Limit, w quota.Window, n int64) (bool, time.Duration, error) {
	for _, l := range limits {
		limit := l.RequestsPerMinute
		if w == quota.Day {
			limit = l.RowsPerDay
		}
		v, err := q.limiter.Take(ctx, q.upstream+"/"+l.Key, w, limit, n)
		if err != nil {
			return false, 0, err //nolint:wrapcheck // the gateway wraps it
		}
		if v.Granted {
			continue
		}
		if v.First {
			err = q.journal.append(ctx, store.Review{
				Once: v.Crossing, Time: q.journal.clock(), Upstream: q.upstream, Kind: "quota-crossed", Detail: v.Crossing,
			})
		}
		return false, v.RetryAfter, err
	}
	return true, 0, nil
}
