package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func mustPut(t *testing.T, s *Store, body string) {
	t.Helper()
	d, err := s.parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.write(func(tx *tx) error { tx.put(d, d.id); return nil }); err != nil {
		t.Fatal(err)
	}
}

// stateOf lists every version of everything.
func stateOf(s *Store) string {
	var b strings.Builder
	for _, c := range s.changes {
		v := c.rec.versions[c.number-1]
		b.WriteString(v.verb.method() + " " + c.rec.reference() + " " + string(v.raw) + v.lastModified().String() + "\n")
	}
	return b.String()
}

func reopen(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReplay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, dir)
	if err := s.Load(strings.NewReader(`{"resourceType":"Patient","id":"a"}` + "\n\n" + `{"resourceType":"Basic","id":"9"}`)); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, `{"resourceType":"Patient","id":"a","active":true}`)
	if err := s.write(func(tx *tx) error { tx.remove(s.find("Patient", "a")); return nil }); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("no")
	err := s.write(func(tx *tx) error { tx.remove(s.find("Basic", "9")); return failure })
	if !errors.Is(err, failure) {
		t.Fatal(err)
	}
	want := stateOf(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.write(func(tx *tx) error { tx.remove(s.find("Basic", "9")); return nil }); !errors.Is(err, errJournalClosed) {
		t.Fatalf("a write after Close: %v", err)
	}
	again := reopen(t, dir)
	if got := stateOf(again); got != want || strings.Count(want, "\n") != 4 {
		t.Fatalf("replayed\n%swant\n%s", got, want)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTornTail cuts the journal at every byte: what is whole before the cut comes back, and the store goes on from there.
func TestTornTail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, dir)
	states, sizes := []string{""}, []int64{0}
	for _, body := range []string{`{"resourceType":"Patient","id":"a"}`, `{"resourceType":"Patient","id":"b"}`} {
		mustPut(t, s, body)
		states = append(states, stateOf(s))
		info, err := os.Stat(filepath.Join(dir, journalName))
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, journalName))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		torn := t.TempDir()
		if err := os.WriteFile(filepath.Join(torn, journalName), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := states[0]
		for i, size := range sizes {
			if int64(cut) >= size {
				want = states[i]
			}
		}
		s := reopen(t, torn)
		if got := stateOf(s); got != want {
			t.Fatalf("cut at %d: %s", cut, got)
		}
		mustPut(t, s, `{"resourceType":"Patient","id":"c"}`)
		after := stateOf(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, torn)
		if got := stateOf(s); got != after {
			t.Fatalf("cut at %d, then written: %s", cut, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, dir)
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := reopen(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDamageIsNotATornTail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, dir)
	mustPut(t, s, `{"resourceType":"Patient","id":"a"}`)
	mustPut(t, s, `{"resourceType":"Patient","id":"b"}`)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, journalName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole[frameHead+3] ^= 1
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, errJournalDamaged) {
		t.Fatalf("opened with %v", err)
	}
}

// TestConcurrentCommits: many writers at once, and all of them are there after a reopen.
func TestConcurrentCommits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, dir)
	var all sync.WaitGroup
	for writer := range 8 {
		all.Go(func() {
			for i := range 20 {
				d, err := s.parse([]byte(`{"resourceType":"Patient"}`))
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.write(func(tx *tx) error { tx.put(d, fmt.Sprint(writer, "-", i)); return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, dir)
	if n := s.shelves["Patient"].live; n != 160 {
		t.Errorf("%d came back", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for _, line := range []string{`{"resourceType":"Patient"}`, `{"resourceType":"Nope","id":"a"}`, `[]`, `{"resourceType":"Patient","id":"a/b"}`} {
		s := reopen(t, "")
		if err := s.Load(strings.NewReader(`{"resourceType":"Patient","id":"a"}` + "\n" + line)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s loaded with %v", line, err)
		}
	}
}

// FuzzReplay: no bytes in a journal crash the replay, and what it accepts is replayed the same again.
func FuzzReplay(f *testing.F) {
	s, err := Open("", Options{})
	if err != nil {
		f.Fatal(err)
	}
	d := &draft{typ: "Patient", rest: []byte(`"active":true`)}
	if err := s.write(func(tx *tx) error { tx.put(d, "a"); return nil }); err != nil {
		f.Fatal(err)
	}
	f.Add(appendChange(nil, s.changes[0]))
	f.Add([]byte{3, 2, 1, 'P', 1, 'a', 0})
	f.Fuzz(func(t *testing.T, frame []byte) {
		s := reopen(t, "")
		if s.replay(bytes.Clone(frame)) != nil {
			return
		}
		var again []byte
		for _, c := range s.changes {
			again = appendChange(again, c)
		}
		second := reopen(t, "")
		if err := second.replay(again); err != nil {
			t.Fatal(err)
		}
		if stateOf(s) != stateOf(second) {
			t.Fatal("the replay of what was replayed differs")
		}
	})
}
