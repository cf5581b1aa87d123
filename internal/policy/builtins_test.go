package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/fhirpath"
)

// TestCompartmentRefs holds, for every type in every compartment, the references
// at the elements of each parameter to what FHIRPath finds by the parameter's own
// expression.
func TestCompartmentRefs(t *testing.T) {
	defs := definitions.R4()
	pairs := 0
	for _, compartment := range defs.Compartments() {
		for _, typ := range defs.ResourceTypes() {
			params, inside := defs.CompartmentParams(compartment, typ)
			if !inside {
				if refs, err := compartmentRefs(defs, ast.MustParseTerm(`{"resourceType": "`+typ+`", "id": "1"}`).Value, compartment); err != nil || len(refs) != 0 {
					t.Errorf("%s in %s: %v %v", typ, compartment, refs, err)
				}
				continue
			}
			pairs++
			doc := fullResource(defs, compartment, typ, params)
			want := oracle(t, defs, compartment, typ, params, doc)
			value, err := parseResource(doc)
			if err != nil {
				t.Fatal(err)
			}
			got, err := compartmentRefs(defs, value, compartment)
			if err != nil {
				t.Fatalf("%s in %s: %v", typ, compartment, err)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s in %s: %v, want %v\n%s", typ, compartment, got, want, doc)
			}
			if len(params) > 0 && len(want) == 0 {
				t.Errorf("%s in %s: the test finds nothing", typ, compartment)
			}
		}
	}
	if pairs < 150 {
		t.Errorf("only %d pairs", pairs)
	}
}

// fullResource has a reference into the compartment, one to another type and one
// elsewhere at each element of each parameter.
func fullResource(defs *definitions.Definitions, compartment, typ string, params []string) []byte {
	resource := map[string]any{"resourceType": typ, "id": "self"}
	n := 0
	for _, code := range params {
		def, _ := defs.SearchParameter(typ, code)
		for _, path := range def.Paths {
			n++
			put(defs, resource, path.Segments[0], path.Segments[1:], []any{
				map[string]any{"reference": fmt.Sprintf("%s/r%d", compartment, n)},
				map[string]any{"reference": fmt.Sprintf("Substance/s%d", n)},
				map[string]any{"reference": fmt.Sprintf("https://elsewhere/%s/e%d", compartment, n)},
				map[string]any{"reference": fmt.Sprintf("%s/v%d/_history/1", compartment, n)},
				map[string]any{"display": "x"},
			})
		}
	}
	doc, err := json.Marshal(resource)
	if err != nil {
		panic(err)
	}
	return doc
}

// put puts references at an element, in as many items of a list as there are.
func put(defs *definitions.Definitions, object map[string]any, typ string, names []string, refs []any) {
	t, _ := defs.Type(typ)
	el, ok := t.Element(names[0])
	if !ok {
		return
	}
	next, name := el.Types[0], el.Name
	if el.Choice {
		next = "Reference"
		name += next
	}
	if len(names) == 1 {
		if !slices.Contains(el.Types, "Reference") {
			return
		}
		if el.Repeats() {
			object[name] = refs
		} else {
			object[name] = refs[0]
		}
		return
	}
	child, ok := object[name].(map[string]any)
	if list, isList := object[name].([]any); isList {
		child, ok = list[0].(map[string]any)
	}
	if !ok {
		child = map[string]any{}
		object[name] = child
		if el.Repeats() {
			object[name] = []any{child}
		}
	}
	put(defs, child, next, names[1:], refs)
}

// oracle finds the same by FHIRPath.
func oracle(t *testing.T, defs *definitions.Definitions, compartment, typ string, params []string, doc []byte) []string {
	t.Helper()
	found := map[string]bool{}
	if typ == compartment {
		found["self"] = true
	}
	for _, code := range params {
		def, _ := defs.SearchParameter(typ, code)
		for _, part := range strings.Split(def.Expression, " | ") {
			if !strings.HasPrefix(strings.TrimLeft(part, "("), typ+".") {
				continue // of another type
			}
			expression, err := fhirpath.CompileFor(defs, part)
			if err != nil {
				t.Fatalf("%s.%s: %v", typ, code, err)
			}
			values, err := expression.Eval(doc)
			if err != nil {
				t.Fatalf("%s.%s: %v", typ, code, err)
			}
			for _, v := range values {
				var r struct{ Reference string }
				if json.Unmarshal(v.JSON, &r) != nil {
					continue
				}
				if ref, ok := fhir.ParseReference(r.Reference); ok && ref.Type == compartment {
					found[ref.ID] = true
				}
			}
		}
	}
	var ids []string
	for id := range found {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func builtinPolicy() *Policy { return &Policy{defs: definitions.R4()} }

func TestInCompartment(t *testing.T) {
	p := builtinPolicy()
	for _, c := range []struct {
		resource, compartment, id string
		want                      string // true, false or error
	}{
		{`{"resourceType": "Observation", "subject": {"reference": "Patient/1"}}`, "Patient", "1", "true"},
		{`{"resourceType": "Observation", "subject": {"reference": "Patient/1"}}`, "Patient", "2", "false"},
		{`{"resourceType": "Observation", "subject": {"reference": "Group/1"}}`, "Patient", "1", "false"},
		{`{"resourceType": "Observation", "subject": {"reference": "https://elsewhere/fhir/Patient/1"}}`, "Patient", "1", "false"},
		{`{"resourceType": "Observation", "subject": "Patient/1"}`, "Patient", "1", "true"},
		{`{"resourceType": "Observation", "subject": {"reference": ["Patient/1"]}}`, "Patient", "1", "false"},
		{`{"resourceType": "Observation"}`, "Patient", "", "false"},
		{`{"resourceType": "Patient", "id": "1"}`, "Patient", "1", "true"},
		{`{"resourceType": "Patient", "id": "1"}`, "Practitioner", "1", "false"},
		{`{"resourceType": "Substance", "id": "1"}`, "Patient", "1", "false"},
		{`{"resourceType": "Foo"}`, "Patient", "1", "error"},
		{`{"id": "1"}`, "Patient", "1", "error"},
		{`[]`, "Patient", "1", "error"},
		{`null`, "Patient", "1", "error"},
		{`{"resourceType": "Patient", "id": "1"}`, "Observation", "1", "error"},
		{`{"resourceType": "Patient", "id": "1"}`, "", "1", "error"},
	} {
		got, err := p.builtinInCompartment(rego.BuiltinContext{}, []*ast.Term{ast.MustParseTerm(c.resource), ast.StringTerm(c.compartment), ast.StringTerm(c.id)})
		if text := resultOf(got, err); text != c.want {
			t.Errorf("%s in %s/%s: %s %v", c.resource, c.compartment, c.id, text, err)
		}
	}
	if _, err := p.builtinInCompartment(rego.BuiltinContext{}, []*ast.Term{ast.MustParseTerm(`{}`), ast.NumberTerm("1"), ast.StringTerm("x")}); err == nil {
		t.Error("a number is a compartment")
	}
	if refs, err := p.builtinCompartmentRefs(rego.BuiltinContext{}, []*ast.Term{ast.MustParseTerm(`{"resourceType": "Patient", "id": "1"}`), ast.StringTerm("Patient")}); err != nil || refs.String() != `{"1"}` {
		t.Errorf("%v %v", refs, err)
	}
}

func resultOf(t *ast.Term, err error) string {
	if err != nil {
		return "error"
	}
	return t.String()
}

func TestSearchMatches(t *testing.T) {
	p := builtinPolicy()
	const observation = `{"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/1"}, "valueBoolean": true,
		"category": [{"coding": [{"system": "s", "code": "a"}, {"code": "bare"}]}, {"coding": [{"system": "s", "code": "b"}]}, {"text": "no coding"}],
		"identifier": [{"system": "i", "value": "9"}], "meta": {"security": [{"system": "l", "code": "R"}], "profile": ["http://p/x"]}}`
	const patient = `{"resourceType": "Patient", "active": true, "name": [{"family": "Ärzte", "given": ["Ada", "Bea"]}], "telecom": [{"system": "email", "value": "a@b"}]}`
	for _, c := range []struct {
		resource, param, values string
		want                    string
	}{
		{observation, "category", `["s|a"]`, "true"},
		{observation, "category", `["a"]`, "true"},
		{observation, "category", `["s|"]`, "true"},
		{observation, "category", `["|bare"]`, "true"},
		{observation, "category", `["|a"]`, "false"},
		{observation, "category", `["t|a"]`, "false"},
		{observation, "category", `["t|"]`, "false"},
		{observation, "category", `["|"]`, "false"},
		{observation, "category", `[""]`, "false"},
		{observation, "category", `["A"]`, "false"},
		{observation, "category", `["t|a,s|b"]`, "true"},
		{observation, "category", `["s|a", "s|b"]`, "true"},
		{observation, "category", `["s|a", "s|c"]`, "false"},
		{observation, "category", `["x\\,a"]`, "false"},
		{observation, "category", `["x\\,y,a"]`, "true"},
		{observation, "category", `["a\\|b"]`, "false"},
		{observation, "category", `["a\\"]`, "false"},
		{observation, "category", `[]`, "false"},
		{observation, "status", `["final"]`, "true"},
		{observation, "status", `["|final"]`, "true"},
		{observation, "status", `["http://hl7.org/fhir/observation-status|final"]`, "false"},
		{observation, "identifier", `["i|9"]`, "true"},
		{observation, "identifier", `["9"]`, "true"},
		{observation, "identifier", `["j|9"]`, "false"},
		{observation, "_security", `["l|R"]`, "true"},
		{observation, "_profile", `["http://p/x"]`, "true"},
		{observation, "_profile", `["http://p/"]`, "false"},
		{observation, "subject", `["Patient/1"]`, "true"},
		{observation, "subject", `["1"]`, "true"},
		{observation, "subject", `["Patient/2"]`, "false"},
		{observation, "patient", `["Patient/1"]`, "true"},
		{observation, "date", `["2020"]`, "error"},
		{observation, "value-quantity", `["5"]`, "error"},
		{observation, "code-value-quantity", `["5"]`, "error"},
		{observation, "nothing", `["x"]`, "false"},
		{observation, "category", `[1]`, "error"},
		{observation, "category", `{"a"}`, "error"},
		{patient, "active", `["true"]`, "true"},
		{patient, "active", `["false"]`, "false"},
		{patient, "family", `["Ärzte"]`, "true"},
		{patient, "family", `["Är"]`, "false"},
		{patient, "given", `["Bea"]`, "true"},
		{patient, "email", `["a@b"]`, "error"},
		{`{"resourceType": "Foo"}`, "category", `["a"]`, "error"},
		{`"text"`, "category", `["a"]`, "error"},
	} {
		got, err := p.builtinSearchMatches(rego.BuiltinContext{}, []*ast.Term{ast.MustParseTerm(c.resource), ast.StringTerm(c.param), ast.MustParseTerm(c.values)})
		if text := resultOf(got, err); text != c.want {
			t.Errorf("%.40s… %s %s: %s %v", c.resource, c.param, c.values, text, err)
		}
	}
}

func TestAlternatives(t *testing.T) {
	for value, want := range map[string]string{`a`: "a", `a,b`: "a|b", `a\,b`: "a,b", `a\,b,c`: "a,b|c", `a\|b,c`: "c", `a\`: "", `\\,c`: "c", ``: "", `a,,b`: "a||b"} {
		if got := strings.Join(alternatives(value), "|"); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}
