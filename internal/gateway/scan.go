package gateway

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir"
)

// position is a place in the rows of a search: a page of the server behind and
// a number of entries on it.
type position struct {
	Path  string `json:"p,omitempty"`
	Query string `json:"q"`
	Skip  int    `json:"s,omitempty"`
	Form  bool   `json:"f,omitempty"`
	Part  int    `json:"k,omitempty"` // of a search that is made of several
}

// row is one row that the caller may see, masked.
type row struct {
	at     position
	typ    string
	id     string // as the caller knows it
	body   []byte // nil for a deletion in a history
	method string // history
	status string // history
	head   resourceHead
}

// scan reads the rows of a search or history that the caller may see, page
// after page, within the bounds of one request. It holds one row at a time.
type scan struct {
	x        *exchange
	reader   *fhir.BundleReader
	body     io.Closer
	parts    []part   // nil: the search is sent as it is
	page     position // the page that reader reads, with Skip 0
	index    int      // entries of the page taken so far
	buf      []byte
	rows     int
	pages    int
	visible  map[string]bool // in histories: whether Type/id may be seen as it is now
	bytes    *countingReader
	read     int64 // bytes of the pages before this one
	deadline time.Time
}

// newScan starts at a position.
func (x *exchange) newScan(at position) *scan {
	s := &scan{x: x, page: at, visible: map[string]bool{}, deadline: x.Clock().Add(x.Limits.ScanTime)}
	if x.splitFirst {
		s.parts = x.partsOf
	}
	return s
}

// close ends the page that is being read.
func (s *scan) close() {
	if s.body != nil {
		_ = s.body.Close()
		s.body = nil
	}
}

// next gives the next row that the caller may see; io.EOF after the last one.
// The row is valid until the next call. At a bound it is errTooCostly.
func (s *scan) next(ctx context.Context) (row, error) {
	for {
		for s.reader == nil {
			if err := s.open(ctx); err != nil {
				return row{}, err
			}
		}
		entry, err := s.reader.Next()
		if errors.Is(err, io.EOF) {
			if err := s.turn(); err != nil {
				return row{}, err
			}
			continue
		}
		if err != nil {
			return row{}, s.broken(ctx, err)
		}
		s.index++
		if err := s.bounds(); err != nil {
			return row{}, err
		}
		r, ok, err := s.take(ctx, entry)
		if err != nil || ok {
			return r, err
		}
	}
}

// open requests the page and skips the entries before the position. When the
// page has no more than those, it turns to the next one, which isn't open yet.
func (s *scan) open(ctx context.Context) error {
	s.pages++
	if s.pages > s.x.Limits.ScanRows || s.x.Clock().After(s.deadline) {
		return errTooCostly // pages without rows must come to an end, too
	}
	e := fhir.Exchange{Method: "GET", Path: s.page.Path, Query: s.page.Query}
	if s.page.Form {
		e = fhir.Exchange{Method: "POST", Path: strings.TrimPrefix(s.page.Path+"/_search", "/"), Form: true, Body: []byte(s.page.Query)}
	}
	answer, err := s.x.Upstream.Do(ctx, e)
	if err != nil {
		return s.x.upstreamFailed(ctx, err)
	}
	s.body = answer.Body
	if answer.Status != 200 {
		if s.lacks(answer.Status) && s.split() {
			s.close()
			return nil
		}
		return s.badStatus(answer.Status)
	}
	if s.parts != nil {
		s.x.lacking.of(s.x.in.Code).Store(true)
	}
	if !answer.IsJSON {
		return errUpstreamAnswer.Because(errShape)
	}
	s.bytes = &countingReader{r: answer.Body}
	s.reader = fhir.NewBundleReader(s.bytes, fhir.BundleLimits{MaxEntry: s.x.Limits.MaxResource, MaxDepth: s.x.Limits.MaxDepth})
	skip := s.page.Skip
	s.page.Skip, s.index = 0, 0
	for range skip {
		if _, err := s.reader.Next(); err != nil {
			if errors.Is(err, io.EOF) {
				return s.turn() // rows were deleted since the link was made
			}
			return s.broken(ctx, err)
		}
		s.index++
	}
	return nil
}

// lacks reports whether a server may say by this status that it has no
// compartment or system search.
func (s *scan) lacks(status int) bool {
	return status == 400 || status == 404 || status == 405 || status == 501
}

// badStatus tells a page that is gone and a search that isn't understood apart
// from a server that fails.
func (s *scan) badStatus(status int) error {
	switch {
	case s.x.paged && (status == 404 || status == 410):
		return errPageGone
	case s.x.in.Code == fhir.HistoryInstance && (status == 404 || status == 410):
		return errAbsent
	case status == 400 || status == 404 || status == 422:
		return errSearchRejected
	}
	return badStatus(status)
}

// turn goes to the next page, or ends the scan with io.EOF.
func (s *scan) turn() error {
	link := s.reader.NextLink()
	s.close()
	s.read += s.bytes.n
	s.bytes = nil
	s.reader = nil
	if link == "" {
		if next := s.page.Part + 1; next < len(s.parts) {
			s.page = s.parts[next].at
			return nil
		}
		s.page = position{}
		return io.EOF
	}
	path, query, err := s.x.Upstream.Relative(link)
	if err != nil {
		return errUpstreamAnswer.Because(err)
	}
	next := position{Path: path, Query: query, Part: s.page.Part}
	if next == s.page {
		return errUpstreamAnswer.Because(errLoop)
	}
	s.page = next
	return nil
}

var errLoop = errors.New("the next link leads to its own page")

// bounds counts a row against the limits of one request.
func (s *scan) bounds() error {
	s.rows++
	l := s.x.Limits
	if s.rows > l.ScanRows || s.read+s.bytes.n > l.ScanBytes || s.x.Clock().After(s.deadline) {
		return errTooCostly
	}
	return nil
}

// broken is the refusal for a page that ended badly.
func (s *scan) broken(ctx context.Context, err error) error {
	if errors.Is(err, fhir.ErrNotBundle) || errors.Is(err, fhir.ErrTruncated) || errors.Is(err, fhir.ErrTooLarge) {
		return errUpstreamAnswer.Because(err)
	}
	return s.x.upstreamFailed(ctx, err)
}

// take judges one entry.
func (s *scan) take(ctx context.Context, e fhir.Entry) (row, bool, error) {
	at := s.page
	at.Skip = s.index - 1
	if s.x.in.Code.IsHistory() && e.Resource == nil {
		return s.deletion(ctx, e, at)
	}
	if e.Resource == nil || e.Mode != "" && e.Mode != "match" {
		return row{}, false, nil
	}
	resource := fhir.RelativeLinks(e.Resource, s.x.Upstream.Base())
	head := headOf(resource)
	if err := s.expected(head); err != nil {
		return row{}, false, err
	}
	if given, err := s.given(head, resource); err != nil || given {
		return row{}, false, err
	}
	masked, allowed, err := s.judge(ctx, head.typ, head.id, resource)
	if err != nil || !allowed {
		return row{}, false, err
	}
	return row{at: at, typ: head.typ, id: stringAt(masked, "id"), body: masked, method: e.Method, status: e.Status, head: head}, true, nil
}

// judge asks policy about a row and masks it. A version in a history also takes
// that the resource may be seen as it is now.
func (s *scan) judge(ctx context.Context, typ, id string, resource []byte) (masked []byte, allowed bool, err error) {
	masked, allowed, err = s.x.judge(ctx, s.buf[:0], resource)
	if err != nil || !allowed {
		return nil, false, err
	}
	s.buf = masked
	if !s.x.in.Code.IsHistory() {
		return masked, true, nil
	}
	visible, known := s.visible[typ+"/"+id]
	if !known {
		if visible, err = s.x.visibleNow(ctx, typ, id); err != nil {
			return nil, false, err
		}
		s.visible[typ+"/"+id] = visible
	}
	return masked, visible, nil
}

// expected holds a row to be of the kind that was asked for.
func (s *scan) expected(h resourceHead) error {
	in := s.x.in
	if !s.x.Definitions.IsResource(h.typ) || !fhir.IsID(h.id) || in.Type != "" && h.typ != in.Type ||
		len(in.Query.Types) > 0 && !slices.Contains(in.Query.Types, h.typ) ||
		in.Code == fhir.HistoryInstance && h.id != s.x.realInstance {
		return errUpstreamAnswer.Because(errShape)
	}
	return nil
}

// deletion judges the entry of a deletion by the last version before it: who
// could see that one may know of its end.
func (s *scan) deletion(ctx context.Context, e fhir.Entry, at position) (row, bool, error) {
	ref, version, ok := s.deleted(e)
	if !ok {
		return row{}, false, nil
	}
	head := resourceHead{typ: ref.Type, id: ref.ID, version: strconv.FormatUint(version, 10)}
	if err := s.expected(head); err != nil {
		return row{}, false, err
	}
	before := fhir.Interaction{Code: fhir.VRead, Type: ref.Type, ID: ref.ID, VersionID: strconv.FormatUint(version-1, 10)}
	resource, found, err := s.x.fetch(ctx, before)
	if err != nil || !found {
		return row{}, false, err
	}
	masked, allowed, err := s.judge(ctx, ref.Type, ref.ID, resource)
	if err != nil || !allowed {
		return row{}, false, err
	}
	return row{at: at, typ: ref.Type, id: stringAt(masked, "id"), method: "DELETE", status: "204", head: head}, true, nil
}

// deleted is which resource an entry says was deleted, and by which version. ok
// is false when the version before it can't be told.
func (s *scan) deleted(e fhir.Entry) (ref fhir.Reference, version uint64, ok bool) {
	target := e.URL
	if target == "" {
		target = e.FullURL
	}
	if path, _, err := s.x.Upstream.Relative(target); err == nil {
		target = path
	}
	ref, ok = fhir.ParseReference(target)
	_, text, versioned := strings.Cut(target, "/_history/")
	if !versioned {
		text = strings.Trim(strings.TrimPrefix(e.ETag, "W/"), `"`)
	}
	version, err := strconv.ParseUint(text, 10, 63)
	deletion := e.Method == "" || e.Method == "DELETE"
	return ref, version, ok && deletion && err == nil && version > 1 && s.x.Definitions.IsResource(ref.Type)
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
