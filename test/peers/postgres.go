package peers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// EnvPostgres names the environment variable with the URL of a PostgreSQL server that runs already, as a user who may create databases.
const EnvPostgres = "FHIRGATE_TEST_POSTGRES"

const (
	postgresScript       = "test/peers/postgres/run"
	postgresReady        = "postgres: ready"
	postgresStartTimeout = 2 * time.Minute
	// portAttempts: a port that was free when it was asked for may be taken when the server binds it.
	portAttempts = 3
)

// PostgresServer is a running PostgreSQL cluster in a temporary folder, with durability off.
type PostgresServer struct {
	// URL connects to the database "postgres" as a superuser.
	URL string
	// Pid of the process that runs the cluster; 0 for a server that this process did not start.
	Pid int

	process *process
}

// StartPostgres makes a cluster with initdb and starts it on a free port of loopback, as the user postgres when this process is root. ctx
// bounds the start only; the server runs until Stop, or until this process ends. Where EnvPostgres names a server, that one is
// returned as soon as it answers, and Stop leaves it running.
func StartPostgres(ctx context.Context) (*PostgresServer, error) {
	server := &PostgresServer{URL: os.Getenv(EnvPostgres)}
	if server.URL == "" {
		var err error
		if server, err = startCluster(ctx); err != nil {
			return nil, err
		}
	}
	if err := poll(ctx, server.ping); err != nil {
		return nil, fmt.Errorf("PostgreSQL: %w", joinStop(err, server))
	}
	return server, nil
}

func startCluster(ctx context.Context) (*PostgresServer, error) {
	var errs error
	for range portAttempts {
		port, err := freePort(ctx)
		if err != nil {
			return nil, err
		}
		process, _, err := startProcess(ctx, postgresScript, postgresReady, "--port", strconv.Itoa(port), "--exit-with-stdin")
		if err == nil {
			return &PostgresServer{
				URL:     fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port),
				Pid:     process.cmd.Process.Pid,
				process: process,
			}, nil
		}
		errs = errors.Join(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errs
}

func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("free port: %w", err)
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.Join(fmt.Errorf("free port: address is a %T", listener.Addr()), listener.Close())
	}
	if err := listener.Close(); err != nil {
		return 0, fmt.Errorf("free port: %w", err)
	}
	return address.Port, nil
}

// Stop ends a cluster that StartPostgres started, waits until it is gone and removes its folder.
func (s *PostgresServer) Stop() error {
	if s.process == nil {
		return nil
	}
	return s.process.stop()
}

func (s *PostgresServer) ping(ctx context.Context) error { return s.exec(ctx, "SELECT 1") }

// exec runs one statement on a connection of its own.
func (s *PostgresServer) exec(ctx context.Context, statement string) error {
	connection, err := pgx.Connect(ctx, s.URL)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	_, err = connection.Exec(ctx, statement)
	return errors.Join(err, connection.Close(ctx))
}

// CreateDatabase makes an empty database with a name of its own and returns the URL that connects to it, and its name.
func (s *PostgresServer) CreateDatabase(ctx context.Context) (dsn, name string, err error) {
	base, err := url.Parse(s.URL)
	if err != nil {
		return "", "", errors.New("create a database: the server's address is not a URL (postgres://user@host:port/postgres)")
	}
	name = "fhirgate_" + strings.ToLower(rand.Text())
	// template0: nobody can be connected to it, which would make the copy fail.
	if err := s.exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		return "", "", fmt.Errorf("create a database: %w", err)
	}
	base.Path = "/" + name
	return base.String(), name, nil
}

// DropDatabase removes a database of CreateDatabase, ending the connections to it.
func (s *PostgresServer) DropDatabase(ctx context.Context, name string) error {
	if err := s.exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

// sharedPostgres starts the one server of this process. It ends when this process does: its standard input ends then.
//
//nolint:gochecknoglobals // one server for all tests of a process; set once, never changed
var sharedPostgres = sync.OnceValues(func() (*PostgresServer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), postgresStartTimeout)
	defer cancel()
	return StartPostgres(ctx)
})

// Postgres is the URL of an empty database that is this test's alone; it is dropped when the test ends. The first call of a process starts
// the server (about two seconds). A server that cannot be started fails the test.
func Postgres(tb testing.TB) string {
	tb.Helper()
	server, err := sharedPostgres()
	if err != nil {
		tb.Fatalf("a PostgreSQL server is needed: %v", err)
	}
	dsn, name, err := server.CreateDatabase(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		// The test's context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := server.DropDatabase(ctx, name); err != nil {
			tb.Error(err)
		}
	})
	return dsn
}
