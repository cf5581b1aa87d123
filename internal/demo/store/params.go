package store

import (
	"slices"
	"strings"
	"sync"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// param is a search parameter of one resource type, ready to be evaluated.
type param struct {
	def   *definitions.SearchParameter
	typ   string // resource type
	paths []*node
	parts []composite // of a composite
}

// composite is one group of elements from which a composite's parts are taken together.
type composite struct {
	context []string // segments below the resource type; none: the resource itself
	parts   []*param
}

// paramCache keeps compiled parameters by type and code.
type paramCache struct{ byName sync.Map }

// param returns a parameter; nil when the type has none of that name, or none that this server can evaluate.
func (s *Store) param(typ, code string) *param {
	key := typ + "?" + code
	if known, ok := s.params.byName.Load(key); ok {
		p, _ := known.(*param)
		return p
	}
	def, ok := s.defs.SearchParameter(typ, code)
	if !ok || !def.Mapped || def.Type == "special" {
		return nil
	}
	p := &param{def: def, typ: typ}
	if def.Type == "composite" {
		if !s.compileComposite(p) {
			return nil
		}
	} else {
		for _, path := range def.Paths {
			p.paths = append(p.paths, compilePath(s.defs, path))
		}
	}
	s.params.byName.Store(key, p)
	return p
}

// compileComposite makes the groups of a composite: its expression says from which elements the parts are taken.
func (s *Store) compileComposite(p *param) bool {
	for expression := range strings.SplitSeq(p.def.Expression, "|") {
		context := strings.Split(strings.TrimSpace(expression), ".")
		if context[0] != p.typ {
			continue
		}
		c := composite{context: context[1:]}
		for _, code := range p.def.Components {
			def, ok := s.defs.SearchParameter(p.typ, code)
			if !ok {
				return false
			}
			part := &param{def: def, typ: p.typ}
			for _, path := range def.Paths {
				if len(path.Segments) > len(context) && slices.Equal(path.Segments[:len(context)], context) && !s.repeats(path, len(context)) {
					part.paths = append(part.paths, compileAt(s.defs, path, len(context), s.typeAt(context)))
				}
			}
			c.parts = append(c.parts, part)
		}
		p.parts = append(p.parts, c)
	}
	return len(p.parts) > 0
}

// typeAt returns the type of the element at a path without choices.
func (s *Store) typeAt(context []string) string {
	typ := context[0]
	for _, segment := range context[1:] {
		t, ok := s.defs.Type(typ)
		if !ok {
			return ""
		}
		el, ok := t.Element(segment)
		if !ok || len(el.Types) == 0 {
			return ""
		}
		typ = el.Types[0]
	}
	return typ
}

// repeats says whether a path goes, below its context, through a backbone element: that one is another context.
func (s *Store) repeats(path definitions.Path, depth int) bool {
	if len(path.Segments) <= depth+1 {
		return false
	}
	t, ok := s.defs.Type(s.typeAt(path.Segments[:depth+1]))
	return ok && t.Kind == definitions.Backbone
}

// read hands every value of the parameter in an object to yield.
func (p *param) read(object []byte, yield leaf) {
	if p.def.Code == "deceased" && p.typ == "Patient" {
		readDeceased(object, yield)
		return
	}
	for _, n := range p.paths {
		n.walk(object, yield)
	}
}

// readDeceased reads the one R4 parameter that is computed: deceased.exists() and deceased != false.
func readDeceased(object []byte, yield leaf) {
	d := split(object)
	for _, member := range []string{"deceasedBoolean", "deceasedDateTime"} {
		if value := memberOf(d.rest, member); value != nil {
			if string(value) == "false" {
				yield("boolean", value)
			} else {
				yield("boolean", []byte("true"))
			}
			return
		}
	}
	yield("boolean", []byte("false"))
}
