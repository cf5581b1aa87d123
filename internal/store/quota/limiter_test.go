package quota_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/store"
	"github.com/fhirgate/fhirgate/internal/store/quota"
	"github.com/fhirgate/fhirgate/internal/store/storetest"
)

// clock is moved by hand.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).In(time.FixedZone("x", 5*3600)) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// ledger counts what reaches the store, and can fail.
type ledger struct {
	quota.Ledger
	reserves, prunes atomic.Int64
	fail             atomic.Bool
}

var errDown = errors.New("down")

func (l *ledger) Reserve(ctx context.Context, key string, begins time.Time, limit, want int64) (int64, error) {
	l.reserves.Add(1)
	if l.fail.Load() {
		return 0, errDown
	}
	return l.Ledger.Reserve(ctx, key, begins, limit, want)
}

func (l *ledger) PruneQuotas(ctx context.Context, t time.Time) error {
	l.prunes.Add(1)
	return l.Ledger.PruneQuotas(ctx, t)
}

func sqlite(t *testing.T) *ledger {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "x.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &ledger{Ledger: s}
}

func take(t *testing.T, l *quota.Limiter, key string, w quota.Window, limit, n int64) quota.Verdict {
	t.Helper()
	v, err := l.Take(t.Context(), key, w, limit, n)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// granted takes n one by one until refused.
func granted(t *testing.T, l *quota.Limiter, limit int64, n int) (sum int64) {
	t.Helper()
	for range n {
		if take(t, l, "k", quota.Minute, limit, 1).Granted {
			sum++
		}
	}
	return sum
}

func TestOneReplicaUsesAll(t *testing.T) {
	c, lg := newClock(), sqlite(t)
	l := quota.New(lg, c.now)
	if got := granted(t, l, 1000, 1500); got != 1000 {
		t.Errorf("granted %d of 1000", got)
	}
	// 20 leases, and one that finds nothing; refusals do not ask again.
	if got := lg.reserves.Load(); got != 21 {
		t.Errorf("%d reservations for 1500 requests", got)
	}
}

func TestRefusal(t *testing.T) {
	c := newClock()
	l := quota.New(sqlite(t), c.now)
	take(t, l, "k", quota.Minute, 1, 1)
	v := take(t, l, "k", quota.Minute, 1, 1)
	want := quota.Verdict{RetryAfter: 30 * time.Second, Crossing: "k/minute@1772366400", First: true}
	if v != want {
		t.Errorf("got %+v, want %+v", v, want)
	}
	want.First = false
	if v := take(t, l, "k", quota.Minute, 1, 1); v != want {
		t.Errorf("the second refusal is %+v, want %+v", v, want)
	}
	if v := take(t, l, "k", quota.Day, 1, 1); !v.Granted {
		t.Error("the day is refused for the minute")
	}
	if v := take(t, l, "k", quota.Day, 1, 1); v.RetryAfter != 12*time.Hour-30*time.Second {
		t.Errorf("the day ends in %v", v.RetryAfter)
	}
}

func TestWindowsEnd(t *testing.T) {
	c := newClock()
	l := quota.New(sqlite(t), c.now)
	if got := granted(t, l, 10, 20); got != 10 {
		t.Errorf("granted %d of 10", got)
	}
	c.advance(29 * time.Second)
	if got := granted(t, l, 10, 20); got != 0 {
		t.Errorf("granted %d at the end of the window", got)
	}
	c.advance(time.Second)
	if got := granted(t, l, 10, 20); got != 10 {
		t.Errorf("granted %d of 10 in the next minute", got)
	}
}

func TestAllOrNothing(t *testing.T) {
	c := newClock()
	l := quota.New(sqlite(t), c.now)
	for _, tc := range []struct {
		n    int64
		want bool
	}{{60, true}, {50, false}, {101, false}, {40, true}, {1, false}, {0, true}} {
		c.advance(time.Second)
		if v := take(t, l, "k", quota.Day, 100, tc.n); v.Granted != tc.want {
			t.Errorf("taking %d: %+v", tc.n, v)
		}
	}
}

func TestNoLimit(t *testing.T) {
	c, lg := newClock(), sqlite(t)
	l := quota.New(lg, c.now)
	if v := take(t, l, "k", quota.Minute, 0, 1<<40); !v.Granted {
		t.Error("refused without a limit")
	}
	if lg.reserves.Load() != 0 {
		t.Error("the store was asked")
	}
}

func TestWhatCannotBeTaken(t *testing.T) {
	l := quota.New(sqlite(t), newClock().now)
	for name, args := range map[string]struct {
		w quota.Window
		n int64
	}{"no window": {0, 1}, "an unknown window": {9, 1}, "a negative amount": {quota.Day, -1}} {
		if v, err := l.Take(t.Context(), "k", args.w, 10, args.n); err == nil || v.Granted {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

func TestLimitIsLowered(t *testing.T) {
	l := quota.New(sqlite(t), newClock().now)
	if got := granted(t, l, 1000, 10); got != 10 {
		t.Fatalf("granted %d", got)
	}
	if got := granted(t, l, 15, 100); got != 5 {
		t.Errorf("granted %d more after the limit went down to 15", got)
	}
	if got := granted(t, l, 20, 100); got != 5 {
		t.Errorf("granted %d more after the limit went up to 20", got)
	}
}

func TestStoreIsDown(t *testing.T) {
	lg := sqlite(t)
	l := quota.New(lg, newClock().now)
	lg.fail.Store(true)
	if v, err := l.Take(t.Context(), "k", quota.Minute, 10, 1); !errors.Is(err, errDown) || v.Granted {
		t.Errorf("%+v, %v", v, err)
	}
	lg.fail.Store(false)
	if v := take(t, l, "k", quota.Minute, 10, 1); !v.Granted {
		t.Errorf("refused after the store came back: %+v", v)
	}
}

func TestPrunesOnceADay(t *testing.T) {
	c, lg := newClock(), sqlite(t)
	l := quota.New(lg, c.now)
	for range 3 {
		granted(t, l, 10, 5)
		c.advance(13 * time.Hour)
	}
	if got := lg.prunes.Load(); got != 2 {
		t.Errorf("pruned %d times in 26 hours", got)
	}
}

func TestCloseGivesBack(t *testing.T) {
	c, lg := newClock(), sqlite(t)
	a, b := quota.New(lg, c.now), quota.New(lg, c.now)
	granted(t, a, 100, 1)
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, err := a.Take(t.Context(), "k", quota.Minute, 100, 1); !errors.Is(err, quota.ErrClosed) || v.Granted {
		t.Errorf("after Close: %+v, %v", v, err)
	}
	if got := granted(t, b, 100, 200); got != 99 {
		t.Errorf("another replica got %d of the 99 that are left", got)
	}
}

// TestReplicas: three replicas on both databases, with closing and starting
// anew in between: the limit is never passed, and used in full.
func TestReplicas(t *testing.T) {
	const limit, replicas, workers = 300, 3, 3
	storetest.Each(t, func(t *testing.T, fresh func(t *testing.T) storetest.Open) {
		open, c := fresh(t), newClock()
		var sum atomic.Int64
		for range 3 {
			var limiters [replicas]*quota.Limiter
			var wg sync.WaitGroup
			for i := range limiters {
				limiters[i] = quota.New(open.Handle(t), c.now)
				for range workers {
					wg.Go(func() {
						for range 20 {
							v, err := limiters[i].Take(t.Context(), "k", quota.Minute, limit, 2)
							if err != nil {
								t.Error(err)
							}
							if v.Granted {
								sum.Add(2)
							}
						}
					})
				}
			}
			wg.Wait()
			for _, l := range limiters {
				if err := l.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if sum.Load() > limit {
				t.Fatalf("granted %d of %d", sum.Load(), limit)
			}
		}
		if sum.Load() != limit {
			t.Errorf("granted %d of %d in all", sum.Load(), limit)
		}
	})
}

func TestWaitEndsWithContext(t *testing.T) {
	block := make(chan struct{})
	entered := make(chan struct{})
	l := quota.New(blocking{sqlite(t), block, entered}, newClock().now)
	done := make(chan error, 1)
	go func() {
		_, err := l.Take(context.WithoutCancel(t.Context()), "k", quota.Minute, 10, 1)
		done <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v, err := l.Take(ctx, "k", quota.Minute, 10, 1); !errors.Is(err, context.Canceled) || v.Granted {
		t.Errorf("%+v, %v", v, err)
	}
	close(block)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type blocking struct {
	quota.Ledger
	block, entered chan struct{}
}

func (b blocking) Reserve(ctx context.Context, key string, begins time.Time, limit, want int64) (int64, error) {
	close(b.entered)
	<-b.block
	return b.Ledger.Reserve(ctx, key, begins, limit, want)
}

func BenchmarkTake(b *testing.B) {
	s, err := store.OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "x.db"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	l := quota.New(s, newClock().now)
	for b.Loop() {
		if _, err := l.Take(b.Context(), "k", quota.Day, 1<<40, 1); err != nil {
			b.Fatal(err)
		}
	}
}
