package store

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// seeker evaluates criteria for one request. The caller of its methods holds the store's lock.
type seeker struct {
	s    *Store
	base string
	now  time.Time
}

// all returns the resources that aren't deleted.
func (sh *shelf) all() []uint32 {
	out := make([]uint32, 0, sh.live)
	for ordinal, rec := range sh.records {
		if rec.raw() != nil {
			out = append(out, uint32(ordinal))
		}
	}
	return out
}

// find returns the resources of one type that satisfy all criteria.
func (k *seeker) find(typ string, criteria []*criterion) []uint32 {
	sh := k.s.shelves[typ]
	if sh == nil {
		return nil
	}
	slices.SortStableFunc(criteria, func(a, b *criterion) int { return cmp.Compare(a.cost(), b.cost()) })
	var found []uint32
	for i, c := range criteria {
		if i == 0 && c.cost() > 1 {
			found = sh.all()
		}
		switch {
		case c.cost() > 1:
			found = k.filter(sh, c, found)
		case i == 0:
			found = k.lookUp(sh, c)
		default:
			found = intersect(found, k.lookUp(sh, c))
		}
		if len(found) == 0 {
			return nil
		}
	}
	if len(criteria) == 0 {
		return sh.all()
	}
	return found
}

// cost orders criteria: 0 and 1 are looked up in an index, 2 tests the candidates in a column, 3 reads their bytes.
func (c *criterion) cost() int {
	switch {
	case c.special == "_id" || c.special == "compartment":
		return 0
	case c.special == "_lastUpdated":
		return 2
	case c.special == "_has" || c.chain != nil:
		return 1
	case c.modifier == "text" || c.modifier == "identifier" || c.p.def.Type == "composite":
		return 3
	}
	switch c.p.def.Type {
	case "date", "number", "quantity":
		return 2
	}
	return 1
}

// lookUp evaluates a criterion by an index.
func (k *seeker) lookUp(sh *shelf, c *criterion) []uint32 {
	switch {
	case c.special == "_id":
		return k.ids(sh, c.values)
	case c.special == "compartment":
		return k.compartment(sh, c)
	case c.special == "_has":
		return k.has(sh, c)
	case c.chain != nil:
		return k.chained(sh, c)
	}
	found, present := k.values(sh, c)
	switch {
	case c.modifier == "not":
		return without(sh.all(), found)
	case c.modifier == "missing" && c.values[0] == "true":
		return without(sh.all(), present)
	case c.modifier == "missing":
		return present
	}
	return found
}

// values returns the resources with any of a criterion's values, and those with any value at all.
func (k *seeker) values(sh *shelf, c *criterion) (found, present []uint32) {
	switch c.p.def.Type {
	case "token":
		ix := k.s.tokenIndex(sh, c.p)
		return each(c.values, ix.find), ix.present
	case "reference":
		ix := k.s.referenceIndex(sh, c.p)
		return k.refers(ix, c), ix.present
	}
	ix := k.s.stringIndex(sh, c.p)
	return each(c.values, func(v string) []uint32 { return ix.search(c, v) }), ix.present
}

func each(values []string, find func(string) []uint32) []uint32 {
	found := make([][]uint32, len(values))
	for i, v := range values {
		found[i] = find(v)
	}
	return union(found...)
}

func (s *Store) tokenIndex(sh *shelf, p *param) *tokenIndex {
	return indexOf(sh, p.def.Code, func() *tokenIndex { return newTokenIndex(p) })
}

func (s *Store) stringIndex(sh *shelf, p *param) *stringIndex {
	return indexOf(sh, p.def.Code, func() *stringIndex { return newStringIndex(p) })
}

func (s *Store) referenceIndex(sh *shelf, p *param) *lists[string] {
	return indexOf(sh, p.def.Code, func() *lists[string] {
		return newLists(func(object []byte) []string { return p.references(s, object) })
	})
}

func (s *Store) dateColumn(sh *shelf, p *param) *column[span] {
	return indexOf(sh, p.def.Code, func() *column[span] { return newColumn(p.spans) })
}

func (s *Store) quantityColumn(sh *shelf, p *param) *column[quantity] {
	return indexOf(sh, p.def.Code, func() *column[quantity] { return newColumn(p.quantities) })
}

// search evaluates one value of a string or uri parameter.
func (ix *stringIndex) search(c *criterion, value string) []uint32 {
	if c.p.def.Type != "uri" {
		return ix.find(c.modifier, value)
	}
	value = unescape(value)
	if c.modifier == "" {
		return ix.by[value]
	}
	var found [][]uint32
	for key, list := range ix.by {
		if c.modifier == "below" && strings.HasPrefix(key, value) || c.modifier == "above" && strings.HasPrefix(value, key) {
			found = append(found, list)
		}
	}
	return union(found...)
}

func (k *seeker) ids(sh *shelf, values []string) []uint32 {
	var found []uint32
	for _, id := range values {
		id = strings.TrimPrefix(unescape(id), sh.name+"/")
		if rec := sh.byID[id]; rec != nil && rec.raw() != nil {
			found = append(found, rec.ordinal)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// refers evaluates the values of a reference parameter: id, Type/id, the absolute URL of either, or a canonical.
func (k *seeker) refers(ix *lists[string], c *criterion) []uint32 {
	return each(c.values, func(value string) []uint32 {
		value = unescape(value)
		relative := strings.TrimPrefix(value, k.base+"/")
		if strings.Contains(relative, "/") || strings.Contains(relative, ":") {
			return union(ix.by[relative], ix.by[value], ix.by[k.base+"/"+relative])
		}
		types := c.p.def.Targets
		if c.modifier != "" {
			types = []string{c.modifier}
		} else if len(types) == 0 || slices.Contains(types, "Resource") {
			types = k.s.defs.ResourceTypes()
		}
		found := [][]uint32{ix.by[value]}
		for _, typ := range types {
			found = append(found, ix.by[typ+"/"+relative])
		}
		return union(found...)
	})
}

// chained evaluates a chain: which targets satisfy the rest, and who refers to them.
func (k *seeker) chained(sh *shelf, c *criterion) []uint32 {
	ix := k.s.referenceIndex(sh, c.p)
	var found [][]uint32
	for _, l := range c.chain {
		target := k.s.shelves[l.typ]
		for _, ordinal := range k.find(l.typ, []*criterion{l.next}) {
			if list := ix.by[target.records[ordinal].reference()]; len(list) > 0 {
				found = append(found, list)
			}
		}
	}
	return union(found...)
}

// has evaluates a reverse chain: to whom those refer that satisfy the rest.
func (k *seeker) has(sh *shelf, c *criterion) []uint32 {
	from := k.s.shelves[c.from]
	if from == nil {
		return nil
	}
	var found []uint32
	for _, ordinal := range k.find(c.from, []*criterion{c.chain[0].next}) {
		for _, ref := range c.by.references(k.s, from.records[ordinal].raw()) {
			if id, ok := strings.CutPrefix(ref, sh.name+"/"); ok {
				if rec := sh.byID[id]; rec != nil && rec.raw() != nil {
					found = append(found, rec.ordinal)
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// compartment evaluates membership; values hold the compartment's type and id.
func (k *seeker) compartment(sh *shelf, c *criterion) []uint32 {
	owner, id := c.values[0], c.values[1]
	var found [][]uint32
	if sh.name == owner {
		found = append(found, k.ids(sh, []string{id}))
	}
	codes, _ := k.s.defs.CompartmentParams(owner, sh.name)
	for _, code := range codes {
		if p := k.s.param(sh.name, code); p != nil && p.def.Type == "reference" {
			found = append(found, k.s.referenceIndex(sh, p).by[owner+"/"+id])
		}
	}
	return union(found...)
}

// filter tests candidates one by one.
func (k *seeker) filter(sh *shelf, c *criterion, candidates []uint32) []uint32 {
	test := k.test(sh, c)
	out := make([]uint32, 0, len(candidates)/4)
	for _, ordinal := range candidates {
		if test(ordinal) {
			out = append(out, ordinal)
		}
	}
	return out
}

func (k *seeker) test(sh *shelf, c *criterion) func(uint32) bool {
	switch {
	case c.special == "_lastUpdated":
		match := anyOf(c.values, func(v string) (func(span) bool, error) { return dateTest(v, k.now) })
		return func(o uint32) bool {
			at := sh.records[o].latest().millis
			return match(span{at, at})
		}
	case c.modifier == "text" || c.modifier == "identifier":
		return func(o uint32) bool { return c.readsText(sh.records[o].raw()) }
	}
	switch c.p.def.Type {
	case "date":
		return testColumn(c, k.s.dateColumn(sh, c.p), func(v string) (func(span) bool, error) { return dateTest(v, k.now) })
	case "number", "quantity":
		return testColumn(c, k.s.quantityColumn(sh, c.p), quantityTest)
	}
	return func(o uint32) bool { return k.compositeMatches(c, sh.records[o].raw()) }
}

func testColumn[V any](c *criterion, col *column[V], parse func(string) (func(V) bool, error)) func(uint32) bool {
	if c.modifier == "missing" {
		missing := c.values[0] == "true"
		return func(o uint32) bool { return col.any(o) != missing }
	}
	match := anyOf(c.values, parse)
	return func(o uint32) bool { return col.matches(o, match) }
}

// anyOf joins the tests of several values. They have been checked: a value that doesn't parse matches nothing.
func anyOf[V any](values []string, parse func(string) (func(V) bool, error)) func(V) bool {
	var tests []func(V) bool
	for _, v := range values {
		if test, err := parse(v); err == nil {
			tests = append(tests, test)
		}
	}
	return func(v V) bool {
		return slices.ContainsFunc(tests, func(test func(V) bool) bool { return test(v) })
	}
}

// readsText evaluates :text and :identifier on a resource's bytes.
func (c *criterion) readsText(raw []byte) bool {
	if c.modifier == "text" {
		for _, d := range c.p.displays(raw) {
			for _, want := range c.values {
				if strings.HasPrefix(fold(d), fold(unescape(want))) {
					return true
				}
			}
		}
		return false
	}
	found := false
	c.p.read(raw, func(_ string, value []byte) {
		identifier, _ := wire.Get(value, "identifier")
		for _, t := range appendTokens(nil, "Identifier", identifier) {
			for _, want := range c.values {
				found = found || parseToken(want).matches(t)
			}
		}
	})
	return found
}
