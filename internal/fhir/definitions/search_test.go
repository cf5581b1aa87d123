package definitions

import (
	"slices"
	"strings"
	"testing"
)

func pathStrings(p *SearchParameter) string {
	var all []string
	for _, path := range p.Paths {
		all = append(all, path.String())
	}
	return strings.Join(all, " | ")
}

func TestSearchParameter(t *testing.T) {
	for _, test := range []struct{ resourceType, code, kind, url, paths string }{
		{"Patient", "_id", "token", "Resource-id", "Patient.id"},
		{"Patient", "_security", "token", "Resource-security", "Patient.meta.security"},
		{"Bundle", "_lastUpdated", "date", "Resource-lastUpdated", "Bundle.meta.lastUpdated"},
		{"Binary", "_tag", "token", "Resource-tag", "Binary.meta.tag"},
		{"Patient", "_profile", "uri", "Resource-profile", "Patient.meta.profile"},
		{"Patient", "_source", "uri", "Resource-source", "Patient.meta.source"},
		{"Patient", "phonetic", "string", "individual-phonetic", "Patient.name"},
		{"Practitioner", "phonetic", "string", "individual-phonetic", "Practitioner.name"},
		{"Patient", "family", "string", "individual-family", "Patient.name.family"},
		{"Patient", "email", "token", "individual-email", "Patient.telecom.where(system='email')"},
		{"Patient", "deceased", "token", "Patient-deceased", "Patient.deceased.where(Patient.deceased.exists() and Patient.deceased != false)"},
		{"Patient", "death-date", "date", "Patient-death-date", "Patient.deceased.ofType(dateTime)"},
		{"Observation", "code", "token", "clinical-code", "Observation.code"},
		{"Medication", "code", "token", "clinical-code", "Medication.code"},
		{"MedicationRequest", "code", "token", "clinical-code", "MedicationRequest.medication.ofType(CodeableConcept)"},
		{"Observation", "subject", "reference", "Observation-subject", "Observation.subject"},
		{"Observation", "patient", "reference", "clinical-patient", "Observation.subject.where(resolve() is Patient)"},
		{"AllergyIntolerance", "patient", "reference", "clinical-patient", "AllergyIntolerance.patient"},
		{"Condition", "subject", "reference", "Condition-subject", "Condition.subject"},
		{"Condition", "onset-age", "quantity", "Condition-onset-age", "Condition.onset.ofType(Age) | Condition.onset.ofType(Range)"},
		{"Observation", "value-string", "string", "Observation-value-string", "Observation.value.ofType(string) | Observation.value.ofType(CodeableConcept).text"},
		{"InsurancePlan", "name", "string", "InsurancePlan-name", "InsurancePlan.name | InsurancePlan.alias"},
		{"Library", "depends-on", "reference", "Library-depends-on", "Library.relatedArtifact.where(type='depends-on').resource"},
		{"Device", "din", "token", "device-extensions-Device-din", "Device.extension('http://hl7.org/fhir/SearchParameter/device-extensions-Device-din')"},
		{
			"Observation", "combo-code-value-quantity", "composite", "Observation-combo-code-value-quantity",
			"Observation.code | Observation.value.ofType(Quantity) | Observation.component.code | Observation.component.value.ofType(Quantity)",
		},
		{"Observation", "code-value-date", "composite", "Observation-code-value-date", "Observation.code | Observation.value.ofType(dateTime) | Observation.value.ofType(Period)"},
		{
			"MolecularSequence", "chromosome-variant-coordinate", "composite", "MolecularSequence-chromosome-variant-coordinate",
			"MolecularSequence.referenceSeq.chromosome | MolecularSequence.variant.start | MolecularSequence.variant.end",
		},
		{
			"QuestionnaireResponse", "item-subject", "reference", "questionnaireresponse-extensions-QuestionnaireResponse-item-subject",
			"QuestionnaireResponse.item.where(hasExtension('http://hl7.org/fhir/StructureDefinition/questionnaireresponse-isSubject')).answer.value.ofType(Reference)",
		},
		{"Person", "patient", "reference", "Person-patient", "Person.link.target.where(resolve() is Patient)"},
	} {
		p, ok := R4().SearchParameter(test.resourceType, test.code)
		if !ok {
			t.Errorf("%s %s: absent", test.resourceType, test.code)
			continue
		}
		if p.Code != test.code || p.Type != test.kind || p.URL != "http://hl7.org/fhir/SearchParameter/"+test.url || !p.Mapped || pathStrings(p) != test.paths {
			t.Errorf("%s %s: %s %s mapped %v\n got %s\nwant %s", test.resourceType, test.code, p.Type, p.URL, p.Mapped, pathStrings(p), test.paths)
		}
	}
	for _, absent := range [][2]string{{"Patient", "_count"}, {"Patient", "nome"}, {"Bundle", "_text"}, {"HumanName", "_id"}, {"", ""}, {"Observation", "status "}} {
		if _, ok := R4().SearchParameter(absent[0], absent[1]); ok {
			t.Errorf("%v is there", absent)
		}
	}
}

func TestPathIndexes(t *testing.T) {
	p, _ := R4().SearchParameter("Observation", "value-string")
	if path := p.Paths[1]; path.As != "CodeableConcept" || path.AsAt != 1 || len(path.Segments) != 3 {
		t.Errorf("%+v", path)
	}
	p, _ = R4().SearchParameter("Library", "depends-on")
	if path := p.Paths[0]; path.Where != "type='depends-on'" || path.WhereAt != 1 || len(path.Segments) != 3 {
		t.Errorf("%+v", path)
	}
	p, _ = R4().SearchParameter("Observation", "combo-code-value-quantity")
	if want := []string{"combo-code", "combo-value-quantity"}; !slices.Equal(p.Components, want) {
		t.Errorf("components %v, want %v", p.Components, want)
	}
}

// The parameters of which no path can say what they read; a further one must not appear unseen.
func TestNotMapped(t *testing.T) {
	want := map[string]bool{
		"Bundle composition": true, "Bundle message": true, "Patient age": true, "Patient birthOrderBoolean": true,
	}
	for _, name := range R4().ResourceTypes() {
		for _, p := range R4().SearchParameters(name) {
			key := name + " " + p.Code
			if slices.Contains([]string{"_text", "_content", "_query", "_filter"}, p.Code) {
				want[key] = true
			}
			if p.Mapped == want[key] {
				t.Errorf("%s: mapped %v", key, p.Mapped)
			}
			if p.Mapped != (len(p.Paths) > 0) {
				t.Errorf("%s: mapped %v with %d paths", key, p.Mapped, len(p.Paths))
			}
			delete(want, key)
		}
	}
	if len(want) > 0 {
		t.Errorf("absent: %v", want)
	}
}

// Every path of every parameter of every type leads through elements that exist, and begins with the type.
func TestPathsResolve(t *testing.T) {
	paths := 0
	for _, name := range R4().ResourceTypes() {
		for _, p := range R4().SearchParameters(name) {
			for _, path := range p.Paths {
				paths++
				if path.Segments[0] != name {
					t.Errorf("%s %s: %s", name, p.Code, path)
				}
				if types := resolve(path); len(types) == 0 {
					t.Errorf("%s %s: %s has no element", name, p.Code, path)
				}
			}
		}
	}
	if paths < 2500 {
		t.Errorf("only %d paths", paths)
	}
}

func resolve(path Path) []string {
	types := path.Segments[:1]
	for i, segment := range path.Segments[1:] {
		var next []string
		for _, name := range types {
			typ, ok := R4().Type(name)
			if !ok {
				return nil
			}
			if e, ok := typ.Element(segment); ok {
				next = append(next, e.Types...)
			}
		}
		if path.As != "" && path.AsAt == i+1 {
			if !slices.Contains(next, path.As) {
				return nil
			}
			next = []string{path.As}
		}
		types = next
	}
	return types
}

// A parameter is listed once for each of its bases and for all types that inherit it.
func TestSearchParametersOfType(t *testing.T) {
	d := R4()
	for _, p := range d.AllSearchParameters() {
		if strings.HasPrefix(p.URL, "http://hl7.org/fhir/SearchParameter/example") && !strings.Contains(p.URL, "-context") {
			continue
		}
		for _, base := range p.Bases {
			got, ok := d.SearchParameter(base, p.Code)
			if !ok || got.URL != p.URL {
				t.Errorf("%s %s: %v", base, p.Code, got)
			}
		}
	}
	for _, name := range d.ResourceTypes() {
		list := d.SearchParameters(name)
		for i, p := range list {
			if i > 0 && list[i-1].Code >= p.Code {
				t.Errorf("%s: %s after %s", name, p.Code, list[i-1].Code)
			}
			if same, ok := d.SearchParameter(name, p.Code); !ok || same != p {
				t.Errorf("%s: %s is listed and not found", name, p.Code)
			}
			for _, c := range p.Components {
				if _, ok := d.SearchParameter(name, c); !ok {
					t.Errorf("%s %s: no component %q", name, p.Code, c)
				}
			}
		}
	}
	if got := d.SearchParameters("HumanName"); got != nil {
		t.Errorf("HumanName has %v", got)
	}
}

// The numbers of pairs are those of the CompartmentDefinitions, without "{def}".
func TestCompartments(t *testing.T) {
	d := R4()
	pairs := map[string]int{"Device": 49, "Encounter": 24, "Patient": 100, "Practitioner": 87, "RelatedPerson": 39}
	// With the resource that gives the compartment its name, which the definition of Device doesn't list.
	inside := map[string]int{"Device": 33, "Encounter": 25, "Patient": 66, "Practitioner": 59, "RelatedPerson": 32}
	if want := []string{"Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"}; !slices.Equal(d.Compartments(), want) {
		t.Fatalf("%v", d.Compartments())
	}
	for _, c := range d.Compartments() {
		nPairs, nInside := 0, 0
		for _, name := range d.ResourceTypes() {
			params, ok := d.CompartmentParams(c, name)
			if !ok {
				if params != nil {
					t.Errorf("%s %s: %v, not inside", c, name, params)
				}
				continue
			}
			nInside++
			nPairs += len(params)
			if len(params) == 0 && name != c {
				t.Errorf("%s %s: inside without a parameter", c, name)
			}
			for _, code := range params {
				p, found := d.SearchParameter(name, code)
				if !found || p.Type != "reference" || !slices.Contains(p.Targets, c) {
					t.Errorf("%s %s %s: %+v", c, name, code, p)
				}
			}
		}
		if nPairs != pairs[c] || nInside != inside[c] {
			t.Errorf("%s: %d pairs in %d types, want %d in %d", c, nPairs, nInside, pairs[c], inside[c])
		}
	}
	for _, test := range []struct {
		compartment, resourceType string
		want                      []string
		inside                    bool
	}{
		{"Patient", "Observation", []string{"subject", "performer"}, true},
		{"Patient", "AllergyIntolerance", []string{"patient", "recorder", "asserter"}, true},
		{"Patient", "Patient", []string{"link"}, true},
		{"Encounter", "Encounter", nil, true},
		{"Device", "Device", nil, true},
		{"Patient", "Practitioner", nil, false},
		{"Patient", "Binary", nil, false},
		{"Patient", "Observation.component", nil, false},
		{"Observation", "Observation", nil, false},
	} {
		got, inside := d.CompartmentParams(test.compartment, test.resourceType)
		if !slices.Equal(got, test.want) || inside != test.inside {
			t.Errorf("%s %s: %v %v", test.compartment, test.resourceType, got, inside)
		}
	}
}
