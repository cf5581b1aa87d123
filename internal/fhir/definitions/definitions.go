// Package definitions holds what the FHIR specification says about its own types: resource types, data types and
// backbone elements with their elements, search parameters with the elements that they search, and compartments.
//
// The tables are generated from the official definitions (see gen) and are part of the binary. A [Definitions] is a value,
// so that several FHIR releases can live side by side; [R4] is the one that there is now.
//
// Everything that this package returns is shared and must not be changed by the caller. All methods are safe for concurrent
// use. The package imports the standard library only, and does no I/O.
package definitions

import (
	"strings"
	"sync"
)

// Definitions are the definitions of one FHIR release.
type Definitions struct {
	version      string
	types        map[string]*Type
	resources    []string
	parameters   []*SearchParameter
	byType       map[string]map[string]*SearchParameter
	listed       map[string][]*SearchParameter
	compartments []string
	inside       map[string]map[string][]string
}

// Version is the FHIR version of the definitions, such as "4.0.1".
func (d *Definitions) Version() string { return d.version }

// ResourceTypes are the names of the resource types that can be instantiated, sorted. The abstract Resource and
// DomainResource aren't among them.
func (d *Definitions) ResourceTypes() []string { return d.resources }

// IsResource tells whether name is one of [Definitions.ResourceTypes].
func (d *Definitions) IsResource(name string) bool {
	t, ok := d.types[name]
	return ok && t.Kind == Resource && !t.Abstract
}

// Type returns a type by its name: "Patient", "HumanName", "string", or, for a backbone element, its path: "Patient.contact".
// The abstract types (Resource, DomainResource, Element, BackboneElement) are there too.
func (d *Definitions) Type(name string) (*Type, bool) {
	t, ok := d.types[name]
	return t, ok
}

// Kind says how a type is represented.
type Kind uint8

const (
	// Unknown is the kind of no type.
	Unknown Kind = iota
	// Primitive types are JSON strings, numbers or booleans; their id and extensions are in the "_" sibling property.
	Primitive
	// Complex types are the data types that are JSON objects.
	Complex
	// Backbone types are the nameless types inside of resources and data types; their name is their path.
	Backbone
	// Resource types are JSON objects with a resourceType.
	Resource
)

// Type is a resource type, a data type, a primitive type or a backbone element.
type Type struct {
	Name     string
	Kind     Kind
	Abstract bool
	// Base is the name of the type that this one specialises, "" for Resource and Element.
	Base string
	// Elements are all elements of the type in the order of the specification, the inherited ones too. A primitive type has
	// those of its "_" sibling (id, extension), and not its value.
	Elements []Element

	// once guards properties, which is made when it is first needed: a process meets few of the types.
	once       sync.Once
	properties map[string]property
}

// property is what a JSON property stands for.
type property struct {
	element  *Element
	typeName string
}

// Element returns an element by its name, which for a choice is without "[x]": "value".
func (t *Type) Element(name string) (*Element, bool) {
	for i := range t.Elements {
		if t.Elements[i].Name == name {
			return &t.Elements[i], true
		}
	}
	return nil, false
}

// Property returns the element which the JSON property stands for and the name of the type of its value: for an Observation,
// "valueQuantity" is the element value with the type "Quantity". The name comes without the "_" of a primitive's sibling
// property. The resourceType of a resource isn't an element, and the bare name of a choice isn't a property.
// It doesn't allocate, but for the first call for a type.
func (t *Type) Property(jsonName string) (el *Element, typeName string, ok bool) {
	t.once.Do(t.index)
	p, ok := t.properties[jsonName]
	return p.element, p.typeName, ok
}

// Unbounded is the [Element.Max] of an element that may repeat without limit.
const Unbounded = -1

// Element is one element of a type.
type Element struct {
	// Name is without the "[x]" of a choice.
	Name string
	// Choice says that the element's JSON name carries the type: value[x].
	Choice bool
	// Types are the names of the types which the value may have, more than one only for a choice. The type of a backbone
	// element is its path; that of an element defined by reference to another is the path of the other: Bundle.entry.link
	// has the type "Bundle.link". "Resource" stands for any resource.
	Types []string
	// Min and Max are the cardinality; Max may be [Unbounded].
	Min, Max int
	// Modifier says that the element changes the meaning of what contains it (isModifier).
	Modifier bool
	// Summary says that the element is part of _summary=true (isSummary).
	Summary bool
	// Targets are the resource types to which a Reference may point, "Resource" for any. Empty when no type is Reference.
	Targets []string
}

// Repeats says that the element is a JSON array.
func (e *Element) Repeats() bool { return e.Max != 1 }

// SearchParameter is a search parameter as it applies to one resource type.
type SearchParameter struct {
	// Code is its name in a URL.
	Code string
	// Type is number, date, string, token, reference, composite, quantity, uri or special.
	Type string
	// URL is its canonical URL.
	URL string
	// Expression is the FHIRPath expression as the definition has it, for all of its bases; "" when there is none.
	Expression string
	// Bases are the types for which it is defined, abstract ones too (Resource, DomainResource).
	Bases []string
	// Targets are the resource types to which a reference parameter may point.
	Targets []string
	// Components are the codes of the parts of a composite, in the order of the parts.
	Components []string
	// Paths are the elements that it reads in the resource type for which it was asked. Those of a composite are the
	// elements of its parts.
	Paths []Path
	// Mapped says that Paths are all that it reads. When false, nothing may be concluded from Paths.
	Mapped bool
}

// Path is the way to an element that a search parameter reads.
type Path struct {
	// Segments are the resource type and the names of the elements: "Patient", "name", "family".
	Segments []string
	// As is the one type of the choice to which the path is narrowed (as, ofType), "" for all; AsAt is the index of the
	// segment that is narrowed, the last in all but one of the R4 parameters (combo: Observation.value as CodeableConcept,
	// text).
	As   string
	AsAt int
	// Where is the raw condition under which the element counts, such as "resolve() is Patient" or "system='email'", ""
	// when it always does; WhereAt is the index of the segment to which the condition applies. A parameter that isn't an
	// element's value but computed from it (Patient deceased) has the whole expression here.
	Where   string
	WhereAt int
	// ExtensionURL is the URL of the extension of the last segment ("extension") whose value is meant.
	ExtensionURL string
}

// String is the path in the notation of FHIRPath.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p.Segments {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s)
		if i == len(p.Segments)-1 && p.ExtensionURL != "" {
			b.WriteString("('" + p.ExtensionURL + "')")
		}
		if p.Where != "" && p.WhereAt == i {
			b.WriteString(".where(" + p.Where + ")")
		}
		if p.As != "" && p.AsAt == i {
			b.WriteString(".ofType(" + p.As + ")")
		}
	}
	return b.String()
}

// SearchParameter returns the parameter with that code for a resource type, those of Resource and DomainResource too (_id,
// _lastUpdated, _tag, _profile, _security, _source, _text, _content, _query, _filter).
func (d *Definitions) SearchParameter(resourceType, code string) (*SearchParameter, bool) {
	p, ok := d.byType[resourceType][code]
	return p, ok
}

// SearchParameters returns all parameters of a resource type, sorted by code.
func (d *Definitions) SearchParameters(resourceType string) []*SearchParameter {
	return d.listed[resourceType]
}

// AllSearchParameters returns every search parameter that is published with the release, in the order of their URLs, without
// Paths, which exist only for a resource type. It has more than any type has: parameters without a base, and those that
// only illustrate the resource type SearchParameter.
func (d *Definitions) AllSearchParameters() []*SearchParameter { return d.parameters }

// Compartments are the names of the compartments, sorted: Device, Encounter, Patient, Practitioner, RelatedPerson.
func (d *Definitions) Compartments() []string { return d.compartments }

// CompartmentParams returns the codes of the reference parameters that put a resource of the type into the compartment;
// inside is false when no resource of that type is ever in it. The resource that gives the compartment its name is inside
// of its own compartment, whatever the parameters (FHIR R4 compartmentdefinition.html; "{def}" in the definitions).
func (d *Definitions) CompartmentParams(compartment, resourceType string) (params []string, inside bool) {
	params, inside = d.inside[compartment][resourceType]
	return params, inside
}
