package store

import (
	"bytes"
	"cmp"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

const (
	maxBody     = 256 << 20 // bytes, after decompression
	contentType = "application/fhir+json;charset=UTF-8"
	minGzip     = 512 // bytes; smaller answers are sent as they are
)

// request is one interaction, from HTTP or from an entry of a batch or transaction.
type request struct {
	method   string
	path     []string // segments below the base
	params   url.Values
	rawQuery string
	base     string // absolute URL of the FHIR base
	body     []byte
	draft    *draft // the parsed body of a create or update

	ifMatch, ifNoneMatch, ifNoneExist, ifModifiedSince string
	prefer                                             string
	native                                             bool // a Binary is wanted as its own bytes
}

// answer is what an interaction gives.
type answer struct {
	status       int
	etag         string
	lastModified string // as an HTTP date
	modified     string // as a FHIR instant
	location     string // Location, or Content-Location for a read
	resource     []byte
	outcome      []byte // sent when there is no resource
	media        string // type of resource when it isn't FHIR
	quiet        bool   // neither is sent, other than in an entry of a Bundle
}

// Handler returns the server's HTTP handler, for paths below Options.BasePath.
func (s *Store) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

func (s *Store) serveHTTP(w http.ResponseWriter, r *http.Request) {
	ans, err := s.answerHTTP(w, r)
	if err != nil {
		ans = s.refusal(w, err)
	}
	s.send(w, r, ans)
}

func (s *Store) refusal(w http.ResponseWriter, err error) *answer {
	var f *failure
	if !errors.As(err, &f) {
		f = failed(http.StatusInternalServerError, "exception", "%v", err)
	}
	for k, v := range f.header {
		w.Header()[k] = v
	}
	return &answer{status: f.status, outcome: outcomeOf("error", f.code, f.text)}
}

func (s *Store) answerHTTP(w http.ResponseWriter, r *http.Request) (*answer, error) {
	if !s.authorized(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		return nil, failed(http.StatusUnauthorized, "login", "Authentication is required")
	}
	req, err := s.readRequest(w, r)
	if err != nil {
		return nil, err
	}
	return s.serve(req)
}

func (s *Store) authorized(r *http.Request) bool {
	if s.opts.Token == "" {
		return true
	}
	want, got := s.opts.Token, r.Header.Get(s.opts.Header)
	if s.opts.Header == "" {
		want, got = "Bearer "+want, r.Header.Get("Authorization")
	}
	return subtle.ConstantTimeCompare([]byte(want), []byte(got)) == 1
}

func (s *Store) readRequest(w http.ResponseWriter, r *http.Request) (*request, error) {
	path, ok := strings.CutPrefix(r.URL.Path, s.opts.BasePath)
	if !ok || path != "" && path[0] != '/' {
		return nil, failed(http.StatusNotFound, "not-found", "This server's base is %s", s.opts.BasePath+"/")
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("The query can't be parsed")
	}
	req := &request{
		method: r.Method, path: segments(path), params: params, rawQuery: r.URL.RawQuery, base: s.base(r),
		ifMatch: r.Header.Get("If-Match"), ifNoneMatch: r.Header.Get("If-None-Match"), ifNoneExist: r.Header.Get("If-None-Exist"),
		ifModifiedSince: r.Header.Get("If-Modified-Since"), prefer: strings.Join(r.Header.Values("Prefer"), ","),
	}
	req.native = !strings.Contains(r.Header.Get("Accept")+params.Get("_format"), "json")
	if r.Method == http.MethodHead {
		req.method = http.MethodGet
	}
	if err := acceptable(r, params); err != nil {
		return nil, err
	}
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		return req, s.readBody(w, r, req)
	}
	return req, nil
}

func segments(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

func (s *Store) base(r *http.Request) string {
	if s.opts.BaseURL != "" {
		return s.opts.BaseURL
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + s.opts.BasePath
}

// acceptable refuses a client that wants another format of FHIR. What isn't one gets JSON, as in HAPI.
func acceptable(r *http.Request, params url.Values) error {
	want := params.Get("_format")
	if want == "" {
		want = r.Header.Get("Accept")
	}
	if !strings.Contains(want, "xml") && !strings.Contains(want, "turtle") || strings.Contains(want, "json") || strings.Contains(want, "*/*") {
		return nil
	}
	return failed(http.StatusNotAcceptable, "not-supported", "This server gives JSON only")
}

func (s *Store) readBody(w http.ResponseWriter, r *http.Request, req *request) error {
	var in io.Reader = http.MaxBytesReader(w, r.Body, maxBody)
	if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		z, err := gzip.NewReader(in)
		if err != nil {
			return invalid("The body isn't gzip")
		}
		in = io.LimitReader(z, maxBody)
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return invalid("The body can't be read")
	}
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if req.method == http.MethodPost && len(req.path) > 0 && req.path[len(req.path)-1] == "_search" {
		return req.takeForm(media, body)
	}
	if !strings.Contains(media, "json") {
		return failed(http.StatusUnsupportedMediaType, "not-supported", "This server takes JSON only")
	}
	req.body = body
	return nil
}

// takeForm adds the parameters of a POST _search to those of the URL.
func (req *request) takeForm(media string, body []byte) error {
	if media != "" && media != "application/x-www-form-urlencoded" {
		return failed(http.StatusUnsupportedMediaType, "not-supported", "A search by POST has the type application/x-www-form-urlencoded")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return invalid("The form can't be parsed")
	}
	for name, values := range form {
		req.params[name] = append(req.params[name], values...)
	}
	req.method, req.path = http.MethodGet, req.path[:len(req.path)-1]
	req.rawQuery = req.params.Encode()
	return nil
}

// preference returns the value of one part of the Prefer header, such as return=minimal.
func (req *request) preference(name string) string {
	for part := range strings.FieldsFuncSeq(req.prefer, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		if value, ok := strings.CutPrefix(part, name+"="); ok {
			return value
		}
	}
	return ""
}

func (s *Store) send(w http.ResponseWriter, r *http.Request, ans *answer) {
	h := w.Header()
	setUnlessEmpty(h, "ETag", ans.etag)
	setUnlessEmpty(h, "Last-Modified", ans.lastModified)
	if ans.location != "" {
		h.Set("Content-Location", ans.location)
		if r.Method == http.MethodPost { // not with an update that creates, as in HAPI
			h.Set("Location", ans.location)
		}
	}
	body := ans.resource
	if body == nil {
		body = ans.outcome
	}
	if len(body) == 0 || ans.quiet {
		w.WriteHeader(ans.status)
		return
	}
	if ans.media == "" && strings.Contains(r.URL.RawQuery, "_pretty=true") {
		var pretty bytes.Buffer
		if json.Indent(&pretty, body, "", "  ") == nil {
			body = pretty.Bytes()
		}
	}
	h.Set("Content-Type", cmp.Or(ans.media, contentType))
	if ans.media != "" {
		h.Set("Content-Disposition", "attachment")
	}
	if len(body) >= minGzip && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		s.sendGzip(w, ans.status, body)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(ans.status)
	_, _ = w.Write(body) // an error here is the client's going away
}

func (s *Store) sendGzip(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Add("Vary", "Accept-Encoding")
	w.WriteHeader(status)
	z, ok := s.zips.Get().(*gzip.Writer)
	if !ok {
		z, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a legal one
	}
	defer s.zips.Put(z)
	z.Reset(w)
	_, _ = z.Write(body) // an error here is the client's going away
	_ = z.Close()
}

func setUnlessEmpty(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}
