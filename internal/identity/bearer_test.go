package identity

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestBearer(t *testing.T) {
	for header, want := range map[string]error{
		"":                       ErrNoToken,
		"Bearer a.b.c":           nil,
		"bearer a.b.c":           nil,
		"BEARER   a.b.c":         nil,
		"Bearer":                 ErrMalformed,
		"Bearer ":                ErrMalformed,
		" Bearer a.b.c":          ErrMalformed,
		"Bearer\ta.b.c":          ErrMalformed,
		"Bearera.b.c":            ErrMalformed,
		"Basic a.b.c":            ErrMalformed,
		"DPoP a.b.c":             ErrMalformed,
		"a.b.c":                  ErrMalformed,
		"Bearer a.b.c ":          ErrMalformed,
		"Bearer a.b.c, a.b.c":    ErrMalformed,
		"Bearer a.b.c\r\nX: y":   ErrMalformed,
		"Bearer a.b":             ErrMalformed,
		"Bearer a.b.":            ErrMalformed,
		"Bearer .b.c":            ErrMalformed,
		"Bearer a..c":            ErrMalformed,
		"Bearer a.b.c.d":         ErrMalformed,
		"Bearer a.b=.c":          ErrMalformed,
		"Bearer a.b+.c":          ErrMalformed,
		"Bearer {\"a\":1}":       ErrMalformed,
		"Bearer opaque-token":    ErrMalformed,
		"Bearer " + longText(65): ErrTooLarge,
	} {
		if _, err := bearer(header, 64); !errors.Is(err, want) {
			t.Errorf("bearer(%q) = %v, want %v", header, err, want)
		}
	}
}

func longText(n int) string { return strings.Repeat("a", n) }

// FuzzAuthorization: whatever the header, the answer is a refusal with a code, and
// it repeats nothing of the header.
func FuzzAuthorization(f *testing.F) {
	c := newClock()
	p := newPeer(f, c)
	a := newAuth(f, c, Issuer{URL: p.url(), Preset: "smart"})
	good := p.token(nil)
	f.Add("Bearer " + good)
	f.Add("Bearer " + encode(`{"alg":"none"}`) + "." + encode(`{"iss":"x","aud":"a","exp":1,"iat":1}`) + ".x")
	f.Add("Bearer " + encode(`{"alg":"RS256","kid":"rsa"}`) + "." + encode(p.url()) + ".AAAA")
	f.Add("basic a:b")
	f.Fuzz(func(t *testing.T, header string) {
		principal, err := a.Authenticate(context.Background(), "a", header)
		if err == nil {
			if !strings.HasSuffix(header, good) {
				t.Fatalf("%q was accepted", header)
			}
			return
		}
		if Code(err) == "" || !principal.Anonymous() || principal.Roles != nil || principal.Scopes != nil {
			t.Fatalf("%q: %v has no code, or comes with %+v", header, err, principal)
		}
		if token, ok := strings.CutPrefix(header, "Bearer "); ok && len(token) > 20 && strings.Contains(err.Error(), token) {
			t.Fatalf("%v repeats the token", err)
		}
	})
}

// FuzzClaims: claims of any shape, rightly signed, never panic and never give an
// anonymous principal without an error.
func FuzzClaims(f *testing.F) {
	c := newClock()
	p := newPeer(f, c)
	issuers := []Issuer{}
	for _, preset := range []string{"entra", "keycloak", "smart", "custom"} {
		issuers = append(issuers, Issuer{URL: p.url() + "/" + preset, Preset: preset})
	}
	a := newAuth(f, c, issuers...)
	f.Add(mustJSON(f, p.claims(map[string]any{"roles": []string{"a"}, "patient": "1", "fhirUser": "Patient/1"})))
	f.Add(`{"sub":"a","realm_access":{"roles":[["x"],{"code":"y"}]},"extensions":{"a":{"purpose_of_use":[{"code":"z"}]}}}`)
	f.Fuzz(func(t *testing.T, claims string) {
		for _, by := range a.upstreams["a"].issuers {
			principal, err := by.principal(&token{claims: []byte(claims)})
			if err != nil {
				continue
			}
			if principal.Anonymous() {
				t.Fatalf("%s gave an anonymous principal", claims)
			}
			if id := principal.LaunchPatient; id != "" && !logicalID.MatchString(id) {
				t.Fatalf("%s gave the launch patient %q", claims, id)
			}
			if user := principal.FHIRUser; user != "" && localUser(user, nil) != user {
				t.Fatalf("%s gave the user %q", claims, user)
			}
		}
	})
}
