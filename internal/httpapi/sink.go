package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/labstack/echo/v4"

	"github.com/fhirgate/fhirgate/internal/gateway"
)

const contentType = "application/fhir+json; charset=utf-8"

// gzipWriters are reused: one holds about 800 KB.
var gzipWriters = sync.Pool{New: func() any { //nolint:gochecknoglobals // a pool
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return w
}}

// sink writes an answer to the client, with gzip when it takes that.
type sink struct {
	response *echo.Response
	gzip     bool
	writer   *gzip.Writer
}

func newSink(c echo.Context, r *http.Request) *sink {
	return &sink{response: c.Response(), gzip: acceptsGzip(r.Header.Get("Accept-Encoding"))}
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3).
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q := strings.TrimPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			return q == "" || strings.Trim(q, "0.") != ""
		}
	}
	return false
}

// Begin implements gateway.Sink.
func (s *sink) Begin(head gateway.Head) {
	h := s.response.Header()
	if head.ETag != "" {
		h.Set("ETag", head.ETag)
	}
	if !head.LastModified.IsZero() {
		h.Set("Last-Modified", head.LastModified.UTC().Format(http.TimeFormat))
	}
	if head.Location != "" {
		h.Set("Location", head.Location)
	}
	h.Set("Vary", "Accept-Encoding, Authorization")
	if head.HasBody {
		h.Set("Content-Type", contentType)
		if s.gzip {
			h.Set("Content-Encoding", "gzip")
			s.writer = gzipWriters.Get().(*gzip.Writer) //nolint:forcetypeassert // the pool holds nothing else
			s.writer.Reset(s.response)
		}
	}
	s.response.WriteHeader(head.Status)
}

// Write implements gateway.Sink; what is written goes out at once.
func (s *sink) Write(p []byte) (int, error) {
	var n int
	var err error
	if s.writer != nil {
		if n, err = s.writer.Write(p); err == nil {
			err = s.writer.Flush()
		}
	} else {
		n, err = s.response.Write(p)
	}
	if err != nil {
		return n, fmt.Errorf("write answer: %w", err)
	}
	return n, nil
}

// close ends a whole answer.
func (s *sink) close() error {
	if s.writer == nil {
		return nil
	}
	err := s.writer.Close()
	s.release()
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// abort ends an answer that isn't whole, without the end mark of gzip.
func (s *sink) abort() { s.release() }

func (s *sink) release() {
	if s.writer == nil {
		return
	}
	s.writer.Reset(nil)
	gzipWriters.Put(s.writer)
	s.writer = nil
}
