package storetest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres starts a PostgreSQL of the test's own and returns a function which
// makes an empty database in it and returns its connection string. The server
// is stopped at the end of the test.
func Postgres(t *testing.T) (database func(t *testing.T) string) {
	t.Helper()
	bin := postgresBin(t)
	dir := t.TempDir()
	data, attr := filepath.Join(dir, "data"), &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root.
		uid, gid := accountOf(t, "postgres")
		attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
		for _, p := range []string{dir, data} {
			if err := os.Chown(p, int(uid), int(gid)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil { //nolint:gosec // For the other user to pass.
			t.Fatal(err)
		}
	}
	initdb := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"), "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "-N") //nolint:gosec // A fixed program.
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	port := freePort(t)
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-h", "127.0.0.1", "-p", strconv.Itoa(port), "-c", "fsync=off") //nolint:gosec,noctx // A fixed program; stopped below.
	server.SysProcAttr, server.Dir = attr, dir
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT) // Fast shutdown.
		_ = server.Wait()
	})
	dsn := func(name string) string {
		return fmt.Sprintf("postgres://test@127.0.0.1:%d/%s?sslmode=disable", port, name)
	}
	admin := connect(t, dsn("postgres"))
	n := 0
	return func(t *testing.T) string {
		t.Helper()
		n++
		name := fmt.Sprintf("test%d", n)
		if _, err := admin.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
			t.Fatal(err)
		}
		return dsn(name)
	}
}

// connect waits until the server answers.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for retry := time.NewTicker(50 * time.Millisecond); ; {
		conn, err := pgx.Connect(ctx, dsn)
		if err == nil {
			retry.Stop()
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
			return conn
		}
		select {
		case <-ctx.Done():
			t.Fatalf("PostgreSQL does not answer: %v", err)
		case <-retry.C:
		}
	}
}

func postgresBin(t *testing.T) string {
	t.Helper()
	if p, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(p)
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // Where Debian keeps it.
	if err != nil || len(found) == 0 {
		t.Fatal("no PostgreSQL on this machine: install package postgresql")
	}
	return filepath.Dir(found[len(found)-1])
}

func accountOf(t *testing.T, name string) (uid, gid uint32) {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	group, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(id), uint32(group)
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // Closed at once.
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal("no TCP address")
	}
	return addr.Port
}
