package smart

import (
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestParseScopesGrants(t *testing.T) {
	tests := []struct {
		text string
		want Scope
	}{
		{"patient/Observation.read", Scope{Context: Patient, Type: "Observation", Read: true, Search: true}},
		{"user/*.write", Scope{Context: User, Type: "*", Create: true, Update: true, Delete: true}},
		{"system/*.*", Scope{Context: System, Type: "*", Create: true, Read: true, Update: true, Delete: true, Search: true}},
		{"patient/*.cruds", Scope{Context: Patient, Type: "*", Create: true, Read: true, Update: true, Delete: true, Search: true}},
		{"patient/Patient.r", Scope{Context: Patient, Type: "Patient", Read: true}},
		{"patient/Patient.s", Scope{Context: Patient, Type: "Patient", Search: true}},
		{"user/Encounter.cd", Scope{Context: User, Type: "Encounter", Create: true, Delete: true}},
		{"user/Encounter.u", Scope{Context: User, Type: "Encounter", Update: true}},
		{
			"patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
			Scope{Context: Patient, Type: "Observation", Read: true, Search: true, Params: url.Values{
				"category": {"http://terminology.hl7.org/CodeSystem/observation-category|laboratory"},
			}},
		},
		{
			"patient/Observation.rs?category=a%7Cb&category=c&code=x+y",
			Scope{Context: Patient, Type: "Observation", Read: true, Search: true, Params: url.Values{
				"category": {"a|b", "c"}, "code": {"x y"},
			}},
		},
		{
			"user/Observation.s?code:in=http://valueset.example.org/ValueSet/diabetes-codes",
			Scope{Context: User, Type: "Observation", Search: true, Params: url.Values{
				"code:in": {"http://valueset.example.org/ValueSet/diabetes-codes"},
			}},
		},
		{
			"user/*.rs?_tag=x%3D1", Scope{Context: User, Type: "*", Read: true, Search: true, Params: url.Values{"_tag": {"x=1"}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			tt.want.Text = tt.text
			scopes, other := ParseScopes(tt.text)
			if len(other) != 0 || len(scopes) != 1 || !reflect.DeepEqual(scopes[0], tt.want) {
				t.Fatalf("ParseScopes = %+v, other %q; want %+v", scopes, other, tt.want)
			}
		})
	}
}

func TestParseScopesRefuses(t *testing.T) {
	for _, text := range []string{
		"openid", "fhirUser", "launch/patient", "launch", "offline_access", "profile",
		"patient/Observation", "patient/Observation.", "patient/.read", "patient/*", "patient.Observation.read", "/Observation.read",
		"Patient/Observation.read", "PATIENT/Observation.read", "practitioner/Observation.read", "patient/observation.read",
		"patient/Observation.Read", "patient/Observation.READ", "patient/Observation.sr", "patient/Observation.rr", "patient/Observation.crudsx",
		"patient/Observation.rs.", "patient/Observation.read.read", "patient/Observation.reads", "patient/Observation.r*", "patient/**.read",
		"patient/Obs*.read", "patient/Observation/1.read", "patient//Observation.read", "patient/Observation1.read", "patient/O_b.read",
		"patient/Observation.read?category=a", "patient/Observation.*?category=a",
		"patient/Observation.rs?", "patient/Observation.rs?a", "patient/Observation.rs?a=", "patient/Observation.rs?=a", "patient/Observation.rs?a=b&",
		"patient/Observation.rs?&a=b", "patient/Observation.rs?a=%zz", "patient/Observation.rs?a=%", "patient/Observation.rs?a%zz=b",
		"patient/Observation.rs?a=%00", "patient/Observation.rs?a=%ff", "patient/Observation.rs?a%26b=c", "patient/Observation.rs?a%20=c",
		"patient/Observation.rs\t", "patient/Observation.rs\u00a0", "\"patient/Observation.rs\"", "patient\\/Observation.rs", "patient/Observatiоn.rs",
		"patient/" + strings.Repeat("A", maxTypeBytes+1) + ".read",
	} {
		t.Run(text, func(t *testing.T) {
			scopes, other := ParseScopes(text)
			if len(scopes) != 0 || !slices.Equal(other, []string{text}) {
				t.Fatalf("ParseScopes = %+v, other %q; want nothing granted", scopes, other)
			}
		})
	}
}

func TestParseScopesSplits(t *testing.T) {
	scopes, other := ParseScopes("  openid patient/Patient.r  launch/patient user/Patient.read patient/Patient.r openid user/x.read ")
	var texts []string
	for _, s := range scopes {
		texts = append(texts, s.Text)
	}
	if want := []string{"patient/Patient.r", "user/Patient.read"}; !slices.Equal(texts, want) {
		t.Errorf("scopes = %q, want %q", texts, want)
	}
	if want := []string{"openid", "launch/patient", "user/x.read"}; !slices.Equal(other, want) {
		t.Errorf("other = %q, want %q", other, want)
	}
	if scopes, other := ParseScopes(""); scopes != nil || other != nil {
		t.Errorf("empty claim = %v, %v, want nothing", scopes, other)
	}
}

// grammar says the same as the parser in another notation; decoding of the
// parameters is left to net/url, which is laxer.
var grammar = regexp.MustCompile(`^(patient|user|system)/(\*|[A-Z][A-Za-z]{0,63})\.(?:(read|write|\*)|(c?r?u?d?s?)(\?[\x21\x23-\x5b\x5d-\x7e]+)?)$`)

func FuzzParseScopes(f *testing.F) {
	f.Add("openid patient/Observation.rs?category=a|b user/*.* system/Patient.cruds")
	f.Add("patient/*.read patient/*.sr launch/patient")
	f.Add("patient/Observation.rs?a=%2526&b=c%20d")
	f.Fuzz(func(t *testing.T, claim string) {
		scopes, other := ParseScopes(claim)
		var tokens []string
		for _, s := range scopes {
			checkAgainstGrammar(t, s)
			tokens = append(tokens, s.Text)
		}
		tokens = append(tokens, other...)
		slices.Sort(tokens)
		want := slices.DeleteFunc(strings.Split(claim, " "), func(s string) bool { return s == "" })
		slices.Sort(want)
		if want = slices.Compact(want); !slices.Equal(tokens, want) {
			t.Fatalf("tokens of %q became %q", claim, tokens)
		}
		for _, text := range other {
			if m := grammar.FindStringSubmatch(text); m != nil && m[3]+m[4] != "" && m[5] == "" {
				t.Fatalf("%q is a resource scope by the grammar, yet was refused", text)
			}
		}
	})
}

// checkAgainstGrammar fails when a scope grants anything that its text, read by
// the grammar above, does not.
func checkAgainstGrammar(t *testing.T, s Scope) {
	t.Helper()
	m := grammar.FindStringSubmatch(s.Text)
	if m == nil {
		t.Fatalf("%q granted, but it is no resource scope", s.Text)
	}
	letters := m[4]
	switch m[3] {
	case "read":
		letters = "rs"
	case "write":
		letters = "cud"
	case "*":
		letters = "cruds"
	}
	got := ""
	for i, granted := range []bool{s.Create, s.Read, s.Update, s.Delete, s.Search} {
		if granted {
			got += permissionLetters[i : i+1]
		}
	}
	if got != letters || got == "" || string(s.Context) != m[1] || s.Type != m[2] {
		t.Fatalf("%q granted %q on %s/%s", s.Text, got, s.Context, s.Type)
	}
	if m[5] == "" {
		if s.Params != nil {
			t.Fatalf("%q has parameters %v out of nothing", s.Text, s.Params)
		}
		return
	}
	// A raw ";" is legal here and refused by net/url, so it is escaped first.
	want, err := url.ParseQuery(strings.ReplaceAll(m[5][1:], ";", "%3B"))
	if err != nil || !reflect.DeepEqual(want, s.Params) {
		t.Fatalf("%q: parameters %v, want %v, %v", s.Text, s.Params, want, err)
	}
}
