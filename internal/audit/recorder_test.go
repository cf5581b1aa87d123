package audit

import (
	"context"
	"errors"
	"fmt"
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

// ids are those of the events written, sizes the sizes of the batches.
func (m *memory) ids() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.got)
}

func (m *memory) sizes() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.batches)
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
		if !slices.Equal(m.sizes(), []int{10, 10}) || r.Waiting() != 0 {
			t.Errorf("before the interval: batches %v, waiting %d", m.sizes(), r.Waiting())
		}
		<-time.After(time.Second) // Of the bubble's clock.
		synctest.Wait()
		if !slices.Equal(m.sizes(), []int{10, 10, 5}) || !slices.Equal(m.ids(), ids(25)) {
			t.Errorf("batches %v of %v", m.sizes(), m.ids())
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
		if !slices.Equal(m.ids(), ids(7)) || r.Lost() != 0 {
			t.Errorf("got %v, lost %d", m.ids(), r.Lost())
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
		r := New(Options{Sink: m, Queue: 2, Batch: 1, Lost: func(_ int, err error) { reasons = append(reasons, err) }})
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
		if err := r.Close(t.Context()); err != nil || len(m.ids()) != 3 {
			t.Errorf("%v, %d written", err, len(m.ids()))
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
		if !slices.Equal(m.ids(), ids(2)) || time.Since(start) != 0 {
			t.Errorf("got %v after %v", m.ids(), time.Since(start))
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
		if !slices.Equal(m.ids(), append(ids(10), "last")) || r.Lost() != 0 {
			t.Errorf("got %v, lost %d", m.ids(), r.Lost())
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
		if !slices.Equal(m.ids(), []string{"r0", "r1", "r2", "r4", "r5"}) || r.Lost() != 1 {
			t.Errorf("got %v, lost %d", m.ids(), r.Lost())
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
	got := m.ids()
	slices.Sort(got)
	if !slices.Equal(taken, got) {
		t.Errorf("%d taken, %d written", len(taken), len(got))
	}
}
