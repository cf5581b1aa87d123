package store

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serve carries out one interaction, taking the lock that it needs.
func (s *Store) serve(req *request) (*answer, error) {
	if req.method == http.MethodGet {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return s.read(req)
	}
	if req.method == http.MethodPost && len(req.path) == 0 {
		return s.bundle(req)
	}
	if err := s.prepare(req); err != nil {
		return nil, err
	}
	var ans *answer
	err := s.write(func(t *tx) (err error) {
		ans, err = t.change(req)
		return err
	})
	return ans, err
}

// read carries out an interaction that changes nothing. The caller holds mu.
func (s *Store) read(req *request) (*answer, error) {
	p := req.path
	if len(p) == 0 {
		switch {
		case req.params.Has("_getpages"):
			return s.nextPage(req)
		case req.rawQuery == "":
			return nil, invalid("This is the base URL of a FHIR server: it needs a resource type or an operation's name")
		}
		return s.search(req, "", "", "")
	}
	switch p[0] {
	case "metadata":
		return &answer{status: http.StatusOK, resource: s.capabilities()}, nil
	case "_history":
		return s.historySystem(req)
	}
	if err := s.known(p[0]); err != nil {
		return nil, err
	}
	switch {
	case len(p) == 1:
		return s.search(req, p[0], "", "")
	case len(p) == 2 && p[1] == "_history":
		return s.historyType(req, p[0])
	case len(p) == 2 && validID(p[1]):
		return s.readLatest(req, p[0], p[1])
	case len(p) == 3 && p[2] == "_history":
		return s.historyInstance(req, p[0], p[1])
	case len(p) == 3 && (p[2] == "*" || s.defs.IsResource(p[2])):
		return s.search(req, strings.Trim(p[2], "*"), p[0], p[1])
	case len(p) == 4 && p[2] == "_history":
		return s.readVersion(req, p[0], p[1], p[3])
	}
	return nil, unsupported(req)
}

func unsupported(req *request) *failure {
	return failed(http.StatusBadRequest, "not-supported", "This server doesn't know how to handle %s %s", req.method, strings.Join(req.path, "/"))
}

func (s *Store) known(typ string) error {
	if !s.defs.IsResource(typ) {
		return failed(http.StatusNotFound, "not-supported", "Unknown resource type %q", typ)
	}
	return nil
}

func (s *Store) readLatest(req *request, typ, id string) (*answer, error) {
	rec := s.find(typ, id)
	if rec == nil {
		return nil, notFound(typ, id)
	}
	return s.readNumber(req, rec, rec.number())
}

func (s *Store) readVersion(req *request, typ, id, number string) (*answer, error) {
	rec := s.find(typ, id)
	n, err := strconv.Atoi(number)
	if rec == nil || err != nil || n < 1 || n > rec.number() {
		return nil, failed(http.StatusNotFound, "not-found", "Version %q of %s/%s is not known", number, typ, id)
	}
	return s.readNumber(req, rec, n)
}

func (s *Store) readNumber(req *request, rec *record, number int) (*answer, error) {
	v := &rec.versions[number-1]
	ans := describe(req.base, rec, number)
	if v.raw == nil {
		return nil, &failure{status: http.StatusGone, code: "deleted", text: "Resource was deleted at " + ans.modified, header: http.Header{"Location": {ans.location}}}
	}
	if notModified(req, ans.etag, v.lastModified()) {
		ans.status = http.StatusNotModified
		return ans, nil
	}
	if req.native && rec.shelf.name == "Binary" {
		return ans, ans.takeBinary(v.raw)
	}
	shape, err := s.shapeOf(req.params)
	if err != nil {
		return nil, err
	}
	ans.resource = shape.apply(nil, v.raw)
	return ans, nil
}

// takeBinary makes the answer of a Binary its own bytes (FHIR R4 binary.html#rest): what a client gets that doesn't ask for
// JSON.
func (ans *answer) takeBinary(raw []byte) error {
	content, err := base64.StdEncoding.DecodeString(text(raw, "data"))
	if err != nil {
		return failed(http.StatusInternalServerError, "exception", "The Binary's data isn't base64")
	}
	ans.resource, ans.media = content, cmp.Or(text(raw, "contentType"), "application/octet-stream")
	return nil
}

// describe makes the answer for one version, without a body.
func describe(base string, rec *record, number int) *answer {
	v := &rec.versions[number-1]
	return &answer{
		status:       http.StatusOK,
		etag:         etag(number),
		lastModified: v.lastModified().Format(http.TimeFormat),
		modified:     v.lastModified().Format(instant),
		location:     base + "/" + rec.reference() + "/_history/" + strconv.Itoa(number),
	}
}

func etag(number int) string { return `W/"` + strconv.Itoa(number) + `"` }

// notModified evaluates the headers of a conditional read (FHIR R4 http.html#cread); If-None-Match goes first (RFC 9110).
func notModified(req *request, tag string, modified time.Time) bool {
	if req.ifNoneMatch != "" {
		for want := range strings.SplitSeq(req.ifNoneMatch, ",") {
			if want = strings.TrimSpace(want); want == "*" || want == tag || "W/"+want == tag {
				return true
			}
		}
		return false
	}
	since, err := http.ParseTime(req.ifModifiedSince)
	return err == nil && !modified.Truncate(time.Second).After(since)
}
