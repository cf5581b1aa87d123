// Package storetest is the contract of package store. It runs on every database
// and is imported by tests only.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/store"
	"github.com/fhirgate/fhirgate/test/peers"
)

// Open opens one more handle of a database, as one more replica would.
type Open func(context.Context) (*store.Store, error)

// Handle opens a handle that is closed at the end of the test.
func (o Open) Handle(t *testing.T) *store.Store {
	t.Helper()
	s, err := o(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Each calls test with a fresh, empty SQLite and then PostgreSQL database.
func Each(t *testing.T, test func(t *testing.T, fresh func(t *testing.T) Open)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		test(t, func(t *testing.T) Open {
			t.Helper()
			path := t.TempDir() + "/a b?c%20#.db" // No character of a path is special.
			return func(ctx context.Context) (*store.Store, error) {
				return store.OpenSQLite(ctx, path, store.Options{})
			}
		})
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, func(t *testing.T) Open {
			t.Helper()
			dsn := peers.Postgres(t)
			return func(ctx context.Context) (*store.Store, error) {
				return store.OpenPostgres(ctx, dsn, store.Options{MaxConnections: 4})
			}
		})
	})
}

// Run is the whole contract.
func Run(t *testing.T) {
	t.Helper()
	Each(t, func(t *testing.T, fresh func(t *testing.T) Open) {
		for _, tc := range []struct {
			name string
			test func(t *testing.T, open Open)
		}{
			{"links", links},
			{"links that cannot be", badLinks},
			{"keys", keys},
			{"keys made at once", keysAtOnce},
			{"quota windows", quotas},
			{"quotas reserved at once", quotasAtOnce},
			{"quotas reserved and returned at once", quotasReturned},
			{"reviews", reviews},
			{"reviews told once", reviewsOnce},
			{"state outlives a handle", outlives},
			{"opened at once", openedAtOnce},
			{"an ended context", ended},
		} {
			t.Run(tc.name, func(t *testing.T) { tc.test(t, fresh(t)) })
		}
	})
}

// noon is a time of no meaning.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
