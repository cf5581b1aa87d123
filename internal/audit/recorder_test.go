package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

// memory is a sink with faults.
type memory struct {
	mu      sync.Mutex
	got     []string
	batches []int
	fail    func(events [][]byte) (int, error)
	gate    chan struct{}
}

func (m *memory) Write(ctx context.Context, events [][]byte) (int, error) {
	if m.gate != nil {
		select {
		case <-m.gate:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := len(events), error(nil)
	if m.fail != nil {
		n, err = m.fail(events)
	}
	for _, e := range events[:n] {
		m.got = append(m.got, requestID(e))
	}
	m.batches = append(m.batches, len(events))
	return n, err
}

func requestID(event []byte) string {
	_, rest, _ := strings.Cut(string(event), `"what":{"identifier":{"value":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

func ids(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("r%d", i))
	}
	return out
}

func record(t *testing.T, r *Recorder, names []string) {
	t.Helper()
	for _, name := range names {
		if err := r.Record(t.Context(), Record{RequestID: name}, false); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := New(Options{Sink: m, Batch: 10, FlushInterval: time.Second})
		record(t, r, ids(25))
		synctest.Wait()
		if !slices.Equal(m.batches, []int{10, 10}) || r.Waiting() != 0 {
			t.Errorf("before the interval: batches %v, waiting %d", m.batches, r.Waiting())
		}
		<-time.After(time.Second) // Of the bubble's clock.
		synctest.Wait()
		if !slices.Equal(m.batches, []int{10, 10, 5}) || !slices.Equal(m.got, ids(25)) {
			t.Errorf("batches %v of %v", m.batches, m.got)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := New(Options{Sink: m})
		record(t, r, ids(7))
		for range 2 {
			if err := r.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(m.got, ids(7)) || r.Lost() != 0 {
			t.Errorf("got %v, lost %d", m.got, r.Lost())
		}
		if err := r.Record(t.Context(), Record{}, false); err != nil {
			t.Errorf("a record that need not succeed: %v", err)
		}
		if err := r.Record(t.Context(), Record{}, true); !errors.Is(err, ErrClosed) {
			t.Errorf("a record that must succeed: %v", err)
		}
		if r.Lost() != 2 {
			t.Errorf("lost %d of 2", r.Lost())
		}
	})
}

func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{gate: make(chan struct{})}
		var reasons []error
		r := New(Options{Sink: m, Queue: 2, Batch: 1, Lost: func(n int, err error) { reasons = append(reasons, err) }})
		for range 3 { // One with the sink, two in the queue.
			record(t, r, ids(1))
			synctest.Wait()
		}
		record(t, r, ids(1))
		if err := r.Record(t.Context(), Record{}, true); !errors.Is(err, ErrFull) {
			t.Errorf("a record that must succeed: %v", err)
		}
		if len(reasons) != 2 || !errors.Is(reasons[0], ErrFull) || r.Lost() != 2 {
			t.Errorf("lost %d: %v", r.Lost(), reasons)
		}
		close(m.gate)
		if err := r.Close(t.Context()); err != nil || len(m.got) != 3 {
			t.Errorf("%v, %d written", err, len(m.got))
		}
	})
}

func TestMustSucceedWaitsForTheSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{gate: make(chan struct{})}
		r := New(Options{Sink: m, FlushInterval: time.Hour})
		done := make(chan error, 1)
		record(t, r, ids(1))
		go func() { done <- r.Record(t.Context(), Record{RequestID: "r1"}, true) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("did not wait: %v", err)
		default:
		}
		start := time.Now()
		m.gate <- struct{}{}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if !slices.Equal(m.got, ids(2)) || time.Since(start) != 0 {
			t.Errorf("got %v after %v", m.got, time.Since(start))
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.Record(ctx, Record{}, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a sink that does not answer: %v", err)
		}
		close(m.gate)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRetriesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		failures := 5
		m.fail = func(events [][]byte) (int, error) {
			if failures--; failures >= 0 {
				return min(1, len(events)-1), errDown // A part gets through.
			}
			return len(events), nil
		}
		r := New(Options{Sink: m, Batch: 10})
		record(t, r, ids(10))
		start := time.Now()
		if err := r.Record(t.Context(), Record{RequestID: "last"}, true); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 5*firstRetry || took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		if !slices.Equal(m.got, append(ids(10), "last")) || r.Lost() != 0 {
			t.Errorf("got %v, lost %d", m.got, r.Lost())
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRejectedEventIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		m.fail = func(events [][]byte) (int, error) {
			for i, e := range events {
				if requestID(e) == "r3" {
					return i, fmt.Errorf("%w: 422", ErrRejected)
				}
			}
			return len(events), nil
		}
		r := New(Options{Sink: m, Batch: 10})
		record(t, r, ids(6))
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if !slices.Equal(m.got, []string{"r0", "r1", "r2", "r4", "r5"}) || r.Lost() != 1 {
			t.Errorf("got %v, lost %d", m.got, r.Lost())
		}
	})
}

func TestRejectedRecordMustFail(t *testing.T) {
	m := &memory{fail: func([][]byte) (int, error) { return 0, ErrRejected }}
	r := New(Options{Sink: m})
	if err := r.Record(t.Context(), Record{}, true); !errors.Is(err, ErrRejected) {
		t.Error(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{fail: func([][]byte) (int, error) { return 0, errDown }}
		r := New(Options{Sink: m, Batch: 2})
		record(t, r, ids(5))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("closed with %v", err)
		}
		if r.Lost() != 5 {
			t.Errorf("lost %d of 5", r.Lost())
		}
	})
}

func TestSinksByUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, other := &memory{gate: make(chan struct{})}, &memory{}
		r := New(Options{Sink: other, ByUpstream: map[string]Sink{"a": slow}})
		if err := r.Record(t.Context(), Record{Upstream: "a", RequestID: "r0"}, false); err != nil {
			t.Fatal(err)
		}
		if err := r.Record(t.Context(), Record{Upstream: "b", RequestID: "r1"}, true); err != nil {
			t.Fatal(err)
		}
		close(slow.gate)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if !slices.Equal(slow.got, []string{"r0"}) || !slices.Equal(other.got, []string{"r1"}) {
			t.Errorf("a got %v, the others %v", slow.got, other.got)
		}
	})
}

func TestNothingRecords(t *testing.T) {
	r := New(Options{})
	if err := r.Record(t.Context(), full(), false); err != nil {
		t.Error(err)
	}
	if err := r.Record(t.Context(), full(), true); !errors.Is(err, ErrNowhere) {
		t.Errorf("a record that must succeed: %v", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLogLine(t *testing.T) {
	var out bytes.Buffer
	r := New(Options{Log: slog.New(slog.NewJSONHandler(&out, nil)), SubjectKey: []byte("key"), ResourceIDs: true})
	if err := r.Record(t.Context(), full(), true); err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-03-01T12:00:00.124956789+01:00","level":"INFO","msg":"request","request_id":"req-1","upstream":"main","interaction":"search-type",` +
		`"status":200,"duration_ms":1.5,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","type":"Observation","params":"patient,code:in,_count",` +
		`"issuer":"https://idp.example","subject":"885fb1c933b691ce","client":"app-1","roles":"practitioner,Domain Users","act_as":"practitioner",` +
		`"purpose":"TREAT,BTG","reasons":"role-grants","revision":"rev-7","seen":10,"visible":7,"withheld":3,"masked":2,"upstream_calls":4}` + "\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	for _, secret := range []string{"p1", "o-1.a", "sub "} {
		if strings.Contains(out.String(), `"`+secret) {
			t.Errorf("the line names %q", secret)
		}
	}
	out.Reset()
	if err := New(Options{Log: slog.New(slog.NewJSONHandler(&out, nil))}).Record(t.Context(), full(), false); err != nil || strings.Contains(out.String(), "subject") {
		t.Errorf("without a key: %v %s", err, out.String())
	}
}

func TestLogThatFails(t *testing.T) {
	var lost int
	r := New(Options{Log: slog.New(slog.NewJSONHandler(broken{}, nil)), Lost: func(n int, _ error) { lost += n }})
	if err := r.Record(t.Context(), full(), false); err != nil {
		t.Error(err)
	}
	if err := r.Record(t.Context(), full(), true); !errors.Is(err, errDown) {
		t.Errorf("a record that must succeed: %v", err)
	}
	if lost != 2 || r.Lost() != 2 {
		t.Errorf("lost %d and %d", lost, r.Lost())
	}
	quiet := New(Options{Log: slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err := quiet.Record(t.Context(), full(), true); !errors.Is(err, ErrNowhere) {
		t.Errorf("a log whose level leaves the line out: %v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errDown }

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

// TestConcurrent: nothing is lost or written twice while it is closed.
func TestConcurrent(t *testing.T) {
	m := &memory{}
	r := New(Options{Sink: m, Queue: 10_000, FlushInterval: time.Millisecond})
	var wg sync.WaitGroup
	var mu sync.Mutex
	var taken []string
	for w := range 8 {
		wg.Go(func() {
			for i := range 50 {
				name := fmt.Sprintf("w%d-%d", w, i)
				if err := r.Record(t.Context(), Record{RequestID: name}, i%10 == 0); err == nil {
					mu.Lock()
					taken = append(taken, name)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	slices.Sort(taken)
	slices.Sort(m.got)
	if !slices.Equal(taken, m.got) {
		t.Errorf("%d taken, %d written", len(taken), len(m.got))
	}
}

type nowhere struct{}

func (nowhere) Write(_ context.Context, events [][]byte) (int, error) { return len(events), nil }

func BenchmarkRecord(b *testing.B) {
	discard := slog.New(slog.NewJSONHandler(io.Discard, nil))
	key := []byte("0123456789abcdef0123456789abcdef")
	rec := full()
	b.Run("log and event", func(b *testing.B) {
		r := New(Options{Log: discard, SubjectKey: key, Sink: nowhere{}, ResourceIDs: true})
		for b.Loop() {
			if err := r.Record(b.Context(), rec, false); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		if err := r.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("log", func(b *testing.B) {
		r := New(Options{Log: discard, SubjectKey: key})
		for b.Loop() {
			if err := r.Record(b.Context(), rec, false); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("event", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			AuditEvent(rec)
		}
	})
}
