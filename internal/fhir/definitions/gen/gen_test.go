package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var testTypes = map[string]*typ{
	"T":      {name: "T", elements: []element{{name: "id", types: []string{"id"}}, {name: "part", types: []string{"T.part"}}, {name: "v[x]", types: []string{"dateTime", "Q"}}, {name: "extension", types: []string{"Extension"}}}},
	"T.part": {name: "T.part", elements: []element{{name: "v[x]", types: []string{"string", "Q"}}, {name: "part", types: []string{"T.part"}}}},
	"Q":      {name: "Q", elements: []element{{name: "code", types: []string{"code"}}}},
}

func written(paths []path) string {
	var all []string
	for _, p := range paths {
		all = append(all, strings.Join([]string{strings.Join(p.segments, "."), at(p.as, p.asAt), p.extension, at(p.where, p.whereAt)}, ";"))
	}
	return strings.Join(all, " ")
}

func TestBranchPaths(t *testing.T) {
	for expression, want := range map[string]string{
		"T.id":                          "T.id;;;",
		"id":                            "T.id;;;",
		"T":                             "T;;;",
		"U.id | T.part.part.v":          "T.part.part.v;;;",
		"T.id | T.id":                   "T.id;;;",
		"T.v as Q":                      "T.v;Q@1;;",
		"(T.v as Q).code":               "T.v.code;Q@1;;",
		"T.part.v.ofType(Q).code":       "T.part.v.code;Q@2;;",
		"T.v.as(DateTime)":              "T.v;dateTime@1;;",
		"T.part.where(a='.|').v":        "T.part.v;;;a='.|'@1",
		"T.extension('http://a.b')":     "T.extension;;http://a.b;",
		"T.v.exists() and T.v != false": "T.v;;;T.v.exists() and T.v != false@1",
	} {
		got, err := branchPaths(testTypes, expression, path{segments: []string{"T"}})
		if err != nil || written(got) != want {
			t.Errorf("%s: %s %v, want %s", expression, written(got), err, want)
		}
	}
}

// What isn't understood must not become a path.
func TestBranchPathsRefuses(t *testing.T) {
	for _, expression := range []string{
		"", "U.id", "T.absent", "T.v.absent", "(T.v as dateTime).code", "T.part[0].v", "T.v as Money", "(T.v", "(T.v)", "T.id | T.absent",
		"T.part.first()", "T.part.where(a=1).where(b=2)", "T.v.as(Q).as(Q)", "T.id.replace('a')", "T.v.exists() and T.absent",
	} {
		if got, err := branchPaths(testTypes, expression, path{segments: []string{"T"}}); err == nil {
			t.Errorf("%q: %s", expression, written(got))
		}
	}
}

const (
	testStructure = `{"resourceType":"StructureDefinition","name":"T","type":"T","kind":"resource","baseDefinition":"http://hl7.org/fhir/StructureDefinition/DomainResource",
"derivation":"specialization","snapshot":{"element":[{"path":"T","min":0,"max":"*"},
{"path":"T.id","base":{"path":"Resource.id"},"min":0,"max":"1","type":[{"code":"http://hl7.org/fhirpath/System.String"}],"isSummary":true},
{"path":"T.part","min":0,"max":"*","type":[{"code":"BackboneElement"}],"isModifier":true},
{"path":"T.part.v[x]","min":1,"max":"1","type":[{"code":"id"},{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/T"]}]},
{"path":"T.part.part","min":0,"max":"*","contentReference":"#T.part"}]}}`
	testPrimitive = `{"name":"id","type":"id","kind":"primitive-type","snapshot":{"element":[{"path":"id"},
{"path":"id.id","max":"1","type":[{"code":"http://hl7.org/fhirpath/System.String","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type","valueUrl":"id"}]}]},
{"path":"id.value","max":"1","type":[{"code":"http://hl7.org/fhirpath/System.String"}]}]}}`
	testReference = `{"name":"Reference","type":"Reference","kind":"complex-type","snapshot":{"element":[{"path":"Reference"}]}}`
	testProfile   = `{"name":"P","type":"T","kind":"resource","derivation":"constraint","snapshot":{"element":[{"path":"T.other","max":"1","type":[{"code":"none"}]}]}}`
	testParameter = `{"id":"T-part","url":"http://hl7.org/fhir/SearchParameter/T-part","code":"part","type":"reference","base":["T"],"target":["T"],"expression":"T.part.v as Reference"}`
	testExample   = `{"id":"example","url":"http://hl7.org/fhir/SearchParameter/example","code":"_id","type":"token","base":["T"]}`
	testCompart   = `{"url":"http://hl7.org/fhir/CompartmentDefinition/t","code":"T","resource":[{"code":"T","param":["{def}","part"]},{"code":"U"}]}`
	testOutput    = `V	4.0.1
T	c	Reference
T	r	T	DomainResource
E	id	0	1	s	id
E	part	0	*	m	T.part
T	b	T.part	Element
E	v[x]	1	1		id,Reference	T
E	part	0	*		T.part
T	p	id
E	id	0	1		id
A	T
S	part	reference	http://hl7.org/fhir/SearchParameter/T-part	T	*			T.part.v as Reference
P	T.part.v	Reference@2
S	_id	token	http://hl7.org/fhir/SearchParameter/example	T			x
U	T
C	T
I	T	part
`
)

func TestRun(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{
		"StructureDefinition-T": testStructure, "StructureDefinition-id": testPrimitive, "StructureDefinition-Reference": testReference,
		"StructureDefinition-P": testProfile, "SearchParameter-T-part": testParameter, "SearchParameter-example": testExample, "CompartmentDefinition-t": testCompart,
	} {
		if err := os.WriteFile(filepath.Join(folder, name+".json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(folder, "out.txt")
	if err := run(folder, out); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(got), "\n")
	if body != testOutput {
		t.Errorf("got\n%swant\n%s", body, testOutput)
	}
}

func TestRunRefusesAnEmptyFolder(t *testing.T) {
	if err := run(t.TempDir(), filepath.Join(t.TempDir(), "out.txt")); err == nil {
		t.Error("no error")
	}
}
