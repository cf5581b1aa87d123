package policy

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

var errValue = errors.New("not a JSON value, or a number too large to judge")

// parseResource turns a resource that passed wire.Check into a Rego value that
// may be kept. It reads the bytes once; OPA's own readers go through
// encoding/json and a second tree, at several times the cost.
func parseResource(doc []byte) (ast.Value, error) {
	term, err := parseTerm(doc)
	if err != nil {
		return nil, err
	}
	return term.Value, nil
}

func parseTerm(doc []byte) (*ast.Term, error) {
	p := valueParser{doc: doc}
	return p.whole()
}

// parseInput is parseResource for a value that lives as long as an evaluation:
// its strings are parts of one copy of doc and its terms lie side by side, so
// that any of them keeps all of them in memory.
func parseInput(doc []byte, keys keyTerms) (ast.Value, error) {
	p := valueParser{doc: doc, text: string(doc), keys: keys}
	term, err := p.whole()
	if err != nil {
		return nil, err
	}
	return term.Value, nil
}

// keyTerms are the terms of the names of FHIR's elements.
type keyTerms map[string]*ast.Term

// newKeyTerms collects the names of all elements that resources can have.
func newKeyTerms(defs *definitions.Definitions) keyTerms {
	k := keyTerms{"resourceType": ast.InternedTerm("resourceType")}
	seen := map[string]bool{}
	for _, name := range defs.ResourceTypes() {
		k.collect(defs, name, seen)
	}
	return k
}

func (k keyTerms) collect(defs *definitions.Definitions, typ string, seen map[string]bool) {
	t, ok := defs.Type(typ)
	if !ok || seen[typ] {
		return
	}
	seen[typ] = true
	for _, el := range t.Elements {
		for _, next := range el.Types {
			name := el.Name
			if el.Choice {
				name += strings.ToUpper(next[:1]) + next[1:]
			}
			if k[name] == nil {
				k[name] = ast.InternedTerm(name)
			}
			k.collect(defs, next, seen)
		}
	}
}

// valueParser makes terms of a document in one pass.
type valueParser struct {
	doc  []byte
	text string // the document as a string, when its parts may be shared
	keys keyTerms

	terms []ast.Term     // made in advance, when they may be shared
	pairs [][2]*ast.Term // the members of the objects that are open
	items []*ast.Term    // the items of the arrays that are open
}

// whole reads the document as one value.
func (p *valueParser) whole() (*ast.Term, error) {
	term, next, ok := p.value(wire.SkipSpace(p.doc, 0))
	if !ok || wire.SkipSpace(p.doc, next) != len(p.doc) {
		return nil, errValue
	}
	return term, nil
}

// value reads the value that starts at i; next is the index after it.
func (p *valueParser) value(i int) (term *ast.Term, next int, ok bool) {
	if i >= len(p.doc) {
		return nil, i, false
	}
	switch wire.KindOf(p.doc[i:]) {
	case wire.Object:
		return p.object(i)
	case wire.Array:
		return p.array(i)
	case wire.Text:
		end := wire.SkipString(p.doc, i)
		if end-i < 2 || p.doc[end-1] != '"' {
			return nil, i, false
		}
		return p.term(ast.String(p.string(i+1, end-1))), end, true
	case wire.Number:
		end := wire.SkipValue(p.doc, i)
		return p.term(ast.Number(p.part(i, end))), end, isComparable(p.doc[i:end])
	case wire.True:
		return ast.InternedTerm(true), wire.SkipValue(p.doc, i), true
	case wire.False:
		return ast.InternedTerm(false), wire.SkipValue(p.doc, i), true
	case wire.Null:
		return ast.InternedNullTerm, wire.SkipValue(p.doc, i), true
	case wire.Invalid:
	}
	return nil, i, false
}

// isComparable refuses numbers beyond what OPA compares: on those with a binary
// exponent of more than 100,000 it panics.
func isComparable(number []byte) bool {
	const maxLength, maxExponent = 10_000, len("9999")
	e := bytes.IndexAny(number, "eE")
	return len(number) <= maxLength && (e < 0 || len(bytes.TrimLeft(number[e+1:], "+-")) <= maxExponent)
}

func (p *valueParser) object(i int) (*ast.Term, int, bool) {
	first := len(p.pairs)
	i, more := wire.Open(p.doc, i, '{')
	for more {
		end := wire.SkipString(p.doc, i)
		if end-i < 2 || p.doc[end-1] != '"' {
			return nil, i, false
		}
		key := p.key(i+1, end-1)
		value, next, ok := p.value(wire.SkipColon(p.doc, end))
		if !ok {
			return nil, i, false
		}
		p.pairs = append(p.pairs, [2]*ast.Term{key, value})
		i, more = wire.Next(p.doc, next)
	}
	object := ast.NewObject(p.pairs[first:]...) // doesn't keep the slice
	p.pairs = p.pairs[:first]
	return p.term(object), i, true
}

func (p *valueParser) array(i int) (*ast.Term, int, bool) {
	first := len(p.items)
	i, more := wire.Open(p.doc, i, '[')
	for more {
		item, next, ok := p.value(i)
		if !ok {
			return nil, i, false
		}
		p.items = append(p.items, item)
		i, more = wire.Next(p.doc, next)
	}
	array := ast.NewArray(slices.Clone(p.items[first:])...)
	p.items = p.items[:first]
	return p.term(array), i, true
}

// key is the term of a member's name, which names of elements share.
func (p *valueParser) key(start, end int) *ast.Term {
	if term := p.keys[string(p.doc[start:end])]; term != nil {
		return term // names of elements have no escapes
	}
	return ast.InternedTerm(p.string(start, end))
}

// string is the text that the inside of a string stands for.
func (p *valueParser) string(start, end int) string {
	if p.text == "" || bytes.IndexByte(p.doc[start:end], '\\') >= 0 {
		return wire.Key(p.doc[start:end])
	}
	return p.text[start:end]
}

func (p *valueParser) part(start, end int) string {
	if p.text == "" {
		return string(p.doc[start:end])
	}
	return p.text[start:end]
}

// slab is how many terms are made at a time.
const slab = 64

func (p *valueParser) term(v ast.Value) *ast.Term {
	if p.text == "" {
		return ast.NewTerm(v)
	}
	if len(p.terms) == cap(p.terms) {
		p.terms = make([]ast.Term, 0, slab)
	}
	p.terms = append(p.terms, ast.Term{Value: v})
	return &p.terms[len(p.terms)-1]
}
