package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

var errQuota = errors.New("store: quota: a negative amount")

// Reserve gives out up to want of the window of key that begins at begins, and
// says how much. The sum of what all replicas are given never passes limit;
// past it the answer is 0. A limit of 0 or less gives nothing.
func (s *Store) Reserve(ctx context.Context, key string, begins time.Time, limit, want int64) (granted int64, err error) {
	if want < 0 {
		return 0, errQuota
	}
	if limit <= 0 || want == 0 {
		return 0, nil
	}
	// One statement, hence atomic on both databases: PostgreSQL locks the row that
	// is in conflict and judges its newest version.
	err = s.write.QueryRowContext(ctx, s.dialect(`
INSERT INTO quota_window AS q (name, begins, granted, last_grant)
VALUES ($1, $2, CAST($3 AS BIGINT), CAST($3 AS BIGINT))
ON CONFLICT (name, begins) DO UPDATE SET
    last_grant = CASE WHEN CAST($4 AS BIGINT) - q.granted < CAST($5 AS BIGINT) THEN CAST($4 AS BIGINT) - q.granted ELSE CAST($5 AS BIGINT) END,
    granted = q.granted + CASE WHEN CAST($4 AS BIGINT) - q.granted < CAST($5 AS BIGINT) THEN CAST($4 AS BIGINT) - q.granted ELSE CAST($5 AS BIGINT) END
WHERE q.granted < CAST($4 AS BIGINT)
RETURNING last_grant`), key, begins.Unix(), min(limit, want), limit, want).Scan(&granted)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("store: reserve quota: %w", err)
	}
	return granted, nil
}

// Return gives back n of what Reserve gave and that was not used.
func (s *Store) Return(ctx context.Context, key string, begins time.Time, n int64) error {
	if n < 0 {
		return errQuota
	}
	_, err := s.exec(ctx, `UPDATE quota_window SET granted = CASE WHEN granted > CAST($3 AS BIGINT) THEN granted - CAST($3 AS BIGINT) ELSE 0 END
WHERE name = $1 AND begins = $2`, key, begins.Unix(), n)
	if err != nil {
		return fmt.Errorf("store: return quota: %w", err)
	}
	return nil
}

// PruneQuotas forgets the windows that began before t.
func (s *Store) PruneQuotas(ctx context.Context, t time.Time) error {
	if _, err := s.exec(ctx, `DELETE FROM quota_window WHERE begins < $1`, t.Unix()); err != nil {
		return fmt.Errorf("store: prune quotas: %w", err)
	}
	return nil
}
