package policy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/open-policy-agent/opa/v1/ast"
	"golang.org/x/sync/singleflight"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// Fetcher reads from the FHIR server behind, under the gateway's own
// credentials, for fhir.read and fhir.search.
type Fetcher interface {
	// FetchRead gives the resource, or ok false when it isn't there.
	FetchRead(ctx context.Context, ref fhir.Reference) (resource []byte, ok bool, err error)
	// FetchSearch gives all rows of a search, at most limit; more is an error.
	FetchSearch(ctx context.Context, in fhir.Interaction, limit int) (resources [][]byte, err error)
}

// LookupOptions bound the look-ups of one upstream.
type LookupOptions struct {
	TTL      time.Duration    // how long an answer serves
	MaxRows  int              // rows of one fhir.search
	MaxBytes int64            // memory for answers, measured by their JSON
	Clock    func() time.Time // required
}

// Lookups answers fhir.read and fhir.search for one upstream. Answers are kept
// for TTL, and dropped when a write to their type passes the gateway. Safe for
// concurrent use.
type Lookups struct {
	fetch   Fetcher
	defs    *definitions.Definitions
	options LookupOptions
	cache   *lru.Cache[string, lookedUp]
	keeping sync.Mutex   // held while an answer takes the place of another
	bytes   atomic.Int64 // of the answers in cache
	flight  singleflight.Group
	writes  sync.Map // resource type -> *atomic.Uint64, counts writes
}

type lookedUp struct {
	value   ast.Value // nil: not there
	typ     string
	writes  uint64
	size    int64
	expires time.Time
}

// maxAnswers bounds the number of answers kept, whatever their size.
const maxAnswers = 100_000

// NewLookups makes the look-ups of one upstream.
func NewLookups(fetch Fetcher, defs *definitions.Definitions, options LookupOptions) (*Lookups, error) {
	l := &Lookups{fetch: fetch, defs: defs, options: options}
	cache, err := lru.NewWithEvict(maxAnswers, func(_ string, gone lookedUp) { l.bytes.Add(-gone.size) })
	if err != nil {
		return nil, fmt.Errorf("look-up cache: %w", err)
	}
	l.cache = cache
	return l, nil
}

// Written tells that a write to a resource of the type has passed the gateway:
// everything that was looked up from that type is dropped.
func (l *Lookups) Written(resourceType string) { l.counter(resourceType).Add(1) }

func (l *Lookups) counter(resourceType string) *atomic.Uint64 {
	if c, ok := l.writes.Load(resourceType); ok {
		return c.(*atomic.Uint64) //nolint:forcetypeassert // the map holds nothing else
	}
	c, _ := l.writes.LoadOrStore(resourceType, new(atomic.Uint64))
	return c.(*atomic.Uint64) //nolint:forcetypeassert // the map holds nothing else
}

var (
	errLookupReference = errors.New("fhir.read wants Type/id")
	errLookupQuery     = errors.New("fhir.search wants Type?param=value with known search parameters")
)

// read answers fhir.read.
func (l *Lookups) read(ctx context.Context, text string) (lookedUp, error) {
	ref, ok := fhir.ParseReference(text)
	if !ok || !l.defs.IsResource(ref.Type) {
		return lookedUp{}, errLookupReference
	}
	return l.get(ctx, "r "+ref.String(), ref.Type, func(ctx context.Context) (ast.Value, int64, error) {
		resource, found, err := l.fetch.FetchRead(ctx, ref)
		if err != nil || !found {
			return nil, 0, err
		}
		value, err := parseResource(resource)
		return value, int64(len(resource)), err
	})
}

// search answers fhir.search.
func (l *Lookups) search(ctx context.Context, query string) (lookedUp, error) {
	path, rawQuery, _ := strings.Cut(query, "?")
	in, err := fhir.Parse(l.defs, http.MethodGet, path, rawQuery, "")
	if err != nil || in.Code != fhir.SearchType || in.Query.Page != "" {
		return lookedUp{}, errLookupQuery
	}
	return l.get(ctx, "s "+query, in.Type, func(ctx context.Context) (ast.Value, int64, error) {
		rows, err := l.fetch.FetchSearch(ctx, in, l.options.MaxRows)
		if err != nil {
			return nil, 0, err
		}
		size := int64(0)
		terms := make([]*ast.Term, len(rows))
		for i, row := range rows {
			if terms[i], err = parseTerm(row); err != nil {
				return nil, 0, err
			}
			size += int64(len(row))
		}
		return ast.NewArray(terms...), size, nil
	})
}

// get serves from the cache, or fetches once for all who ask at the same time.
func (l *Lookups) get(ctx context.Context, key, typ string, fetch func(context.Context) (ast.Value, int64, error)) (lookedUp, error) {
	writes := l.counter(typ).Load()
	if hit, ok := l.cache.Get(key); ok && hit.writes == writes && l.options.Clock().Before(hit.expires) {
		return hit, nil
	}
	// The count is part of the key: who asks after a write never joins a fetch
	// that began before it.
	done := l.flight.DoChan(fmt.Sprint(key, " ", writes), func() (any, error) {
		// A fetch serves everyone who waits: one caller's going away must not
		// end it. The upstream client bounds it in time.
		value, size, err := fetch(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		found := lookedUp{value: value, typ: typ, writes: writes, size: size + int64(len(key)), expires: l.options.Clock().Add(l.options.TTL)}
		l.keep(key, found)
		return found, nil
	})
	select {
	case <-ctx.Done():
		return lookedUp{}, context.Cause(ctx)
	case r := <-done:
		if r.Err != nil {
			return lookedUp{}, fmt.Errorf("look-up: %w", r.Err)
		}
		return r.Val.(lookedUp), nil //nolint:forcetypeassert // the function above returns nothing else
	}
}

// keep puts an answer into the cache and makes room for it.
func (l *Lookups) keep(key string, found lookedUp) {
	if found.size > l.options.MaxBytes {
		return
	}
	l.keeping.Lock()
	defer l.keeping.Unlock()
	if have, ok := l.cache.Peek(key); ok && have.writes > found.writes {
		return // asked for before a write, answered after what was asked for after it
	}
	l.cache.Remove(key) // so that the size of one that is replaced is counted off
	l.bytes.Add(found.size)
	l.cache.Add(key, found)
	for l.bytes.Load() > l.options.MaxBytes {
		if _, _, ok := l.cache.RemoveOldest(); !ok {
			return
		}
	}
}
