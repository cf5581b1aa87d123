package fhirpath

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// All expressions of R4's search parameters are part of the subset; the other 16 of the 1400 parameters have none.
func TestSearchParametersCompile(t *testing.T) {
	compiled, without := 0, 0
	for _, p := range definitions.R4().AllSearchParameters() {
		if p.Expression == "" {
			without++
			continue
		}
		if _, err := Compile(p.Expression); err != nil {
			t.Errorf("%s: %s: %v", p.URL, p.Expression, err)
			continue
		}
		compiled++
	}
	t.Logf("%d of %d expressions compile, %d parameters have none", compiled, compiled, without)
	if compiled != 1384 || without != 16 {
		t.Errorf("%d compile, %d have none; want 1384 and 16", compiled, without)
	}
}

const patient = `{"resourceType":"Patient","id":"p1","meta":{"tag":[{"code":"t"}]},
"contained":[{"resourceType":"Practitioner","id":"gp"},{"resourceType":"Organization","id":"org","name":"O"}],
"extension":[{"url":"http://x/a","valueCode":"A"},{"url":"http://x/b","valueInteger":2}],
"active":true,
"name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},{"use":"usual","given":["Jim",null],"_given":[null,{"extension":[{"url":"http://x/dar","valueCode":"unknown"}]}]}],
"telecom":[{"system":"phone","value":"1","rank":1},{"system":"email","value":"a@b","rank":2}],
"_gender":{"extension":[{"url":"http://x/dar","valueCode":"masked"}]},
"birthDate":"1974-12-25","_birthDate":{"id":"bd","extension":[{"url":"http://x/time","valueDateTime":"1974-12-25T14:35:45-05:00"}]},
"deceasedDateTime":"2020-01-01",
"multipleBirthInteger":2,
"contact":[{"name":{"family":"Chalmers"},"relationship":[{"coding":[{"code":"N"}]}]}],
"generalPractitioner":[{"reference":"#gp"},{"reference":"Organization/1"},{"reference":"https://s/fhir/Practitioner/2/_history/3"},
 {"reference":"urn:uuid:5","type":"PractitionerRole"},{"identifier":{"value":"x"},"type":"Practitioner"},{"reference":"Practitioner?identifier=1"},{"reference":"urn:uuid:6"}]}`

const observation = `{"resourceType":"Observation","status":"final","code":{"text":"c"},"subject":{"reference":"Patient/p1"},
"valueQuantity":{"value":1.50,"unit":"g"},
"component":[{"code":{"text":"a"},"valueCodeableConcept":{"text":"x"}},{"code":{"text":"b"},"valueQuantity":{"value":2}},{"code":{"text":"d"},"_valueString":{"id":"v"}}]}`

const bundle = `{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Composition","title":"T"}},{"link":[{"relation":"self"}],"resource":` + patient + `}]}`

func TestEval(t *testing.T) {
	for _, test := range []struct{ resource, expr, want string }{
		{patient, "Patient.name.family", `"Chalmers"`},
		{patient, "name.family", `"Chalmers"`},
		{patient, "Patient.name.given", `"Peter" "James" "Jim"`},
		{patient, "Patient.name[1].given", `"Jim"`},
		{patient, "Patient.name.first().given.first()", `"Peter"`},
		{patient, "Patient.name[7]", ``},
		{patient, "Observation.code", ``},
		{patient, "Resource.id", `"p1"`},
		{patient, "DomainResource.contained.id", `"gp" "org"`},
		{patient, "contained.ofType(Organization).name", `"O"`},
		{patient, "Resource.meta.tag.code", `"t"`},
		{patient, "%resource.id | id", `"p1"`},
		{patient, "$this.id", `"p1"`},
		// where, and, or, comparison
		{patient, "Patient.telecom.where(system='email').value", `"a@b"`},
		{patient, "telecom.where(system = 'phone' and value = '1').value", `"1"`},
		{patient, "telecom.where(system = 'phone' and value = '2').value", ``},
		{patient, "telecom.where(value = '1' or value = 'a@b').system", `"phone" "email"`},
		{patient, "telecom.where(system != 'phone').value", `"a@b"`},
		{patient, "telecom.where(rank = 2.0).value", `"a@b"`},
		{patient, "telecom.where(rank = 02).value", `"a@b"`},
		{patient, "telecom.where(use = 'home').value", ``},
		{patient, "telecom.where(use != 'home').value", ``},
		{patient, "name.given.where($this = 'Jim')", `"Jim"`},
		{patient, "name.where(family.exists()).use", `"official"`},
		{patient, "contact.where(relationship.coding.code = 'N').name.family", `"Chalmers"`},
		{patient, "name.where(given = ('Peter' | 'James')).use", `"official"`},
		{patient, "active = true", `true`},
		{patient, "active != true", `false`},
		{patient, "active = 'true'", `false`},
		{patient, "multipleBirth = 2", `true`},
		{patient, "multipleBirth = 2.5", `false`},
		{patient, "true and gender = 'male'", ``},
		{patient, "false and gender = 'male'", `false`},
		{patient, "true or gender = 'male'", `true`},
		{patient, "gender = 'male' or true", `true`},
		{patient, "false or gender = 'male'", ``},
		{patient, "false or true and false", `false`},
		{patient, "true = false or true", `true`},
		{patient, "active and name.exists()", `true`},
		{patient, "id and true", `true`},
		// existence
		{patient, "Patient.deceased.exists() and Patient.deceased != false", `true`},
		{patient, "photo.exists()", `false`},
		{patient, "telecom.exists(system='fax')", `false`},
		{patient, "telecom.exists(system='phone')", `true`},
		{patient, "gender.exists()", `true`},
		{patient, "gender", ``},
		// types
		{patient, "Patient.deceased as dateTime", `"2020-01-01"`},
		{patient, "(Patient.deceased as dateTime)", `"2020-01-01"`},
		{patient, "deceased.ofType(boolean)", ``},
		{patient, "deceased.as(DateTime)", `"2020-01-01"`},
		{patient, "deceased is dateTime", `true`},
		{patient, "deceased.is(boolean)", `false`},
		{patient, "deceased as FHIR.dateTime", `"2020-01-01"`},
		{patient, "telecom.first().system is string", `true`},
		{observation, "Observation.value", `{"value":1.50,"unit":"g"}`},
		{observation, "Observation.value.unit", `"g"`},
		{observation, "(Observation.value as Quantity).value", `1.50`},
		{observation, "Observation.value.value = 1.5", `true`},
		{observation, "(Observation.component.value as Quantity) | (Observation.component.value as SampledData)", `{"value":2}`},
		{observation, "Observation.component.value.exists()", `true`},
		{observation, "Observation.component.where(value.exists()).code.text", `"a" "b" "d"`},
		{observation, "Observation.component.value.ofType(string).id", `"v"`},
		{observation, "Observation.value is Quantity", `true`},
		{observation, "Observation.value is CodeableConcept", `false`},
		// union
		{patient, "name.family | contact.name.family | name.given", `"Chalmers" "Peter" "James" "Jim"`},
		{observation, "Patient.name | Observation.code | code", `{"text":"c"}`},
		{patient, "'a' | 'b' | 'a'", `"a" "b"`},
		{patient, `'\'\\A\n"'`, `"'\\A\n\""`},
		// extensions
		{patient, "extension('http://x/b').value", `2`},
		{patient, "Patient.extension('http://x/a').value as code", `"A"`},
		{patient, "birthDate.extension('http://x/time').value", `"1974-12-25T14:35:45-05:00"`},
		{patient, "birthDate.id", `"bd"`},
		{patient, "gender.extension.value", `"masked"`},
		{patient, "name.given.extension('http://x/dar').value", `"unknown"`},
		{patient, "name.where(given.hasExtension('http://x/dar')).use", `"usual"`},
		{patient, "hasExtension('http://x/c')", `false`},
		// references
		{observation, "Observation.subject.where(resolve() is Patient).reference", `"Patient/p1"`},
		{observation, "Observation.subject.where(resolve().is(Group)).reference", ``},
		{observation, "Observation.subject.resolve() is Patient", `true`},
		{patient, "generalPractitioner.where(resolve() is Practitioner).reference", `"#gp" "https://s/fhir/Practitioner/2/_history/3" "Practitioner?identifier=1"`},
		{patient, "generalPractitioner.where(resolve() is PractitionerRole).reference", `"urn:uuid:5"`},
		{
			patient, "generalPractitioner.where(resolve() is DomainResource and reference != 'Organization/1').reference",
			`"#gp" "https://s/fhir/Practitioner/2/_history/3" "urn:uuid:5" "Practitioner?identifier=1"`,
		},
		// resources inside of resources
		{bundle, "Bundle.entry[0].resource.ofType(Composition).title", `"T"`},
		{bundle, "Bundle.entry.resource.ofType(Patient).name.family", `"Chalmers"`},
		{bundle, "Bundle.entry.resource.id", `"p1"`},
		{bundle, "Bundle.entry.link.relation", `"self"`},
	} {
		e, err := Compile(test.expr)
		if err != nil {
			t.Errorf("%s: %v", test.expr, err)
			continue
		}
		values, err := e.Eval([]byte(test.resource))
		var got []string
		for _, v := range values {
			got = append(got, string(v.JSON))
		}
		if joined := strings.Join(got, " "); err != nil || joined != test.want {
			t.Errorf("%s: %s %v, want %s", test.expr, joined, err, test.want)
		}
	}
}

func TestTypesOfValues(t *testing.T) {
	for expr, want := range map[string]string{
		"Patient": "Patient", "Patient.contact": "Patient.contact", "name[0]": "HumanName", "deceased": "dateTime", "contained[1]": "Organization",
		"id": "id", "active = true": "boolean", "1.5": "decimal", "'a'": "string", "7": "integer", "birthDate.extension": "Extension",
	} {
		e, err := Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		values, err := e.Eval([]byte(patient))
		if err != nil || len(values) != 1 || values[0].Type != want {
			t.Errorf("%s: %+v %v, want %s", expr, values, err, want)
		}
		if e.String() != expr {
			t.Errorf("%s: String is %s", expr, e)
		}
	}
}

// What isn't part of the subset, and what can never find anything, is refused with the place of the trouble.
func TestCompileRefuses(t *testing.T) {
	for expr, offset := range map[string]int{
		"": 0, "   ": 3, "Patient.": 8, "Patient.nme": 8, "nme": 0, "name.nme.family": 5, "Patient name": 8, "Patien.name": 0,
		"Patient.name.count()": 13, "Patient.name.skip(1)": 13, "name.family.substring(0)": 12, "name.given.matches('a')": 11,
		"name + name": 5, "name & name": 5, "birthDate > 'a'": 10, "birthDate = @2020": 12, "true xor true": 5, "true implies true": 5, "name in name": 5,
		"{}": 0, "-1": 0, "%context": 0, "$index": 0, "$thisone": 0, "%resources.id": 0, "`name`": 0, "// c": 0, "name // c": 5, "1.": 2,
		"'abc": 0, `'a\x'`: 0, `'\ud800'`: 0, `'\u12'`: 0, `'\`: 0, "name.where(": 11, "name.where()": 11, "name.where(family='a'": 21, "name.first(1)": 11, "name[": 5, "name[-1]": 5,
		"name['a']": 5, "name[1.5]": 5, "name[99999999999999999999]": 5, "name[1": 6, "(name": 5, "name)": 4, "name.exists(": 12, "name.exists(true": 16,
		"name as": 7, "name as Foo": 8, "name as FHIR.": 13, "name as 'a'": 8, "name as System.String": 8, "name.ofType()": 12, "name.ofType(HumanName": 21, "name.as(Quantity)": 5,
		"name is Quantity": 5, "Patient.deceased as Quantity": 17, "HumanName.family": 0, "Patient.where(Observation.code.exists())": 14,
		"Patient.generalPractitioner.resolve()": 37, "generalPractitioner.resolve().name": 30, "generalPractitioner.where(resolve() is HumanName)": 26,
		"name.where(resolve() is Patient)": 11, "generalPractitioner.resolve(1)": 28, "generalPractitioner.resolve() is": 32, "generalPractitioner.resolve().is Patient": 33, "generalPractitioner.resolve().is(Patient": 40,
		"extension(url)": 10, "extension()": 10, "extension('a'": 13, "name and": 8, "name |": 6, "Patient.name = Patient.name": 13, "birthDate = '1974'": 10, "birthDate = birthDate": 10, "Observation.value as Quantity = 1": 30,
		"and": 0, "name.and": 5, "name . ": 7, "a\xff": 0, strings.Repeat("(", 40) + "id" + strings.Repeat(")", 40): 32, strings.Repeat("a", maxLength+1): maxLength,
	} {
		_, err := Compile(expr)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%.60q: %v", expr, err)
		} else if syntax.Offset != offset || syntax.Reason == "" {
			t.Errorf("%.60q: %v, want offset %d", expr, err, offset)
		}
	}
}

// A resource that isn't what FHIR says, or a question that has no answer, is an error and not an empty result.
func TestEvalRefuses(t *testing.T) {
	for _, test := range []struct{ resource, expr string }{
		{`{}`, "id"},
		{`{"resourceType":"Foo"}`, "id"},
		{`{"resourceType":"HumanName"}`, "id"},
		{`{"resourceType":"Resource","id":"a"}`, "id"},
		{`{"resourceType":1}`, "id"},
		{`{"resourceType":"Patient","name":"x"}`, "Patient.name"},
		{`{"resourceType":"Patient","name":[["x"]]}`, "Patient.name"},
		{`{"resourceType":"Patient","birthDate":{}}`, "birthDate"},
		{`{"resourceType":"Patient","birthDate":1}`, "birthDate"},
		{`{"resourceType":"Patient","active":"true"}`, "active"},
		{`{"resourceType":"Patient","multipleBirthInteger":"1"}`, "multipleBirth"},
		{`{"resourceType":"Patient","birthDate":"1974","_birthDate":"x"}`, "birthDate"},
		{`{"resourceType":"Patient","contained":[{"id":"a"}]}`, "contained.id"},
		{`{"resourceType":"Patient","contained":[{"resourceType":"Foo"}]}`, "contained"},
		{patient, "name.given and true"},
		{patient, "telecom.where(%resource.name.given)"},
		{patient, "generalPractitioner is Reference"},
		{patient, "generalPractitioner.resolve() is Practitioner"},
		{patient, "deceased = '2020-01-01'"},
		{patient, "name.first() = name.first()"},
		{observation, "value = code.text"},
	} {
		e, err := Compile(test.expr)
		if err != nil {
			t.Errorf("%s: %v", test.expr, err)
			continue
		}
		if values, err := e.Eval([]byte(test.resource)); !errors.Is(err, ErrEvaluation) {
			t.Errorf("%s of %.40s: %d values, %v", test.expr, test.resource, len(values), err)
		}
	}
}

// Nested criteria multiply the work, which ends at a bound.
func TestEvalIsBounded(t *testing.T) {
	resource := `{"resourceType":"Patient","name":[` + strings.Repeat(`{"family":"a"},`, 200) + `{}]}`
	expr := "name"
	for range 8 {
		expr = "%resource.name.where(" + expr + ".exists())"
	}
	e, err := Compile(expr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Eval([]byte(resource)); !errors.Is(err, ErrEvaluation) {
		t.Errorf("%v", err)
	}
}

func TestSameNumber(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"1", "1.0", true},
		{"100", "1e2", true},
		{"0.010", "1E-2", true},
		{"0", "-0.00", true},
		{"1", "-1", false},
		{"10", "1", false},
		{"1.5", "1.50", true},
		{"1e999999999999", "1e999999999999", true},
		{"1e999999999999", "1", false},
		{"123456789012345678901", "123456789012345678902", false},
		{"-12e1", "-120", true},
	} {
		if got := sameNumber([]byte(test.a), []byte(test.b)); got != test.want {
			t.Errorf("%s = %s: %v", test.a, test.b, got)
		}
	}
}

// FuzzCompile: nothing makes the compiler or the evaluator panic; every value of a result is JSON; an error is a
// *SyntaxError whose offset lies in the expression.
func FuzzCompile(f *testing.F) {
	for _, p := range definitions.R4().SearchParameters("Observation") {
		f.Add(p.Expression)
	}
	for _, expr := range []string{"name.where(use='official' and family != 'a').given[0]", "Patient.deceased is boolean or true = false", `'\u00e9\''`, "%resource.contained.as(Patient)"} {
		f.Add(expr)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		e, err := Compile(expr)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(expr) {
				t.Fatalf("%q: %v", expr, err)
			}
			return
		}
		for _, resource := range []string{patient, observation, bundle} {
			values, err := e.Eval([]byte(resource))
			if err != nil && !errors.Is(err, ErrEvaluation) {
				t.Fatalf("%q: %v", expr, err)
			}
			for _, v := range values {
				if wire.Check([]byte(`{"v":`+string(v.JSON)+`}`), wire.Limits{}) != nil {
					t.Fatalf("%q: %q isn't JSON", expr, v.JSON)
				}
			}
		}
	})
}

func BenchmarkEval(b *testing.B) {
	subject, _ := definitions.R4().SearchParameter("Observation", "patient")
	for name, expr := range map[string]string{"path": "Observation.component.code.text", "where": "component.where(code.text='b').value", "clinical-patient": subject.Expression} {
		b.Run(name, func(b *testing.B) {
			e, err := Compile(expr)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Eval([]byte(observation)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile("Patient.telecom.where(system='email' and use='home').value"); err != nil {
			b.Fatal(err)
		}
	}
}

// One expression serves all goroutines, the first use of a type's look-up included.
func TestEvalConcurrently(t *testing.T) {
	e, err := Compile("Observation.component.where(code.text='b').value.ofType(Quantity).value")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			values, err := e.Eval([]byte(observation))
			if err != nil || len(values) != 1 || string(values[0].JSON) != "2" {
				t.Errorf("%v %v", values, err)
			}
		})
	}
	group.Wait()
}
