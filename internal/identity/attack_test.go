package identity

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TestAttacks sends tokens that must not pass, each next to the same token
// without the attack, which must.
func TestAttacks(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	other := newPeer(t, c)
	other.withdraw("rsa")
	other.publish("rsa", rsaKey2())
	var called atomic.Int32
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		called.Add(1)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: rsaKey2().Public(), KeyID: "rsa"}}})
	}))
	defer evil.Close()
	der, err := x509.MarshalPKIXPublicKey(rsaKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	publicJWK, err := json.Marshal(jose.JSONWebKey{Key: rsaKey().Public()})
	if err != nil {
		t.Fatal(err)
	}
	good, err := json.Marshal(p.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	claims := string(good)
	rsaHeader := map[string]any{"kid": "rsa"}
	duplicate := func(member string) string { return strings.TrimSuffix(claims, "}") + "," + member + "}" }
	parts := strings.Split(p.token(nil), ".")
	hs := func(algorithm string, key []byte) string { return sign(t, algorithm, rsaHeader, claims, key) }
	forged := func(header map[string]any) string { return sign(t, "RS256", header, claims, rsaKey2()) }
	now := c.Now().Unix()
	claim := func(name string, value any) string { return p.token(map[string]any{name: value}) }

	tests := []struct {
		name, token string
		want        error
	}{
		{"alg none", encode(`{"alg":"none","kid":"rsa"}`) + "." + encode(claims) + ".", ErrMalformed},
		{"alg none with a signature", encode(`{"alg":"none","kid":"rsa"}`) + "." + encode(claims) + "." + parts[2], ErrAlgorithm},
		{"alg nOnE", encode(`{"alg":"nOnE","kid":"rsa"}`) + "." + encode(claims) + "." + parts[2], ErrAlgorithm},
		{"no alg", encode(`{"kid":"rsa"}`) + "." + encode(claims) + "." + parts[2], ErrMalformed},
		{"HS256 with the public key as PEM", hs("HS256", publicPEM), ErrAlgorithm},
		{"HS256 with the public key as DER", hs("HS256", der), ErrAlgorithm},
		{"HS256 with the public key as JWK", hs("HS256", publicJWK), ErrAlgorithm},
		{"HS512 with the modulus", hs("HS512", rsaKey().N.Bytes()), ErrAlgorithm},
		{"alg changed after signing", encode(`{"alg":"RS512","kid":"rsa"}`) + "." + parts[1] + "." + parts[2], ErrSignature},
		{"alg of another kind of key", encode(`{"alg":"ES256","kid":"rsa"}`) + "." + parts[1] + "." + parts[2], ErrSignature},
		{"kid of the other key", sign(t, "RS256", map[string]any{"kid": "ec"}, claims, rsaKey()), ErrSignature},
		{"kid that is a path", forged(map[string]any{"kid": "../../rsa"}), ErrSignature},
		{"kid that is a number", encode(`{"alg":"RS256","kid":1}`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"foreign key under our kid", forged(rsaHeader), ErrSignature},
		{"foreign key without kid", forged(nil), ErrSignature},
		{"jku", forged(map[string]any{"kid": "rsa", "jku": evil.URL}), ErrSignature},
		{"x5u", forged(map[string]any{"kid": "rsa", "x5u": evil.URL}), ErrSignature},
		{"jwk", forged(map[string]any{"kid": "rsa", "jwk": jose.JSONWebKey{Key: rsaKey2().Public(), KeyID: "rsa"}}), ErrSignature},
		{"x5c", forged(map[string]any{"kid": "rsa", "x5c": []string{encode("certificate")}}), ErrSignature},
		{"crit", encode(`{"alg":"RS256","kid":"rsa","crit":["exp"],"exp":1}`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"b64", encode(`{"alg":"RS256","kid":"rsa","b64":false}`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"repeated alg", encode(`{"alg":"HS256","kid":"rsa","alg":"RS256"}`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"claims changed after signing", parts[0] + "." + encode(strings.Replace(claims, "person-1", "person-2", 1)) + "." + parts[2], ErrSignature},
		{"signature of another token", parts[0] + "." + parts[1] + "." + strings.Split(claim("sub", "x"), ".")[2], ErrSignature},
		{"truncated signature", strings.TrimSuffix(p.token(nil), parts[2][300:]), ErrSignature},
		{"truncated claims", parts[0] + "." + parts[1][:40] + "." + parts[2], ErrMalformed},
		{"two parts", parts[0] + "." + parts[1], ErrMalformed},
		{"five parts, as a JWE", p.token(nil) + ".a.b", ErrMalformed},
		{"padding", parts[0] + "." + parts[1] + "==." + parts[2], ErrMalformed},
		{"huge", claim("roles", strings.Repeat("x", DefaultMaxTokenBytes)), ErrTooLarge},
		{"deep", sign(t, "RS256", rsaHeader, duplicate(`"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)), rsaKey()), ErrMalformed},
		{"repeated sub", sign(t, "RS256", rsaHeader, duplicate(`"sub":"admin"`), rsaKey()), ErrMalformed},
		{"repeated aud, escaped", sign(t, "RS256", rsaHeader, duplicate(`"au\u0064":"x"`), rsaKey()), ErrMalformed},
		{"claims that are an array", sign(t, "RS256", rsaHeader, "["+claims+"]", rsaKey()), ErrMalformed},
		{"claims that are not JSON", sign(t, "RS256", rsaHeader, "hello", rsaKey()), ErrMalformed},

		{"expired", claim("exp", now-61), ErrExpired},
		{"no exp", claim("exp", nil), ErrMalformed},
		{"exp as a string", claim("exp", "9999999999"), ErrMalformed},
		{"exp beyond time", claim("exp", 1e300), ErrMalformed},
		{"exp negative", claim("exp", -1), ErrMalformed},
		{"not yet valid", claim("nbf", now+120), ErrNotYetValid},
		{"nbf as a string", claim("nbf", "1"), ErrMalformed},
		{"issued in the future", claim("iat", now+120), ErrNotYetValid},
		{"no iat", claim("iat", nil), ErrMalformed},

		{"another audience", claim("aud", "https://other.example/fhir"), ErrAudience},
		{"audience that begins with ours", claim("aud", base+"/evil"), ErrAudience},
		{"audience that ours begins with", claim("aud", "https://gate.example"), ErrAudience},
		{"audience with a slash more", claim("aud", base+"/"), ErrAudience},
		{"audience in capitals", claim("aud", strings.ToUpper(base)), ErrAudience},
		{"audience list of others", claim("aud", []string{"x", "y " + base}), ErrAudience},
		{"audience list with a number", claim("aud", []any{base, 1}), ErrMalformed},
		{"empty audience list", claim("aud", []string{}), ErrMalformed},
		{"no audience", claim("aud", nil), ErrMalformed},

		{"unknown issuer", claim("iss", "https://evil.example"), ErrIssuer},
		{"issuer with a slash", claim("iss", p.url()+"/"), ErrIssuer},
		{"no issuer", claim("iss", nil), ErrMalformed},
		{"issuer of another case", claim("iss", strings.ToUpper(p.url())), ErrIssuer},
		{"issuer that is an array", claim("iss", []string{p.url()}), ErrMalformed},
		{"ISS beside iss", sign(t, "RS256", rsaHeader, duplicate(`"ISS":"https://evil.example"`), rsaKey()), ErrMalformed},
		{"key of another issuer", sign(t, "RS256", rsaHeader, claims, rsaKey2()), ErrSignature},
		{"other issuer's name, our key", sign(t, "RS256", rsaHeader, strings.ReplaceAll(claims, p.url(), other.url()), rsaKey()), ErrSignature},

		{"neither subject nor client", p.token(map[string]any{"sub": nil, "azp": nil}), ErrClaims},
		{"bound by DPoP", claim("cnf", map[string]any{"jkt": "x"}), ErrBound},
		{"logout token", p.signed("RS256", map[string]any{"kid": "rsa", "typ": "logout+jwt"}, p.claims(nil)), ErrTokenType},
		{"DPoP proof", p.signed("RS256", map[string]any{"kid": "rsa", "typ": "dpop+jwt"}, p.claims(nil)), ErrTokenType},
	}
	a := newAuth(t, c, Issuer{URL: p.url(), Preset: "custom"}, Issuer{URL: other.url(), Preset: "custom"})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c.Advance(fetchInterval) // so that keys may be fetched once more
			err := authenticate(a, tt.token)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if text := err.Error(); strings.Contains(text, "person-1") || strings.Contains(text, "evil") || strings.Contains(text, tt.token) {
				t.Errorf("the error tells of the token: %v", err)
			}
			if err := authenticate(a, p.token(nil)); err != nil {
				t.Fatalf("the good token is refused: %v", err)
			}
		})
		c.mu.Lock()
		c.now = time.Unix(now, 0).UTC()
		c.mu.Unlock()
	}
	if called.Load() != 0 {
		t.Errorf("a header made the gateway call %d times", called.Load())
	}
}

func TestGoodTokens(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	now := c.Now().Unix()
	tests := map[string]string{
		"plain":                   p.token(nil),
		"ES256":                   p.signed("ES256", map[string]any{"kid": "ec"}, p.claims(nil)),
		"PS256":                   p.signed("PS256", map[string]any{"kid": "rsa"}, p.claims(nil)),
		"RS384":                   p.signed("RS384", map[string]any{"kid": "rsa"}, p.claims(nil)),
		"no kid":                  p.signed("RS256", nil, p.claims(nil)),
		"no nbf":                  p.token(map[string]any{"nbf": nil}),
		"expired within the skew": p.token(map[string]any{"exp": now - 59}),
		"issued within the skew":  p.token(map[string]any{"iat": now + 59, "nbf": now + 59}),
		"dates with a fraction":   p.token(map[string]any{"exp": float64(now) + 100.5}),
		"several audiences":       p.token(map[string]any{"aud": []string{"https://other.example", base}}),
		"typ JWT":                 p.signed("RS256", map[string]any{"kid": "rsa", "typ": "JWT"}, p.claims(nil)),
		"typ at+jwt":              p.signed("RS256", map[string]any{"kid": "rsa", "typ": "application/AT+JWT"}, p.claims(map[string]any{"scope": nil})),
	}
	a := newAuth(t, c, Issuer{URL: p.url(), Preset: "custom"})
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			if err := authenticate(a, token); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestAlgorithmsOfIssuer(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	a := newAuth(t, c, Issuer{URL: p.url(), Preset: "custom", Algorithms: []string{"ES256"}})
	if err := authenticate(a, p.token(nil)); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("RS256: %v, want %v", err, ErrAlgorithm)
	}
	if err := authenticate(a, p.signed("ES256", map[string]any{"kid": "ec"}, p.claims(nil))); err != nil {
		t.Errorf("ES256: %v", err)
	}
}

// TestUpstreamsApart: a token for one upstream is worthless at another, also
// after it was used and cached at its own.
func TestUpstreamsApart(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	issuer := Issuer{URL: p.url(), Preset: "custom"}
	a, err := New([]Upstream{
		{Name: "a", Audiences: []string{base}, Issuers: []Issuer{issuer}},
		{Name: "b", Audiences: []string{base + "-b"}, Issuers: []Issuer{issuer}},
		{Name: "c", Audiences: []string{base + "-c"}},
	}, Options{Clock: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	token := "Bearer " + p.token(nil)
	for _, tt := range []struct {
		upstream string
		want     error
	}{{"b", ErrAudience}, {"a", nil}, {"b", ErrAudience}, {"c", ErrIssuer}, {"d", ErrUpstream}, {"", ErrUpstream}} {
		principal, err := a.Authenticate(context.Background(), tt.upstream, token)
		if !errors.Is(err, tt.want) {
			t.Errorf("at %q: %v, want %v", tt.upstream, err, tt.want)
		}
		if err != nil && !principal.Anonymous() {
			t.Errorf("at %q: an error comes with a principal", tt.upstream)
		}
	}
	if config, jwks := p.hits(); config != 1 || jwks != 1 {
		t.Errorf("%d discoveries and %d key fetches for two upstreams, want 1 and 1", config, jwks)
	}
}
