package store

import (
	"bytes"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// referrers knows who refers to whom. It's built when a delete first asks.
type referrers struct {
	s  *Store
	to map[string][]*record // target as Type/id
}

const referenceKey = `"reference":"`

// references gives the text of each Reference.reference in a compact resource. The bytes searched for can't be part of a
// string: a quote inside of one is escaped.
func references(raw []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			i := bytes.Index(raw, []byte(referenceKey))
			if i < 0 {
				return
			}
			raw = raw[i+len(referenceKey)-1:]
			end := wire.SkipString(raw, 0)
			if ref, ok := wire.String(raw[:end]); ok && !yield(ref) {
				return
			}
			raw = raw[end:]
		}
	}
}

// local returns the target Type/id of a reference that points into this server, "" for one that doesn't.
func (s *Store) local(ref string) string {
	if s.opts.BaseURL != "" {
		ref = strings.TrimPrefix(ref, s.opts.BaseURL+"/")
	}
	if ref == "" || ref[0] == '#' || strings.Contains(ref, ":") {
		return ""
	}
	typ, rest, ok := strings.Cut(ref, "/")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "/_history/")
	return typ + "/" + id
}

func (s *Store) targets(raw []byte) []string {
	var out []string
	for ref := range references(raw) {
		if target := s.local(ref); target != "" && !slices.Contains(out, target) {
			out = append(out, target)
		}
	}
	return out
}

func (s *Store) buildReferrers() *referrers {
	r := &referrers{s: s, to: map[string][]*record{}}
	for _, sh := range s.shelves {
		for _, rec := range sh.records {
			r.replace(rec, nil, rec.raw())
		}
	}
	return r
}

func (r *referrers) replace(rec *record, before, after []byte) {
	for _, target := range r.s.targets(before) {
		list := r.to[target]
		if i := slices.Index(list, rec); i >= 0 {
			list[i] = list[len(list)-1]
			r.to[target] = list[:len(list)-1]
		}
	}
	for _, target := range r.s.targets(after) {
		r.to[target] = append(r.to[target], rec)
	}
}

// checkReferences holds referential integrity at the end of a transaction, as HAPI does: what was written refers to
// resources that are there, and nothing that is there refers to what was deleted.
func (t *tx) checkReferences() error {
	if t.s.opts.AllowDangling {
		return nil
	}
	for _, rec := range t.puts {
		for _, target := range t.s.targets(rec.raw()) {
			typ, id, _ := strings.Cut(target, "/")
			if t.s.findLive(typ, id) == nil {
				return invalid("Resource %s not found, referred to by %s", target, rec.shelf.name)
			}
		}
	}
	for _, rec := range t.drops {
		if rec.raw() != nil {
			continue // written again later in the same transaction
		}
		if t.s.links == nil {
			t.s.links = t.s.buildReferrers()
		}
		for _, from := range t.s.links.to[rec.reference()] {
			if from != rec {
				return failed(http.StatusConflict, "processing", "Unable to delete %s because at least one resource has a reference to it: first found was %s",
					rec.reference(), from.reference())
			}
		}
	}
	return nil
}
