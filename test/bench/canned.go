package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
)

// canned is an upstream that costs nothing: the answers that are measured lie
// ready. What policy looks up besides, once a minute, comes from the demo store.
type canned struct {
	byPath map[string][]byte
	search []byte
	rows   [][]byte
	base   string
	rest   http.Handler
}

// newCanned makes the upstream that answers under base.
func newCanned(f *fixtures, base string, store *url.URL, token string) *canned {
	c := &canned{byPath: map[string][]byte{"/fhir/Patient/anna-berg": f.patient}, rows: f.observations, base: base, rest: newBare(store, token)}
	c.search = bundleHead(searchRows)
	for i, o := range f.observations {
		if i > 0 {
			c.search = append(c.search, ',')
		}
		c.search = appendEntry(c.search, base, o, observationID(i))
		c.byPath["/fhir/Observation/"+observationID(i)] = o
	}
	c.search = append(c.search, `],"link":[{"relation":"self","url":"`+base+`/Observation"}]}`...)
	return c
}

// ServeHTTP implements http.Handler.
func (c *canned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, known := c.byPath[r.URL.Path]
	switch {
	case known && r.Method == http.MethodGet:
		c.answer(w, body)
	case known && r.Method == http.MethodPut:
		sent, err := io.ReadAll(r.Body)
		if err != nil || len(sent) < 1000 || r.Header.Get("If-Match") != `W/"1"` {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		c.answer(w, body)
	case r.URL.Path == "/fhir/Observation" && strings.Contains(r.URL.RawQuery, hugeCode):
		c.huge(w)
	case r.URL.Path == "/fhir/Observation" && strings.Contains(r.URL.RawQuery, panelCode):
		c.answer(w, c.search)
	default:
		c.rest.ServeHTTP(w, r)
	}
}

func (c *canned) answer(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/fhir+json; charset=utf-8")
	h.Set("ETag", `W/"1"`)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// huge streams bundleRows rows in one Bundle, and holds none of it.
func (c *canned) huge(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
	b := bundleHead(bundleRows)
	for i := range bundleRows {
		if i > 0 {
			b = append(b, ',')
		}
		n := i % len(c.rows)
		id := observationID(i)
		b = appendEntry(b, c.base, bytes.Replace(c.rows[n], []byte(observationID(n)), []byte(id), 1), id)
		if _, err := w.Write(b); err != nil {
			return
		}
		b = b[:0]
	}
	_, _ = w.Write([]byte("]}"))
}

// newBare is what the gateway is compared with: a reverse proxy that does
// nothing besides, with buffers and connections that are reused.
func newBare(upstream *url.URL, token string) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = upstream.Scheme, upstream.Host, upstream.Host
			r.Out.Header.Set("Authorization", "Bearer "+token)
		},
		Transport: &http.Transport{
			MaxIdleConns: 64, MaxIdleConnsPerHost: 64, DisableCompression: true, WriteBufferSize: 32 << 10, ReadBufferSize: 32 << 10,
		},
		BufferPool: newBuffers(),
	}
}

// buffers is a pool of copy buffers. A channel, not a sync.Pool: slices go in
// and out without an allocation.
type buffers chan []byte

func newBuffers() buffers { return make(buffers, 64) }

// Get implements httputil.BufferPool.
func (b buffers) Get() []byte {
	select {
	case buf := <-b:
		return buf
	default:
		return make([]byte, 32<<10)
	}
}

// Put implements httputil.BufferPool.
func (b buffers) Put(buf []byte) {
	select {
	case b <- buf:
	default:
	}
}
