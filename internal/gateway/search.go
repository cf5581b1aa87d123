package gateway

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// search answers searches and histories: rows that the caller may see, whole
// pages of them, each row sent before the next is read.
func (x *exchange) search(ctx context.Context) error {
	leave, ok := x.scans.enter(callerKey(x.call.Request.Principal))
	if !ok {
		return tooMany(errScans, 0)
	}
	defer leave()
	at, err := x.start()
	if err != nil {
		return err
	}
	s := x.newScan(at)
	defer s.close()
	p := page{x: x, scan: s, size: x.pageSize(), delivered: x.link.Delivered}
	if x.countOnly() {
		return p.count(ctx)
	}
	return p.deliver(ctx)
}

// start is where the scan begins: at the page link's position, or at the
// beginning of a search that is sent with nothing that hides elements from
// policy.
func (x *exchange) start() (position, error) {
	in, err := x.realIDs(x.in)
	if err != nil {
		return position{}, err
	}
	x.realInstance = in.ID
	if err := x.checkKeys(); err != nil {
		return position{}, err
	}
	// One more than a page, to see whether there is a next one; and enough to
	// fill a page in one go when some are hidden.
	count := min(max(x.pageSize()+1, minUpstreamPage), x.Limits.UpstreamPage)
	x.compartment, x.partsOf = in.Compartment, x.parts(in, count)
	if x.paged {
		x.splitFirst = x.link.Split
		if x.splitFirst && x.link.At.Part >= len(x.partsOf) {
			return position{}, errPage
		}
		return x.link.At, nil
	}
	if len(x.partsOf) > 0 && x.lacking.of(in.Code).Load() {
		x.splitFirst = true
		return x.partsOf[0].at, nil
	}
	query := x.upstreamQuery(in)
	return position{Path: in.Path(), Query: query.EncodeUpstream(count), Form: in.Posted}, nil
}

const minUpstreamPage = 20

func (x *exchange) pageSize() int {
	switch n := x.in.Query.Count; {
	case n == fhir.CountUnset:
		return x.Limits.PageDefault
	default:
		return min(n, x.Limits.PageMax)
	}
}

// countOnly says that no rows are asked for, only their number.
func (x *exchange) countOnly() bool {
	return x.in.Query.Summary == fhir.SummaryCount || x.in.Query.Count == 0
}

// page writes one page of an answer.
type page struct {
	x         *exchange
	scan      *scan
	size      int
	delivered int // rows on pages before this one
	entries   int // entries written on this page
	rows      int // rows written on this page
}

// deliver writes a page of rows, then its total and links.
func (p *page) deliver(ctx context.Context) error {
	p.begin()
	p.notice()
	for p.rows < p.size {
		r, err := p.scan.next(ctx)
		if errors.Is(err, io.EOF) {
			return p.last()
		}
		if err != nil {
			return p.stopped(err)
		}
		if err := p.x.spend(ctx, 1); err != nil {
			return p.stopped(err)
		}
		if err := p.write(r); err != nil {
			return err
		}
	}
	return p.lookAhead(ctx)
}

// last ends the last page. An instance none of whose versions may be seen is
// answered as one that never was.
func (p *page) last() error {
	total := p.delivered + p.rows
	if p.x.in.Code == fhir.HistoryInstance && total == 0 {
		return errAbsent
	}
	return p.end(total, nil)
}

// lookAhead finds out whether another row is to be seen: only then is there a
// next link, so that its presence tells nothing of hidden rows.
func (p *page) lookAhead(ctx context.Context) error {
	r, err := p.scan.next(ctx)
	if errors.Is(err, io.EOF) {
		return p.end(p.delivered+p.rows, nil)
	}
	if err != nil {
		return p.stopped(err)
	}
	total := p.x.link.Total
	if p.x.in.Query.Total == fhir.TotalAccurate && total == nil && !p.x.omitTotal() {
		n, err := p.rest(ctx, p.delivered+p.rows+1)
		switch {
		case err == nil:
			total = &n
		case !errors.Is(err, errTooCostly):
			return p.stopped(err)
		}
	}
	next, err := p.x.nextLink(pageLink{At: r.at, Delivered: p.delivered + p.rows, Total: total, Split: p.scan.parts != nil})
	if err != nil {
		return err
	}
	if total != nil {
		return p.end(*total, &next)
	}
	return p.end(-1, &next)
}

// rest counts the rows that are left, n having been counted already.
func (p *page) rest(ctx context.Context, n int) (int, error) {
	for {
		_, err := p.scan.next(ctx)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		n++
	}
}

// count answers with the number of rows alone; at the bound without it.
func (p *page) count(ctx context.Context) error {
	p.begin()
	p.notice()
	ofInstance := p.x.in.Code == fhir.HistoryInstance
	if p.x.omitTotal() && !ofInstance {
		return p.end(-1, nil)
	}
	n, err := p.rest(ctx, 0)
	if err != nil {
		return p.stopped(err)
	}
	if ofInstance && n == 0 {
		return errAbsent // as in last
	}
	return p.end(n, nil)
}

func (x *exchange) omitTotal() bool {
	return x.Limits.OmitTotal || x.plan.Decision.Obligations.OmitTotal || x.in.Query.Total == fhir.TotalNone
}

// stopped ends a page that isn't whole. Nothing was sent yet: the refusal is the
// answer. Otherwise the page says so itself, or the stream is cut.
func (p *page) stopped(err error) error {
	var r *fhir.Refusal
	if !p.x.stage.begun || !errors.As(err, &r) || r.Code != errTooCostly.Code && r.Code != errVolume.Code {
		return err
	}
	p.entry()
	b := append(p.x.stage.buf, `{"resource":`...)
	b = r.AppendOutcome(b)
	p.x.stage.buf = append(b, `,"search":{"mode":"outcome"}}`...)
	return p.end(-1, nil)
}

func (p *page) begin() {
	kind := "searchset"
	if p.x.in.Code.IsHistory() {
		kind = "history"
	}
	p.x.stage.open(Head{Status: 200})
	p.x.stage.buf = append(p.x.stage.buf, `{"resourceType":"Bundle","type":"`+kind+`"`...)
}

// notice says, when policy asks for it, that results may be withheld: on every
// search of that caller, whether or not something was.
func (p *page) notice() {
	if !p.x.plan.Decision.Obligations.WithheldNotice || !p.x.in.Code.IsSearch() {
		return
	}
	p.entry()
	b := append(p.x.stage.buf, `{"resource":`...)
	b = fhir.AppendOutcome(b, fhir.SeverityInformation, fhir.IssueSuppressed, "results-may-be-withheld",
		"Policy may withhold results and elements of them from this caller.")
	p.x.stage.buf = append(b, `,"search":{"mode":"outcome"}}`...)
}

// entry begins an entry, and the array with the first one.
func (p *page) entry() {
	if p.entries == 0 {
		p.x.stage.buf = append(p.x.stage.buf, `,"entry":[`...)
	} else {
		p.x.stage.buf = append(p.x.stage.buf, ',')
	}
	p.entries++
}

// write writes one row.
func (p *page) write(r row) error {
	p.entry()
	p.rows++
	p.x.counts.Visible++
	p.x.touch(r.typ, r.head.id)
	b := append(p.x.stage.buf, `{"fullUrl":`...)
	b = wire.AppendString(b, p.x.PublicBase+"/"+r.typ+"/"+r.id)
	var err error
	if r.body != nil {
		b = append(b, `,"resource":`...)
		if b, err = p.x.shape(b, r.body); err != nil {
			return err
		}
	}
	if p.x.in.Code.IsHistory() {
		b = appendHistory(b, r)
	} else {
		b = append(b, `,"search":{"mode":"match"}`...)
	}
	p.x.stage.buf = append(b, '}')
	return p.x.stage.flush()
}

// appendHistory writes request and response of a history entry from what the
// gateway knows, not from what the server behind wrote there.
func appendHistory(b []byte, r row) []byte {
	method, url, status := "PUT", r.typ+"/"+r.id, "200"
	switch r.method {
	case "POST":
		method, url, status = "POST", r.typ, "201"
	case "DELETE":
		method, status = "DELETE", "204"
	}
	b = append(b, `,"request":{"method":"`+method+`","url":`...)
	b = wire.AppendString(b, url)
	b = append(b, `},"response":{"status":"`+status+`"`...)
	if r.head.version != "" {
		b = append(b, `,"etag":`...)
		b = wire.AppendString(b, fhir.ETag(r.head.version))
	}
	if r.head.lastUpdated != "" {
		b = append(b, `,"lastModified":`...)
		b = wire.AppendString(b, r.head.lastUpdated)
	}
	return append(b, '}')
}

// end closes the page. total below 0 is left out.
func (p *page) end(total int, next *string) error {
	b := p.x.stage.buf
	if p.entries > 0 {
		b = append(b, ']')
	}
	if total >= 0 && !p.x.omitTotal() && (p.x.in.Code.IsSearch() || p.x.in.Code.IsHistory()) {
		b = append(b, `,"total":`...)
		b = strconv.AppendInt(b, int64(total), 10)
	}
	b = append(b, `,"link":[{"relation":"self","url":`...)
	b = wire.AppendString(b, p.x.selfLink())
	b = append(b, '}')
	if next != nil {
		b = append(b, `,{"relation":"next","url":`...)
		b = wire.AppendString(b, *next)
		b = append(b, '}')
	}
	p.x.stage.buf = append(b, `]}`...)
	return nil
}

// selfLink is the search as it was understood (R4 search.html#conformance).
func (x *exchange) selfLink() string {
	link := x.PublicBase
	if p := x.in.Path(); p != "" {
		link += "/" + p
	}
	if q := x.in.Query.Encode(); q != "" {
		link += "?" + q
	}
	return link
}
