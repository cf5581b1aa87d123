package identity

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/smart"
)

// TestMapping maps tokens of the shapes that the issuers document.
func TestMapping(t *testing.T) {
	yes, no := true, false
	tests := []struct {
		name   string
		issuer Issuer
		claims string // ISS, IAT and EXP are filled in
		want   access.Principal
		scopes []string
	}{
		{
			name:   "Entra v2, delegated",
			issuer: Issuer{Preset: "entra", Audiences: []string{"6e74172b-be56-4843-9ff4-e66a39bb12e3"}, Tenants: []string{"72f988bf-86f1-41af-91ab-2d7cd011db47"}},
			claims: `{"aud":"6e74172b-be56-4843-9ff4-e66a39bb12e3","iss":"ISS","iat":IAT,"nbf":IAT,"exp":EXP,"aio":"AXQAi/8IAAAA",
				"azp":"1b7ad4a9-0000-4c7b-9a0b-4b1a0bd0f1aa","azpacr":"0","groups":["6ce1e0a4-0000-4c7b-9a0b-4b1a0bd0f1aa"],
				"name":"Adele Vance","oid":"690222be-ff1a-4d56-abd1-7e4f7d38e474","preferred_username":"adele@contoso.example",
				"rh":"I","roles":["practitioner","auditor"],"scp":"patient.Observation.rs user.all.read access_as_user launch.patient",
				"sub":"HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ","tid":"72f988bf-86f1-41af-91ab-2d7cd011db47","uti":"fqiBqXLPj0eQa82S-IYFAA","ver":"2.0",
				"extn.fhirUser":["Practitioner/p1"]}`,
			want: access.Principal{
				Subject: "690222be-ff1a-4d56-abd1-7e4f7d38e474", Client: "1b7ad4a9-0000-4c7b-9a0b-4b1a0bd0f1aa", Tenant: "72f988bf-86f1-41af-91ab-2d7cd011db47",
				Roles: []string{"practitioner", "auditor"}, Groups: []string{"6ce1e0a4-0000-4c7b-9a0b-4b1a0bd0f1aa"},
				FHIRUser: "Practitioner/p1", Participants: []string{"Practitioner/p1"},
			},
			scopes: []string{"patient/Observation.rs", "user/*.read"},
		},
		{
			name:   "Entra v1, application",
			issuer: Issuer{Preset: "entra", Clients: map[string]Client{"1b7ad4a9-0000-4c7b-9a0b-4b1a0bd0f1aa": {ScopesRequired: &yes}}},
			claims: `{"aud":"https://gate.example/fhir","iss":"ISS","iat":IAT,"nbf":IAT,"exp":EXP,"aio":"E2RgYHjE","appid":"1b7ad4a9-0000-4c7b-9a0b-4b1a0bd0f1aa",
				"appidacr":"1","idp":"https://sts.windows.net/72f988bf/","oid":"f8a8c1d0-0000-4c7b-9a0b-4b1a0bd0f1aa","rh":"0.A","roles":["system.all.read"],
				"sub":"f8a8c1d0-0000-4c7b-9a0b-4b1a0bd0f1aa","tid":"72f988bf-86f1-41af-91ab-2d7cd011db47","uti":"x","ver":"1.0"}`,
			want: access.Principal{
				Subject: "f8a8c1d0-0000-4c7b-9a0b-4b1a0bd0f1aa", Client: "1b7ad4a9-0000-4c7b-9a0b-4b1a0bd0f1aa", Tenant: "72f988bf-86f1-41af-91ab-2d7cd011db47",
				Roles: []string{"system.all.read"}, ScopesRequired: true,
			},
		},
		{
			name:   "Keycloak",
			issuer: Issuer{Preset: "keycloak", RoleClients: []string{"fhir.gate"}},
			claims: `{"exp":EXP,"iat":IAT,"auth_time":1,"jti":"onrtac:7f","iss":"ISS","aud":["https://gate.example/fhir","account"],"sub":"f:1:anna","typ":"Bearer",
				"azp":"portal","sid":"a1","acr":"1","allowed-origins":["https://portal.example"],
				"realm_access":{"roles":["default-roles-clinic","offline_access","practitioner"]},
				"resource_access":{"fhir.gate":{"roles":["researcher","practitioner"]},"account":{"roles":["manage-account"]}},
				"scope":"openid patient/*.rs email","groups":["/wards/7"],"fhirUser":"https://gate.example/fhir/Practitioner/p7","preferred_username":"anna"}`,
			want: access.Principal{
				Subject: "f:1:anna", Client: "portal", Roles: []string{"default-roles-clinic", "offline_access", "practitioner", "researcher"},
				Groups: []string{"/wards/7"}, FHIRUser: "Practitioner/p7", Participants: []string{"Practitioner/p7"},
			},
			scopes: []string{"patient/*.rs"},
		},
		{
			name:   "SMART, patient launch",
			issuer: Issuer{Preset: "smart"},
			claims: `{"iss":"ISS","aud":"https://gate.example/fhir","exp":EXP,"iat":IAT,"sub":"user-9","client_id":"growth-chart",
				"scope":["launch/patient","patient/Observation.rs?category=a|b","patient/Patient.r x"],"fhirUser":"Patient/123","patient":"123","encounter":"e-5",
				"extensions":{"ihe_iua":{"purpose_of_use":[{"system":"urn:oid:2.16.840.1.113883.1.11.20448","code":"TREAT"}]},"other":{"x":1}},"purpose_of_use":"HPAYMT"}`,
			want: access.Principal{
				Subject: "user-9", Client: "growth-chart", ScopesRequired: true, FHIRUser: "Patient/123", Participants: []string{"Patient/123"},
				LaunchPatient: "123", LaunchEncounter: "e-5", PurposeOfUse: []string{"HPAYMT", "TREAT"},
			},
			scopes: []string{"patient/Observation.rs?category=a|b"},
		},
		{
			name:   "SMART, backend service",
			issuer: Issuer{Preset: "smart", ScopesRequired: &no},
			claims: `{"iss":"ISS","aud":"https://gate.example/fhir","exp":EXP,"iat":IAT,"sub":"bulk","client_id":"bulk","scope":"system/*.rs"}`,
			want:   access.Principal{Subject: "bulk", Client: "bulk"},
			scopes: []string{"system/*.rs"},
		},
		{
			name: "custom paths",
			issuer: Issuer{
				Preset: "custom", ScopeMap: map[string]string{"fhir-read": "user/*.rs"},
				Claims: Claims{
					Roles: []string{`https://gate\.example/roles`, "extra.role"}, Subject: []string{"act.sub", "sub"}, Patient: []string{"ctx.patient"},
					Tenant: []string{"org"},
				},
			},
			claims: `{"iss":"ISS","aud":"https://gate.example/fhir","exp":EXP,"iat":IAT,"sub":"u","client_id":"c","scope":"fhir-read other","org":"north",
				"https://gate.example/roles":["a"],"extra":{"role":"b"},"ctx":{"patient":"Patient/p-1"},"roles":["ignored"],"groups":["ignored"],"purpose_of_use":null}`,
			want:   access.Principal{Subject: "u", Client: "c", Tenant: "north", Roles: []string{"a", "b"}, LaunchPatient: "p-1"},
			scopes: []string{"user/*.rs"},
		},
	}
	c := newClock()
	p := newPeer(t, c)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.issuer.URL = p.url()
			end := c.Now().Add(time.Hour)
			claims := strings.NewReplacer("ISS", p.url(), "IAT", mustJSON(t, c.Now().Unix()), "EXP", mustJSON(t, end.Unix())).Replace(tt.claims)
			token := sign(t, "RS256", map[string]any{"kid": "rsa", "typ": "JWT"}, claims, rsaKey())
			got, err := newAuth(t, c, tt.issuer).Authenticate(context.Background(), "a", "Bearer "+token)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Issuer, tt.want.Expires = p.url(), end
			tt.want.Scopes, _ = smart.ParseScopes(strings.Join(tt.scopes, " "))
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestFHIRUser(t *testing.T) {
	bases := []string{base, "http://old.example/r4/", "6e74172b-be56"}
	for claim, want := range map[string]string{
		"Practitioner/p1":                       "Practitioner/p1",
		"PractitionerRole/r.1":                  "PractitionerRole/r.1",
		base + "/Person/1":                      "Person/1",
		"http://old.example/r4/RelatedPerson/7": "RelatedPerson/7",
		"":                                      "",
		"https://gate.example/fhir-b/Practitioner/p1":     "",
		"https://gate.example/fhirPractitioner/p1":        "",
		"https://gate.example/fhir//Practitioner/p1":      "",
		"https://gate.example/fhir/x/../Practitioner/p1":  "",
		"https://evil.example/fhir/Practitioner/p1":       "",
		"http://gate.example/fhir/Practitioner/p1":        "",
		"//evil.example/Practitioner/p1":                  "",
		"/Practitioner/p1":                                "",
		"Practitioner/p1/_history/1":                      "",
		"Practitioner/p1?x=y":                             "",
		"Practitioner/p1#a":                               "",
		"Practitioner/":                                   "",
		"Practitioner":                                    "",
		"practitioner/p1":                                 "",
		"Observation/o1":                                  "",
		"Group/g1":                                        "",
		"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0":   "",
		"Practitioner/" + strings.Repeat("x", 65):         "",
		"https://gate.example/fhir/Practitioner/p1\n":     "",
		"6e74172b-be56/Practitioner/p1":                   "",
		"https://user@gate.example/fhir/Practitioner/p1":  "",
		"https://gate.example:443/fhir/Practitioner/p1":   "",
		"https://gate.example/fhir/Practitioner/https://": "",
	} {
		if got := localUser(claim, bases); got != want {
			t.Errorf("localUser(%q) = %q, want %q", claim, got, want)
		}
	}
}

func TestUnmappableClaims(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	a := newAuth(t, c, Issuer{URL: p.url(), Preset: "smart"})
	for name, changes := range map[string]map[string]any{
		"sub a number":            {"sub": 7},
		"sub empty":               {"sub": ""},
		"azp an array of two":     {"azp": []string{"a", "b"}},
		"roles an object":         {"roles": map[string]any{"a": true}},
		"roles with a number":     {"roles": []any{"a", 1}},
		"roles a boolean":         {"roles": true},
		"scope a number":          {"scope": 1},
		"scope an object":         {"scope": map[string]any{"a": 1}},
		"fhirUser an object":      {"fhirUser": map[string]any{"reference": "Practitioner/1"}},
		"patient an array of two": {"patient": []string{"1", "2"}},
		"patient empty":           {"patient": ""},
		"patient of no type":      {"patient": "Patient/"},
		"patient a search":        {"patient": "1?x=y"},
		"patient of another type": {"patient": "Group/1"},
		"patient an absolute URL": {"patient": "https://evil.example/Patient/1"},
		"encounter a number":      {"encounter": 5},
	} {
		t.Run(name, func(t *testing.T) {
			// A sub of the wrong type fails go-oidc's reading, which comes first.
			if err := authenticate(a, p.token(changes)); !errors.Is(err, ErrClaims) && !errors.Is(err, ErrMalformed) {
				t.Fatalf("got %v, want %v", err, ErrClaims)
			}
		})
	}
}

func TestScopesRequired(t *testing.T) {
	yes, no := true, false
	c := newClock()
	p := newPeer(t, c)
	for _, tt := range []struct {
		name   string
		issuer Issuer
		want   bool
	}{
		{"smart", Issuer{Preset: "smart"}, true},
		{"custom", Issuer{Preset: "custom"}, false},
		{"custom, required", Issuer{Preset: "custom", ScopesRequired: &yes}, true},
		{"smart, not required", Issuer{Preset: "smart", ScopesRequired: &no}, false},
		{"client required", Issuer{Preset: "custom", Clients: map[string]Client{"app-1": {ScopesRequired: &yes}}}, true},
		{"client not required", Issuer{Preset: "smart", Clients: map[string]Client{"app-1": {ScopesRequired: &no}}}, false},
		{"another client", Issuer{Preset: "smart", Clients: map[string]Client{"app-2": {ScopesRequired: &no}}}, true},
		{"client says nothing", Issuer{Preset: "smart", Clients: map[string]Client{"app-1": {}}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.issuer.URL = p.url()
			got, err := newAuth(t, c, tt.issuer).Authenticate(context.Background(), "a", "Bearer "+p.token(nil))
			if err != nil || got.ScopesRequired != tt.want {
				t.Fatalf("ScopesRequired = %v, %v; want %v", got.ScopesRequired, err, tt.want)
			}
		})
	}
}

// TestScopesNotUnderstood: a token with resource scopes never passes for one
// without any, even if none of them can be read.
func TestScopesNotUnderstood(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	for _, tt := range []struct {
		preset  string
		scope   any
		granted int
		want    bool
	}{
		{"custom", "openid profile launch/patient", 0, false},
		{"custom", "patient/Observation.sr", 0, true},
		{"custom", "Patient/Observation.rs", 0, true},
		{"custom", []string{"user/*.rs x"}, 0, true},
		{"custom", []string{"patient/Observation.rs?a=b c", "openid"}, 0, true},
		{"custom", "user/*.rs user/*.sr", 1, false},
		{"custom", "patient.Observation.rs", 0, false},
		{"entra", "patient.Observation.rs", 1, false},
		{"entra", "patient.all.cruds?_tag=a.b", 1, false},
		{"entra", "patient.Observation.sr", 0, true},
		{"entra", "user.impersonation access_as_user user.read.all", 0, false},
	} {
		a := newAuth(t, c, Issuer{URL: p.url(), Preset: tt.preset})
		token := p.token(map[string]any{"scope": nil, "scp": tt.scope, "azpacr": "1"})
		got, err := a.Authenticate(context.Background(), "a", "Bearer "+token)
		if err != nil || len(got.Scopes) != tt.granted || got.ScopesRequired != tt.want {
			t.Errorf("%s %q: %d scopes, required %v, %v; want %d, %v", tt.preset, tt.scope, len(got.Scopes), got.ScopesRequired, err, tt.granted, tt.want)
		}
	}
}

func TestLinks(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	links, failure, calls := []string{"Practitioner/p1", "Patient/9"}, error(nil), 0
	a, err := New([]Upstream{{Name: "a", Audiences: []string{base}, Issuers: []Issuer{{URL: p.url(), Preset: "smart"}}}}, Options{
		Clock: c.Now,
		Links: func(_ context.Context, upstream, issuer, subject string) ([]string, error) {
			calls++
			if upstream != "a" || issuer != p.url() || subject != "person-1" {
				t.Errorf("links of %s, %s, %s", upstream, issuer, subject)
			}
			return links, failure
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	token := p.token(map[string]any{"fhirUser": "Practitioner/p1"})
	participants := func(want ...string) {
		t.Helper()
		got, err := a.Authenticate(context.Background(), "a", "Bearer "+token)
		if err != nil || !slices.Equal(got.Participants, want) {
			t.Fatalf("participants = %q, %v; want %q", got.Participants, err, want)
		}
	}
	participants("Practitioner/p1", "Patient/9")
	links = nil
	participants("Practitioner/p1", "Patient/9")
	if calls != 1 {
		t.Errorf("links were read %d times, want once", calls)
	}
	c.Advance(linksMaxAge)
	participants("Practitioner/p1")
	c.Advance(linksMaxAge)
	failure = errors.New("store is down")
	if err := authenticate(a, token); !errors.Is(err, ErrUnavailable) || !errors.Is(err, failure) {
		t.Fatalf("store down: %v, want %v", err, ErrUnavailable)
	}
}
