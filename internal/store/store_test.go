package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/internal/store"
	"github.com/fhirgate/fhirgate/internal/store/storetest"
)

func TestStore(t *testing.T) { storetest.Run(t) }

func TestSQLiteIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s, err := store.OpenSQLite(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Key(t.Context(), "page"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(name), info.Mode())
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Run("a folder that is not there", func(t *testing.T) {
		if _, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "no", "x.db"), store.Options{}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("a file that is no database", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "x.db")
		if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.OpenSQLite(t.Context(), path, store.Options{}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("a DSN that is none, without showing it", func(t *testing.T) {
		_, err := store.OpenPostgres(t.Context(), "postgres://u:hunter2@h:port/db", store.Options{})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a server that is not there, without showing the password", func(t *testing.T) {
		_, err := store.OpenPostgres(t.Context(), "postgres://u:hunter2@127.0.0.1:1/db?connect_timeout=1", store.Options{})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	})
}
