package store

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// bundle is a Bundle in the making.
type bundle struct {
	buf     []byte
	base    string
	made    time.Time
	entries int
}

func newBundle(base, kind string, now time.Time) *bundle {
	b := &bundle{base: base, made: now.UTC(), buf: make([]byte, 0, 1<<10)}
	b.buf = append(b.buf, `{"resourceType":"Bundle","id":"`+rand.Text()+`","meta":{"lastUpdated":"`...)
	b.buf = b.made.AppendFormat(b.buf, instant)
	b.buf = append(b.buf, `"},"type":"`+kind+`"`...)
	return b
}

func (b *bundle) links(p *paging, offset, size int) {
	b.buf = append(b.buf, `,"link":[`...)
	b.link("self", p.self)
	if p.id != "" && offset+size < len(p.matches) {
		b.link("next", p.url(b.base, offset+size, size))
	}
	if p.id != "" && offset > 0 {
		b.link("previous", p.url(b.base, max(0, offset-size), size))
	}
	b.buf = append(b.buf, ']')
}

func (b *bundle) link(relation, target string) {
	if b.buf[len(b.buf)-1] != '[' {
		b.buf = append(b.buf, ',')
	}
	b.buf = append(b.buf, `{"relation":"`+relation+`","url":`...)
	b.buf = append(wire.AppendString(b.buf, target), '}')
}

func (p *paging) url(base string, offset, size int) string {
	return base + "?_getpages=" + p.id + "&_getpagesoffset=" + strconv.Itoa(offset) + "&_count=" + strconv.Itoa(size) + "&_bundletype=searchset"
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

// answer ends the Bundle.
func (b *bundle) answer() *answer {
	if b.entries > 0 {
		b.buf = append(b.buf, ']')
	}
	return &answer{status: http.StatusOK, resource: append(b.buf, '}'), lastModified: b.made.Format(http.TimeFormat)}
}
