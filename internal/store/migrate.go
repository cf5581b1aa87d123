package store

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrateSQLite repeats what another process has disturbed: SQLite has no lock
// that spans migrations, and every migration may be run twice.
func migrateSQLite(ctx context.Context, db *sql.DB) error {
	var err error
	for range 5 {
		if err = up(ctx, goose.DialectSQLite3, db, "migrations/sqlite"); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func migratePostgres(ctx context.Context, db *sql.DB) error {
	return up(ctx, goose.DialectPostgres, db, "migrations/postgres", goose.WithSessionLocker(advisoryLock{}))
}

// advisoryLock lets one replica migrate at a time. The server wakes the next one
// at once; goose's own lock asks again every few seconds.
type advisoryLock struct{}

// lockID is this program's own.
const lockID = 0x66686972 // "fhir"

// SessionLock waits for the lock.
func (advisoryLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lockID)
	return err
}

// SessionUnlock gives the lock back.
func (advisoryLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", lockID)
	return err
}

func up(ctx context.Context, d goose.Dialect, db *sql.DB, dir string, options ...goose.ProviderOption) error {
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return err
	}
	options = append(options, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	provider, err := goose.NewProvider(d, db, files, options...)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}
