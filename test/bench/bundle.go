package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"sync"
	"time"
)

// streamed is what one large Bundle took.
type streamed struct {
	rows, bytes int
	first, all  time.Duration
	heap        uint64 // most live and not yet collected bytes above those before it
}

// bundle measures a Bundle of bundleRows rows: the time to its first byte and
// how much the heap grows.
func (b *bed) bundle(ctx context.Context, out io.Writer) (err error) {
	base, stop, err := b.gateway(ctx, b.canned)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	fmt.Fprintf(out, "A Bundle of %d rows (30 MB) in one answer, one client.\n\n", bundleRows)
	fmt.Fprintln(out, "| as | rows | first byte | whole answer | rows/s | heap grows by |\n|---|--:|--:|--:|--:|--:|")
	for _, t := range []target{
		{base: b.canned.bare},
		{person: "practitioner", base: base, token: b.tokens["practitioner"]},
		{person: "researcher", base: base, token: b.tokens["researcher"]},
	} {
		var runs []streamed
		for range 3 {
			s, err := b.stream(ctx, t)
			if err != nil {
				return err
			}
			runs = append(runs, s)
		}
		slices.SortFunc(runs, func(a, b streamed) int { return int(a.all - b.all) })
		s := runs[1]
		name := t.person
		if name == "" {
			name = "bare proxy"
		}
		fmt.Fprintf(out, "| %s | %d | %s | %s | %.0f | %.1f MB |\n", name, s.rows, brief(s.first), brief(s.all), float64(s.rows)/s.all.Seconds(), float64(s.heap)/1e6)
	}
	fmt.Fprintln(out)
	return nil
}

// stream asks for the Bundle, reads it in pieces and watches the heap.
func (b *bed) stream(ctx context.Context, t target) (streamed, error) {
	runtime.GC()
	client := newClient(1)
	defer client.CloseIdleConnections()
	watch := watchHeap()
	start := b.clock()
	path := "/Observation?code=http://loinc.org|" + hugeCode + "&_count=" + strconv.Itoa(bundleRows)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.base+path, nil)
	if err != nil {
		return streamed{}, fmt.Errorf("request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+t.token)
	resp, err := client.Do(req)
	if err != nil {
		return streamed{}, fmt.Errorf("request: %w", err)
	}
	defer resp.Body.Close()
	var s streamed
	mark := []byte(`"mode":"match"`)
	buf := make([]byte, 64<<10)
	kept := 0 // bytes of the piece before, which a mark may have begun in
	for {
		n, err := resp.Body.Read(buf[kept:])
		if n > 0 && s.bytes == 0 {
			s.first = b.clock().Sub(start)
		}
		s.bytes += n
		piece := buf[:kept+n]
		s.rows += bytes.Count(piece, mark)
		kept = copy(buf, piece[len(piece)-min(len(piece), len(mark)-1):])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return streamed{}, fmt.Errorf("answer: %w", err)
		}
	}
	s.all = b.clock().Sub(start)
	s.heap = watch()
	if want := rowsSeen(t.person) * bundleRows / searchRows; s.rows != want {
		return s, fmt.Errorf("%w: %d rows for %q, want %d", errAnswer, s.rows, t.person, want)
	}
	return s, nil
}

// watchHeap samples the heap until the function that it returns is called, which
// gives how much it grew at most.
func watchHeap() func() uint64 {
	before := heapBytes()
	most := before
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				most = max(most, heapBytes())
			}
		}
	})
	return func() uint64 {
		close(done)
		wait.Wait()
		return most - before
	}
}

// heapBytes are the bytes of live objects and of dead ones that aren't freed yet.
func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
