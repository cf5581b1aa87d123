package store

import (
	"net/http"
	"net/url"
)

// search answers a search of one type, of a compartment, or of the whole system.
func (s *Store) search(req *request, typ, owner, ownerID string) (*answer, error) {
	q, err := s.parseQuery(req, typ)
	if err != nil {
		return nil, err
	}
	if owner != "" {
		if err := s.restrict(q, owner, ownerID); err != nil {
			return nil, err
		}
	}
	matches := s.run(q, req.base)
	s.order(q, matches)
	p := &paging{
		matches: matches, include: q.include, size: q.size, shape: q.shape, total: q.total, asked: q.size, self: req.self(),
	}
	if !req.params.Has("_count") {
		p.asked = -1
	}
	return s.page(req, p, 0, q.size)
}

// restrict adds membership of a compartment to a query.
func (s *Store) restrict(q *query, owner, id string) error {
	inside := q.types[:0:0]
	for _, typ := range q.types {
		if _, ok := s.defs.CompartmentParams(owner, typ); ok || typ == owner {
			inside = append(inside, typ)
			q.criteria[typ] = append(q.criteria[typ], &criterion{special: "compartment", values: []string{owner, id}})
		}
	}
	if len(inside) == 0 && len(q.types) == 1 {
		return failed(http.StatusBadRequest, "not-supported", "%s isn't part of the compartment %s", q.types[0], owner)
	}
	q.types = inside
	return nil
}

// run returns what matches, by type and within one in the order of creation. The caller holds mu.
func (s *Store) run(q *query, base string) []*record {
	k := &seeker{s: s, base: base, now: s.opts.Now()}
	var out []*record
	for _, typ := range q.types {
		found := k.find(typ, q.criteria[typ])
		if out == nil {
			out = make([]*record, 0, len(found))
		}
		for _, ordinal := range found {
			out = append(out, s.shelves[typ].records[ordinal])
		}
	}
	return out
}

// matching returns what satisfies the condition of a conditional interaction, which must have one.
func (s *Store) matching(base, typ string, params url.Values) ([]*record, error) {
	criteria, err := s.parseCriteria([]string{typ}, params)
	if err != nil {
		return nil, err
	}
	if len(criteria[typ]) == 0 {
		return nil, invalid("A conditional interaction needs a search parameter")
	}
	return s.run(&query{types: []string{typ}, criteria: criteria}, base), nil
}
