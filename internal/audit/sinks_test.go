package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLogSinkNamesNoResource(t *testing.T) {
	var out bytes.Buffer
	at := func() time.Time { return time.Unix(0, 0).UTC() }
	r := New(Options{Sink: NewLogSink(slog.New(slog.NewJSONHandler(&out, nil)), at), ResourceIDs: true})
	if err := r.Record(t.Context(), full(), true); err != nil {
		t.Fatal(err)
	}
	var lineRead struct {
		Msg   string
		Event struct{ ResourceType string }
	}
	if err := json.Unmarshal(out.Bytes(), &lineRead); err != nil || lineRead.Msg != "audit event" || lineRead.Event.ResourceType != "AuditEvent" {
		t.Errorf("%v: %s", err, out.String())
	}
	if strings.Contains(out.String(), "Patient/p1") {
		t.Errorf("the line names a resource: %s", out.String())
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFileSink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.ndjson")
	sink, err := NewFileSink(path)
	if err != nil {
		t.Fatal(err)
	}
	r := New(Options{Sink: sink, ResourceIDs: true})
	must := func(id string) {
		t.Helper()
		if err := r.Record(t.Context(), Record{RequestID: id, Resources: []Resource{{Type: "Patient", ID: "p1"}}}, true); err != nil {
			t.Fatal(err)
		}
	}
	must("a")
	must("b")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	must("c")
	if err := sink.Reopen(); err != nil {
		t.Fatal(err)
	}
	must("d")
	for name, want := range map[string][]string{path + ".1": {"a", "b", "c"}, path: {"d"}} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range bytes.Lines(data) {
			if !json.Valid(line) || !bytes.Contains(line, []byte("Patient/p1")) {
				t.Errorf("%s: %s", name, line)
			}
			got = append(got, requestID(line))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := sink.Reopen(); err == nil {
		t.Error("reopened where there is no folder")
	}
	must("e") // The old file stays in use.
	if err := errors.Join(r.Close(t.Context()), sink.Close()); err != nil {
		t.Error(err)
	}
	if n, err := sink.Write(t.Context(), [][]byte{[]byte("{}")}); err == nil || n != 0 {
		t.Errorf("written to a closed file: %d, %v", n, err)
	}
	if _, err := NewFileSink(path); err == nil {
		t.Error("opened where there is no folder")
	}
}

func TestFileSinkEndsATornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	sink, err := NewFileSink(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sink.Close() }()
	if _, err := sink.file.WriteString(`{"cut`); err != nil {
		t.Fatal(err)
	}
	sink.torn = true
	if _, err := sink.Write(t.Context(), [][]byte{[]byte("{}"), []byte("[]")}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "{\"cut\n{}\n[]\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestPostSink(t *testing.T) {
	event := func(s string) []byte { return []byte(`{"resourceType":"AuditEvent","id":"` + s + `"}`) }
	var bundles []string
	var answer func(bundle string) error
	sink := NewPostSink(func(_ context.Context, bundle []byte) error {
		if !json.Valid(bundle) {
			t.Errorf("not JSON: %s", bundle)
		}
		bundles = append(bundles, string(bundle))
		return answer(string(bundle))
	})
	events := [][]byte{event("a"), event("b"), event("c")}
	for _, tc := range []struct {
		name   string
		answer func(string) error
		n      int
		err    error
		calls  int
	}{
		{"taken", func(string) error { return nil }, 3, nil, 1},
		{"server down", func(string) error { return errDown }, 0, errDown, 1},
		{"one is rejected", func(b string) error { return only(strings.Contains(b, `"b"`), ErrRejected) }, 1, ErrRejected, 3},
		{"together only", func(b string) error { return only(strings.Count(b, "AuditEvent") > 2, ErrRejected) }, 3, nil, 4},
	} {
		bundles, answer = nil, tc.answer
		n, err := sink.Write(t.Context(), events)
		if n != tc.n || !errors.Is(err, tc.err) || len(bundles) != tc.calls {
			t.Errorf("%s: %d, %v after %d calls; want %d, %v after %d", tc.name, n, err, len(bundles), tc.n, tc.err, tc.calls)
		}
	}
	want := `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"AuditEvent","id":"a"},"request":{"method":"POST","url":"AuditEvent"}},` +
		`{"resource":{"resourceType":"AuditEvent","id":"b"},"request":{"method":"POST","url":"AuditEvent"}},` +
		`{"resource":{"resourceType":"AuditEvent","id":"c"},"request":{"method":"POST","url":"AuditEvent"}}]}`
	if bundles[0] != want {
		t.Errorf("got %s", bundles[0])
	}
}
