package store

import (
	"net/url"
	"slices"
	"strings"
)

// inclusion is the _include and _revinclude of a search.
type inclusion struct{ rules []includeRule }

type includeRule struct {
	reverse bool
	iterate bool
	from    string // type that refers, "*" for any
	code    string // its reference parameter, "*" for all
	target  string // type that is referred to, "" for any
}

// maxIncluded is the most resources that one page includes, HAPI's default.
const maxIncluded = 1000

func (s *Store) parseIncludes(params url.Values) (*inclusion, error) {
	in := &inclusion{}
	for name, values := range params {
		base, modifier, _ := strings.Cut(name, ":")
		if base != "_include" && base != "_revinclude" {
			continue
		}
		if modifier != "" && modifier != "iterate" && modifier != "recurse" {
			return nil, invalid("Unknown modifier %q on %s", modifier, base)
		}
		for _, value := range values {
			r := includeRule{reverse: base == "_revinclude", iterate: modifier != ""}
			if err := s.parseInclude(&r, value); err != nil {
				return nil, err
			}
			in.rules = append(in.rules, r)
		}
	}
	if len(in.rules) == 0 {
		return nil, nil
	}
	return in, nil
}

func (s *Store) parseInclude(r *includeRule, value string) error {
	parts := strings.Split(value, ":")
	if value == "*" {
		r.from, r.code = "*", "*"
		return nil
	}
	if len(parts) < 2 || len(parts) > 3 || !s.defs.IsResource(parts[0]) {
		return invalid("Invalid include %q", value)
	}
	r.from, r.code = parts[0], parts[1]
	if len(parts) == 3 {
		r.target = parts[2]
	}
	if r.target != "" && r.target != "*" && !s.defs.IsResource(r.target) {
		return invalid("Invalid include %q", value)
	}
	r.target = strings.Trim(r.target, "*")
	if p := s.param(r.from, r.code); r.code != "*" && (p == nil || p.def.Type != "reference") {
		return s.unknownParameter(r.from, r.code)
	}
	return nil
}

// included returns what the rules add to the matches of a page.
func (s *Store) included(base string, in *inclusion, matches []*record) []*record {
	seen := map[*record]bool{}
	for _, rec := range matches {
		seen[rec] = true
	}
	var out []*record
	add := func(rec *record) {
		if rec != nil && rec.raw() != nil && !seen[rec] && len(out) < maxIncluded {
			seen[rec] = true
			out = append(out, rec)
		}
	}
	for round, from := 0, matches; len(from) > 0; round++ {
		before := len(out)
		for _, r := range in.rules {
			if round == 0 || r.iterate {
				s.follow(base, r, from, add)
			}
		}
		from = out[before:]
	}
	return out
}

func (s *Store) follow(base string, r includeRule, from []*record, add func(*record)) {
	for _, rec := range from {
		if rec.raw() == nil {
			continue
		}
		if r.reverse {
			s.followBack(r, rec, add)
			continue
		}
		if r.from != "*" && r.from != rec.shelf.name {
			continue
		}
		for _, p := range s.referenceParams(rec.shelf.name, r.code) {
			for _, ref := range p.references(s, rec.raw()) {
				typ, id, _ := strings.Cut(strings.TrimPrefix(ref, base+"/"), "/")
				if r.target == "" || r.target == typ {
					add(s.find(typ, id))
				}
			}
		}
	}
}

func (s *Store) followBack(r includeRule, rec *record, add func(*record)) {
	if r.target != "" && r.target != rec.shelf.name {
		return
	}
	for typ, sh := range s.shelves {
		if r.from != "*" && r.from != typ {
			continue
		}
		for _, p := range s.referenceParams(typ, r.code) {
			for _, ordinal := range s.referenceIndex(sh, p).by[rec.reference()] {
				add(sh.records[ordinal])
			}
		}
	}
}

// referenceParams returns one reference parameter of a type, or all of them for "*".
func (s *Store) referenceParams(typ, code string) []*param {
	if code != "*" {
		if p := s.param(typ, code); p != nil {
			return []*param{p}
		}
		return nil
	}
	var out []*param
	for _, def := range s.defs.SearchParameters(typ) {
		if p := s.param(typ, def.Code); def.Type == "reference" && p != nil {
			out = append(out, p)
		}
	}
	return slices.Clip(out)
}
