package store

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
)

// prepare parses the body of a create or update and checks it against the URL, before the lock is taken.
func (s *Store) prepare(req *request) error {
	if len(req.path) == 0 || len(req.path) > 2 {
		return unsupported(req)
	}
	if err := s.known(req.path[0]); err != nil {
		return err
	}
	switch req.method {
	case http.MethodDelete:
		return nil
	case http.MethodPost:
		if len(req.path) != 1 {
			return unsupported(req)
		}
	case http.MethodPut:
		if len(req.path) == 1 && req.rawQuery == "" {
			return invalid("An update needs an id or a search in its URL")
		}
	default:
		return failed(http.StatusMethodNotAllowed, "not-supported", "This server doesn't know the method %s", req.method)
	}
	d, err := s.parse(req.body)
	if err != nil {
		return err
	}
	req.draft = d
	d.localize(req.base)
	return req.checkDraft()
}

// localize makes references with this server's own base relative, as HAPI stores them.
func (d *draft) localize(base string) {
	if !bytes.Contains(d.rest, []byte(base)) {
		return
	}
	d.rest = rewriteMembers(d.rest, func(key, value string) (string, bool) {
		relative, ok := strings.CutPrefix(value, base+"/")
		return relative, ok && key == "reference"
	})
}

func (req *request) checkDraft() error {
	if req.draft.typ != req.path[0] {
		return invalid("The body is a %s, the URL wants a %s", req.draft.typ, req.path[0])
	}
	if req.method != http.MethodPut || len(req.path) != 2 {
		return nil
	}
	if !validID(req.path[1]) {
		return invalid("The id in the URL isn't a legal FHIR id")
	}
	if req.draft.id != req.path[1] {
		return invalid("Can not update resource, the body must contain an id which matches the URL")
	}
	return nil
}

// change carries out a create, update or delete that has been prepared.
func (t *tx) change(req *request) (*answer, error) {
	switch {
	case req.method == http.MethodPost:
		return t.create(req)
	case req.method == http.MethodPut && len(req.path) == 2:
		return t.update(req, req.path[1])
	case req.method == http.MethodPut:
		return t.updateMatching(req)
	case req.method == http.MethodDelete && len(req.path) == 2:
		return t.delete(req, t.s.find(req.path[0], req.path[1]))
	case req.method == http.MethodDelete:
		return t.deleteMatching(req)
	}
	return nil, unsupported(req)
}

func (t *tx) create(req *request) (*answer, error) {
	if req.ifNoneExist != "" {
		rec, err := t.s.findOne(req.base, req.path[0], req.ifNoneExist)
		if err != nil {
			return nil, err
		}
		if rec != nil {
			return t.written(req, rec, http.StatusOK, "Resource exists already"), nil
		}
	}
	rec, _ := t.put(req.draft, uuid.NewString())
	return t.written(req, rec, http.StatusCreated, "Successfully created resource"), nil
}

func (t *tx) update(req *request, id string) (*answer, error) {
	rec := t.s.find(req.path[0], id)
	absent := rec == nil || rec.raw() == nil
	if err := checkMatch(req, rec); err != nil {
		return nil, err
	}
	rec, changed := t.put(req.draft, id)
	switch {
	case absent:
		return t.written(req, rec, http.StatusCreated, "Successfully created resource"), nil
	case !changed:
		return t.written(req, rec, http.StatusOK, "Successfully updated resource with no changes detected"), nil
	}
	return t.written(req, rec, http.StatusOK, "Successfully updated resource"), nil
}

// updateMatching is a conditional update (FHIR R4 http.html#cond-update).
func (t *tx) updateMatching(req *request) (*answer, error) {
	rec, err := t.s.findOne(req.base, req.path[0], req.rawQuery)
	if err != nil {
		return nil, err
	}
	if rec != nil { // the id in the body doesn't matter then, as in HAPI
		return t.update(req, rec.id)
	}
	if err := checkMatch(req, nil); err != nil {
		return nil, err
	}
	id := req.draft.id
	if id == "" {
		id = uuid.NewString()
		rec, _ = t.put(req.draft, id)
		return t.written(req, rec, http.StatusCreated, "Successfully created resource"), nil
	}
	if t.s.findLive(req.path[0], id) != nil {
		return nil, failed(http.StatusConflict, "conflict", "A resource with the body's id exists and doesn't match the URL")
	}
	return t.update(req, id)
}

func (t *tx) delete(req *request, rec *record) (*answer, error) {
	if rec == nil {
		return deletion(req, "Not deleted, resource "+strings.Join(req.path, "/")+" does not exist"), nil
	}
	if err := checkMatch(req, rec); err != nil {
		return nil, err
	}
	if rec.raw() == nil {
		return deletion(req, "Not deleted, resource was already deleted"), nil
	}
	t.remove(rec)
	ans := deletion(req, "Successfully deleted 1 resource(s)")
	ans.location = describe(req.base, rec, rec.number()).location
	return ans, nil
}

// deleteMatching is a conditional delete, of all that matches.
func (t *tx) deleteMatching(req *request) (*answer, error) {
	found, err := t.s.matching(req.base, req.path[0], req.params)
	if err != nil {
		return nil, err
	}
	for _, rec := range found {
		if err := checkMatch(req, rec); err != nil {
			return nil, err
		}
		t.remove(rec)
	}
	return deletion(req, fmt.Sprintf("Successfully deleted %d resource(s)", len(found))), nil
}

func deletion(req *request, text string) *answer {
	if req.preference("return") == "minimal" {
		return &answer{status: http.StatusNoContent}
	}
	return &answer{status: http.StatusOK, outcome: outcomeOf("information", "informational", text)}
}

// checkMatch evaluates If-Match. HAPI answers 409 to some of these; FHIR R4 http.html#concurrency wants 412.
func checkMatch(req *request, rec *record) error {
	want := strings.Trim(strings.TrimPrefix(strings.TrimSpace(req.ifMatch), "W/"), `"`)
	switch {
	case want == "":
		return nil
	case rec == nil || rec.raw() == nil:
		return conflict("If-Match names a version of a resource that doesn't exist")
	case want != "*" && etag(rec.number()) != `W/"`+want+`"`:
		return conflict("Trying to change %s at version %s but this is not the current version", rec.reference(), want)
	}
	return nil
}

// written makes the answer to a create or update, with the body that Prefer asks for; a representation by default.
func (t *tx) written(req *request, rec *record, status int, text string) *answer {
	ans := describe(req.base, rec, rec.number())
	ans.status = status
	ans.outcome = outcomeOf("information", "informational", text+" "+strings.TrimPrefix(ans.location, req.base+"/"))
	switch req.preference("return") {
	case "minimal":
		ans.quiet = true
	case "OperationOutcome":
	default:
		ans.resource = rec.raw()
	}
	return ans
}

// findOne returns the one resource that matches a conditional interaction's query, nil when there is none. The query may
// have the type before its "?".
func (s *Store) findOne(base, typ, query string) (*record, error) {
	query = strings.TrimPrefix(query, typ+"?")
	params, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
	if err != nil {
		return nil, invalid("The condition can't be parsed")
	}
	found, err := s.matching(base, typ, params)
	if err != nil {
		return nil, err
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, failed(http.StatusPreconditionFailed, "multiple-matches", "The condition matches %d resources", len(found))
}
