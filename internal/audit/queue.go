package audit

import (
	"context"
	"errors"
	"time"
)

// item is one event. done, when there is one, gets the outcome.
type item struct {
	event []byte
	done  chan error
}

func (it item) finish(err error) {
	if it.done != nil {
		it.done <- err // Has room for one, and gets one only.
	}
}

// queue feeds one sink, in order.
type queue struct {
	sink     Sink
	items    chan item
	batch    int
	interval time.Duration
	lose     func(int, error)
	// public says that the sink is read like a log: it gets no ids.
	public bool
}

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

func newQueue(sink Sink, o Options, lose func(int, error)) *queue {
	_, isLog := sink.(*LogSink)
	return &queue{sink: sink, items: make(chan item, o.Queue), batch: o.Batch, interval: o.FlushInterval, lose: lose, public: isLog}
}

// run ends when items is closed and empty. When ctx ends, what is left is lost.
func (q *queue) run(ctx context.Context) {
	for first := range q.items {
		q.write(ctx, q.gather(first))
	}
}

// gather waits for more items until the batch is full, the interval is over, or
// somebody waits for an answer; then it takes what is there.
func (q *queue) gather(first item) []item {
	batch := append(make([]item, 0, q.batch), first)
	timer := time.NewTimer(q.interval)
	defer timer.Stop()
	waiting := first.done != nil
	for len(batch) < q.batch {
		if waiting {
			select {
			case it, ok := <-q.items:
				if !ok {
					return batch
				}
				batch = append(batch, it)
				continue
			default:
				return batch
			}
		}
		select {
		case it, ok := <-q.items:
			if !ok {
				return batch
			}
			batch = append(batch, it)
			waiting = it.done != nil
		case <-timer.C:
			return batch
		}
	}
	return batch
}

// write gives batch to the sink until each event is durable, rejected, or ctx
// has ended. While it tries again, the queue fills: that is its bound.
func (q *queue) write(ctx context.Context, batch []item) {
	pause := firstRetry
	for len(batch) > 0 {
		events := make([][]byte, len(batch))
		for i, it := range batch {
			events[i] = it.event
		}
		n, err := q.sink.Write(ctx, events)
		n = min(max(n, 0), len(batch))
		for _, it := range batch[:n] {
			it.finish(nil)
		}
		batch = batch[n:]
		switch {
		case len(batch) == 0:
			return
		case errors.Is(err, ErrRejected):
			batch[0].finish(err)
			q.lose(1, err)
			batch = batch[1:]
			continue
		case n > 0:
			pause = firstRetry
		}
		if !wait(ctx, pause) {
			for _, it := range batch {
				it.finish(ErrClosed)
			}
			q.lose(len(batch), ErrClosed)
			return
		}
		pause = min(2*pause, lastRetry)
	}
}

// wait reports whether d has passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
