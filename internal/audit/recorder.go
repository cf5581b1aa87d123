package audit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Sink takes AuditEvents in order. It is called by one goroutine at a time.
type Sink interface {
	// Write makes events durable and says how many of them, from the first, are.
	// With n < len(events) the error says why; one that wraps ErrRejected means that
	// events[n] will never be taken, any other that it is worth trying again.
	Write(ctx context.Context, events [][]byte) (n int, err error)
}

var (
	// ErrRejected marks an event that a sink will never take.
	ErrRejected = errors.New("audit: event rejected")
	// ErrFull is the error of a Record that must succeed and finds the queue full.
	ErrFull = errors.New("audit: queue is full")
	// ErrClosed is the error of a Record that must succeed after Close.
	ErrClosed = errors.New("audit: recorder is closed")
	// ErrNowhere is the error of a Record that must succeed when neither a log nor a
	// sink is configured.
	ErrNowhere = errors.New("audit: nothing records")
)

// Options say what is recorded and where. Durations and counts of 0 mean the
// default.
type Options struct {
	// Log gets one line per request; nil: none.
	Log *slog.Logger
	// SubjectKey is the key of the HMAC by which the log line names the subject;
	// nil: the line doesn't name it.
	SubjectKey []byte
	// Sink gets one AuditEvent per request; nil: none. ByUpstream goes before it,
	// by the upstream's name. A slow sink holds up no other.
	Sink       Sink
	ByUpstream map[string]Sink
	// ResourceIDs says whether AuditEvents name resources.
	ResourceIDs bool
	// Queue is how many events wait for a sink (4096), Batch how many it gets at a
	// time (100), FlushInterval how long one waits for others (1s).
	Queue, Batch  int
	FlushInterval time.Duration
	// Lost is told of events that were dropped and why; nil: nobody is. It must not
	// block.
	Lost func(events int, reason error)
}

// Recorder records requests. It is safe for concurrent use. Whoever made it
// closes it.
type Recorder struct {
	o          Options
	log        *line
	sink       *queue
	byUpstream map[string]*queue
	stop       context.CancelFunc
	workers    sync.WaitGroup

	mu     sync.RWMutex // held for writing by Close only
	closed bool
	lost   atomic.Uint64
}

// New starts a Recorder.
func New(o Options) *Recorder {
	o.Queue, o.Batch = or(o.Queue, 4096), or(o.Batch, 100)
	o.FlushInterval = time.Duration(or(int(o.FlushInterval), int(time.Second)))
	ctx, stop := context.WithCancel(context.Background())
	r := &Recorder{o: o, stop: stop, byUpstream: map[string]*queue{}}
	if o.Log != nil {
		r.log = newLine(o.Log, o.SubjectKey)
	}
	if o.Sink != nil {
		r.sink = r.start(ctx, o.Sink)
	}
	for name, sink := range o.ByUpstream {
		r.byUpstream[name] = r.start(ctx, sink)
	}
	return r
}

func or(n, otherwise int) int {
	if n <= 0 {
		return otherwise
	}
	return n
}

func (r *Recorder) start(ctx context.Context, sink Sink) *queue {
	q := newQueue(sink, r.o, r.lose)
	r.workers.Go(func() { q.run(ctx) })
	return q
}

// Record writes the log line and hands the AuditEvent to the sink's queue; it
// doesn't wait for the sink, and what cannot be recorded is counted. With
// mustSucceed it waits until the sink has made the event durable: an error, that
// of ctx included, means that it may not be recorded, so the request must fail.
// The error is nil whenever mustSucceed is false.
func (r *Recorder) Record(ctx context.Context, rec Record, mustSucceed bool) error {
	if r.log == nil && r.sink == nil && len(r.byUpstream) == 0 {
		return only(mustSucceed, ErrNowhere)
	}
	rec = rec.cleaned()
	if r.log != nil {
		if err := r.log.write(ctx, rec); err != nil {
			r.lose(1, err)
			if mustSucceed {
				return err
			}
		}
	}
	q := r.byUpstream[rec.Upstream]
	if q == nil {
		q = r.sink
	}
	if q == nil {
		return only(mustSucceed && r.log == nil, ErrNowhere)
	}
	if !r.o.ResourceIDs || q.public {
		rec.Resources = nil
	}
	it := item{event: build(rec)}
	if mustSucceed {
		it.done = make(chan error, 1)
	}
	if err := r.enqueue(q, it); err != nil {
		r.lose(1, err)
		return only(mustSucceed, err)
	}
	if !mustSucceed {
		return nil
	}
	select {
	case err := <-it.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func only(when bool, err error) error {
	if when {
		return err
	}
	return nil
}

func (r *Recorder) enqueue(q *queue, it item) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return ErrClosed
	}
	select {
	case q.items <- it:
		return nil
	default:
		return ErrFull
	}
}

func (r *Recorder) lose(n int, reason error) {
	r.lost.Add(uint64(max(n, 0)))
	if r.o.Lost != nil {
		r.o.Lost(n, reason)
	}
}

// Lost is how many records have been lost since the start.
func (r *Recorder) Lost() uint64 { return r.lost.Load() }

// Waiting is how many events wait for a sink now.
func (r *Recorder) Waiting() int {
	n := 0
	if r.sink != nil {
		n = len(r.sink.items)
	}
	for _, q := range r.byUpstream {
		n += len(q.items)
	}
	return n
}

// Close takes no more records and writes what waits, until ctx ends; what is
// then left is lost. It may be called again. It doesn't close the sinks.
func (r *Recorder) Close(ctx context.Context) error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		if r.sink != nil {
			close(r.sink.items)
		}
		for _, q := range r.byUpstream {
			close(q.items)
		}
	}
	r.mu.Unlock()
	done := make(chan struct{})
	go func() {
		r.workers.Wait()
		close(done)
	}()
	defer r.stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		r.stop()
		<-done
		return ctx.Err()
	}
}
