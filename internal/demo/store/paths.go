package store

import (
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// node is a search parameter's path compiled against the definitions: which properties of an object to follow.
type node struct{ edges []edge }

// edge is one property to follow. A choice has an edge for each of its types.
type edge struct {
	name  string // JSON property
	typ   string // type of its value
	where condition
	next  *node // nil: the value is what the parameter reads
}

// condition is a path's where(), of which R4 has few forms; the zero value holds always.
type condition struct {
	target    string // resolve() is target
	member    string // member = 'value'
	value     string
	extension string // an extension with this url is there
}

// leaf gets a value with its type.
type leaf func(typ string, value []byte)

func compilePath(defs *definitions.Definitions, p definitions.Path) *node {
	return compileAt(defs, p, 1, p.Segments[0])
}

func compileAt(defs *definitions.Definitions, p definitions.Path, i int, typ string) *node {
	t, ok := defs.Type(typ)
	if !ok || i >= len(p.Segments) {
		return nil
	}
	el, ok := t.Element(p.Segments[i])
	if !ok {
		return &node{}
	}
	n := &node{}
	for _, child := range el.Types {
		if el.Choice && p.As != "" && p.AsAt == i && child != p.As {
			continue
		}
		e := edge{name: el.Name, typ: child}
		if el.Choice {
			e.name += strings.ToUpper(child[:1]) + child[1:]
		}
		if p.Where != "" && p.WhereAt == i {
			e.where = parseCondition(p.Where)
		}
		if i == len(p.Segments)-1 && p.ExtensionURL != "" {
			e.where = condition{member: "url", value: p.ExtensionURL}
			e.next = compileAt(defs, definitions.Path{Segments: []string{"Extension", "value"}}, 1, "Extension")
		} else if i < len(p.Segments)-1 {
			e.next = compileAt(defs, p, i+1, child)
		}
		n.edges = append(n.edges, e)
	}
	return n
}

func parseCondition(where string) condition {
	if target, ok := strings.CutPrefix(where, "resolve() is "); ok {
		return condition{target: target}
	}
	if ext, ok := strings.CutPrefix(where, "hasExtension('"); ok {
		return condition{extension: strings.TrimSuffix(ext, "')")}
	}
	if member, value, ok := strings.Cut(where, "='"); ok {
		return condition{member: member, value: strings.TrimSuffix(value, "'")}
	}
	return condition{}
}

func (c condition) holds(value []byte) bool {
	switch {
	case c.target != "":
		ref := text(value, "reference")
		return strings.HasPrefix(ref, c.target+"/") || strings.Contains(ref, "/"+c.target+"/") || text(value, "type") == c.target
	case c.member != "":
		return text(value, c.member) == c.value
	case c.extension != "":
		extensions, _ := wire.Get(value, "extension")
		for x := range wire.Items(extensions) {
			if text(x, "url") == c.extension {
				return true
			}
		}
		return false
	}
	return true
}

// walk hands every value that the path reaches in an object to yield.
func (n *node) walk(object []byte, yield leaf) {
	if n == nil {
		return
	}
	for key, value := range wire.Members(object) {
		for i := range n.edges {
			if e := &n.edges[i]; wire.KeyIs(key, e.name) {
				e.follow(value, yield)
				if len(n.edges) == 1 {
					return
				}
			}
		}
	}
}

func (e *edge) follow(value []byte, yield leaf) {
	if len(value) > 0 && value[0] == '[' {
		for item := range wire.Items(value) {
			e.item(item, yield)
		}
		return
	}
	e.item(value, yield)
}

func (e *edge) item(value []byte, yield leaf) {
	switch {
	case !e.where.holds(value):
	case e.next != nil:
		e.next.walk(value, yield)
	case wire.KindOf(value) != wire.Null:
		yield(e.typ, value)
	}
}
