package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

// TestMemoryIsBounded streams a Bundle much larger than the memory that the whole
// process may take. It isn't parallel: others' memory would count.
func TestMemoryIsBounded(t *testing.T) { //nolint:paralleltest // see above
	const rows, rowSize, limit = 4000, 50 << 10, 64 << 20
	filler := strings.Repeat("x", rowSize)
	behind := serveBehind(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		_, _ = io.WriteString(w, `{"resourceType":"Bundle","type":"searchset","entry":[`)
		for i := range rows {
			if i > 0 {
				_, _ = io.WriteString(w, ",")
			}
			_, _ = fmt.Fprintf(w, `{"resource":{"resourceType":"Patient","id":"p%d","name":[{"family":"%s"}],"address":[{"text":"%s"}]}}`, i, canary, filler)
		}
		_, _ = io.WriteString(w, `]}`)
	}))
	g := harness.Start(t, harness.Options{Upstream: behind, Bundle: openPolicy(t), Limits: map[string]any{
		"scan_bytes": "1GiB", "page_max": 10000, "upstream_page": 10000, "scan_time": "5m",
	}})
	token := g.Token(t, "patient")
	peak := heapPeak(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.Base+"/Patient?_count=10000", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil || n < rows*rowSize {
		t.Fatalf("%d bytes of at least %d came: %v", n, rows*rowSize, err)
	}
	if got := peak(); got > limit {
		t.Errorf("the heap grew to %d MiB for an answer of %d MiB, more than %d MiB", got>>20, n>>20, limit>>20)
	}
}

// heapPeak watches the live heap; the returned function gives its peak above what
// was there before.
func heapPeak(t *testing.T) func() uint64 {
	t.Helper()
	read := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	runtime.GC()
	before := read()
	var peak atomic.Uint64
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			peak.Store(max(peak.Load(), read()))
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 {
		cancel()
		<-done
		return peak.Load() - min(before, peak.Load())
	}
}
