package harness

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fhirgate/fhirgate/policies"
)

// Files are the contents of files by their path.
type Files map[string]string

// limits are wider than the library's, for suites that ask more in a minute than
// a person does.
const limits = `clients:
  "*": {requests_per_minute: 1000000, rows_per_day: 1000000000}
persons:
  "*": {requests_per_minute: 1000000, rows_per_day: 1000000000}
roles: {}
`

// Library lays out the default policy library, with these files in the place of
// its own. Its rates are wide unless changes has others.
func Library(t testing.TB, changes Files) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, policies.FS); err != nil {
		t.Fatal(err)
	}
	Write(t, dir, Files{"fhirgate/tables/limits/data.yaml": limits})
	Write(t, dir, changes)
	return dir
}

// Policy lays out a bundle of its own.
func Policy(t testing.TB, files Files) string {
	t.Helper()
	dir := t.TempDir()
	Write(t, dir, files)
	return dir
}

// Write puts files below dir.
func Write(t testing.TB, dir string, files Files) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
