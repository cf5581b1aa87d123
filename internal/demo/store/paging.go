package store

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// paging is a result that is handed out page by page: which resources matched, or which versions, is fixed when the first
// page is made; the resources on later pages are then the latest, as in HAPI.
type paging struct {
	kind    string // of Bundle: searchset or history
	id      string
	born    time.Time
	matches []*record
	history []change // instead of matches
	include *inclusion
	size    int
	shape   shape
	total   bool // tell the total on the first page even if it's not the only one
	silent  bool // never tell the total
	self    string
}

// bytes is about how long a page is.
func (p *paging) bytes(from, to int) int {
	n := 0
	for i := from; i < to; i++ {
		if p.history != nil {
			n += len(p.history[i].rec.versions[p.history[i].number-1].raw)
		} else {
			n += len(p.matches[i].raw())
		}
		n += 256
	}
	return n
}

func (p *paging) length() int { return len(p.matches) + len(p.history) }

// pagings keeps a bounded number of results for a bounded time.
type pagings struct {
	most int
	ttl  time.Duration
	now  func() time.Time

	mu    sync.Mutex
	byID  map[string]*paging
	order []*paging // oldest first
	rows  int       // of all that are kept
}

// mostRows bounds the memory of all paged results together, at 8 or 16 bytes a row; the newest is kept whatever its length.
const mostRows = 16 << 20

func newPagings(most int, ttl time.Duration, now func() time.Time) *pagings {
	return &pagings{most: most, ttl: ttl, now: now, byID: map[string]*paging{}}
}

func (ps *pagings) keep(p *paging) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.id != "" {
		return
	}
	p.id, p.born = rand.Text(), ps.now()
	ps.rows += p.length()
	for len(ps.order) > 0 && (len(ps.order) >= ps.most || ps.rows > mostRows || ps.expired(ps.order[0])) {
		delete(ps.byID, ps.order[0].id)
		ps.rows -= ps.order[0].length()
		ps.order[0] = nil
		ps.order = ps.order[1:]
	}
	ps.byID[p.id] = p
	ps.order = append(ps.order, p)
}

func (ps *pagings) expired(p *paging) bool { return ps.now().Sub(p.born) > ps.ttl }

// find returns nil for what is unknown or has expired.
func (ps *pagings) find(id string) *paging {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.byID[id]; p != nil && !ps.expired(p) {
		return p
	}
	return nil
}

// self returns the URL of the request as a link.
func (req *request) self() string {
	link := req.base
	for _, p := range req.path {
		link += "/" + url.PathEscape(p)
	}
	if req.rawQuery != "" {
		link += "?" + req.rawQuery
	}
	return link
}

func (s *Store) pageSize(params url.Values) (int, error) {
	count := params.Get("_count")
	if count == "" {
		return s.opts.PageSize, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return 0, invalid("Invalid value of _count: %q", count)
	}
	return min(n, s.opts.MaxPageSize), nil
}

func (s *Store) nextPage(req *request) (*answer, error) {
	p := s.pages.find(req.params.Get("_getpages"))
	if p == nil {
		return nil, failed(http.StatusGone, "processing", "The search does not exist and may have expired")
	}
	offset, err := strconv.Atoi(req.params.Get("_getpagesoffset"))
	if err != nil || offset < 0 {
		return nil, invalid("Invalid value of _getpagesoffset")
	}
	size := p.size
	if req.params.Has("_count") {
		if size, err = s.pageSize(req.params); err != nil {
			return nil, err
		}
	}
	later := *p
	later.self = req.self()
	return s.page(req, &later, offset, max(size, 1))
}

// page makes the Bundle of one page. The caller holds mu.
func (s *Store) page(req *request, p *paging, offset, size int) (*answer, error) {
	length := p.length()
	from, to := min(offset, length), min(offset+size, length)
	if to < length && size > 0 && !p.shape.count {
		s.pages.keep(p)
	}
	b := newBundle(req.base, p.kind, s.opts.Now)
	b.buf = slices.Grow(b.buf, p.bytes(from, to))
	first := offset == 0 && p.self == req.self() && p.id == ""
	if !p.silent && (p.total || size == 0 || p.shape.count || p.kind == "history" || first && to == length || offset > 0) {
		b.buf = append(b.buf, `,"total":`+strconv.Itoa(length)...)
	}
	b.links(p, offset, size)
	if size > 0 && !p.shape.count {
		for _, c := range p.history[min(from, len(p.history)):min(to, len(p.history))] {
			b.historyEntry(c, p.shape)
		}
		s.searchEntries(b, p, p.matches[min(from, len(p.matches)):min(to, len(p.matches))])
	}
	return &answer{status: http.StatusOK, resource: b.close()}, nil
}

// searchEntries appends the matches of one page and what they include. What was deleted since isn't there any more.
func (s *Store) searchEntries(b *bundle, p *paging, matches []*record) {
	for _, rec := range matches {
		if rec.raw() != nil {
			b.searchEntry(rec, "match", p.shape)
		}
	}
	if p.include == nil {
		return
	}
	for _, rec := range s.included(b.base, p.include, matches) {
		b.searchEntry(rec, "include", p.shape)
	}
}

// bundle is a Bundle in the making.
type bundle struct {
	buf     []byte
	base    string
	entries int
}

func newBundle(base, kind string, now func() time.Time) *bundle {
	b := &bundle{base: base, buf: make([]byte, 0, 1<<10)}
	b.buf = append(b.buf, `{"resourceType":"Bundle","id":"`+rand.Text()+`","meta":{"lastUpdated":"`...)
	b.buf = now().UTC().AppendFormat(b.buf, instant)
	b.buf = append(b.buf, `"},"type":"`+kind+`"`...)
	return b
}

func (b *bundle) links(p *paging, offset, size int) {
	b.buf = append(b.buf, `,"link":[`...)
	b.link("self", p.self)
	if p.id != "" && offset+size < p.length() {
		b.buf = append(b.buf, ',')
		b.link("next", p.url(b.base, offset+size, size))
	}
	if p.id != "" && offset > 0 {
		b.buf = append(b.buf, ',')
		b.link("previous", p.url(b.base, max(0, offset-size), size))
	}
	b.buf = append(b.buf, ']')
}

func (b *bundle) link(relation, target string) {
	b.buf = append(b.buf, `{"relation":"`+relation+`","url":`...)
	b.buf = append(wire.AppendString(b.buf, target), '}')
}

func (p *paging) url(base string, offset, size int) string {
	return base + "?_getpages=" + p.id + "&_getpagesoffset=" + strconv.Itoa(offset) + "&_count=" + strconv.Itoa(size) + "&_bundletype=" + p.kind
}

// open starts an entry; the caller closes it with a brace.
func (b *bundle) open(fullURL string) {
	if b.entries == 0 {
		b.buf = append(b.buf, `,"entry":[`...)
	} else {
		b.buf = append(b.buf, ',')
	}
	b.entries++
	b.buf = wire.AppendString(append(b.buf, `{"fullUrl":`...), fullURL)
}

func (b *bundle) searchEntry(rec *record, mode string, sh shape) {
	b.open(b.base + "/" + rec.reference())
	b.buf = sh.apply(append(b.buf, `,"resource":`...), rec.raw())
	b.buf = append(b.buf, `,"search":{"mode":"`+mode+`"}}`...)
}

func (b *bundle) close() []byte {
	if b.entries > 0 {
		b.buf = append(b.buf, ']')
	}
	return append(b.buf, '}')
}
