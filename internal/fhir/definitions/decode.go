package definitions

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The table is text in lines, each with a letter, a tab and fields that are separated by tabs; lists are separated by
// commas, and an absent field at the end is left out:
//
//	V version
//	T kind name base               kind: p, c, b, r for the kinds; uppercase when abstract
//	E name min max flags types targets   name ends in [x] for a choice; flags of m (modifier) and s (summary)
//	A targets                      what "*" stands for in the targets of a parameter
//	S code type url bases targets components flags expression    flag x: an illustration
//	U base                         the parameter before is not mapped for that base
//	P path as@index extension where@index    a path of the parameter before, dotted; its first segment is the base
//	C compartment
//	I type params                  a type inside of the compartment before

// decoder holds what is open while the lines are read.
type decoder struct {
	d           *Definitions
	current     *Type
	elements    []Element // of all types; never grows, as pointers into it are handed out
	first       int       // the index of the current type's first element
	lists       map[string][]string
	parameter   *SearchParameter
	listed      bool
	anyTarget   []string
	unmapped    map[string]bool
	paths       map[string][]Path
	compartment map[string][]string
}

// decode reads a generated table.
func decode(text string) (*Definitions, error) {
	dec := decoder{
		d: &Definitions{
			types:  make(map[string]*Type, strings.Count(text, "\nT\t")),
			byType: map[string]map[string]*SearchParameter{},
			listed: map[string][]*SearchParameter{},
			inside: map[string]map[string][]string{},
		},
		elements: make([]Element, 0, 1+strings.Count(text, "\nE\t")),
		lists:    map[string][]string{},
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if len(line) < 2 || line[1] != '\t' {
			return nil, fmt.Errorf("line %d: no field", number)
		}
		if err := dec.line(line[0], fields{rest: line[2:]}); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	dec.finish()
	return dec.d, nil
}

// line reads one line, once the letter before it is known.
func (dec *decoder) line(letter byte, f fields) error {
	if owner := dec.owner(letter); owner != "" {
		return fmt.Errorf("%c before %s", letter, owner)
	}
	switch letter {
	case 'V':
		dec.d.version = f.next()
	case 'T':
		return dec.typeLine(f)
	case 'E':
		return dec.elementLine(f)
	case 'A':
		dec.anyTarget = dec.list(&f)
	case 'S':
		dec.endParameter()
		dec.parameter = &SearchParameter{
			Code: f.next(), Type: f.next(), URL: f.next(), Bases: dec.list(&f), Targets: dec.list(&f), Components: dec.list(&f),
		}
		if p := dec.parameter; len(p.Targets) == 1 && p.Targets[0] == "*" {
			p.Targets = dec.anyTarget
		}
		dec.listed = f.next() == ""
		dec.parameter.Expression = f.rest
		dec.unmapped, dec.paths = map[string]bool{}, map[string][]Path{}
	case 'U':
		dec.unmapped[f.next()] = true
	case 'P':
		return dec.pathLine(f)
	case 'C':
		dec.compartment = map[string][]string{}
		name := f.next()
		dec.d.compartments = append(dec.d.compartments, name)
		dec.d.inside[name] = dec.compartment
	case 'I':
		dec.compartment[f.next()] = dec.list(&f)
	default:
		return fmt.Errorf("unknown letter %q", letter)
	}
	return nil
}

// owner is the letter of the line that must come before and hasn't, or "".
func (dec *decoder) owner(letter byte) string {
	switch {
	case letter == 'E' && dec.current == nil:
		return "T"
	case (letter == 'U' || letter == 'P') && dec.parameter == nil:
		return "S"
	case letter == 'I' && dec.compartment == nil:
		return "C"
	}
	return ""
}

func (dec *decoder) typeLine(f fields) error {
	dec.endType()
	letter := f.next()
	kind, ok := kindOf(strings.ToLower(letter))
	if !ok {
		return fmt.Errorf("unknown kind %q", letter)
	}
	t := &Type{Kind: kind, Abstract: letter != strings.ToLower(letter), Name: f.next(), Base: f.next()}
	dec.current = t
	dec.d.types[t.Name] = t
	if kind == Resource && !t.Abstract {
		dec.d.resources = append(dec.d.resources, t.Name)
	}
	return nil
}

func kindOf(letter string) (Kind, bool) {
	switch letter {
	case "p":
		return Primitive, true
	case "c":
		return Complex, true
	case "b":
		return Backbone, true
	case "r":
		return Resource, true
	}
	return Unknown, false
}

// endType gives the type whose lines have been read its elements.
func (dec *decoder) endType() {
	if dec.current != nil {
		n := len(dec.elements)
		dec.current.Elements = dec.elements[dec.first:n:n]
	}
	dec.first = len(dec.elements)
}

func (dec *decoder) elementLine(f fields) error {
	var e Element
	var err error
	e.Name, e.Choice = strings.CutSuffix(f.next(), "[x]")
	if e.Min, err = strconv.Atoi(f.next()); err != nil {
		return err
	}
	e.Max = Unbounded
	if upper := f.next(); upper != "*" {
		if e.Max, err = strconv.Atoi(upper); err != nil {
			return err
		}
	}
	flags := f.next()
	e.Modifier, e.Summary = strings.Contains(flags, "m"), strings.Contains(flags, "s")
	e.Types, e.Targets = dec.list(&f), dec.list(&f)
	dec.elements = append(dec.elements, e)
	return nil
}

func (dec *decoder) pathLine(f fields) error {
	var p Path
	var err error
	p.Segments = strings.Split(f.next(), ".")
	if p.As, p.AsAt, err = at(f.next()); err != nil {
		return err
	}
	p.ExtensionURL = f.next()
	if p.Where, p.WhereAt, err = at(f.rest); err != nil {
		return err
	}
	dec.paths[p.Segments[0]] = append(dec.paths[p.Segments[0]], p)
	return nil
}

// at splits "text@index"; the empty string is the empty text.
func at(s string) (string, int, error) {
	if s == "" {
		return "", 0, nil
	}
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return "", 0, fmt.Errorf("no index in %q", s)
	}
	n, err := strconv.Atoi(s[i+1:])
	return s[:i], n, err
}

// endParameter enters the parameter whose lines have been read under each of its bases.
func (dec *decoder) endParameter() {
	if dec.parameter == nil {
		return
	}
	dec.d.parameters = append(dec.d.parameters, dec.parameter)
	if !dec.listed {
		return
	}
	for _, base := range dec.parameter.Bases {
		p := *dec.parameter
		p.Paths, p.Mapped = dec.paths[base], !dec.unmapped[base]
		dec.enter(base, &p)
	}
}

func (dec *decoder) enter(resourceType string, p *SearchParameter) {
	codes := dec.d.byType[resourceType]
	if codes == nil {
		codes = map[string]*SearchParameter{}
		dec.d.byType[resourceType] = codes
	}
	codes[p.Code] = p
}

// finish makes what depends on all lines.
func (dec *decoder) finish() {
	dec.endParameter()
	dec.endType()
	slices.Sort(dec.d.resources)
	slices.Sort(dec.d.compartments)
	for _, name := range dec.d.resources {
		dec.inherit(name)
		for _, p := range dec.d.byType[name] {
			dec.d.listed[name] = append(dec.d.listed[name], p)
		}
		slices.SortFunc(dec.d.listed[name], func(a, b *SearchParameter) int { return strings.Compare(a.Code, b.Code) })
	}
}

// inherit gives a resource type the parameters of the abstract types that it specialises, with the paths made its own.
func (dec *decoder) inherit(name string) {
	for base := dec.d.types[name].Base; base != ""; {
		for code, inherited := range dec.d.byType[base] {
			if _, ok := dec.d.byType[name][code]; ok {
				continue
			}
			p := *inherited
			p.Paths = slices.Clone(p.Paths)
			for i := range p.Paths {
				p.Paths[i].Segments = slices.Clone(p.Paths[i].Segments)
				p.Paths[i].Segments[0] = name
			}
			dec.enter(name, &p)
		}
		t, ok := dec.d.types[base]
		if !ok {
			return
		}
		base = t.Base
	}
}

// index makes the look-up of a type's properties.
func (t *Type) index() {
	t.properties = make(map[string]property, len(t.Elements))
	for i := range t.Elements {
		e := &t.Elements[i]
		for _, typeName := range e.Types {
			name := e.Name
			if e.Choice {
				name += strings.ToUpper(typeName[:1]) + typeName[1:]
			}
			t.properties[name] = property{element: e, typeName: typeName}
		}
	}
}

// fields reads a line's fields; an absent one is "".
type fields struct{ rest string }

func (f *fields) next() string {
	field, rest, _ := strings.Cut(f.rest, "\t")
	f.rest = rest
	return field
}

// list reads a field that is a list. Equal lists are one slice, as most of the thousands of lists are equal to another.
func (dec *decoder) list(f *fields) []string {
	field := f.next()
	if field == "" {
		return nil
	}
	list, ok := dec.lists[field]
	if !ok {
		list = strings.Split(field, ",")
		dec.lists[field] = list
	}
	return list
}
