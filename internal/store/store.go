package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
)

// Store is durable state. It is safe for concurrent use. Whoever opened it
// closes it.
type Store struct {
	write, read *sql.DB
	// dialect turns a query with $1, $2 … into the driver's own.
	dialect func(string) string
}

// Options bound a store's use of its database. The zero value is usable.
type Options struct {
	// MaxConnections to PostgreSQL, or readers of SQLite; 0 means 10.
	MaxConnections int
}

func (o Options) connections() int {
	if o.MaxConnections <= 0 {
		return 10
	}
	return o.MaxConnections
}

// errDSN replaces the driver's message, which could quote a password.
var errDSN = errors.New("store: not a PostgreSQL connection string")

// OpenSQLite opens the database at path, makes it (readable by its owner only)
// when absent, and brings its tables up to date. Its folder must exist.
func OpenSQLite(ctx context.Context, path string, o Options) (*Store, error) {
	if err := private(path); err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	// FULL: a commit is on disk when it returns, also in WAL mode. One writer,
	// whose transactions take the lock at their begin, so that none has to give up
	// half way; several readers.
	write, err := openSQLite(path, "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate", 1)
	if err != nil {
		return nil, err
	}
	read, err := openSQLite(path, "_pragma=busy_timeout(10000)&_pragma=query_only(1)", o.connections())
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	s := &Store{write: write, read: read, dialect: func(q string) string { return strings.ReplaceAll(q, "$", "?") }}
	if err := migrateSQLite(ctx, write); err != nil {
		return nil, errors.Join(fmt.Errorf("store: migrate %s: %w", path, err), s.Close())
	}
	return s, nil
}

// private makes the file, for the keys in it must be no one else's. SQLite gives
// its -wal and -shm files the same mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // The path is the operator's own.
	if err != nil {
		return err
	}
	return f.Close()
}

func openSQLite(path, params string, connections int) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	connector, err := sqlite.NewConnector("file:" + (&url.URL{Path: abs}).EscapedPath() + "?" + params)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// OpenPostgres opens the database that dsn names (a URL or key=value pairs) and
// brings its tables up to date, one replica at a time.
func OpenPostgres(ctx context.Context, dsn string, o Options) (*Store, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errDSN
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(o.connections())
	db.SetMaxIdleConns(o.connections())
	s := &Store{write: db, read: db, dialect: func(q string) string { return q }}
	if err := migratePostgres(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("store: migrate: %w", err), s.Close())
	}
	return s, nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.read.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("store: ping: %w", err)
	}
	return nil
}

// Close waits for statements in flight and closes the database.
func (s *Store) Close() error {
	if s.read == s.write {
		return s.write.Close()
	}
	return errors.Join(s.read.Close(), s.write.Close())
}

func (s *Store) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return s.write.ExecContext(ctx, s.dialect(query), args...)
}

// rows runs a query of the read pool and calls scan for each row.
func (s *Store) rows(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := s.read.QueryContext(ctx, s.dialect(query), args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
