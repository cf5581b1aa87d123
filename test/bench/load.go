package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"
)

// target is a base that load is put on, as one person.
type target struct {
	person string // "" for the bare proxy
	base   string
	token  string
}

// worker is one client in a closed loop: it asks again when it has the answer.
type worker struct {
	target

	clock func() time.Time
	http  *http.Client
	n     int // the number of the worker
	body  bytes.Buffer
	etag  string
}

var errAnswer = errors.New("wrong answer")

// do sends one request and reads the whole answer.
func (w *worker) do(ctx context.Context, method, path string, body []byte) (int, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, w.base+"/"+path, r)
	if err != nil {
		return 0, fmt.Errorf("request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
		req.Header.Set("If-Match", w.etag)
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("request: %w", err)
	}
	defer resp.Body.Close()
	w.body.Reset()
	if _, err := w.body.ReadFrom(resp.Body); err != nil {
		return 0, fmt.Errorf("answer: %w", err)
	}
	if tag := resp.Header.Get("ETag"); tag != "" {
		w.etag = tag
	}
	return resp.StatusCode, nil
}

// result is what a round measured.
type result struct {
	rps       float64
	latencies []time.Duration
	cpu       time.Duration // of the whole process, for one request
}

// newClient makes a client that keeps its connections.
func newClient(connections int) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections, DisableCompression: true, WriteBufferSize: 32 << 10, ReadBufferSize: 32 << 10,
	}}
}

// round puts load on a target for some time. A wrong answer ends it.
func (b *bed) round(ctx context.Context, c *benchCase, t target, clients int, length time.Duration) (result, error) {
	client := newClient(clients)
	defer client.CloseIdleConnections()
	workers := make([]*worker, clients)
	for i := range workers {
		workers[i] = &worker{target: t, clock: b.clock, http: client, n: i}
		if c.prepare != nil {
			if err := c.prepare(ctx, workers[i]); err != nil {
				return result{}, fmt.Errorf("prepare: %w", err)
			}
		}
		if err := c.step(ctx, workers[i]); err != nil { // connections and caches are warm
			return result{}, err
		}
	}
	latencies := make([][]time.Duration, clients)
	errs := make([]error, clients)
	start, used := b.clock(), processTime()
	var wait sync.WaitGroup
	for i, w := range workers {
		wait.Go(func() { latencies[i], errs[i] = w.loop(ctx, c, start.Add(length)) })
	}
	wait.Wait()
	took, used := b.clock().Sub(start), processTime()-used
	all := slices.Concat(latencies...)
	return result{rps: float64(len(all)) / took.Seconds(), latencies: all, cpu: used / time.Duration(max(1, len(all)))}, errors.Join(errs...)
}

// processTime is how long processors have worked for this process. Unlike the
// clock's, its differences don't grow when the machine is busy with other things.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// loop repeats the step until the end.
func (w *worker) loop(ctx context.Context, c *benchCase, end time.Time) ([]time.Duration, error) {
	var took []time.Duration
	for before := w.clock(); before.Before(end); {
		if err := c.step(ctx, w); err != nil {
			return took, err
		}
		after := w.clock()
		took = append(took, after.Sub(before))
		before = after
	}
	return took, nil
}

// percentile of sorted durations.
func percentile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
