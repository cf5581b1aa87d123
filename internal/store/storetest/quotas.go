package storetest

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/store"
)

func quotas(t *testing.T, open Open) {
	s, ctx, w := open.Handle(t), t.Context(), noon()
	step := func(name, key string, begins time.Time, limit, want, granted int64) {
		t.Helper()
		if got := must[int64](t)(s.Reserve(ctx, key, begins, limit, want)); got != granted {
			t.Errorf("%s: granted %d, want %d", name, got, granted)
		}
	}
	step("first", "k", w, 10, 4, 4)
	step("second", "k", w, 10, 4, 4)
	step("what is left", "k", w, 10, 4, 2)
	step("nothing left", "k", w, 10, 4, 0)
	step("another key", "k2", w, 10, 4, 4)
	step("the next window", "k", w.Add(time.Minute), 10, 20, 10)
	step("a higher limit", "k", w, 12, 5, 2)
	step("a lower limit", "k", w, 5, 5, 0)
	step("no limit left for anyone", "k3", w, 0, 5, 0)
	step("a negative limit", "k3", w, -1, 5, 0)
	step("nothing wanted", "k3", w, 5, 0, 0)
	step("more than there is at first", "k3", w, 5, 6, 5)
	step("a key that is SQL", "'; DROP TABLE quota_window; --", w, 5, 1, 1)
	step("a very large limit", "k4", w, 1<<62, 1<<62, 1<<62)
	step("a very large limit, again", "k4", w, 1<<62, 1<<62, 0)
	if _, err := s.Reserve(ctx, "k", w, 10, -1); err == nil {
		t.Error("a negative amount was reserved")
	}

	check(t, s.Return(ctx, "k3", w, 2))
	step("what was returned", "k3", w, 5, 5, 2)
	check(t, s.Return(ctx, "k3", w, 100))
	step("never more than the limit", "k3", w, 5, 100, 5)
	check(t, s.Return(ctx, "never seen", w, 5))
	step("a return makes nothing", "never seen", w, 5, 9, 5)
	if err := s.Return(ctx, "k3", w, -1); err == nil {
		t.Error("a negative amount was returned")
	}

	check(t, s.PruneQuotas(ctx, w.Add(time.Minute)))
	step("a window that is forgotten", "k", w, 12, 12, 12)
	step("a window that is not", "k", w.Add(time.Minute), 10, 1, 0)
}

// quotasAtOnce: however many ask, the limit is given out exactly.
func quotasAtOnce(t *testing.T, open Open) {
	const limit, workers = 500, 8
	handles := []*store.Store{open.Handle(t), open.Handle(t), open.Handle(t)}
	var total atomic.Int64
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			s := handles[i%len(handles)]
			for n := int64(1); ; {
				got, err := s.Reserve(t.Context(), "k", noon(), limit, n%17+1)
				if err != nil {
					t.Error(err)
					return
				}
				if got == 0 {
					return
				}
				total.Add(got)
				n += int64(i) + got
			}
		})
	}
	wg.Wait()
	if total.Load() != limit {
		t.Errorf("granted %d of %d", total.Load(), limit)
	}
}

// quotasReturned: what is held at any time is within the limit.
func quotasReturned(t *testing.T, open Open) {
	const limit, workers, rounds = 20, 6, 30
	handles := []*store.Store{open.Handle(t), open.Handle(t)}
	var held atomic.Int64
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i))) //nolint:gosec // Numbers of a test.
			for range rounds {
				got, err := handles[i%2].Reserve(t.Context(), "k", noon(), limit, random.Int64N(9)+1)
				if err != nil {
					t.Error(err)
					return
				}
				if now := held.Add(got); now > limit {
					t.Errorf("%d are held, the limit is %d", now, limit)
				}
				held.Add(-got)
				if err := handles[i%2].Return(t.Context(), "k", noon(), got); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, err := handles[0].Reserve(t.Context(), "k", noon(), limit, limit); err != nil || got != limit {
		t.Errorf("after all was returned %d of %d are left, %v", got, limit, err)
	}
}
