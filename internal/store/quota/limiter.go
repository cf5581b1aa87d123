// Package quota counts requests and rows against limits that all replicas
// share, without a synced commit for each request: a Limiter leases a part of a
// window from the store and counts it down in memory. What all replicas lease
// together never passes the limit. It may be used up a little early: what one
// replica has leased and not used is missing to another.
package quota

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Ledger gives out parts of windows; store.Store is one.
type Ledger interface {
	Reserve(ctx context.Context, key string, begins time.Time, limit, want int64) (granted int64, err error)
	Return(ctx context.Context, key string, begins time.Time, n int64) error
	PruneQuotas(ctx context.Context, t time.Time) error
}

// Window is the span of a limit.
type Window uint8

// The windows. The zero value is none of them and grants nothing.
const (
	_      Window = iota
	Minute        // of the clock
	Day           // in UTC
)

func (w Window) length() time.Duration {
	switch w {
	case Minute:
		return time.Minute
	case Day:
		return 24 * time.Hour
	default:
		return 0
	}
}

// suffix keeps the windows of one key apart in the ledger.
func (w Window) suffix() string {
	if w == Minute {
		return "/minute"
	}
	return "/day"
}

// Verdict is the answer of Take. The zero value refuses.
type Verdict struct {
	// Granted says that all that was asked for may be used.
	Granted bool
	// RetryAfter is the time until the window ends, when not Granted.
	RetryAfter time.Duration
	// Crossing names the key and the window, when not Granted: the same on every
	// replica, for a review event that is to be written once.
	Crossing string
	// First is set on the first refusal of that window by this Limiter.
	First bool
}

const (
	// A lease is this part of the limit, so that few commits are needed and little
	// is missing to other replicas.
	leaseParts = 20
	maxLease   = 10_000
	// After a refusal by the ledger it is not asked again for so long.
	askAgain = time.Second
	// Windows older than this are of no use to anyone.
	keep = 48 * time.Hour
)

// ErrClosed is the error of a Limiter that has been closed.
var ErrClosed = errors.New("quota: limiter is closed")

var errTake = errors.New("quota: no window, or a negative amount")

// Limiter is one replica's view of all limits. It is safe for concurrent use.
type Limiter struct {
	ledger Ledger
	now    func() time.Time

	mu       sync.Mutex
	closed   bool
	counters map[counterKey]*counter
	swept    time.Time // begin of the minute of the last sweep
	pruned   time.Time // begin of the day that prune was last tried on
}

type counterKey struct {
	key    string
	window Window
}

// counter is one key in one window. turn holds a token while nobody has it; a
// channel, so that waiting for another's lease ends with the context.
type counter struct {
	turn    chan struct{}
	begins  time.Time
	limit   int64
	left    int64
	refused time.Time // when the ledger last gave less than asked
	crossed bool
	closed  bool
}

// New returns a Limiter on ledger. The clock must be near that of the other
// replicas: a window is one of its minutes and days.
func New(ledger Ledger, now func() time.Time) *Limiter {
	return &Limiter{ledger: ledger, now: now, counters: map[counterKey]*counter{}}
}

// Take counts n against limit for key in the current window: all of it or, when
// not so much is left, nothing. A limit of 0 or less is no limit, as in policy.
// On an error nothing is granted.
func (l *Limiter) Take(ctx context.Context, key string, w Window, limit, n int64) (Verdict, error) {
	if w.length() == 0 || n < 0 {
		return Verdict{}, errTake
	}
	if limit <= 0 || n == 0 {
		return Verdict{Granted: true}, nil
	}
	now := l.now()
	if err := l.prune(ctx, now); err != nil {
		return Verdict{}, err
	}
	c, err := l.counter(key, w, now)
	if err != nil {
		return Verdict{}, err
	}
	select {
	case <-c.turn:
	case <-ctx.Done():
		return Verdict{}, ctx.Err()
	}
	defer func() { c.turn <- struct{}{} }()
	if c.closed {
		return Verdict{}, ErrClosed
	}
	if err := l.lease(ctx, key+w.suffix(), c, now, limit, n); err != nil {
		return Verdict{}, err
	}
	if c.left < n {
		first := !c.crossed
		c.crossed = true
		end := c.begins.Add(w.length())
		return Verdict{RetryAfter: end.Sub(now), Crossing: key + w.suffix() + "@" + strconv.FormatInt(c.begins.Unix(), 10), First: first}, nil
	}
	c.left -= n
	return Verdict{Granted: true}, nil
}

// lease sees to it that c has n left, if the ledger has so much.
func (l *Limiter) lease(ctx context.Context, name string, c *counter, now time.Time, limit, n int64) error {
	if c.limit != limit { // Policy has changed: what was leased under another limit goes back.
		if err := l.giveBack(ctx, name, c); err != nil {
			return err
		}
		c.limit, c.refused = limit, time.Time{}
	}
	if c.left >= n || n > limit || now.Sub(c.refused) < askAgain {
		return nil
	}
	want := max(n-c.left, min(limit/leaseParts, maxLease))
	granted, err := l.ledger.Reserve(ctx, name, c.begins, limit, want)
	if err != nil {
		return fmt.Errorf("quota: %w", err)
	}
	c.left += granted
	if granted < want && c.left < n {
		c.refused = now
	}
	return nil
}

func (l *Limiter) giveBack(ctx context.Context, name string, c *counter) error {
	if c.left == 0 {
		return nil
	}
	if err := l.ledger.Return(ctx, name, c.begins, c.left); err != nil {
		return fmt.Errorf("quota: %w", err)
	}
	c.left = 0
	return nil
}

// counter returns the counter of the window that now is in.
func (l *Limiter) counter(key string, w Window, now time.Time) (*counter, error) {
	begins := now.UTC().Truncate(w.length())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	l.sweep(now)
	id := counterKey{key, w}
	c := l.counters[id]
	if c == nil || !c.begins.Equal(begins) {
		c = &counter{turn: make(chan struct{}, 1), begins: begins}
		c.turn <- struct{}{}
		l.counters[id] = c
	}
	return c, nil
}

// sweep drops the counters of windows that have ended, once a minute.
func (l *Limiter) sweep(now time.Time) {
	minute := now.UTC().Truncate(time.Minute)
	if minute.Equal(l.swept) {
		return
	}
	l.swept = minute
	for id, c := range l.counters {
		if !now.Before(c.begins.Add(id.window.length())) {
			delete(l.counters, id)
		}
	}
}

// prune drops old windows from the ledger, at the first Take of each day.
func (l *Limiter) prune(ctx context.Context, now time.Time) error {
	day := now.UTC().Truncate(24 * time.Hour)
	l.mu.Lock()
	due := !l.closed && !day.Equal(l.pruned)
	if due {
		l.pruned = day
	}
	l.mu.Unlock()
	if !due {
		return nil
	}
	if err := l.ledger.PruneQuotas(ctx, now.Add(-keep)); err != nil {
		return fmt.Errorf("quota: %w", err)
	}
	return nil
}

// Close gives back what was leased and not used. After it, Take fails. It waits
// for the Takes that are under way.
func (l *Limiter) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	counters := l.counters
	l.counters = nil
	l.mu.Unlock()
	var errs []error
	for id, c := range counters {
		select {
		case <-c.turn:
			c.closed = true
			errs = append(errs, l.giveBack(ctx, id.key+id.window.suffix(), c))
			c.turn <- struct{}{}
		case <-ctx.Done():
			return errors.Join(append(errs, ctx.Err())...)
		}
	}
	return errors.Join(errs...)
}
