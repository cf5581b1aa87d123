package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Review is something that a person has to look at: a break-glass use, a quota
// that was crossed.
type Review struct {
	// ID is given by the store and grows.
	ID int64
	// Once, when not empty, keeps this review out if there is one with the same
	// value already: all replicas together report one crossing one time.
	Once string
	// Time is kept to the microsecond.
	Time time.Time
	// Upstream and RequestID lead to the audit record.
	Upstream, RequestID string
	// Kind is the code of the obligation, such as break-glass, or quota-crossed.
	Kind string
	// Issuer, Subject and Client say who.
	Issuer, Subject, Client string
	// Purpose is the code of the purpose of use.
	Purpose string
	// Reason is what the person wrote. It may identify a patient: it is kept here
	// only, never logged.
	Reason string
	// Detail is the gateway's own: the key of the quota.
	Detail string
}

// maxReviews bounds one page.
const maxReviews = 1000

var errReview = errors.New("store: a review needs upstream, kind and time")

// AppendReview keeps r and returns its id; 0 when Once kept it out.
func (s *Store) AppendReview(ctx context.Context, r Review) (id int64, err error) {
	if r.Upstream == "" || r.Kind == "" || r.Time.IsZero() {
		return 0, errReview
	}
	once := sql.NullString{String: r.Once, Valid: r.Once != ""}
	err = s.write.QueryRowContext(ctx, s.dialect(`
INSERT INTO review (once, at, upstream, kind, request_id, issuer, subject, client, purpose, reason, detail)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING RETURNING id`),
		once, r.Time.UnixMicro(), r.Upstream, r.Kind, r.RequestID, r.Issuer, r.Subject, r.Client, r.Purpose, r.Reason, r.Detail).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("store: append review: %w", err)
	}
	return id, nil
}

// ListReviews returns the reviews with an id above after, in order of id, at
// most limit (0 or above 1000 means 1000). On PostgreSQL a transaction that is
// slow to commit may bring in a lower id later.
func (s *Store) ListReviews(ctx context.Context, after int64, limit int) ([]Review, error) {
	if limit <= 0 || limit > maxReviews {
		limit = maxReviews
	}
	var list []Review
	err := s.rows(ctx, func(rows *sql.Rows) error {
		var r Review
		var once sql.NullString
		var at int64
		err := rows.Scan(&r.ID, &once, &at, &r.Upstream, &r.Kind, &r.RequestID, &r.Issuer, &r.Subject, &r.Client, &r.Purpose, &r.Reason, &r.Detail)
		r.Once, r.Time = once.String, time.UnixMicro(at).UTC()
		list = append(list, r)
		return err
	}, `SELECT id, once, at, upstream, kind, request_id, issuer, subject, client, purpose, reason, detail
FROM review WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("store: list reviews: %w", err)
	}
	return list, nil
}
