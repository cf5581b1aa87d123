package store

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// entry is one entry of a batch or transaction.
type entry struct {
	fullURL string
	req     *request
	ans     *answer
	target  string // Type/id that a create or update writes
}

// bundle carries out a batch or transaction (FHIR R4 http.html#transaction).
func (s *Store) bundle(req *request) (*answer, error) {
	kind, entries, err := s.parseBundle(req)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "batch":
		for _, e := range entries {
			e.ans = s.serveEntry(e.req)
		}
	case "transaction":
		if err := s.transact(entries); err != nil {
			return nil, err
		}
	default:
		return nil, invalid("Unable to process a Bundle of type %q", kind)
	}
	return s.answerBundle(req, kind, entries), nil
}

func (s *Store) parseBundle(req *request) (kind string, entries []*entry, err error) {
	if err := wire.Check(req.body, wire.Limits{}); err != nil {
		return "", nil, invalid("Failed to parse request body as JSON resource: %v", err)
	}
	doc := wire.Compact(make([]byte, 0, len(req.body)), req.body)
	if text(doc, "resourceType") != "Bundle" {
		return "", nil, invalid("Only a Bundle can be posted to the base")
	}
	list, _ := wire.Get(doc, "entry")
	for item := range wire.Items(list) {
		e, err := parseEntry(req, item)
		if err != nil {
			return "", nil, err
		}
		entries = append(entries, e)
	}
	return text(doc, "type"), entries, nil
}

func parseEntry(outer *request, item []byte) (*entry, error) {
	about, ok := wire.Get(item, "request")
	if !ok {
		return nil, invalid("A Bundle entry has no request")
	}
	target := strings.TrimPrefix(strings.TrimPrefix(text(about, "url"), outer.base), "/")
	path, query, _ := strings.Cut(target, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return nil, invalid("The query of a Bundle entry can't be parsed")
	}
	body, _ := wire.Get(item, "resource")
	return &entry{fullURL: text(item, "fullUrl"), req: &request{
		method: text(about, "method"), path: segments(path), params: params, rawQuery: query, base: outer.base, body: body,
		ifMatch: text(about, "ifMatch"), ifNoneMatch: text(about, "ifNoneMatch"), ifNoneExist: text(about, "ifNoneExist"),
		ifModifiedSince: text(about, "ifModifiedSince"), prefer: outer.prefer,
	}}, nil
}

// serveEntry carries out an entry of a batch, which fails alone.
func (s *Store) serveEntry(req *request) *answer {
	if req.method == http.MethodPost && len(req.path) == 0 {
		return entryFailure(unsupported(req))
	}
	ans, err := s.serve(req)
	if err != nil {
		return entryFailure(err)
	}
	return ans
}

func entryFailure(err error) *answer {
	var f *failure
	if !errors.As(err, &f) {
		f = failed(http.StatusInternalServerError, "exception", "%v", err)
	}
	return &answer{status: f.status, outcome: outcomeOf("error", f.code, f.text)}
}

// transact carries out all entries or none, in HAPI's order: deletes, creates, updates, reads.
func (s *Store) transact(entries []*entry) error {
	for _, e := range entries {
		if e.req.method == http.MethodGet {
			continue
		}
		if err := s.prepare(e.req); err != nil {
			return err
		}
	}
	return s.write(func(t *tx) error {
		if err := t.entries(entries, http.MethodDelete); err != nil {
			return err
		}
		if err := t.resolve(entries); err != nil {
			return err
		}
		for _, method := range []string{http.MethodPost, http.MethodPut} {
			if err := t.entries(entries, method); err != nil {
				return err
			}
		}
		t.reads(entries)
		return nil
	})
}

// reads carries out the reads of a transaction, each of which fails alone, as in HAPI.
func (t *tx) reads(entries []*entry) {
	for _, e := range entries {
		if e.req.method != http.MethodGet {
			continue
		}
		ans, err := t.s.read(e.req)
		if err != nil {
			ans = entryFailure(err)
		}
		e.ans = ans
	}
}

// entries carries out those with a method that have no answer yet.
func (t *tx) entries(entries []*entry, method string) (err error) {
	for _, e := range entries {
		if e.req.method != method || e.ans != nil {
			continue
		}
		if method == http.MethodDelete {
			e.ans, err = t.change(e.req)
		} else {
			err = t.writeEntry(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) writeEntry(e *entry) (err error) {
	id := e.target[strings.IndexByte(e.target, '/')+1:]
	if e.req.method == http.MethodPut && (len(e.req.path) == 2 || t.s.findLive(e.req.path[0], id) != nil) {
		e.ans, err = t.update(e.req, id)
		return err
	}
	rec, _ := t.put(e.req.draft, id)
	e.ans = t.written(e.req, rec, http.StatusCreated, "Successfully created resource")
	return nil
}

// resolve fixes which resource every create and update writes, and then rewrites the references between them and the
// conditional references (FHIR R4 http.html#trules).
func (t *tx) resolve(entries []*entry) error {
	renamed, conditions, written := map[string]string{}, map[string]string{}, map[string]bool{}
	for _, e := range entries {
		if e.req.draft == nil {
			continue
		}
		if err := t.target(e, conditions); err != nil {
			return err
		}
		if e.ans == nil && written[e.target] {
			return invalid("The transaction writes %s more than once", e.target)
		}
		written[e.target] = e.ans == nil
		if e.fullURL != "" {
			renamed[e.fullURL] = e.target
		}
		if e.req.method == http.MethodPost && e.req.draft.id != "" {
			renamed[e.req.path[0]+"/"+e.req.draft.id] = e.target
		}
	}
	for _, e := range entries {
		if e.req.draft == nil || e.ans != nil {
			continue
		}
		if err := t.rewrite(e.req, renamed, conditions); err != nil {
			return err
		}
	}
	return nil
}

// target sets what an entry writes; a create that finds its resource already there is answered.
func (t *tx) target(e *entry, conditions map[string]string) error {
	typ, condition := e.req.path[0], ""
	switch {
	case e.req.method == http.MethodPost:
		condition = e.req.ifNoneExist
	case len(e.req.path) == 2:
		e.target = typ + "/" + e.req.path[1]
		return nil
	default:
		condition = e.req.rawQuery
	}
	condition = strings.TrimPrefix(strings.TrimPrefix(condition, typ), "?")
	var rec *record
	if condition != "" {
		var err error
		if rec, err = t.s.findOne(e.req.base, typ, condition); err != nil {
			return err
		}
	}
	switch {
	case rec != nil:
		e.target = rec.reference()
		if e.req.method == http.MethodPost {
			e.ans = t.written(e.req, rec, http.StatusOK, "Resource exists already")
		}
	case e.req.method == http.MethodPut && e.req.draft.id != "":
		e.target = typ + "/" + e.req.draft.id
	default:
		e.target = typ + "/" + uuid.NewString()
	}
	if condition != "" {
		conditions[typ+"?"+condition] = e.target
	}
	return nil
}

func (t *tx) rewrite(req *request, renamed, conditions map[string]string) error {
	var failure error
	replace := func(key, value string) (string, bool) {
		if to, ok := renamed[value]; ok && (key == "reference" || key == "url" || key == "uri" || strings.HasPrefix(key, "value")) {
			return to, true
		}
		if key != "reference" || !strings.Contains(value, "?") {
			return "", false
		}
		to, err := t.conditionalReference(req.base, value, conditions)
		failure = errors.Join(failure, err)
		return to, err == nil
	}
	req.draft.rest = rewriteMembers(req.draft.rest, replace)
	return failure
}

// conditionalReference resolves Type?query, against what the transaction writes first.
func (t *tx) conditionalReference(base, ref string, conditions map[string]string) (string, error) {
	if to, ok := conditions[ref]; ok {
		return to, nil
	}
	typ, query, _ := strings.Cut(ref, "?")
	if err := t.s.known(typ); err != nil {
		return "", err
	}
	rec, err := t.s.findOne(base, typ, query)
	if err != nil {
		return "", err
	}
	if rec == nil {
		return "", failed(http.StatusNotFound, "not-found", "No resource matches a conditional reference to %s", typ)
	}
	return rec.reference(), nil
}

// rewriteMembers is rewriteTexts for the members of an object.
func rewriteMembers(members []byte, replace func(key, value string) (string, bool)) []byte {
	object := rewriteTexts(nil, nil, braced(members), replace)
	return object[1 : len(object)-1]
}

// rewriteTexts appends a value with the strings replaced for which replace, given the key that they stand under, says so.
func rewriteTexts(dst, key, value []byte, replace func(key, value string) (string, bool)) []byte {
	switch wire.KindOf(value) {
	case wire.Object:
		dst = append(dst, '{')
		for k, v := range wire.Members(value) {
			if dst[len(dst)-1] != '{' {
				dst = append(dst, ',')
			}
			dst = append(append(append(dst, '"'), k...), '"', ':')
			dst = rewriteTexts(dst, k, v, replace)
		}
		return append(dst, '}')
	case wire.Array:
		dst = append(dst, '[')
		for v := range wire.Items(value) {
			if dst[len(dst)-1] != '[' {
				dst = append(dst, ',')
			}
			dst = rewriteTexts(dst, key, v, replace)
		}
		return append(dst, ']')
	case wire.Text:
		if bytes.IndexByte(value, ':') < 0 && bytes.IndexByte(value, '?') < 0 && bytes.IndexByte(value, '/') < 0 {
			break // neither a URL nor a reference
		}
		s, _ := wire.String(value)
		if to, ok := replace(wire.Key(key), s); ok {
			return wire.AppendString(dst, to)
		}
	}
	return append(dst, value...)
}

// answerBundle makes the answer, its entries in the order of the request's.
func (s *Store) answerBundle(req *request, kind string, entries []*entry) *answer {
	b := newBundle(req.base, kind+"-response", s.opts.Now())
	b.buf = append(b.buf, `,"link":[`...)
	b.link("self", req.base)
	b.buf = append(b.buf, ']')
	for i, e := range entries {
		if i == 0 {
			b.buf = append(b.buf, `,"entry":[`...)
		} else {
			b.buf = append(b.buf, ',')
		}
		b.entries++
		b.answerEntry(e.req, e.ans)
	}
	return b.answer()
}

func (b *bundle) answerEntry(req *request, ans *answer) {
	b.buf = append(b.buf, '{')
	if ans.resource != nil && (req.method == http.MethodGet || req.preference("return") == "representation") {
		b.buf = append(append(append(b.buf, `"resource":`...), ans.resource...), ',')
	}
	b.buf = append(b.buf, `"response":{"status":"`+statusLine(ans.status)+`"`...)
	if req.method == http.MethodGet {
		ans = &answer{outcome: ans.outcome}
	}
	if ans.location != "" {
		b.buf = wire.AppendString(append(b.buf, `,"location":`...), strings.TrimPrefix(ans.location, b.base+"/"))
	}
	if ans.etag != "" { // the bare version, as HAPI has it here
		b.buf = append(b.buf, `,"etag":`+strconv.Quote(strings.Trim(ans.etag, `W/"`))...)
	}
	if ans.modified != "" {
		b.buf = append(b.buf, `,"lastModified":"`+ans.modified+`"`...)
	}
	if ans.outcome != nil {
		b.buf = append(append(b.buf, `,"outcome":`...), ans.outcome...)
	}
	b.buf = append(b.buf, "}}"...)
}
