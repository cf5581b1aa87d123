package store

import (
	"crypto/rand"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// paging is the result of a search, handed out page by page: which resources matched is fixed when the first page is made;
// what they look like on later pages is then the latest, as in HAPI.
type paging struct {
	id      string
	born    time.Time
	matches []*record
	include *inclusion
	size    int
	shape   shape
	total   string // _total
	asked   int    // _count, -1 when the client gave none
	self    string
}

// tellsTotal says whether the page that ends at end has the total. As in HAPI that's when it's asked for, on the last page,
// and when HAPI would know: it looks for matches in passes, each up to a threshold or one more than the client's _count,
// and has the total when a pass, the first or one that an earlier page needed, found fewer than it looked for.
func (p *paging) tellsTotal(end int) bool {
	length := len(p.matches)
	if p.total == "accurate" || p.total == "estimate" || p.size == 0 || p.shape.count || end >= length {
		return true
	}
	loaded := 0
	for pass, threshold := range []int{13, 503, 2003, math.MaxInt} {
		limit := max(threshold, p.asked+1+loaded)
		if length < limit {
			return pass == 0 || loaded < end-p.size
		}
		if loaded = limit; end <= loaded {
			return false
		}
	}
	return true
}

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

// mostRows bounds the memory of all paged results together, at 8 bytes a row; the newest is kept whatever its length.
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
	ps.rows += len(p.matches)
	for len(ps.order) > 0 && (len(ps.order) >= ps.most || ps.rows > mostRows || ps.expired(ps.order[0])) {
		delete(ps.byID, ps.order[0].id)
		ps.rows -= len(ps.order[0].matches)
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
	length := len(p.matches)
	from, to := min(offset, length), min(offset+size, length)
	if p.shape.count {
		from, to = 0, 0
	} else if to < length && size > 0 {
		s.pages.keep(p)
	}
	matches := p.matches[from:to]
	b := newBundle(req.base, "searchset", s.opts.Now())
	if p.tellsTotal(offset + size) {
		b.buf = append(b.buf, `,"total":`+strconv.Itoa(length)...)
	}
	b.links(p, offset, size)
	b.buf = slices.Grow(b.buf, roomFor(matches))
	s.searchEntries(b, p, matches)
	return b.answer(), nil
}

// roomFor is about how many bytes the entries of a page take.
func roomFor(matches []*record) int {
	n := 0
	for _, rec := range matches {
		n += len(rec.raw()) + 256
	}
	return n
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
