package store

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// query is a search of one or more types, parsed.
type query struct {
	types    []string
	criteria map[string][]*criterion // by type; all of them must hold
	sort     []sortKey
	include  *inclusion
	size     int
	shape    shape
	total    string
}

// criterion is one search parameter of a query with its values, any of which may hold.
type criterion struct {
	special  string // "_id", "_lastUpdated", "_type", "_has", "compartment" or ""
	p        *param
	modifier string
	values   []string // still escaped
	chain    []link   // of a chained parameter: what the targets must satisfy; any link may hold
	from     string   // _has: the type that refers
	by       *param   // _has: the reference parameter
}

// link is a chain's continuation in one target type, or the condition of a _has on the type that refers.
type link struct {
	typ  string
	next *criterion
}

// saysHow tells the parameters that say how to answer from those that say what to find.
func saysHow(name string) bool {
	switch name {
	case "_sort", "_count", "_include", "_revinclude", "_summary", "_elements", "_total", "_format", "_pretty", "_type", "_contained", "_containedType":
		return true
	}
	return false
}

// parseQuery reads the parameters of a search. typ "" is a search of all types, or of those in _type.
func (s *Store) parseQuery(req *request, typ string) (*query, error) {
	q := &query{types: []string{typ}, total: req.params.Get("_total")}
	if typ == "" {
		if err := q.takeTypes(s, req.params); err != nil {
			return nil, err
		}
	}
	var err error
	if q.criteria, err = s.parseCriteria(q.types, req.params); err != nil {
		return nil, err
	}
	if q.size, err = s.pageSize(req.params); err != nil {
		return nil, err
	}
	if q.shape, err = s.shapeOf(req.params); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "none", "estimate", "accurate"}, q.total) {
		return nil, invalid("Invalid value of _total: %q", q.total)
	}
	if q.sort, err = s.parseSort(q.types, req.params["_sort"]); err != nil {
		return nil, err
	}
	q.include, err = s.parseIncludes(req.params)
	return q, err
}

func (q *query) takeTypes(s *Store, params url.Values) error {
	q.types = nil
	for _, list := range params["_type"] {
		for t := range strings.SplitSeq(list, ",") {
			if !s.defs.IsResource(t) {
				return invalid("Unknown resource type %q in _type", t)
			}
			q.types = append(q.types, t)
		}
	}
	if q.types == nil {
		for t := range s.shelves {
			q.types = append(q.types, t)
		}
		slices.Sort(q.types)
	}
	return nil
}

func (s *Store) parseCriteria(types []string, params url.Values) (map[string][]*criterion, error) {
	out := map[string][]*criterion{}
	for name, values := range params {
		base, _, _ := strings.Cut(name, ":")
		if saysHow(base) {
			continue
		}
		for _, typ := range types {
			for _, value := range values {
				if value == "" {
					continue // as in HAPI: a parameter without a value says nothing
				}
				c, err := s.parseCriterion(typ, name, value)
				if err != nil {
					return nil, err
				}
				out[typ] = append(out[typ], c)
			}
		}
	}
	return out, nil
}

// parseCriterion reads one parameter: name[:modifier], a chain such as subject:Patient.name, or _has:Type:reference:name.
func (s *Store) parseCriterion(typ, name, value string) (*criterion, error) {
	if rest, ok := strings.CutPrefix(name, "_has:"); ok {
		return s.parseHas(typ, rest, value)
	}
	first, rest, chained := strings.Cut(name, ".")
	code, modifier, _ := strings.Cut(first, ":")
	c := &criterion{modifier: modifier, values: splitEscaped(value, ',')}
	switch code {
	case "_id", "_lastUpdated":
		if chained || modifier != "" {
			return nil, invalid("Unknown modifier on %s", code)
		}
		c.special = code
		return c, nil
	}
	if c.p = s.param(typ, code); c.p == nil {
		return nil, s.unknownParameter(typ, code)
	}
	if chained {
		return c, s.parseChain(c, rest, value)
	}
	return c, c.check(s)
}

func (s *Store) unknownParameter(typ, code string) error {
	known := []string{"_id", "_lastUpdated"}
	for _, def := range s.defs.SearchParameters(typ) {
		if def.Mapped && !slices.Contains(known, def.Code) {
			known = append(known, def.Code)
		}
	}
	slices.Sort(known)
	return invalid("Unknown search parameter %q for resource type %q. Valid search parameters for this search are: %v", code, typ, known)
}

// modifiers are those that this server knows, by the type of the parameter. A reference also takes a type.
func modifiers(kind string) []string {
	switch kind {
	case "token":
		return []string{"", "missing", "not", "text"}
	case "string":
		return []string{"", "missing", "exact", "contains"}
	case "uri":
		return []string{"", "missing", "above", "below"}
	case "reference":
		return []string{"", "missing", "identifier"}
	}
	if kind == "composite" {
		return []string{""}
	}
	return []string{"", "missing"}
}

// check refuses modifiers and values that the parameter can't have.
func (c *criterion) check(s *Store) error {
	kind := c.p.def.Type
	if !slices.Contains(modifiers(kind), c.modifier) && (kind != "reference" || !s.defs.IsResource(c.modifier)) {
		return invalid("Unknown modifier %q on parameter %s", c.modifier, c.p.def.Code)
	}
	if c.modifier == "missing" {
		if len(c.values) != 1 || c.values[0] != "true" && c.values[0] != "false" {
			return invalid("The value of :missing is true or false")
		}
		return nil
	}
	for _, value := range c.values {
		if err := c.p.checkValue(value); err != nil {
			return err
		}
	}
	return nil
}

func (p *param) checkValue(value string) (err error) {
	switch p.def.Type {
	case "date":
		_, err = dateTest(value, time.Time{})
	case "number", "quantity":
		_, err = quantityTest(value)
	case "composite":
		parts := splitEscaped(value, '$')
		if len(parts) != len(p.def.Components) {
			return invalid("The composite parameter %s takes %d values", p.def.Code, len(p.def.Components))
		}
		for i, part := range p.parts[0].parts {
			if err := part.checkValue(parts[i]); err != nil {
				return err
			}
		}
	}
	return err
}

// parseChain reads the rest of a chain for every type that the reference may have.
func (s *Store) parseChain(c *criterion, rest, value string) error {
	if c.p.def.Type != "reference" {
		return invalid("Parameter %s isn't a reference, so it can't be chained", c.p.def.Code)
	}
	types := c.p.def.Targets
	if c.modifier != "" {
		if !s.defs.IsResource(c.modifier) {
			return invalid("Unknown modifier %q on parameter %s", c.modifier, c.p.def.Code)
		}
		types = []string{c.modifier}
	} else if len(types) == 0 || slices.Contains(types, "Resource") {
		types = s.defs.ResourceTypes()
	}
	var firstErr error
	for _, typ := range types {
		next, err := s.parseCriterion(typ, rest, value)
		if err == nil {
			c.chain = append(c.chain, link{typ, next})
		} else if firstErr == nil {
			firstErr = err
		}
	}
	if len(c.chain) == 0 {
		return firstErr
	}
	return nil
}

func (s *Store) parseHas(typ, rest, value string) (*criterion, error) {
	from, rest, ok1 := strings.Cut(rest, ":")
	code, name, ok2 := strings.Cut(rest, ":")
	if !ok1 || !ok2 || !s.defs.IsResource(from) {
		return nil, invalid("Invalid _has parameter")
	}
	c := &criterion{special: "_has", from: from, by: s.param(from, code)}
	if c.by == nil || c.by.def.Type != "reference" {
		return nil, s.unknownParameter(from, code)
	}
	next, err := s.parseCriterion(from, name, value)
	if err != nil {
		return nil, err
	}
	c.chain = []link{{typ, next}}
	return c, nil
}

// splitEscaped splits at a separator that has no backslash before it; the parts stay escaped.
func splitEscaped(s string, separator byte) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// unescape removes the escapes of FHIR R4 search.html#escaping.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`\,$|`, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
