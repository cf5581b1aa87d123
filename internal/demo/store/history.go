package store

import (
	"net/http"
	"slices"
	"strconv"
	"time"
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
	for name := range req.params {
		if !slices.Contains([]string{"_since", "_count", "_format", "_pretty", "_summary", "_elements", "_total"}, name) {
			return nil, invalid("Unknown parameter %q of history", name)
		}
	}
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
	p := &paging{kind: "history", history: all, size: size, shape: shape, self: req.self()}
	return s.page(req, p, 0, size)
}

// historyEntry appends one version as an entry (FHIR R4 http.html#history).
func (b *bundle) historyEntry(c change, sh shape) {
	v := &c.rec.versions[c.number-1]
	about := describe(b.base, c.rec, int(c.number))
	b.open(b.base + "/" + c.rec.reference())
	if v.raw != nil {
		b.buf = sh.apply(append(b.buf, `,"resource":`...), v.raw)
	}
	b.buf = append(b.buf, `,"request":{"method":"`+v.verb.method()+`","url":"`+c.rec.reference()+`/_history/`+strconv.Itoa(int(c.number))+`"},"response":{"status":"`...)
	b.buf = append(b.buf, historyStatus(v.verb)...)
	b.buf = append(b.buf, `","etag":"W/\"`+strconv.Itoa(int(c.number))+`\"","lastModified":"`+about.modified+`"}}`...)
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

func nowInstant(now func() time.Time) string { return now().UTC().Format(instant) }
