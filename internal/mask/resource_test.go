package mask

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// leaf is a primitive value of a generated resource; its canary is nowhere else.
type leaf struct {
	canary string
	// unique is false for booleans, which can be no canaries.
	unique bool
	// chain has, for each resource that the leaf is in, the type and the names of
	// the elements from there on.
	chain []from
	// narrative: the leaf is in the narrative of a resource or section.
	narrative bool
	typeName  string
	// url: the leaf is the url of an extension.
	url bool
	// display: the leaf is in the display of a Reference.
	display bool
}

type from struct {
	typeName string
	names    []string
}

// subtree is a value with the leaves that are in it.
type subtree struct {
	text     string
	from, to int
}

// generated is a random resource with its leaves.
type generated struct {
	text     string
	leaves   []leaf
	subtrees []subtree
}

type generator struct {
	t *rapid.T
	*generated
	chain     []from
	narrative bool
	display   bool
	budget    int
}

// generate makes a resource of the type from its definition. It knows nothing of
// masks.
func generate(t *rapid.T, typeName string) *generated {
	g := &generator{t: t, generated: &generated{}, budget: 60}
	g.text = g.resource(typeName, 0)
	return g.generated
}

func (g *generator) resource(typeName string, depth int) string {
	outer := g.chain
	g.chain = append(append([]from{}, outer...), from{typeName: typeName})
	typ, _ := definitions.R4().Type(typeName)
	members := append([]string{`"resourceType":"` + typeName + `"`}, g.members(typ, depth)...)
	g.chain = outer
	return "{" + strings.Join(members, g.comma()) + "}"
}

func (g *generator) comma() string {
	return rapid.SampledFrom([]string{",", ",", ", ", "\n,\t"}).Draw(g.t, "comma")
}

func (g *generator) members(typ *definitions.Type, depth int) []string {
	var out []string
	for i := range typ.Elements {
		el := &typ.Elements[i]
		wanted := el.Min > 0 || g.budget > 0 && rapid.IntRange(0, 3+depth).Draw(g.t, "with "+el.Name) == 0
		if !wanted || depth > 5 || el.Name == "implicitRules" || len(g.chain) > 1 && el.Name == "contained" {
			continue
		}
		g.budget--
		typeName := el.Types[rapid.IntRange(0, len(el.Types)-1).Draw(g.t, "type")]
		name := el.Name
		if el.Choice {
			name = choiceName(name, typeName)
		}
		out = append(out, g.element(typ, el, name, typeName, depth)...)
	}
	return out
}

func (g *generator) element(typ *definitions.Type, el *definitions.Element, name, typeName string, depth int) []string {
	for i := range g.chain {
		c := &g.chain[i]
		c.names = append(c.names[:len(c.names):len(c.names)], el.Name)
	}
	narrative, display := g.narrative, g.display
	g.narrative = narrative || el.Name == "text" && typeName == "Narrative"
	g.display = display || typ.Name == "Reference" && el.Name == "display"
	defer func() {
		for i := range g.chain {
			c := &g.chain[i]
			c.names = c.names[:len(c.names)-1]
		}
		g.narrative, g.display = narrative, display
	}()
	t, _ := definitions.R4().Type(typeName)
	primitive := typeName != "Resource" && t.Kind == definitions.Primitive
	count := 1
	if el.Repeats() {
		count = rapid.IntRange(1, 2).Draw(g.t, "items of "+name)
	}
	first := len(g.leaves)
	var values, siblings []string
	for range count {
		values = append(values, g.value(typ, el, typeName, depth))
		sibling := "null"
		if primitive && rapid.IntRange(0, 5).Draw(g.t, "sibling of "+name) == 0 && g.budget > 0 && name != "url" && name != "id" {
			if members := g.members(t, depth+2); len(members) > 0 {
				sibling = "{" + strings.Join(members, ",") + "}"
			}
		}
		siblings = append(siblings, sibling)
	}
	value, sibling := values[0], siblings[0]
	if el.Repeats() {
		value, sibling = "["+strings.Join(values, g.comma())+"]", "["+strings.Join(siblings, ",")+"]"
	}
	g.subtrees = append(g.subtrees, subtree{text: value, from: first, to: len(g.leaves)})
	out := []string{`"` + name + `":` + value}
	if strings.ContainsAny(sibling, "{") {
		out = append(out, `"_`+name+`": `+sibling)
	}
	return out
}

func (g *generator) value(typ *definitions.Type, el *definitions.Element, typeName string, depth int) string {
	if typeName == "Resource" {
		return g.resource(rapid.SampledFrom([]string{"Patient", "Observation", "Organization", "Composition"}).Draw(g.t, "nested"), depth+2)
	}
	t, _ := definitions.R4().Type(typeName)
	if t.Kind == definitions.Primitive {
		return g.primitive(typ, el, typeName)
	}
	members := g.members(t, depth+1)
	if len(members) == 0 { // FHIR has no empty objects
		id, _ := t.Element("id")
		members = g.element(t, id, "id", "string", depth+1)
	}
	return "{" + strings.Join(members, g.comma()) + "}"
}

func (g *generator) primitive(typ *definitions.Type, el *definitions.Element, typeName string) string {
	n := len(g.leaves)
	day := time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n)
	canary, quoted := fmt.Sprintf("c%06dz", n), true
	switch typeName {
	case "boolean":
		canary, quoted = "true", false
	case "integer", "unsignedInt", "positiveInt":
		canary, quoted = fmt.Sprint(900000000+n), false
	case "decimal":
		canary, quoted = fmt.Sprintf("9%06d.50", n), false
	case "date":
		canary = day.Format("2006-01-02")
	case "dateTime", "instant":
		canary = day.Format("2006-01-02T15:04:05.7Z07:00")
	}
	text := canary
	if typ.Name == "Reference" && el.Name == "reference" {
		text = "Patient/" + canary
	}
	l := leaf{canary: canary, unique: typeName != "boolean", narrative: g.narrative, typeName: typeName, url: typ.Name == "Extension" && el.Name == "url", display: g.display}
	for _, c := range g.chain {
		l.chain = append(l.chain, from{c.typeName, append([]string{}, c.names...)})
	}
	g.leaves = append(g.leaves, l)
	if quoted {
		return `"` + text + `"`
	}
	return text
}

// covered says, without any of the code under test but the parser, whether a rule
// covers the leaf.
func (l *leaf) covered(r Rule) bool {
	p, err := parsePath(r.Path)
	if err != nil {
		return false
	}
	for _, c := range l.chain {
		if (p.root == c.typeName || p.root == anyType) && matchNames(p.segments, c.names) {
			return true
		}
	}
	return false
}

func matchNames(segments []segment, names []string) bool {
	if len(segments) == 0 {
		return true
	}
	for i := range names {
		if names[i] == segments[0].name && matchNames(segments[1:], names[i+1:]) {
			return true
		}
		if !segments[0].deep {
			return false
		}
	}
	return false
}

// randomRule is a rule for some element of the resource.
func (g *generated) randomRule(t *rapid.T) Rule {
	l := g.leaves[rapid.IntRange(0, len(g.leaves)-1).Draw(t, "leaf")]
	c := l.chain[rapid.IntRange(0, len(l.chain)-1).Draw(t, "resource")]
	names := c.names[:rapid.IntRange(1, len(c.names)).Draw(t, "names")]
	root := c.typeName
	switch rapid.IntRange(0, 5).Draw(t, "root") {
	case 0:
		root, names = "**", names[len(names)-1:]
	case 1:
		root = anyType
	}
	r := Rule{Path: root + "." + strings.Join(names, "."), Action: Remove}
	switch rapid.IntRange(0, 8).Draw(t, "action") {
	case 0:
		r.Action = Hash
	case 1:
		r.Action, r.To = Truncate, "year"
	case 2:
		r.Action, r.To = Truncate, "3"
	case 3:
		r.Action, r.Value = Replace, []byte(`"replaced"`)
	case 4:
		r.Action = Pseudonymize
	}
	return r
}

// randomMask is a mask that compiles, and its rules.
func (g *generated) randomMask(t *rapid.T, typeName string, withGrants bool) (m *Mask, masks []Rule, grants [][]Rule) {
	draw := func(label string, least int) []Rule {
		var out []Rule
		for range rapid.IntRange(least, 4).Draw(t, label) {
			r := g.randomRule(t)
			if _, err := Compile(definitions.R4(), typeName, []Rule{r}, nil); err == nil {
				out = append(out, r)
			}
		}
		return out
	}
	masks = draw("masks", 0)
	if withGrants {
		for range rapid.IntRange(0, 2).Draw(t, "grants") {
			grants = append(grants, draw("grant", 1))
		}
	}
	m, err := Compile(definitions.R4(), typeName, masks, grants)
	if err != nil {
		t.Fatalf("rules that compile alone don't together: %v", err)
	}
	return m, masks, grants
}
