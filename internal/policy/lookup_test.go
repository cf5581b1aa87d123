package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// shelf is a FHIR server in memory that counts what it is asked.
type shelf struct {
	mu     sync.Mutex
	reads  int
	finds  int
	value  string
	fails  error
	gate   chan struct{} // when set, answers wait for it
	loaded chan struct{} // told of each question, when set
}

func (s *shelf) ask(count *int) (string, error) {
	s.mu.Lock()
	*count++
	value, fails, gate, loaded := s.value, s.fails, s.gate, s.loaded
	s.mu.Unlock()
	if loaded != nil {
		loaded <- struct{}{}
	}
	if gate != nil {
		<-gate
	}
	return value, fails
}

func (s *shelf) set(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = value
}

// FetchRead implements Fetcher.
func (s *shelf) FetchRead(_ context.Context, ref fhir.Reference) ([]byte, bool, error) {
	value, err := s.ask(&s.reads)
	if err != nil || value == "" {
		return nil, false, err
	}
	return fmt.Appendf(nil, `{"resourceType":%q,"id":%q,"x":%q}`, ref.Type, ref.ID, value), true, nil
}

// FetchSearch implements Fetcher.
func (s *shelf) FetchSearch(_ context.Context, in fhir.Interaction, _ int) ([][]byte, error) {
	value, err := s.ask(&s.finds)
	if err != nil || value == "" {
		return nil, err
	}
	return [][]byte{fmt.Appendf(nil, `{"resourceType":%q,"x":%q}`, in.Type, value)}, nil
}

func newTestLookups(t *testing.T, s *shelf, now *atomic.Int64) *Lookups {
	t.Helper()
	l, err := NewLookups(s, definitions.R4(), LookupOptions{TTL: time.Minute, MaxRows: 10, MaxBytes: 1 << 10, Clock: func() time.Time { return time.Unix(now.Load(), 0) }})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func read(t *testing.T, l *Lookups, ref string) string {
	t.Helper()
	found, err := l.read(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if found.value == nil {
		return ""
	}
	return found.value.String()
}

func TestLookupsKeep(t *testing.T) {
	var now atomic.Int64
	s := &shelf{value: "one"}
	l := newTestLookups(t, s, &now)
	for range 3 {
		if got := read(t, l, "Patient/1"); !strings.Contains(got, "one") {
			t.Fatal(got)
		}
	}
	if s.reads != 1 {
		t.Fatalf("asked %d times", s.reads)
	}
	s.set("two")
	now.Add(59)
	if got := read(t, l, "Patient/1"); !strings.Contains(got, "one") {
		t.Error(got)
	}
	now.Add(1)
	if got := read(t, l, "Patient/1"); !strings.Contains(got, "two") {
		t.Errorf("%s is kept beyond its time", got)
	}
	s.set("three")
	l.Written("Observation")
	if got := read(t, l, "Patient/1"); !strings.Contains(got, "two") {
		t.Errorf("%s: a write to another type drops it", got)
	}
	l.Written("Patient")
	if got := read(t, l, "Patient/1"); !strings.Contains(got, "three") {
		t.Errorf("%s survives a write", got)
	}
	s.set("")
	l.Written("Patient")
	if got := read(t, l, "Patient/1"); got != "" {
		t.Error(got)
	}
	if before := s.reads; read(t, l, "Patient/1") != "" || s.reads != before {
		t.Error("an absence isn't kept")
	}
}

func TestLookupsRefuse(t *testing.T) {
	var now atomic.Int64
	s := &shelf{value: "x"}
	l := newTestLookups(t, s, &now)
	for _, ref := range []string{"", "Patient", "Patient/", "Foo/1", "patient/1", "../1", "Patient/1?x=y", "http://h/Patient/1", "#a", "Patient/1/$everything"} {
		if found, err := l.read(t.Context(), ref); err == nil {
			t.Errorf("%q: %v", ref, found)
		}
	}
	for _, query := range []string{
		"", "Patient/1", "Foo?x=y", "Patient?foo=x", "Patient?_include=Patient:link", "Patient?_has:Observation:patient:code=x", "Patient/../Observation", "?_type=Patient",
		"Patient/1/Observation", "Patient/_history", "metadata", "Patient?_page=abc", "Patient?name=", "Patient?general-practitioner.name=x",
	} {
		if found, err := l.search(t.Context(), query); err == nil {
			t.Errorf("%q: %v", query, found)
		}
	}
	if s.reads+s.finds != 0 {
		t.Error("the server was asked")
	}
	if found, err := l.search(t.Context(), "Patient?name=x"); err != nil || !strings.Contains(found.value.String(), `"x"`) || found.typ != "Patient" {
		t.Errorf("%v %v", found, err)
	}
}

func TestLookupsDoNotKeepErrors(t *testing.T) {
	var now atomic.Int64
	s := &shelf{fails: fhir.ErrUnavailable}
	l := newTestLookups(t, s, &now)
	for range 2 {
		if _, err := l.read(t.Context(), "Patient/1"); !errors.Is(err, fhir.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if s.reads != 2 {
		t.Errorf("asked %d times", s.reads)
	}
	s.fails = nil
	s.set("one")
	if got := read(t, l, "Patient/1"); !strings.Contains(got, "one") {
		t.Error(got)
	}
}

// TestLookupsAskOnce: who asks for the same at the same time shares an answer;
// who asks after a write doesn't share one that was asked for before it, and
// what comes late doesn't take the place of what is newer.
func TestLookupsAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now atomic.Int64
		s := &shelf{value: "old", gate: make(chan struct{})}
		l := newTestLookups(t, s, &now)
		old := make(chan string, 5)
		for range 5 {
			go func() { old <- read(t, l, "Patient/1") }()
		}
		synctest.Wait()
		if s.reads != 1 {
			t.Errorf("asked %d times", s.reads)
		}
		l.Written("Patient")
		s.mu.Lock()
		gate := s.gate
		s.value, s.gate = "new", nil
		s.mu.Unlock()
		if got := read(t, l, "Patient/1"); !strings.Contains(got, "new") {
			t.Errorf("%s after a write", got)
		}
		close(gate)
		for range 5 {
			if got := <-old; !strings.Contains(got, "old") {
				t.Error(got)
			}
		}
		synctest.Wait()
		s.set("newest")
		if got := read(t, l, "Patient/1"); !strings.Contains(got, `"new"`) {
			t.Errorf("%s: the late answer took the newer one's place", got)
		}
	})
}

// TestLookupsCallerGoes: who goes away waits no longer, and ends nothing for the
// others.
func TestLookupsCallerGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now atomic.Int64
		s := &shelf{value: "one", gate: make(chan struct{})}
		l := newTestLookups(t, s, &now)
		ctx, cancel := context.WithCancel(t.Context())
		gone, stays := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := l.read(ctx, "Patient/1")
			gone <- err
		}()
		synctest.Wait()
		go func() {
			_, err := l.read(t.Context(), "Patient/1")
			stays <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(s.gate)
		if err := <-stays; err != nil {
			t.Error(err)
		}
	})
}

func TestLookupsBounds(t *testing.T) {
	var now atomic.Int64
	s := &shelf{value: strings.Repeat("x", 300)}
	l := newTestLookups(t, s, &now)
	for i := range 50 {
		_ = read(t, l, fmt.Sprintf("Patient/%d", i%10))
		if i%7 == 0 {
			l.Written("Patient")
		}
		var sum int64
		for _, v := range l.cache.Values() {
			sum += v.size
		}
		if have := l.bytes.Load(); have != sum || have > 1<<10 {
			t.Fatalf("%d bytes counted, %d kept", have, sum)
		}
	}
	s.set(strings.Repeat("x", 2000))
	l.Written("Patient")
	before := s.reads
	for range 2 {
		_ = read(t, l, "Patient/1")
	}
	if s.reads != before+2 {
		t.Error("an answer larger than the limit is kept")
	}
}
