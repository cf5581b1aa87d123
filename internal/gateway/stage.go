package gateway

import (
	"net/http"
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir"
)

// stageSize is how much of an answer is held back before its head is sent: a
// failure until then is still answered properly.
const stageSize = 64 << 10

// flushSize is how much is collected between writes after that.
const flushSize = 16 << 10

// stage holds the beginning of an answer back, then passes it on in pieces.
type stage struct {
	sink  Sink
	head  Head
	buf   []byte
	begun bool
}

// open sets the head; it is sent with the first bytes.
func (s *stage) open(h Head) { s.head = h }

// flush passes on what is held when there is enough of it.
func (s *stage) flush() error {
	limit := stageSize
	if s.begun {
		limit = flushSize
	}
	if len(s.buf) < limit {
		return nil
	}
	return s.write()
}

func (s *stage) write() error {
	if !s.begun {
		s.begun = true
		s.head.HasBody = len(s.buf) > 0
		s.sink.Begin(s.head)
	}
	if len(s.buf) == 0 {
		return nil
	}
	_, err := s.sink.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}

// finish sends the rest.
func (s *stage) finish() error { return s.write() }

// lastModified parses a FHIR instant for the Last-Modified header.
func lastModified(instant string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, instant)
	if err != nil {
		return time.Time{}
	}
	return t
}

// versioned is the head of an answer that holds one resource.
func versioned(status int, r resourceHead) Head {
	h := Head{Status: status, LastModified: lastModified(r.lastUpdated)}
	if r.version != "" {
		h.ETag = fhir.ETag(r.version)
	}
	return h
}

// notModified reports whether a conditional read is answered with 304 (R4
// http.html#cread). If-None-Match wins over If-Modified-Since.
func (c Call) notModified(h Head) bool {
	if c.IfNoneMatch != "" {
		return h.ETag != "" && matchesTag(c.IfNoneMatch, h.ETag)
	}
	if c.IfModifiedSince == "" || h.LastModified.IsZero() {
		return false
	}
	since, err := http.ParseTime(c.IfModifiedSince)
	return err == nil && !h.LastModified.Truncate(time.Second).After(since)
}
