package main

import (
	"bufio"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

type structureDefinition struct {
	Name           string
	Type           string
	Kind           string
	Abstract       bool
	BaseDefinition string
	Derivation     string
	Snapshot       struct{ Element []elementDefinition }
}

type elementDefinition struct {
	Path             string
	Min              int
	Max              string
	ContentReference string
	Base             struct{ Path string }
	Type             []elementType
	IsModifier       bool
	IsSummary        bool
}

type elementType struct {
	Code          string
	TargetProfile []string
	Extension     []struct{ URL, ValueURL string }
}

// element and typ are what is written of an element and a type.
type element struct {
	name     string // with "[x]" for a choice
	types    []string
	targets  []string
	min      int
	max      string
	modifier bool
	summary  bool
}

type typ struct {
	name, base string
	kind       string
	elements   []element
}

func (t *typ) element(name string) (*element, bool) {
	for i := range t.elements {
		if strings.TrimSuffix(t.elements[i].name, "[x]") == name {
			return &t.elements[i], true
		}
	}
	return nil, false
}

// typesOf makes the types of all structures that are neither profiles nor logical models, and of their backbone elements.
func typesOf(structures []structureDefinition) (map[string]*typ, error) {
	types := map[string]*typ{}
	letters := map[string]string{"primitive-type": "p", "complex-type": "c", "resource": "r"}
	for _, s := range structures {
		letter, ok := letters[s.Kind]
		if !ok || s.Derivation == "constraint" {
			continue
		}
		if s.Abstract {
			letter = strings.ToUpper(letter)
		}
		types[s.Type] = &typ{name: s.Type, kind: letter, base: strings.TrimPrefix(s.BaseDefinition, canonical+"StructureDefinition/")}
		if err := addElements(types, s); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	for _, t := range types {
		for _, e := range t.elements {
			for _, name := range e.types {
				if types[name] == nil {
					return nil, fmt.Errorf("%s.%s: no type %s", t.name, e.name, name)
				}
			}
		}
	}
	return types, nil
}

func addElements(types map[string]*typ, s structureDefinition) error {
	for _, d := range s.Snapshot.Element {
		dot := strings.LastIndexByte(d.Path, '.')
		// xhtml has an extension that may occur 0 times; the value of a primitive isn't a JSON property.
		if dot < 0 || d.Max == "0" || (s.Kind == "primitive-type" && d.Path == s.Type+".value") {
			continue
		}
		parent := d.Path[:dot]
		if types[parent] == nil {
			types[parent] = &typ{name: parent, kind: "b", base: "BackboneElement"}
		}
		e := element{name: d.Path[dot+1:], min: d.Min, max: d.Max, modifier: d.IsModifier, summary: d.IsSummary}
		if d.ContentReference != "" {
			e.types = []string{strings.TrimPrefix(d.ContentReference, "#")}
		}
		for _, t := range d.Type {
			code := typeCode(d, t)
			e.types = append(e.types, code)
			if code == "Reference" {
				e.targets = append(e.targets, targetsOf(t.TargetProfile)...)
			}
		}
		if len(e.types) == 0 {
			return fmt.Errorf("%s has no type", d.Path)
		}
		types[parent].elements = append(types[parent].elements, e)
	}
	backboneBases(types, s)
	return nil
}

// typeCode names the type of an element. The nameless types are named by their path. Types of FHIRPath's System model
// stand for a FHIR type, which an extension names, string if there is none. For Resource.id the extension says string, but the
// type is id (FHIR R4 resource.html).
func typeCode(d elementDefinition, t elementType) string {
	switch {
	case t.Code == "BackboneElement", t.Code == "Element":
		return d.Path
	case d.Base.Path == "Resource.id":
		return "id"
	case t.Code == "http://hl7.org/fhirpath/System.String":
		for _, x := range t.Extension {
			if x.URL == canonical+"StructureDefinition/structuredefinition-fhir-type" {
				return x.ValueURL
			}
		}
		return "string"
	}
	return t.Code
}

// backboneBases gives the nameless types without modifierExtension the base that they have: Element.
func backboneBases(types map[string]*typ, s structureDefinition) {
	for name, t := range types {
		if t.kind == "b" && strings.HasPrefix(name, s.Type+".") {
			if _, ok := t.element("modifierExtension"); !ok {
				t.base = "Element"
			}
		}
	}
}

// targetsOf turns profiles into type names; no profile means any resource.
func targetsOf(profiles []string) []string {
	if len(profiles) == 0 {
		return []string{"Resource"}
	}
	targets := make([]string, len(profiles))
	for i, p := range profiles {
		targets[i] = strings.TrimPrefix(p, canonical+"StructureDefinition/")
	}
	slices.Sort(targets)
	return slices.Compact(targets)
}

func writeTypes(w *bufio.Writer, types map[string]*typ) {
	sorted := make([]*typ, 0, len(types))
	for _, t := range types {
		sorted = append(sorted, t)
	}
	slices.SortFunc(sorted, func(a, b *typ) int { return cmp.Compare(a.name, b.name) })
	for _, t := range sorted {
		line(w, "T", t.kind, t.name, t.base)
		for _, e := range t.elements {
			flags := ""
			if e.modifier {
				flags += "m"
			}
			if e.summary {
				flags += "s"
			}
			line(w, "E", e.name, strconv.Itoa(e.min), e.max, flags, strings.Join(e.types, ","), strings.Join(e.targets, ","))
		}
	}
}
