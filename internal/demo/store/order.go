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
				if p := s.param(typ, k.code); k.code != "_id" && k.code != "_lastUpdated" && (p == nil || p.def.Type == "composite") {
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

type sortRow struct {
	rec    *record
	at     int // place before sorting, which decides between equals
	values []sortValue
}

// order sorts matches by the query's keys; without any they stay in the order of creation. Resources without a value go
// last in both directions. The caller holds mu.
func (s *Store) order(q *query, matches []*record) {
	if len(q.sort) == 0 || len(matches) < 2 {
		return
	}
	rows := make([]sortRow, len(matches))
	flat := make([]sortValue, len(matches)*len(q.sort))
	for i, rec := range matches {
		rows[i] = sortRow{rec, i, flat[i*len(q.sort) : (i+1)*len(q.sort)]}
	}
	for j, k := range q.sort {
		var sh *shelf
		var values func(*record) []sortValue
		for _, r := range rows {
			if r.rec.shelf != sh { // the matches are grouped by type
				sh = r.rec.shelf
				values = s.sortValues(sh, k)
			}
			r.values[j] = k.pick(values(r.rec))
		}
	}
	slices.SortFunc(rows, func(a, b sortRow) int {
		for j, k := range q.sort {
			if c := k.compare(a.values[j], b.values[j]); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.at, b.at)
	})
	for i, r := range rows {
		matches[i] = r.rec
	}
}

// pick takes the smallest value going up and the largest going down.
func (k sortKey) pick(values []sortValue) sortValue {
	if len(values) == 0 {
		return sortValue{missing: true}
	}
	return slices.MinFunc(values, k.compare)
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

// sortValues returns what reads a key's values in the resources of a shelf. The slice that it gives is good until it's
// called again.
func (s *Store) sortValues(sh *shelf, k sortKey) func(*record) []sortValue {
	switch k.code {
	case "_id":
		return func(rec *record) []sortValue { return []sortValue{{text: rec.id}} }
	case "_lastUpdated":
		return func(rec *record) []sortValue { return []sortValue{{millis: rec.latest().millis}} }
	}
	p := s.param(sh.name, k.code)
	switch p.def.Type {
	case "date":
		return sortColumn(s.dateColumn(sh, p), func(v span) sortValue { return sortValue{millis: v.low} })
	case "number", "quantity":
		return sortColumn(s.quantityColumn(sh, p), func(v quantity) sortValue { return sortValue{number: v.low} })
	case "token":
		return sortBytes(p.tokens, func(t token) string { return t.code })
	case "reference":
		return sortBytes(func(raw []byte) []string { return p.references(s, raw) }, func(ref string) string { return ref })
	}
	return sortBytes(p.strings, fold)
}

func sortColumn[V any](col *column[V], value func(V) sortValue) func(*record) []sortValue {
	var out []sortValue
	return func(rec *record) []sortValue {
		out = out[:0]
		if col.any(rec.ordinal) {
			out = append(out, value(col.first[rec.ordinal]))
			for _, v := range col.more[rec.ordinal] {
				out = append(out, value(v))
			}
		}
		return out
	}
}

func sortBytes[V any](read func([]byte) []V, text func(V) string) func(*record) []sortValue {
	var out []sortValue
	return func(rec *record) []sortValue {
		out = out[:0]
		for _, v := range read(rec.raw()) {
			out = append(out, sortValue{text: text(v)})
		}
		return out
	}
}
