package definitions

import (
	"slices"
	"strings"
	"testing"
)

// The numbers are counted in the files of hl7.fhir.r4.examples@4.0.1 by other means than the generator's.
func TestCounts(t *testing.T) {
	d := R4()
	if d.Version() != "4.0.1" {
		t.Errorf("version %q", d.Version())
	}
	if n := len(d.ResourceTypes()); n != 146 {
		t.Errorf("%d resource types, want 146", n)
	}
	if !slices.IsSorted(d.ResourceTypes()) {
		t.Error("resource types are not sorted")
	}
	kinds := map[Kind]int{}
	elements := 0
	for _, typ := range d.types {
		kinds[typ.Kind]++
		elements += len(typ.Elements)
	}
	// 148 with Resource and DomainResource; 41 with Element and BackboneElement.
	for kind, want := range map[Kind]int{Primitive: 20, Complex: 41, Resource: 148, Backbone: 473} {
		if kinds[kind] != want {
			t.Errorf("%d types of kind %d, want %d", kinds[kind], kind, want)
		}
	}
	if elements != 7445 {
		t.Errorf("%d elements, want 7445", elements)
	}
	if n := len(d.AllSearchParameters()); n != 1400 {
		t.Errorf("%d search parameters, want 1400", n)
	}
	types := map[string]int{}
	for _, p := range d.AllSearchParameters() {
		types[p.Type]++
	}
	for kind, want := range map[string]int{
		"token": 542, "reference": 476, "string": 142, "date": 113, "composite": 46, "uri": 45, "quantity": 27, "number": 7, "special": 2,
	} {
		if types[kind] != want {
			t.Errorf("%d parameters of type %s, want %d", types[kind], kind, want)
		}
	}
}

func TestIsResource(t *testing.T) {
	for name, want := range map[string]bool{
		"Patient": true, "Bundle": true, "Resource": false, "DomainResource": false, "HumanName": false, "string": false,
		"Patient.contact": false, "patient": false, "": false, "MetadataResource": false,
	} {
		if got := R4().IsResource(name); got != want {
			t.Errorf("IsResource(%q) = %v", name, got)
		}
	}
}

func TestTypes(t *testing.T) {
	for _, test := range []struct {
		name, base string
		kind       Kind
		abstract   bool
	}{
		{"Patient", "DomainResource", Resource, false},
		{"Bundle", "Resource", Resource, false},
		{"Resource", "", Resource, true},
		{"DomainResource", "Resource", Resource, true},
		{"HumanName", "Element", Complex, false},
		{"Age", "Quantity", Complex, false},
		{"Dosage", "BackboneElement", Complex, false},
		{"Element", "", Complex, true},
		{"code", "string", Primitive, false},
		{"Patient.contact", "BackboneElement", Backbone, false},
		{"Timing.repeat", "Element", Backbone, false},
		{"Claim.item.detail.subDetail", "BackboneElement", Backbone, false},
	} {
		got, ok := R4().Type(test.name)
		if !ok || got.Name != test.name || got.Kind != test.kind || got.Base != test.base || got.Abstract != test.abstract {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
	for _, name := range []string{"", "Patient.name", "SimpleQuantity", "FiveWs", "Bundle.entry.link", "patient"} {
		if got, ok := R4().Type(name); ok {
			t.Errorf("%s is a type: %+v", name, got)
		}
	}
}

func TestElements(t *testing.T) {
	reference := []string{"Reference"}
	for _, test := range []struct {
		typeName string
		want     Element
	}{
		{"Patient", Element{Name: "id", Types: []string{"id"}, Max: 1, Summary: true}},
		{"Patient", Element{Name: "contained", Types: []string{"Resource"}, Max: Unbounded}},
		{"Patient", Element{Name: "modifierExtension", Types: []string{"Extension"}, Max: Unbounded, Modifier: true}},
		{"Patient", Element{Name: "active", Types: []string{"boolean"}, Max: 1, Modifier: true, Summary: true}},
		{"Patient", Element{Name: "deceased", Choice: true, Types: []string{"boolean", "dateTime"}, Max: 1, Modifier: true, Summary: true}},
		{"Patient", Element{Name: "contact", Types: []string{"Patient.contact"}, Max: Unbounded}},
		{"Patient", Element{Name: "link", Types: []string{"Patient.link"}, Max: Unbounded, Modifier: true, Summary: true}},
		{"Patient.link", Element{Name: "other", Types: reference, Targets: []string{"Patient", "RelatedPerson"}, Min: 1, Max: 1, Summary: true}},
		{"Patient.contact", Element{Name: "id", Types: []string{"string"}, Max: 1}},
		{"Bundle.entry", Element{Name: "link", Types: []string{"Bundle.link"}, Max: Unbounded, Summary: true}},
		{"Bundle.entry", Element{Name: "resource", Types: []string{"Resource"}, Max: 1, Summary: true}},
		{"Observation.component", Element{Name: "referenceRange", Types: []string{"Observation.referenceRange"}, Max: Unbounded}},
		{"Observation", Element{Name: "value", Choice: true, Max: 1, Summary: true, Types: []string{
			"Quantity", "CodeableConcept", "string", "boolean", "integer", "Range", "Ratio", "SampledData", "time", "dateTime", "Period",
		}}},
		{"Observation", Element{Name: "focus", Types: reference, Targets: []string{"Resource"}, Max: Unbounded, Summary: true}},
		{"Observation", Element{Name: "status", Types: []string{"code"}, Min: 1, Max: 1, Modifier: true, Summary: true}},
		{"Narrative", Element{Name: "div", Types: []string{"xhtml"}, Min: 1, Max: 1}},
		{"Timing", Element{Name: "repeat", Types: []string{"Timing.repeat"}, Max: 1, Summary: true}},
		{"Reference", Element{Name: "reference", Types: []string{"string"}, Max: 1, Summary: true}},
		{"string", Element{Name: "extension", Types: []string{"Extension"}, Max: Unbounded}},
	} {
		typ, _ := R4().Type(test.typeName)
		got, ok := typ.Element(test.want.Name)
		if !ok {
			t.Errorf("%s.%s: absent", test.typeName, test.want.Name)
			continue
		}
		if !slices.Equal(got.Types, test.want.Types) || !slices.Equal(got.Targets, test.want.Targets) || got.Choice != test.want.Choice ||
			got.Min != test.want.Min || got.Max != test.want.Max || got.Modifier != test.want.Modifier || got.Summary != test.want.Summary {
			t.Errorf("%s.%s:\n got %+v\nwant %+v", test.typeName, test.want.Name, *got, test.want)
		}
	}
	for _, absent := range [][2]string{{"string", "value"}, {"Patient", "resourceType"}, {"Observation", "value[x]"}, {"Observation", "valueQuantity"}, {"xhtml", "extension"}, {"Patient", ""}} {
		typ, _ := R4().Type(absent[0])
		if _, ok := typ.Element(absent[1]); ok {
			t.Errorf("%s.%s is there", absent[0], absent[1])
		}
	}
}

func TestProperty(t *testing.T) {
	for _, test := range []struct{ typeName, property, element, valueType string }{
		{"Observation", "valueQuantity", "value", "Quantity"},
		{"Observation", "valueDateTime", "value", "dateTime"},
		{"Observation", "valueSampledData", "value", "SampledData"},
		{"Observation", "value", "", ""},
		{"Observation", "valuequantity", "", ""},
		{"Observation", "valueMoney", "", ""},
		{"Observation", "component", "component", "Observation.component"},
		{"Observation.component", "valueString", "value", "string"},
		{"Patient", "contact", "contact", "Patient.contact"},
		{"Patient", "birthDate", "birthDate", "date"},
		{"Patient", "_birthDate", "", ""},
		{"Patient", "resourceType", "", ""},
		{"Patient", "", "", ""},
		{"Extension", "valueBase64Binary", "value", "base64Binary"},
		{"Extension", "valueReference", "value", "Reference"},
		{"Extension", "url", "url", "uri"},
		{"QuestionnaireResponse.item.answer", "item", "item", "QuestionnaireResponse.item"},
		{"Patient.contact", "gender", "gender", "code"},
		{"Parameters.parameter", "part", "part", "Parameters.parameter"},
	} {
		typ, _ := R4().Type(test.typeName)
		e, valueType, ok := typ.Property(test.property)
		if ok != (test.element != "") || valueType != test.valueType || ok && e.Name != test.element || !ok && e != nil {
			t.Errorf("%s.%s: %+v %q %v", test.typeName, test.property, e, valueType, ok)
		}
	}
}

// Every element's types exist, every reference has targets, and no two elements of a type share a JSON property.
func TestElementsAreConsistent(t *testing.T) {
	d := R4()
	for _, typ := range d.types {
		properties := 0
		for _, e := range typ.Elements {
			properties += len(e.Types)
			for _, name := range e.Types {
				if _, ok := d.Type(name); !ok {
					t.Errorf("%s.%s: no type %s", typ.Name, e.Name, name)
				}
			}
			if len(e.Types) > 1 != e.Choice {
				t.Errorf("%s.%s: %d types, choice %v", typ.Name, e.Name, len(e.Types), e.Choice)
			}
			if slices.Contains(e.Types, "Reference") != (len(e.Targets) > 0) {
				t.Errorf("%s.%s: types %v, targets %v", typ.Name, e.Name, e.Types, e.Targets)
			}
			for _, target := range e.Targets {
				if !d.IsResource(target) && target != "Resource" {
					t.Errorf("%s.%s: target %s", typ.Name, e.Name, target)
				}
			}
			if e.Max != Unbounded && e.Max < 1 || e.Min > 1 {
				t.Errorf("%s.%s: cardinality %d..%d", typ.Name, e.Name, e.Min, e.Max)
			}
		}
		typ.Property("")
		if len(typ.properties) != properties {
			t.Errorf("%s: %d properties, want %d", typ.Name, len(typ.properties), properties)
		}
	}
}

// A resource has all elements of its base, and so does a data type.
func TestElementsAreInherited(t *testing.T) {
	d := R4()
	for _, typ := range d.types {
		if typ.Base == "" || typ.Kind == Primitive {
			continue
		}
		base, ok := d.Type(typ.Base)
		if !ok {
			t.Errorf("%s: no base %s", typ.Name, typ.Base)
			continue
		}
		for _, e := range base.Elements {
			if _, ok := typ.Element(e.Name); !ok {
				t.Errorf("%s lacks %s of %s", typ.Name, e.Name, base.Name)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, text := range []string{
		"X\ta", "V", "V4", "T\tq\tA", "T\t\tA", "T\tpc\tA", "T\tr\tA\nE\ta\tx\t1", "T\tr\tA\nE\ta\t1\tx", "S\tc\nP\tA.b\tQuantity", "S\tc\nP\tA.b\tQuantity@z",
		"S\tc\nP\tA.b\t\t\ttrue",
		"E\ta\t0\t1", "P\tA.b", "I\tA", "U\tA",
	} {
		if _, err := decode(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestPropertyDoesNotAllocate(t *testing.T) {
	typ, _ := R4().Type("Observation")
	typ.Property("")
	if n := testing.AllocsPerRun(100, func() {
		typ, _ := R4().Type("Observation")
		typ.Property("valueQuantity")
		typ.Property("absent")
		R4().SearchParameter("Observation", "code")
		R4().CompartmentParams("Patient", "Observation")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(r4Text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProperty(b *testing.B) {
	b.ReportAllocs()
	for _, name := range []string{"Observation", "Extension", "Patient"} {
		b.Run(name, func(b *testing.B) {
			typ, _ := R4().Type(name)
			property := strings.Clone("extension")
			for b.Loop() {
				typ.Property(property)
			}
		})
	}
}
