package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestKeyRotation(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	a := newAuth(t, c, Issuer{URL: p.url(), Preset: "custom"})
	if err := authenticate(a, p.token(nil)); err != nil {
		t.Fatal(err)
	}
	p.publish("rsa-2", rsaKey2())
	fresh := p.signed("RS256", map[string]any{"kid": "rsa-2"}, p.claims(nil))
	if err := authenticate(a, fresh); err != nil {
		t.Fatalf("a token of the new key: %v", err)
	}
	if err := authenticate(a, p.token(map[string]any{"sub": "x"})); err != nil {
		t.Fatalf("a token of the old key: %v", err)
	}
	if config, jwks := p.hits(); config != 2 || jwks != 2 {
		t.Errorf("%d discoveries and %d key fetches, want 2 and 2", config, jwks)
	}
}

// TestKeyReplaced: an issuer that starts again with new keys under old names.
func TestKeyReplaced(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	a := newAuth(t, c, Issuer{URL: p.url(), Preset: "custom"})
	if err := authenticate(a, p.token(nil)); err != nil {
		t.Fatal(err)
	}
	p.withdraw("rsa")
	p.publish("rsa", rsaKey2())
	if err := authenticate(a, p.token(nil)); err != nil {
		t.Fatal(err)
	}
}

// TestKeyWithdrawn: what an issuer no longer publishes stops to count, with the
// tokens that were found good before.
func TestKeyWithdrawn(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	a := newAuth(t, c, Issuer{URL: p.url(), Preset: "custom"})
	token := p.token(nil)
	if err := authenticate(a, token); err != nil {
		t.Fatal(err)
	}
	p.withdraw("rsa")
	c.Advance(keysMaxAge)
	if err := authenticate(a, token); !errors.Is(err, ErrSignature) {
		t.Fatalf("got %v, want %v", err, ErrSignature)
	}
}

func TestUnknownKeyFlood(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	a := newAuth(t, c, Issuer{URL: p.url(), Preset: "custom"})
	flood := func(round int) {
		var group sync.WaitGroup
		for i := range 200 {
			kid := fmt.Sprintf("kid-%d-%d", round, i)
			token := sign(t, "RS256", map[string]any{"kid": kid}, `{"iss":"`+p.url()+`","aud":"x","exp":1,"iat":1}`, rsaKey2())
			group.Go(func() {
				if err := authenticate(a, token); !errors.Is(err, ErrSignature) {
					t.Errorf("got %v, want %v", err, ErrSignature)
				}
			})
		}
		group.Wait()
	}
	flood(0)
	if _, jwks := p.hits(); jwks > fetchBurst {
		t.Fatalf("200 unknown keys made %d fetches, want at most %d", jwks, fetchBurst)
	}
	if err := authenticate(a, p.token(nil)); err != nil {
		t.Fatalf("a good token after the flood: %v", err)
	}
	_, before := p.hits()
	c.Advance(fetchInterval)
	flood(1)
	if _, jwks := p.hits(); jwks-before > 1 {
		t.Fatalf("a second flood made %d fetches, want at most 1", jwks-before)
	}
	p.publish("rsa-2", rsaKey2())
	c.Advance(fetchInterval)
	if err := authenticate(a, p.signed("RS256", map[string]any{"kid": "rsa-2"}, p.claims(nil))); err != nil {
		t.Fatalf("a rotated key after the flood: %v", err)
	}
}

// TestFetchShared: tokens that arrive while keys are fetched wait for that fetch,
// and one whose request ends does not end it.
func TestFetchShared(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	p.hold = make(chan struct{})
	a := newAuth(t, c, Issuer{URL: p.url(), Preset: "custom"})
	ctx, cancel := context.WithCancel(context.Background())
	impatient := make(chan error)
	go func() {
		_, err := a.Authenticate(ctx, "a", "Bearer "+p.token(nil))
		impatient <- err
	}()
	cancel()
	if err := <-impatient; !errors.Is(err, ErrUnavailable) {
		t.Errorf("the request that ended: %v, want %v", err, ErrUnavailable)
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if err := authenticate(a, p.token(nil)); err != nil {
				t.Errorf("a request that waited: %v", err)
			}
		})
	}
	close(p.hold)
	group.Wait()
	if _, jwks := p.hits(); jwks > 2 {
		t.Errorf("%d fetches for 21 requests at once", jwks)
	}
}

func TestIssuerDown(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	p.with(func() { p.down = true })
	a := newAuth(t, c, Issuer{URL: p.url(), Preset: "custom"})
	if err := a.Warm(context.Background()); err == nil || !strings.Contains(err.Error(), p.url()) {
		t.Errorf("Warm = %v, want an error that names the issuer", err)
	}
	for range 20 {
		if err := authenticate(a, p.token(nil)); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("issuer down at start: %v, want %v", err, ErrUnavailable)
		}
	}
	p.with(func() { p.down = false })
	c.Advance(fetchInterval)
	if err := authenticate(a, p.token(nil)); err != nil {
		t.Fatalf("issuer back: %v", err)
	}
	p.with(func() { p.down = true })
	c.Advance(keysMaxAge)
	if err := authenticate(a, p.token(nil)); err != nil {
		t.Fatalf("issuer down with keys held: %v", err)
	}
	unknown := p.claims(nil)
	if err := authenticate(a, p.signed("RS256", map[string]any{"kid": "new"}, unknown)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("unknown key while the issuer is down: %v, want %v", err, ErrUnavailable)
	}
	if err := authenticate(a, sign(t, "RS256", map[string]any{"kid": "rsa"}, mustJSON(t, unknown), rsaKey2())); !errors.Is(err, ErrSignature) {
		t.Fatalf("bad signature while the issuer is down: %v, want %v", err, ErrSignature)
	}
	c.Advance(keysMaxStale)
	if err := authenticate(a, p.token(nil)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("keys too stale: %v, want %v", err, ErrUnavailable)
	}
}

func TestBadDocuments(t *testing.T) {
	jwk := func(key jose.JSONWebKey) string { return `{"keys":[` + mustJSON(t, key) + `]}` }
	public := rsaKey().Public()
	tests := map[string]struct {
		body, issuer string
		want         error
	}{
		"good":                   {body: jwk(jose.JSONWebKey{Key: public, KeyID: "rsa"})},
		"good among others":      {body: `{"keys":[{"kty":"OKP","crv":"X448","x":"AA","kid":"q"},{"kty":"new"},` + mustJSON(t, jose.JSONWebKey{Key: public, KeyID: "rsa"}) + `]}`},
		"another issuer's":       {issuer: "https://evil.example", want: ErrUnavailable},
		"HTML":                   {body: "<html>secret</html>", want: ErrUnavailable},
		"no keys":                {body: `{"keys":[]}`, want: ErrUnavailable},
		"not an object":          {body: `[]`, want: ErrUnavailable},
		"too large":              {body: `{"keys":[],"x":"` + strings.Repeat("x", maxDocumentBytes) + `"}`, want: ErrUnavailable},
		"symmetric key":          {body: jwk(jose.JSONWebKey{Key: []byte("secret"), KeyID: "rsa"}), want: ErrUnavailable},
		"encryption key":         {body: jwk(jose.JSONWebKey{Key: public, KeyID: "rsa", Use: "enc"}), want: ErrUnavailable},
		"weak key":               {body: jwk(jose.JSONWebKey{Key: weakKey().Public(), KeyID: "rsa"}), want: ErrUnavailable},
		"key for another alg":    {body: jwk(jose.JSONWebKey{Key: public, KeyID: "rsa", Algorithm: "PS256"}), want: ErrSignature},
		"too many keys":          {body: `{"keys":[` + strings.Repeat(mustJSON(t, jose.JSONWebKey{Key: public, KeyID: "rsa"})+",", maxKeys) + mustJSON(t, jose.JSONWebKey{Key: public}) + `]}`, want: ErrUnavailable},
		"private key instead":    {body: jwk(jose.JSONWebKey{Key: rsaKey(), KeyID: "rsa"}), want: ErrUnavailable},
		"the key, other id only": {body: jwk(jose.JSONWebKey{Key: public, KeyID: "x"}), want: ErrSignature},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			p := newPeer(t, c)
			p.jwksBody, p.issuer = tt.body, tt.issuer
			err := authenticate(newAuth(t, c, Issuer{URL: p.url(), Preset: "custom"}), p.token(nil))
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error quotes the document: %v", err)
			}
		})
	}
}

// TestKeysWithoutDiscovery uses an issuer whose discovery document is not there.
func TestKeysWithoutDiscovery(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	iss := "https://issuer.invalid"
	a := newAuth(t, c, Issuer{URL: iss, Preset: "custom", JWKSURL: p.url() + "/keys"})
	if err := authenticate(a, p.token(map[string]any{"iss": iss})); err != nil {
		t.Fatal(err)
	}
	if config, _ := p.hits(); config != 0 {
		t.Errorf("%d discoveries, want none", config)
	}
}

func TestVerifiedTokensAreKept(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	a := newAuth(t, c, Issuer{URL: p.url(), Preset: "custom"})
	token := p.token(map[string]any{"exp": c.Now().Add(20 * time.Second).Unix()})
	if err := authenticate(a, token); err != nil {
		t.Fatal(err)
	}
	if n := a.upstreams["a"].verified.Len(); n != 1 {
		t.Fatalf("%d tokens kept, want 1", n)
	}
	c.Advance(20*time.Second + DefaultClockSkew)
	if err := authenticate(a, token); err != nil {
		t.Fatalf("at the very end of the skew: %v", err)
	}
	c.Advance(time.Second)
	if err := authenticate(a, token); !errors.Is(err, ErrExpired) {
		t.Fatalf("a kept token after its end: %v, want %v", err, ErrExpired)
	}
	for i := range DefaultCacheSize + 10 {
		a.upstreams["a"].keep([32]byte{byte(i), byte(i >> 8), 1}, verified{})
	}
	if n := a.upstreams["a"].verified.Len(); n != DefaultCacheSize {
		t.Errorf("%d tokens kept, want %d", n, DefaultCacheSize)
	}
}

func mustJSON(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
