package mask

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

func TestParseRuleRefuses(t *testing.T) {
	for _, object := range []string{
		`{}`, `[]`, `{"path":"Patient.name"}`, `{"action":"remove"}`, `{"path":"","action":"remove"}`,
		`{"path":"Patient.name","action":"delete"}`, `{"path":"Patient.name","action":"remove","extra":1}`,
		`{"path":"Patient.name","action":"remove","action":"hash"}`, `{"path":["Patient.name"],"action":"remove"}`,
		`{"path":"Patient.name","action":"remove","value":"x"}`, `{"path":"Patient.name","action":"replace"}`,
		`{"path":"Patient.birthDate","action":"truncate"}`, `{"path":"Patient.birthDate","action":"truncate","to":"decade"}`,
		`{"path":"Patient.birthDate","action":"truncate","to":0}`, `{"path":"Patient.birthDate","action":"truncate","to":"-1"}`,
		`{"path":"Patient.birthDate","action":"truncate","to":1.5}`, `{"path":"Patient.birthDate","action":"truncate","to":true}`,
		`{"path":"Patient.gender","action":"generalize"}`, `{"path":"Patient.gender","action":"generalize","map":[]}`,
		`{"path":"Patient.gender","action":"remove","default":"x"}`,
		`{"path":"Patient","action":"remove"}`, `{"path":"Patient.","action":"remove"}`, `{"path":".name","action":"remove"}`,
		`{"path":"Patient..name","action":"remove"}`, `{"path":"Patient.name.","action":"remove"}`, `{"path":"Patient.na me","action":"remove"}`,
		`{"path":"**","action":"remove"}`, `{"path":"*","action":"remove"}`, `{"path":"Patient.**","action":"remove"}`, `{"path":"Patient.*","action":"remove"}`,
		`{"path":"Patient.name[0]","action":"remove"}`, `{"path":"Patient.name.where()","action":"remove"}`,
		`{"path":"Patient.name.where(use=old)","action":"remove"}`, `{"path":"Patient.name.where(use='old'","action":"remove"}`,
		`{"path":"Patient.name.where(use='old' or text='a')","action":"remove"}`, `{"path":"Patient.name.where(use='old'and text='a')","action":"remove"}`,
		`{"path":"Patient.name.where(use='o\\n')","action":"remove"}`, `{"path":"Patient.name.where(use!='old')","action":"remove"}`,
		`{"path":"` + strings.Repeat("a.", 600) + `a","action":"remove"}`,
		`{"path":"Patient` + strings.Repeat(".a", 30) + `","action":"remove"}`,
	} {
		if r, err := ParseRule([]byte(object)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v, %v", object, r, err)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, tc := range []struct {
		rule string
		want error
	}{
		{`{"path":"Patient.nam","action":"remove"}`, ErrPath},
		{`{"path":"Patients.name","action":"remove"}`, ErrPath},
		{`{"path":"HumanName.family","action":"remove"}`, ErrPath},
		{`{"path":"Observation.valu","action":"remove"}`, ErrPath},
		{`{"path":"Observation.value.nothing","action":"remove"}`, ErrPath},
		{`{"path":"Observation.valueAttachment","action":"remove"}`, ErrPath},
		{`{"path":"**.nothing","action":"remove"}`, ErrPath},
		{`{"path":"*.nothing","action":"remove"}`, ErrPath},
		{`{"path":"Patient.contained.name","action":"remove"}`, ErrPath},
		{`{"path":"Patient.name.where(nothing='x')","action":"remove"}`, ErrPath},
		{`{"path":"Patient.contact.where(name='x')","action":"remove"}`, ErrPath},
		{`{"path":"Patient.birthDate.where(x='x')","action":"remove"}`, ErrPath},
		{`{"path":"Patient.where(nothing='x').name","action":"remove"}`, ErrPath},
		{`{"path":"Patient.active","action":"remove"}`, ErrModifier},
		{`{"path":"Patient.deceased","action":"remove"}`, ErrModifier},
		{`{"path":"Patient.deceasedBoolean","action":"remove"}`, ErrModifier},
		{`{"path":"Patient.link","action":"remove"}`, ErrModifier},
		{`{"path":"Patient.link.other","action":"remove"}`, ErrModifier},
		{`{"path":"Patient.name.use","action":"remove"}`, ErrModifier},
		{`{"path":"Patient.modifierExtension","action":"remove"}`, ErrModifier},
		{`{"path":"Patient.contact.modifierExtension.value","action":"remove"}`, ErrModifier},
		{`{"path":"Patient.implicitRules","action":"remove"}`, ErrModifier},
		{`{"path":"Observation.status","action":"remove"}`, ErrModifier},
		{`{"path":"Condition.clinicalStatus.text","action":"remove"}`, ErrModifier},
		{`{"path":"**.status","action":"remove"}`, ErrModifier},
		{`{"path":"**.use","action":"remove"}`, ErrModifier},
		{`{"path":"Patient.resourceType","action":"remove"}`, ErrUnmaskable},
		{`{"path":"Patient.id","action":"remove"}`, ErrUnmaskable},
		{`{"path":"Patient.id","action":"hash"}`, ErrUnmaskable},
		{`{"path":"*.id","action":"remove"}`, ErrUnmaskable},
		{`{"path":"**.id","action":"remove"}`, ErrUnmaskable},
		{`{"path":"Patient.meta","action":"remove"}`, ErrUnmaskable},
		{`{"path":"Patient.meta.versionId","action":"remove"}`, ErrUnmaskable},
		{`{"path":"**.versionId","action":"remove"}`, ErrUnmaskable},
		{`{"path":"Patient.extension.url","action":"remove"}`, ErrUnmaskable},
		{`{"path":"Patient.birthDate","action":"hash"}`, ErrAction},
		{`{"path":"Patient.name","action":"hash"}`, ErrAction},
		{`{"path":"Patient.name","action":"truncate","to":3}`, ErrAction},
		{`{"path":"Patient.gender","action":"truncate","to":"year"}`, ErrAction},
		{`{"path":"Patient.birthDate","action":"truncate","to":4}`, ErrAction},
		{`{"path":"Patient.gender","action":"pseudonymize"}`, ErrAction},
		{`{"path":"Patient.name.family","action":"replace","value":1}`, ErrAction},
		{`{"path":"Patient.name","action":"replace","value":"x"}`, ErrAction},
		{`{"path":"Patient.multipleBirth","action":"replace","value":"x"}`, ErrAction},
		{`{"path":"Patient.maritalStatus","action":"generalize","map":{"a":"b"}}`, ErrAction},
		{`{"path":"Patient.gender","action":"generalize","map":{"a":1}}`, ErrAction},
		{`{"path":"Patient.name.family","action":"replace","value":null}`, ErrSyntax},
		{`{"path":"Patient.gender","action":"generalize","map":{"a":"b","b":"c"}}`, ErrSyntax},
		{`{"path":"Patient.where(text.status='generated').name","action":"remove"}`, ErrConflict},
		{`{"path":"Patient.meta.where(security.code='R').tag","action":"remove"}`, ErrConflict},
		{`{"path":"Patient.identifier.where(value='v').value","action":"hash"}`, ErrConflict},
	} {
		r, err := ParseRule([]byte(tc.rule))
		if err != nil {
			t.Errorf("%s: %v", tc.rule, err)
			continue
		}
		if _, err = Compile(definitions.R4(), "Patient", []Rule{r}, nil); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.rule, err, tc.want)
		} else if !strings.Contains(err.Error(), r.Path) {
			t.Errorf("%s isn't named in %v", r.Path, err)
		}
		if _, err = Compile(definitions.R4(), "Patient", nil, [][]Rule{{r}, {}}); err == nil {
			t.Errorf("%s: accepted in a grant", tc.rule)
		}
	}
	if _, err := Compile(definitions.R4(), "Nothing", nil, nil); !errors.Is(err, ErrResource) {
		t.Errorf("no resource type: %v", err)
	}
	if _, err := Compile(definitions.R4(), "Patient", []Rule{{Path: "Patient.name"}}, nil); !errors.Is(err, ErrSyntax) {
		t.Errorf("no action: %v", err)
	}
	if _, err := Compile(definitions.R4(), "Patient", []Rule{{Path: "Patient.name", Action: Replace, Value: json.RawMessage(`{},"a":{}`)}}, nil); !errors.Is(err, ErrSyntax) {
		t.Errorf("broken value: %v", err)
	}
}

func TestEmpty(t *testing.T) {
	name := remove(t, "Patient.name")
	for _, tc := range []struct {
		name   string
		masks  []Rule
		grants [][]Rule
		want   bool
	}{
		{"nothing", nil, nil, true},
		{"a restriction", name, nil, false},
		{"a grant", nil, [][]Rule{name}, false},
		{"a grant without masks beside", nil, [][]Rule{name, {}}, true},
		{"restricted all the same", name, [][]Rule{{}}, false},
	} {
		if got := compile(t, "Patient", tc.masks, tc.grants...).Empty(); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestTouches(t *testing.T) {
	path := func(text string) definitions.Path { return definitions.Path{Segments: strings.Split(text, ".")} }
	for _, tc := range []struct {
		rule, path string
		want       bool
	}{
		{"Patient.name", "Patient.name", true},
		{"Patient.name", "Patient.name.family", true},
		{"Patient.name.family", "Patient.name", true},
		{"Patient.name.family", "Patient.name.given", false},
		{"Patient.name.where(use='old').family", "Patient.name.family", true},
		{"Patient.name", "Patient.birthDate", false},
		{"Patient.name", "Patient.text", true},
		{"Patient.meta.tag", "Patient.meta.lastUpdated", false},
		{"*.meta.tag", "Patient.meta.tag", true},
		{"Observation.note", "Patient.name", false},
		{"**.text", "Patient.name", true},
		{"**.text", "Patient.birthDate", false},
		{"**.family", "Patient.name.family", true},
		{"**.family", "Patient.address", false},
	} {
		if got := compile(t, "Patient", remove(t, tc.rule)).Touches(path(tc.path)); got != tc.want {
			t.Errorf("%s, searched at %s: %v", tc.rule, tc.path, got)
		}
	}
	m := compile(t, "Observation", remove(t, "Observation.valueQuantity"))
	if !m.Touches(definitions.Path{Segments: []string{"Observation", "value"}, As: "Quantity", AsAt: 1}) {
		t.Error("a type of a choice")
	}
	grants := compile(t, "Patient", nil, remove(t, "Patient.name"), remove(t, "Patient.birthDate", "Patient.name.given"))
	if grants.Touches(path("Patient.birthDate")) || !grants.Touches(path("Patient.name.given")) {
		t.Error("grants: only what all could hide")
	}
	ids := compile(t, "Observation", []Rule{{Path: "Patient.id", Action: Pseudonymize}})
	if !ids.Touches(path("Observation.subject")) || ids.Touches(path("Observation.code")) {
		t.Error("references to pseudonymous resources")
	}
	if !compile(t, "Patient", nil).Touches(definitions.Path{}) {
		t.Error("no path at all")
	}
}

func TestPseudonymizer(t *testing.T) {
	k := testKeys(t).Pseudonym
	for _, id := range []string{
		"1", "p1", "abc", "abcd", "a.b-c", "00012", strings.Repeat("9", 20), strings.Repeat("A", 21), strings.Repeat("z", 41),
		"123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000", strings.Repeat("0af1", 16),
	} {
		pseudonym, err := k.ID("Patient", id)
		if err != nil || !IsID(pseudonym) || strings.Contains(pseudonym, id) && len(id) > 2 {
			t.Errorf("%s: %s, %v", id, pseudonym, err)
		}
		if again, err := k.ID("Patient", pseudonym); err != nil || again != pseudonym {
			t.Errorf("%s: twice gives %s, %v", id, again, err)
		}
		if got, err := k.Resolve("Patient", pseudonym); err != nil || got != id {
			t.Errorf("%s: resolved to %s, %v", id, got, err)
		}
		if _, err := k.Resolve("Practitioner", pseudonym); !errors.Is(err, ErrPseudonym) {
			t.Errorf("%s: resolved for another type: %v", id, err)
		}
		changed := []byte(pseudonym)
		changed[len(changed)-1] = '0' + (changed[len(changed)-1]-'0'+1)%10
		if _, err := k.Resolve("Patient", string(changed)); !errors.Is(err, ErrPseudonym) {
			t.Errorf("%s: resolved after a change: %v", id, err)
		}
		if _, err := k.Resolve("Patient", id); !errors.Is(err, ErrPseudonym) {
			t.Errorf("%s: resolved as it is: %v", id, err)
		}
	}
	for _, length := range []int{42, 64} {
		pseudonym, err := k.ID("Patient", strings.Repeat("Z", length))
		if err != nil || !IsID(pseudonym) || !k.Is("Patient", pseudonym) {
			t.Errorf("a long id: %s, %v", pseudonym, err)
		}
		if _, err := k.Resolve("Patient", pseudonym); !errors.Is(err, ErrPseudonym) {
			t.Errorf("a long id: %v", err)
		}
	}
	for _, id := range []string{"", "a/b", "a b", strings.Repeat("a", 65)} {
		if _, err := k.ID("Patient", id); err == nil {
			t.Errorf("%q taken for an id", id)
		}
	}
	if _, err := NewPseudonymizer(make([]byte, 31)); !errors.Is(err, ErrKeys) {
		t.Errorf("a short key: %v", err)
	}
}
