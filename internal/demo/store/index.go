package store

import (
	"slices"
	"strings"
	"sync"
)

// index is what makes a search parameter quick for the resources of one type.
type index interface {
	// replace brings it up to date with a change of one resource; nil stands for no resource.
	replace(ordinal uint32, before, after []byte)
}

// indexOf returns the index of a parameter, building it if nobody has asked before. The caller holds mu. A nil shelf has
// none.
func indexOf[I index](sh *shelf, name string, build func() I) I {
	sh.building.Lock()
	defer sh.building.Unlock()
	if ix, ok := sh.indexes[name].(I); ok {
		return ix
	}
	ix := build()
	for ordinal, rec := range sh.records {
		if raw := rec.raw(); raw != nil {
			ix.replace(uint32(ordinal), nil, raw)
		}
	}
	sh.indexes[name] = ix
	return ix
}

// lists maps each value of a parameter to the resources that have it.
type lists[K comparable] struct {
	values  func(object []byte) []K
	by      map[K][]uint32
	present []uint32 // resources with any value
	fresh   func(K)  // told of a value's first appearance; may be nil
}

func newLists[K comparable](values func([]byte) []K) *lists[K] {
	return &lists[K]{values: values, by: map[K][]uint32{}}
}

func (l *lists[K]) replace(ordinal uint32, before, after []byte) {
	old, now := l.values(before), l.values(after)
	for _, k := range old {
		if !slices.Contains(now, k) {
			l.by[k] = remove(l.by[k], ordinal)
		}
	}
	for _, k := range now {
		if slices.Contains(old, k) {
			continue
		}
		list, known := l.by[k]
		if !known && l.fresh != nil {
			l.fresh(k)
		}
		l.by[k] = insert(list, ordinal)
	}
	switch {
	case len(old) > 0 && len(now) == 0:
		l.present = remove(l.present, ordinal)
	case len(old) == 0 && len(now) > 0:
		l.present = insert(l.present, ordinal)
	}
}

// tokenIndex also finds by code alone.
type tokenIndex struct {
	*lists[token]
	byCode map[string][]token
}

func newTokenIndex(p *param) *tokenIndex {
	ix := &tokenIndex{lists: newLists(p.tokens), byCode: map[string][]token{}}
	ix.fresh = func(t token) { ix.byCode[t.code] = append(ix.byCode[t.code], t) }
	return ix
}

// find evaluates one value: code, system|code, |code or system|.
func (ix *tokenIndex) find(value string) []uint32 {
	q := parseToken(value)
	var found [][]uint32
	if q.code == "" {
		for t, list := range ix.by {
			if q.matches(t) {
				found = append(found, list)
			}
		}
		return union(found...)
	}
	for _, t := range ix.byCode[q.code] {
		if q.matches(t) {
			found = append(found, ix.by[t])
		}
	}
	return union(found...)
}

// tokenQuery is a token that is searched for.
type tokenQuery struct {
	token
	anySystem bool
}

func parseToken(value string) tokenQuery {
	parts := splitEscaped(value, '|')
	if len(parts) == 1 {
		return tokenQuery{token: token{code: unescape(parts[0])}, anySystem: true}
	}
	return tokenQuery{token: token{system: unescape(parts[0]), code: unescape(strings.Join(parts[1:], "|"))}}
}

func (q tokenQuery) matches(t token) bool {
	if q.code != "" && q.code != t.code {
		return false
	}
	return q.anySystem || q.system == t.system || t.system == enumerated && strings.HasPrefix(q.system, enumerated)
}

// stringIndex finds by prefix and part of what is folded.
type stringIndex struct {
	*lists[string]
	mu     sync.Mutex
	sorted []foldedKey
	added  []foldedKey // not yet in sorted
}

type foldedKey struct{ folded, key string }

func newStringIndex(p *param) *stringIndex {
	ix := &stringIndex{lists: newLists(p.strings)}
	ix.fresh = func(k string) { ix.added = append(ix.added, foldedKey{fold(k), k}) }
	return ix
}

// keys returns all values, sorted by what is folded.
func (ix *stringIndex) keys() []foldedKey {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if len(ix.added) > 0 {
		ix.sorted = append(slices.Clip(ix.sorted), ix.added...)
		ix.added = nil
		slices.SortFunc(ix.sorted, func(a, b foldedKey) int { return strings.Compare(a.folded, b.folded) })
	}
	return ix.sorted
}

func (ix *stringIndex) find(modifier, value string) []uint32 {
	value = unescape(value)
	if modifier == "exact" {
		return ix.by[value]
	}
	want, keys := fold(value), ix.keys()
	var found [][]uint32
	if modifier == "contains" {
		for _, k := range keys {
			if strings.Contains(k.folded, want) {
				found = append(found, ix.by[k.key])
			}
		}
		return union(found...)
	}
	start, _ := slices.BinarySearchFunc(keys, want, func(k foldedKey, want string) int { return strings.Compare(k.folded, want) })
	for _, k := range keys[start:] {
		if !strings.HasPrefix(k.folded, want) {
			break
		}
		found = append(found, ix.by[k.key])
	}
	return union(found...)
}

// column holds the values of an ordered parameter by ordinal: most resources have one, the others are in more.
type column[V any] struct {
	values func(object []byte) []V
	first  []V
	has    []bool
	more   map[uint32][]V
}

func newColumn[V any](values func([]byte) []V) *column[V] {
	return &column[V]{values: values, more: map[uint32][]V{}}
}

func (c *column[V]) replace(ordinal uint32, _, after []byte) {
	for int(ordinal) >= len(c.first) {
		var none V
		c.first, c.has = append(c.first, none), append(c.has, false)
	}
	now := c.values(after)
	delete(c.more, ordinal)
	c.has[ordinal] = len(now) > 0
	if len(now) > 0 {
		c.first[ordinal] = now[0]
	}
	if len(now) > 1 {
		c.more[ordinal] = now[1:]
	}
}

// matches says whether any value of a resource satisfies test.
func (c *column[V]) matches(ordinal uint32, test func(V) bool) bool {
	if int(ordinal) >= len(c.first) || !c.has[ordinal] {
		return false
	}
	return test(c.first[ordinal]) || slices.ContainsFunc(c.more[ordinal], test)
}

// any says whether a resource has a value.
func (c *column[V]) any(ordinal uint32) bool { return int(ordinal) < len(c.has) && c.has[ordinal] }
