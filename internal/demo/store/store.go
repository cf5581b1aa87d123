package store

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// Options are the settings of a Store. The zero value is a server like HAPI's defaults, without authentication.
type Options struct {
	BasePath string // path of the FHIR base, such as "/fhir"; empty: the root
	BaseURL  string // absolute URL of the FHIR base for links; empty: made from each request's Host and BasePath
	Token    string // when set, a request without it is 401
	Header   string // header that carries Token; empty: Authorization, with the Bearer scheme

	PageSize    int           // rows of a page when the client names no _count; 0: 20
	MaxPageSize int           // most rows of a page; 0: 2000
	MaxPagings  int           // paged results that are kept at a time, the oldest goes first; 0: 1000
	PagingTTL   time.Duration // after this long a paged result is 410 Gone; 0: one hour

	AllowDangling bool // references to absent resources are stored, and resources that others refer to can be deleted

	Now func() time.Time // clock of lastUpdated and of paging; nil: time.Now
}

func (o Options) withDefaults() Options {
	if o.PageSize == 0 {
		o.PageSize = 20
	}
	if o.MaxPageSize == 0 {
		o.MaxPageSize = 2000
	}
	if o.MaxPagings == 0 {
		o.MaxPagings = 1000
	}
	if o.PagingTTL == 0 {
		o.PagingTTL = time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the demo's own server: what no test sets is the real clock
	}
	if o.BasePath = "/" + strings.Trim(o.BasePath, "/"); o.BasePath == "/" {
		o.BasePath = ""
	}
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	return o
}

// Store is the server. All its methods may be called concurrently.
type Store struct {
	opts    Options
	defs    *definitions.Definitions
	journal *journal // nil: memory only
	pages   *pagings
	params  paramCache

	zips sync.Pool // of *gzip.Writer

	capabilities func() []byte

	mu      sync.RWMutex // writers hold it exclusively; everything below is guarded by it
	shelves map[string]*shelf
	changes []change // every version in the order of writing: the system's history
	links   *referrers
	slab    slab
}

// shelf holds the resources of one type. A resource keeps its ordinal for ever, also when it's deleted.
type shelf struct {
	name    string
	byID    map[string]*record
	records []*record // by ordinal
	live    int       // how many are not deleted

	building sync.Mutex // guards the map: an index may be built by a reader
	indexes  map[string]index
}

// record is one resource through all its versions.
type record struct {
	shelf    *shelf
	id       string
	ordinal  uint32
	versions []version // version n is at n-1
}

// verb is how a version came about.
type verb uint8

const (
	created verb = iota + 1 // POST
	updated                 // PUT
	deleted                 // DELETE
)

// method returns the HTTP method, as a history entry's request.method names it.
func (v verb) method() string {
	switch v {
	case created:
		return "POST"
	case updated:
		return "PUT"
	case deleted:
		return "DELETE"
	}
	return ""
}

type version struct {
	raw    []byte // compacted, with id and meta stamped; nil for a deletion; never changed
	millis int64  // lastUpdated, Unix time in milliseconds
	verb   verb
}

// change is one version of one resource.
type change struct {
	rec    *record
	number uint32
}

func (r *record) latest() *version { return &r.versions[len(r.versions)-1] }

// raw returns the bytes of the latest version, nil when the resource is deleted.
func (r *record) raw() []byte { return r.latest().raw }

// number returns the latest version's versionId.
func (r *record) number() int { return len(r.versions) }

// reference returns the resource's relative reference, Type/id.
func (r *record) reference() string { return r.shelf.name + "/" + r.id }

// Open returns a store with the state kept in dir, which is made when it's absent; dir "" keeps everything in memory only.
// A journal that ends in the middle of a write, as after a crash, is cut back to its last whole one.
// The error is [ErrInUse] when something else has the dir open.
func Open(dir string, opts Options) (*Store, error) {
	s := &Store{
		opts:    opts.withDefaults(),
		defs:    definitions.R4(),
		shelves: map[string]*shelf{},
	}
	s.pages = newPagings(s.opts.MaxPagings, s.opts.PagingTTL, s.opts.Now)
	s.capabilities = sync.OnceValue(s.buildCapabilities)
	if dir == "" {
		return s, nil
	}
	j, err := openJournal(dir, s.replay)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	s.journal = j
	return s, nil
}

// Close makes durable what was written and closes the journal. Requests must have ended; those that still write get an
// error.
func (s *Store) Close() error {
	if s.journal == nil {
		return nil
	}
	return s.journal.close()
}

// shelf returns the shelf of a type, making it when create is set; nil when there is none. The caller holds mu,
// exclusively when create is set.
func (s *Store) shelf(typ string, create bool) *shelf {
	sh := s.shelves[typ]
	if sh == nil && create {
		sh = &shelf{name: typ, byID: map[string]*record{}, indexes: map[string]index{}}
		s.shelves[typ] = sh
	}
	return sh
}

// find returns the record of a resource, deleted ones included; nil when there never was one. The caller holds mu.
func (s *Store) find(typ, id string) *record {
	if sh := s.shelves[typ]; sh != nil {
		return sh.byID[id]
	}
	return nil
}

// findLive is find without the deleted.
func (s *Store) findLive(typ, id string) *record {
	if rec := s.find(typ, id); rec != nil && rec.raw() != nil {
		return rec
	}
	return nil
}
