package mask

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// rules reads masks as policy writes them, one object after another.
func rules(t testing.TB, objects ...string) []Rule {
	t.Helper()
	var out []Rule
	for _, o := range objects {
		r, err := ParseRule([]byte(o))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// remove are rules that remove the paths.
func remove(t testing.TB, paths ...string) []Rule {
	t.Helper()
	var out []Rule
	for _, p := range paths {
		out = append(out, Rule{Path: p, Action: Remove})
	}
	return out
}

func testKeys(t testing.TB) *Keys {
	t.Helper()
	p, err := NewPseudonymizer(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &Keys{Hash: bytes.Repeat([]byte{2}, 32), Pseudonym: p}
}

func compile(t testing.TB, resourceType string, masks []Rule, grants ...[]Rule) *Mask {
	t.Helper()
	m, err := Compile(definitions.R4(), resourceType, masks, grants)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// apply masks and sees that the result is JSON, and that masking it again changes
// nothing.
func apply(t testing.TB, m *Mask, doc string) string {
	t.Helper()
	if err := wire.Check([]byte(doc), wire.Limits{}); err != nil {
		t.Fatalf("test resource: %v", err)
	}
	out, err := m.Apply([]byte("x"), []byte(doc), testKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	if out[0] != 'x' {
		t.Fatal("dst isn't appended to")
	}
	out = out[1:]
	if err := wire.Check(out, wire.Limits{}); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	again, err := m.Apply(nil, out, testKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, out) {
		t.Fatalf("masked twice:\n%s\nonce:\n%s", again, out)
	}
	return string(out)
}

const (
	label  = `"meta":{"security":[` + redacted + `]}`
	absent = absentMasked
)

func TestApply(t *testing.T) {
	for _, tc := range []struct {
		name, resourceType string
		masks              []string
		in, want           string
	}{
		{
			"an element and the comma before it", "Patient",
			[]string{`{"path":"Patient.birthDate","action":"remove"}`},
			`{"resourceType":"Patient","id":"p","gender":"male","birthDate":"1980-01-02"}`,
			`{"resourceType":"Patient","id":"p","gender":"male",` + label + `}`,
		},
		{
			"the label, whether or not the element is there", "Patient",
			[]string{`{"path":"Patient.birthDate","action":"remove"}`},
			`{"resourceType":"Patient","id":"p","gender":"male"}`,
			`{"resourceType":"Patient","id":"p","gender":"male",` + label + `}`,
		},
		{
			"the label beside others, once", "Patient",
			[]string{`{"path":"Patient.birthDate","action":"remove"}`},
			`{"resourceType":"Patient","meta":{"versionId":"1","security":[{"code":"R"},` + redacted + `,` + redacted + `]},"id":"p"}`,
			`{"resourceType":"Patient","meta":{"versionId":"1","security":[{"code":"R"},` + redacted + `]},"id":"p"}`,
		},
		{
			"the label in a meta with none", "Patient",
			[]string{`{"path":"Patient.birthDate","action":"remove"}`},
			`{"resourceType":"Patient","meta":{ "versionId":"1" },"id":"p"}`,
			`{"resourceType":"Patient","meta":{ "versionId":"1","security":[` + redacted + `] },"id":"p"}`,
		},
		{
			"labels masked", "Patient",
			[]string{`{"path":"Patient.meta.security","action":"remove"}`},
			`{"resourceType":"Patient","meta":{"security":[{"code":"R"},{"code":"V"}]},"text":{"status":"generated","div":"<div/>"}}`,
			`{"resourceType":"Patient","meta":{"security":[` + redacted + `]},"text":{"status":"generated","div":"<div/>"}}`,
		},
		{
			"white space stays", "Patient",
			[]string{`{"path":"Patient.birthDate","action":"remove"}`},
			"{\n  \"resourceType\" : \"Patient\",\n  \"birthDate\": \"1980\",\n  \"name\": [ { \"family\" : \"F\" } ]\n}\n",
			"{\n  \"resourceType\" : \"Patient\",\n  \"name\": [ { \"family\" : \"F\" } ]," + label + "\n}\n",
		},
		{
			"through arrays, the sibling too", "Patient",
			[]string{`{"path":"Patient.name.given","action":"remove"}`},
			`{"resourceType":"Patient","name":[{"given":["A",null],"_given":[null,{"id":"x"}],"family":"F"},{"use":"old","given":["B"]}]}`,
			`{"resourceType":"Patient","name":[{"family":"F"},{"use":"old"}],` + label + `}`,
		},
		{
			"a sibling alone", "Patient",
			[]string{`{"path":"Patient.birthDate","action":"truncate","to":"year"}`},
			`{"resourceType":"Patient","_birthDate":{"extension":[{"url":"u","valueDateTime":"1980-01-02T03:04:05Z"}]}}`,
			`{"resourceType":"Patient",` + label + `}`,
		},
		{
			"parents left empty go", "Patient",
			[]string{`{"path":"Patient.contact.name.family","action":"remove"}`},
			`{"resourceType":"Patient","contact":[{"name":{"family":"F"}},{"name":{"family":"G"}}],"id":"p"}`,
			`{"resourceType":"Patient","id":"p",` + label + `}`,
		},
		{
			"an item left empty goes, the others stay", "Patient",
			[]string{`{"path":"Patient.name.family","action":"remove"}`},
			`{"resourceType":"Patient","name":[{"family":"F"},{"given":["A"]},{"family":"G"}]}`,
			`{"resourceType":"Patient","name":[{"given":["A"]}],` + label + `}`,
		},
		{
			"required complex", "Observation",
			[]string{`{"path":"Observation.code","action":"remove"}`},
			`{"resourceType":"Observation","status":"final","code":{"text":"x"}}`,
			`{"resourceType":"Observation","status":"final","code":` + absent + `,` + label + `}`,
		},
		{
			"required, left empty", "Observation",
			[]string{`{"path":"Observation.code.text","action":"remove"}`},
			`{"resourceType":"Observation","status":"final","code":{"text":"x"}}`,
			`{"resourceType":"Observation","status":"final","code":` + absent + `,` + label + `}`,
		},
		{
			"required primitive", "Bundle",
			[]string{`{"path":"Bundle.link.url","action":"remove"}`},
			`{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"u"}]}`,
			`{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","_url":` + absent + `}],` + label + `}`,
		},
		{
			"required primitive with its sibling first", "Bundle",
			[]string{`{"path":"Bundle.link.url","action":"remove"}`},
			`{"resourceType":"Bundle","type":"searchset","link":[{"_url":{"id":"i"},"relation":"self","url":"u"}]}`,
			`{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","_url":` + absent + `}],` + label + `}`,
		},
		{
			"required repeating primitive", "CoverageEligibilityRequest",
			[]string{`{"path":"CoverageEligibilityRequest.purpose","action":"remove"}`},
			`{"resourceType":"CoverageEligibilityRequest","status":"active","purpose":["benefits"]}`,
			`{"resourceType":"CoverageEligibilityRequest","status":"active","purpose":[null],"_purpose":[` + absent + `],` + label + `}`,
		},
		{
			"required repeating complex", "CarePlan",
			[]string{`{"path":"Observation.code","action":"remove"}`, `{"path":"CarePlan.title","action":"remove"}`},
			`{"resourceType":"CarePlan","status":"active","title":"x"}`,
			`{"resourceType":"CarePlan","status":"active",` + label + `}`,
		},
		{
			"required choice doesn't tell its type", "MedicationRequest",
			[]string{`{"path":"MedicationRequest.medication[x]","action":"remove"}`},
			`{"resourceType":"MedicationRequest","status":"active","medicationReference":{"reference":"Medication/m"}}`,
			`{"resourceType":"MedicationRequest","status":"active","medicationCodeableConcept":` + absent + `,` + label + `}`,
		},
		{
			"all types of a choice", "Observation",
			[]string{`{"path":"Observation.value","action":"remove"}`},
			`{"resourceType":"Observation","status":"final","code":{"text":"c"},"valueQuantity":{"value":1.0}}`,
			`{"resourceType":"Observation","status":"final","code":{"text":"c"},` + label + `}`,
		},
		{
			"a choice's primitive and sibling", "Observation",
			[]string{`{"path":"Observation.value[x]","action":"remove"}`},
			`{"resourceType":"Observation","status":"final","code":{"text":"c"},"valueString":"s","_valueString":{"id":"i"}}`,
			`{"resourceType":"Observation","status":"final","code":{"text":"c"},` + label + `}`,
		},
		{
			"one type of a choice", "Observation",
			[]string{`{"path":"Observation.valueQuantity.value","action":"remove"}`},
			`{"resourceType":"Observation","status":"final","code":{"text":"c"},"valueQuantity":{"value":1.0,"unit":"kg"}}`,
			`{"resourceType":"Observation","status":"final","code":{"text":"c"},"valueQuantity":{"unit":"kg"},` + label + `}`,
		},
		{
			"below a choice", "Observation",
			[]string{`{"path":"Observation.value.unit","action":"remove"}`},
			`{"resourceType":"Observation","status":"final","code":{"text":"c"},"valueQuantity":{"value":1.0,"unit":"kg"}}`,
			`{"resourceType":"Observation","status":"final","code":{"text":"c"},"valueQuantity":{"value":1.0},` + label + `}`,
		},
		{
			"any depth", "Observation",
			[]string{`{"path":"**.text","action":"remove"}`},
			`{"resourceType":"Observation","text":{"status":"generated","div":"d"},"status":"final","code":{"text":"c","coding":[{"code":"k"}]},"note":[{"text":"n","time":"2020"}],"extension":[{"url":"u","valueCodeableConcept":{"text":"e"}}],"unknown":{"a":[{"text":"t","b":1}]}}`,
			`{"resourceType":"Observation","status":"final","code":{"coding":[{"code":"k"}]},"note":[{"_text":` + absent + `,"time":"2020"}],"unknown":{"a":[{"b":1}]},` + label + `}`,
		},
		{
			"any type", "Observation",
			[]string{`{"path":"*.meta.tag","action":"remove"}`},
			`{"resourceType":"Observation","meta":{"tag":[{"code":"t"}]},"text":{"status":"generated","div":"d"}}`,
			`{"resourceType":"Observation","meta":{"security":[` + redacted + `]},"text":{"status":"generated","div":"d"}}`,
		},
		{
			"condition on items", "Patient",
			[]string{`{"path":"Patient.identifier.where(system='s' and value='v').value","action":"remove"}`},
			`{"resourceType":"Patient","identifier":[{"system":"s","value":"v"},{"system":"s","value":"w"},{"system":"\u0073","value":"v"}]}`,
			`{"resourceType":"Patient","identifier":[{"system":"s"},{"system":"s","value":"w"},{"system":"\u0073"}],` + label + `}`,
		},
		{
			"condition through arrays, whole items", "Patient",
			[]string{`{"path":"Patient.contact.where(relationship.coding.code='N')","action":"remove"}`},
			`{"resourceType":"Patient","contact":[{"relationship":[{"coding":[{"code":"C"},{"code":"N"}]}]},{"gender":"male"}]}`,
			`{"resourceType":"Patient","contact":[{"gender":"male"}],` + label + `}`,
		},
		{
			"condition on the resource", "Observation",
			[]string{`{"path":"Observation.where(code.coding.code='x').value","action":"remove"}`},
			`{"resourceType":"Observation","valueString":"s","code":{"coding":[{"code":"x"}]}}`,
			`{"resourceType":"Observation","code":{"coding":[{"code":"x"}]},` + label + `}`,
		},
		{
			"condition on the resource that doesn't hold: the label and narrative don't tell", "Observation",
			[]string{`{"path":"Observation.where(code.coding.code='x').value","action":"remove"}`},
			`{"resourceType":"Observation","text":{"status":"generated","div":"d"},"valueString":"s","code":{"coding":[{"code":"y"}]}}`,
			`{"resourceType":"Observation","valueString":"s","code":{"coding":[{"code":"y"}]},` + label + `}`,
		},
		{
			"extension by url", "Patient",
			[]string{`{"path":"Patient.extension.where(url='a')","action":"remove"}`},
			`{"resourceType":"Patient","extension":[{"url":"a","valueString":"1"},{"url":"b","valueString":"2"}]}`,
			`{"resourceType":"Patient","extension":[{"url":"b","valueString":"2"}],` + label + `}`,
		},
		{
			"an extension without its value goes", "Patient",
			[]string{`{"path":"Patient.extension.value","action":"remove"}`},
			`{"resourceType":"Patient","extension":[{"url":"a","valueString":"1"}]}`,
			`{"resourceType":"Patient",` + label + `}`,
		},
		{
			"inside of a sibling", "Patient",
			[]string{`{"path":"Patient.birthDate.extension","action":"remove"}`},
			`{"resourceType":"Patient","birthDate":"1980","_birthDate":{"extension":[{"url":"u","valueString":"x"}]}}`,
			`{"resourceType":"Patient","birthDate":"1980",` + label + `}`,
		},
		{
			"inside of a repeating sibling: pads stay in step", "Patient",
			[]string{`{"path":"Patient.name.given.extension","action":"remove"}`},
			`{"resourceType":"Patient","name":[{"given":["A",null,"B"],"_given":[null,{"extension":[{"url":"u","valueString":"x"}]},{"id":"i","extension":[{"url":"u","valueString":"y"}]}]}]}`,
			`{"resourceType":"Patient","name":[{"given":["A","B"],"_given":[null,{"id":"i"}]}],` + label + `}`,
		},
		{
			"narrative of contained resources, and their own rules", "Observation",
			[]string{`{"path":"Patient.name","action":"remove"}`},
			`{"resourceType":"Observation","text":{"status":"generated","div":"d"},"contained":[{"resourceType":"Patient","id":"c","text":{"status":"generated","div":"d"},"name":[{"family":"F"}]}],"status":"final"}`,
			`{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"c"}],"status":"final",` + label + `}`,
		},
		{
			"rules for types that aren't there", "Observation",
			[]string{`{"path":"Patient.name","action":"remove"}`},
			`{"resourceType":"Observation","text":{"status":"generated","div":"d"},"contained":[{"resourceType":"Device","id":"c"}],"status":"final"}`,
			`{"resourceType":"Observation","text":{"status":"generated","div":"d"},"contained":[{"resourceType":"Device","id":"c"}],"status":"final"}`,
		},
		{
			"contained of no known type", "Observation",
			[]string{`{"path":"Patient.name","action":"remove"}`},
			`{"resourceType":"Observation","contained":[{"resourceType":"Secret","name":[{"family":"F"}]}],"status":"final"}`,
			`{"resourceType":"Observation","status":"final"}`,
		},
		{
			"sections of a Composition", "Composition",
			[]string{`{"path":"Composition.title","action":"replace","value":"x"}`},
			`{"resourceType":"Composition","title":"T","section":[{"title":"S","text":{"status":"generated","div":"d"},"section":[{"text":{"status":"generated","div":"d"}}]}]}`,
			`{"resourceType":"Composition","title":"x","section":[{"title":"S"}],` + label + `}`,
		},
		{
			"entries of a Bundle", "Bundle",
			[]string{`{"path":"Patient.name","action":"remove"}`},
			`{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Composition","text":{"status":"generated","div":"d"},"section":[{"title":"S","text":{"status":"generated","div":"d"}}]}},{"resource":{"resourceType":"Patient","name":[{"family":"F"}]}}]}`,
			`{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Composition","section":[{"title":"S"}]}},{"resource":{"resourceType":"Patient",` + label + `}}]}`,
		},
		{
			"parameters", "Parameters",
			[]string{`{"path":"Patient.name","action":"remove"}`},
			`{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":{"resourceType":"Patient","name":[{"family":"F"}]}}]}]}`,
			`{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":{"resourceType":"Patient",` + label + `}}]}]}`,
		},
		{
			"display goes with its reference", "Observation",
			[]string{`{"path":"Observation.subject.reference","action":"remove"}`},
			`{"resourceType":"Observation","subject":{"display":"F","reference":"Patient/p","type":"Patient"},"performer":[{"display":"G"}]}`,
			`{"resourceType":"Observation","subject":{"type":"Patient"},"performer":[{"display":"G"}],` + label + `}`,
		},
		{
			"display goes with its identifier", "Observation",
			[]string{`{"path":"Observation.subject.identifier.value","action":"remove"}`},
			`{"resourceType":"Observation","subject":{"display":"F","identifier":{"system":"s","value":"v"}}}`,
			`{"resourceType":"Observation","subject":{"identifier":{"system":"s"}},` + label + `}`,
		},
		{
			"replace: objects, each item", "Patient",
			[]string{`{"path":"Patient.name","action":"replace","value":{"text": "x"}}`},
			`{"resourceType":"Patient","name":[{"family":"F"},{"family":"G"}]}`,
			`{"resourceType":"Patient","name":[{"text":"x"},{"text":"x"}],` + label + `}`,
		},
		{
			"replace: primitives with pads", "Patient",
			[]string{`{"path":"Patient.name.given","action":"replace","value":"x"}`},
			`{"resourceType":"Patient","name":[{"given":["A",null,"B"],"_given":[null,{"id":"i"},null]}]}`,
			`{"resourceType":"Patient","name":[{"given":["x","x"]}],` + label + `}`,
		},
		{
			"truncate dates", "Patient",
			[]string{`{"path":"Patient.birthDate","action":"truncate","to":"month"}`},
			`{"resourceType":"Patient","birthDate":"1980-01-02","_birthDate":{"id":"i"}}`,
			`{"resourceType":"Patient","birthDate":"1980-01",` + label + `}`,
		},
		{
			"truncate what is no date", "Patient",
			[]string{`{"path":"Patient.birthDate","action":"truncate","to":"year"}`},
			`{"resourceType":"Patient","birthDate":"02.01.1980","id":"p"}`,
			`{"resourceType":"Patient","id":"p",` + label + `}`,
		},
		{
			"truncate instants and periods and choices", "Observation",
			[]string{
				`{"path":"Observation.issued","action":"truncate","to":"month"}`, `{"path":"Observation.effective","action":"truncate","to":"day"}`,
			},
			`{"resourceType":"Observation","issued":"2015-02-07T13:28:17.239+02:00","effectivePeriod":{"start":"2015-02-07T13:28:17+02:00","end":"2015","id":"i"}}`,
			`{"resourceType":"Observation","issued":"2015-02-01T00:00:00Z","effectivePeriod":{"start":"2015-02-07","end":"2015"},` + label + `}`,
		},
		{
			"truncate: the types it doesn't fit go", "Observation",
			[]string{`{"path":"Observation.effective","action":"truncate","to":"day"}`},
			`{"resourceType":"Observation","effectiveTiming":{"event":["2015-02-07"]}}`,
			`{"resourceType":"Observation",` + label + `}`,
		},
		{
			"truncate texts", "Patient",
			[]string{`{"path":"Patient.address.postalCode","action":"truncate","to":"postal3"}`, `{"path":"Patient.address.city","action":"truncate","to":2}`},
			`{"resourceType":"Patient","address":[{"postalCode":"90210","city":"Zürich"},{"postalCode":"9","city":"\u00e9tretat"}]}`,
			`{"resourceType":"Patient","address":[{"postalCode":"902","city":"Zü"},{"postalCode":"9","city":"ét"}],` + label + `}`,
		},
		{
			"generalize", "Patient",
			[]string{`{"path":"Patient.gender","action":"generalize","map":{"male":"known","female":"known"},"default":"unknown"}`},
			`{"resourceType":"Patient","gender":"male"}`,
			`{"resourceType":"Patient","gender":"known",` + label + `}`,
		},
		{
			"generalize to the default", "Patient",
			[]string{`{"path":"Patient.gender","action":"generalize","map":{"male":"known"},"default":"unknown"}`},
			`{"resourceType":"Patient","gender":"other"}`,
			`{"resourceType":"Patient","gender":"unknown",` + label + `}`,
		},
		{
			"generalize without default", "Patient",
			[]string{`{"path":"Patient.multipleBirth","action":"generalize","map":{"2":3}}`},
			`{"resourceType":"Patient","multipleBirthInteger":5}`,
			`{"resourceType":"Patient",` + label + `}`,
		},
		{
			"escaped names are the same names", "Patient",
			[]string{`{"path":"Patient.birthDate","action":"remove"}`},
			`{"resourceType":"Patient","birth\u0044ate":"1980","\u005fbirthDate":{"id":"i"},"id":"p"}`,
			`{"resourceType":"Patient","id":"p",` + label + `}`,
		},
		{
			"forms that aren't FHIR hide nothing", "Patient", []string{`{"path":"Patient.name.family","action":"remove"}`, `{"path":"Patient.birthDate","action":"hash"}`}[:1],
			`{"resourceType":"Patient","name":"F","_name":{"family":"F"},"id":"p"}`,
			`{"resourceType":"Patient","id":"p",` + label + `}`,
		},
		{
			"one object in place of an array", "Patient",
			[]string{`{"path":"Patient.name.family","action":"remove"}`},
			`{"resourceType":"Patient","name":{"family":"F","use":"old"},"id":"p"}`,
			`{"resourceType":"Patient","name":{"use":"old"},"id":"p",` + label + `}`,
		},
		{
			"the narrative of a resource of which only meta is masked stays", "Patient",
			[]string{`{"path":"Patient.meta.source","action":"remove"}`},
			`{"resourceType":"Patient","meta":{"source":"s"},"text":{"status":"generated","div":"d"}}`,
			`{"resourceType":"Patient","meta":{"security":[` + redacted + `]},"text":{"status":"generated","div":"d"}}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := compile(t, tc.resourceType, rules(t, tc.masks...))
			if got := apply(t, m, tc.in); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestApplyHash(t *testing.T) {
	m := compile(t, "Patient", rules(t, `{"path":"Patient.name.family","action":"hash"}`))
	family := func(doc string) string {
		name, _ := wire.Get([]byte(apply(t, m, doc)), "name")
		for item := range wire.Items(name) {
			return textOf(item, "family")
		}
		return ""
	}
	a := family(`{"resourceType":"Patient","name":[{"family":"F"}]}`)
	if len(a) != hashText || !strings.HasPrefix(a, hashPrefix) {
		t.Errorf("no hash: %s", a)
	}
	if b := family(`{"resourceType":"Patient","name":[{"family":"\u0046"}]}`); a != b {
		t.Errorf("equal values differ: %s, %s", a, b)
	}
	forged := hashPrefix + strings.Repeat("A", hashText-len(hashPrefix))
	if got := family(`{"resourceType":"Patient","name":[{"family":"` + forged + `"}]}`); got == forged {
		t.Error("a value that only looks like a hash came through")
	}
	if _, err := m.Apply(nil, []byte(`{"resourceType":"Patient","name":[{"family":"F"}]}`), nil); !errors.Is(err, ErrKeys) {
		t.Errorf("without a key: %v", err)
	}
}

func TestApplyPseudonyms(t *testing.T) {
	k := testKeys(t)
	p1, err := k.Pseudonym.ID("Patient", "p1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, resourceType, rule, in, want string }{
		{
			"id", "Patient", `{"path":"Patient.id","action":"pseudonymize"}`,
			`{"resourceType":"Patient","id":"p1","text":{"status":"generated","div":"p1"}}`,
			`{"resourceType":"Patient","id":"` + p1 + `",` + label + `}`,
		},
		{
			"references follow ids", "Observation", `{"path":"Patient.id","action":"pseudonymize"}`,
			`{"resourceType":"Observation","subject":{"reference":"Patient/p1","display":"F","type":"Patient"},"encounter":{"reference":"Encounter/e"},"contained":[{"resourceType":"Patient","id":"c"}],"focus":[{"reference":"#c"}]}`,
			`{"resourceType":"Observation","subject":{"reference":"Patient/` + p1 + `","type":"Patient"},"encounter":{"reference":"Encounter/e"},"contained":[{"resourceType":"Patient","id":"c"}],"focus":[{"reference":"#c"}],` + label + `}`,
		},
		{
			"a version", "Observation", `{"path":"Observation.subject","action":"pseudonymize"}`,
			`{"resourceType":"Observation","subject":{"reference":"Patient/p1/_history/3"}}`,
			`{"resourceType":"Observation","subject":{"reference":"Patient/` + p1 + `/_history/3"},` + label + `}`,
		},
		{
			"what can't be", "Observation", `{"path":"Observation.performer","action":"pseudonymize"}`,
			`{"resourceType":"Observation","performer":[{"reference":"Patient?identifier=1"},{"reference":"http://a/Patient/p1"},{"reference":"urn:uuid:1"},{"identifier":{"value":"v"}},{"reference":"#c"}]}`,
			`{"resourceType":"Observation","performer":[{"reference":"#c"}],` + label + `}`,
		},
		{
			"the reference itself", "Observation", `{"path":"Observation.subject.reference","action":"pseudonymize"}`,
			`{"resourceType":"Observation","subject":{"reference":"Patient/p1","display":"F"}}`,
			`{"resourceType":"Observation","subject":{"reference":"Patient/` + p1 + `"},` + label + `}`,
		},
		{
			"identifiers", "Patient", `{"path":"Patient.identifier","action":"pseudonymize"}`,
			`{"resourceType":"Patient","identifier":[{"use":"old","system":"s","value":"v","assigner":{"display":"A"}}]}`,
			`{"resourceType":"Patient","identifier":[{"use":"old","system":"s","value":"` + k.Pseudonym.Value("v") + `"}],` + label + `}`,
		},
		{
			"through a modifier", "Patient", `{"path":"Patient.link.other","action":"pseudonymize"}`,
			`{"resourceType":"Patient","link":[{"other":{"reference":"Patient/p1","display":"F"},"type":"seealso"}]}`,
			`{"resourceType":"Patient","link":[{"other":{"reference":"Patient/` + p1 + `"},"type":"seealso"}],` + label + `}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := apply(t, compile(t, tc.resourceType, rules(t, tc.rule)), tc.in); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestApplyGrants(t *testing.T) {
	const in = `{"resourceType":"Patient","name":[{"family":"F","given":["A"]}],"birthDate":"1980-01-02"}`
	none := []Rule{}
	name, family := remove(t, "Patient.name"), remove(t, "Patient.name.family")
	year := rules(t, `{"path":"Patient.birthDate","action":"truncate","to":"year"}`)
	month := rules(t, `{"path":"Patient.birthDate","action":"truncate","to":"month"}`)
	gone := remove(t, "Patient.birthDate")
	for _, tc := range []struct {
		name   string
		masks  []Rule
		grants [][]Rule
		want   string
	}{
		{"one grant without masks shows all", nil, [][]Rule{name, none}, in},
		{"no grants", nil, nil, in},
		{"only what all cover", nil, [][]Rule{name, family}, `{"resourceType":"Patient","name":[{"given":["A"]}],"birthDate":"1980-01-02",` + label + `}`},
		{"nothing common", nil, [][]Rule{name, gone}, `{"resourceType":"Patient","name":[{"family":"F","given":["A"]}],"birthDate":"1980-01-02",` + label + `}`},
		{"grants: the one that shows more", nil, [][]Rule{gone, year, month}, `{"resourceType":"Patient","name":[{"family":"F","given":["A"]}],"birthDate":"1980-01",` + label + `}`},
		{"restrictions: the one that shows less", slicesOf(month, year), nil, `{"resourceType":"Patient","name":[{"family":"F","given":["A"]}],"birthDate":"1980",` + label + `}`},
		{"restrictions cut whatever grants say", year, [][]Rule{none, month}, `{"resourceType":"Patient","name":[{"family":"F","given":["A"]}],"birthDate":"1980",` + label + `}`},
		{"grant stricter than the restriction", month, [][]Rule{gone}, `{"resourceType":"Patient","name":[{"family":"F","given":["A"]}],` + label + `}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := apply(t, compile(t, "Patient", tc.masks, tc.grants...), in); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
	t.Run("a grant that covers what contains a resource", func(t *testing.T) {
		m := compile(t, "Observation", nil, remove(t, "Observation.contained"), remove(t, "Patient.name", "Observation.note"))
		got := apply(t, m, `{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"c","name":[{"family":"F"}]}]}`)
		if want := `{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"c"}],` + label + `}`; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func slicesOf(lists ...[]Rule) []Rule {
	var out []Rule
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

func TestApplyRefuses(t *testing.T) {
	m := compile(t, "Patient", remove(t, "Patient.name"))
	for _, doc := range []string{`{"resourceType":"Observation"}`, `{}`, `{"resourceType":["Patient"]}`, `{"resourceType":"Nothing"}`} {
		out, err := m.Apply([]byte("abc"), []byte(doc), nil)
		if !errors.Is(err, ErrResource) || string(out) != "abc" {
			t.Errorf("%s: %v, %s", doc, err, out)
		}
	}
	deep := compile(t, "Condition", remove(t, "**.text"))
	ok := apply(t, deep, `{"resourceType":"Condition","clinicalStatus":{"text":"t","coding":[{"code":"active"}]}}`)
	if want := `{"resourceType":"Condition","clinicalStatus":{"coding":[{"code":"active"}]},` + label + `}`; ok != want {
		t.Errorf("got %s", ok)
	}
	for _, doc := range []string{
		`{"resourceType":"Condition","clinicalStatus":{"text":"t"}}`,
		`{"resourceType":"Condition","modifierExtension":[{"url":"u","valueCodeableConcept":{"text":"t"}}]}`,
	} {
		if _, err := deep.Apply(nil, []byte(doc), nil); !errors.Is(err, ErrModifier) {
			t.Errorf("%s: %v, want %v", doc, err, ErrModifier)
		}
	}
}

func TestApplyConcurrently(t *testing.T) {
	m := compile(t, "Patient", remove(t, "**.text", "Patient.identifier.where(system='http://hl7.org/fhir/sid/us-ssn').value"))
	k := testKeys(t)
	doc := []byte(benchPatient(1))
	want, err := compile(t, "Patient", remove(t, "**.text", "Patient.identifier.where(system='http://hl7.org/fhir/sid/us-ssn').value")).Apply(nil, doc, k)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				if got, err := m.Apply(nil, doc, k); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%v, %s", err, got)
				}
			}
		})
	}
	group.Wait()
}
