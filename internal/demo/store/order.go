package store

import (
	"cmp"
	"slices"
	"strings"
)

// sortKey is one part of _sort.
type sortKey struct {
	code       string
	descending bool
}

func (s *Store) parseSort(types, values []string) ([]sortKey, error) {
	var keys []sortKey
	for _, list := range values {
		for code := range strings.SplitSeq(list, ",") {
			k := sortKey{code: strings.TrimPrefix(code, "-"), descending: strings.HasPrefix(code, "-")}
			if k.code == "" {
				continue
			}
			for _, typ := range types {
				if k.code != "_id" && k.code != "_lastUpdated" && s.param(typ, k.code) == nil {
					return nil, s.unknownParameter(typ, k.code)
				}
			}
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// sortValue is what one key of one resource sorts by.
type sortValue struct {
	missing bool
	text    string
	number  float64
	millis  int64
}

// order sorts matches by the query's keys; without any they stay in the order of creation. Resources without a value go
// last in both directions.
func (s *Store) order(q *query, matches []*record) error {
	if len(q.sort) == 0 || len(matches) < 2 {
		return nil
	}
	type row struct {
		rec    *record
		values []sortValue
	}
	rows := make([]row, len(matches))
	flat := make([]sortValue, len(matches)*len(q.sort))
	for i, rec := range matches {
		rows[i] = row{rec, flat[i*len(q.sort) : (i+1)*len(q.sort)]}
		for j, k := range q.sort {
			rows[i].values[j] = s.sortValue(rec, k)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		for j, k := range q.sort {
			if c := k.compare(a.values[j], b.values[j]); c != 0 {
				return c
			}
		}
		return 0
	})
	for i, r := range rows {
		matches[i] = r.rec
	}
	return nil
}

func (k sortKey) compare(a, b sortValue) int {
	if a.missing || b.missing {
		return cmp.Compare(rank(a), rank(b))
	}
	c := cmp.Or(strings.Compare(a.text, b.text), cmp.Compare(a.number, b.number), cmp.Compare(a.millis, b.millis))
	if k.descending {
		return -c
	}
	return c
}

func rank(v sortValue) int {
	if v.missing {
		return 1
	}
	return 0
}

// sortValue takes the smallest value going up and the largest going down.
func (s *Store) sortValue(rec *record, k sortKey) sortValue {
	switch k.code {
	case "_id":
		return sortValue{text: rec.id}
	case "_lastUpdated":
		return sortValue{millis: rec.latest().millis}
	}
	p := s.param(rec.shelf.name, k.code)
	var values []sortValue
	switch raw := rec.raw(); p.def.Type {
	case "date":
		for _, v := range p.spans(raw) {
			at := v.low
			if k.descending && v.high != maxTime {
				at = v.high
			}
			values = append(values, sortValue{millis: at})
		}
	case "number", "quantity":
		for _, v := range p.quantities(raw) {
			values = append(values, sortValue{number: v.low})
		}
	case "token":
		for _, v := range p.tokens(raw) {
			values = append(values, sortValue{text: v.code})
		}
	case "reference":
		for _, v := range p.references(s, raw) {
			values = append(values, sortValue{text: v})
		}
	default:
		for _, v := range p.strings(raw) {
			values = append(values, sortValue{text: fold(v)})
		}
	}
	if len(values) == 0 {
		return sortValue{missing: true}
	}
	return slices.MinFunc(values, k.compare)
}
