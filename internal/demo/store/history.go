package store

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (s *Store) historyInstance(req *request, typ, id string) (*answer, error) {
	rec := s.find(typ, id)
	if rec == nil {
		return nil, notFound(typ, id)
	}
	all := make([]change, rec.number())
	for i := range all {
		all[i] = change{rec, uint32(i + 1)}
	}
	return s.history(req, all)
}

func (s *Store) historyType(req *request, typ string) (*answer, error) {
	var all []change
	for _, c := range s.changes {
		if c.rec.shelf.name == typ {
			all = append(all, c)
		}
	}
	return s.history(req, all)
}

func (s *Store) historySystem(req *request) (*answer, error) {
	return s.history(req, slices.Clone(s.changes))
}

// history answers with versions, given oldest first, newest first.
func (s *Store) history(req *request, all []change) (*answer, error) {
	if since := req.params.Get("_since"); since != "" {
		from, err := parseSpan(since)
		if err != nil {
			return nil, invalid("Invalid value of _since")
		}
		all = slices.DeleteFunc(all, func(c change) bool { return c.rec.versions[c.number-1].millis < from.low })
	}
	slices.Reverse(all)
	size, err := s.pageSize(req.params)
	if err != nil {
		return nil, err
	}
	shape, err := s.shapeOf(req.params)
	if err != nil {
		return nil, err
	}
	offset, err := strconv.Atoi(cmp.Or(req.params.Get("_offset"), "0"))
	if err != nil || offset < 0 {
		return nil, invalid("Invalid value of _offset")
	}
	b := newBundle(req.base, "history", s.opts.Now())
	b.buf = append(b.buf, `,"total":`+strconv.Itoa(len(all))+`,"link":[`...)
	b.link("self", req.self())
	from, to := min(offset, len(all)), min(offset+size, len(all))
	if to < len(all) && size > 0 {
		b.link("next", req.atOffset(to, size))
	}
	if from > 0 {
		b.link("previous", req.atOffset(max(0, from-size), size))
	}
	b.buf = append(b.buf, ']')
	for _, c := range all[from:to] {
		b.historyEntry(c, shape)
	}
	return b.answer(), nil
}

// atOffset returns the URL of another page of a history. As in HAPI that's by offset: what is written in between shifts it.
func (req *request) atOffset(offset, size int) string {
	params := maps.Clone(req.params)
	params.Set("_offset", strconv.Itoa(offset))
	params.Set("_count", strconv.Itoa(size))
	return req.base + "/" + strings.Join(req.path, "/") + "?" + params.Encode()
}

// historyEntry appends one version as an entry (FHIR R4 http.html#history).
func (b *bundle) historyEntry(c change, sh shape) {
	v := &c.rec.versions[c.number-1]
	b.open(b.base + "/" + c.rec.reference())
	if v.raw != nil {
		b.buf = sh.apply(append(b.buf, `,"resource":`...), v.raw)
	}
	b.buf = append(b.buf, `,"request":{"method":"`+v.verb.method()+`","url":"`+c.rec.reference()+`/_history/`+strconv.Itoa(int(c.number))+`"},"response":{"status":"`...)
	b.buf = append(b.buf, historyStatus(v.verb)...)
	b.buf = append(b.buf, `","etag":"W/\"`+strconv.Itoa(int(c.number))+`\""}}`...)
}

func historyStatus(v verb) string {
	if v == created {
		return statusLine(http.StatusCreated)
	}
	return statusLine(http.StatusOK)
}

func statusLine(status int) string {
	return strconv.Itoa(status) + " " + http.StatusText(status)
}
