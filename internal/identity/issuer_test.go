package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const base = "https://gate.example/fhir"

// clock is a time that tests move by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// peer is an issuer over HTTP which signs whatever a test asks for.
type peer struct {
	t      testing.TB
	server *httptest.Server
	clock  *clock

	mu         sync.Mutex
	keys       []jose.JSONWebKey
	private    map[string]crypto.Signer
	jwksHits   int
	configHits int
	jwksBody   string // instead of keys
	issuer     string // instead of the server's URL, in discovery
	down       bool
	hold       chan struct{} // jwks answers wait for it
}

// rsaKey and ecKey are made once, as RSA keys take long.
var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { return makeRSA(2048) })
	rsaKey2 = sync.OnceValue(func() *rsa.PrivateKey { return makeRSA(2048) })
	weakKey = sync.OnceValue(func() *rsa.PrivateKey { return makeRSA(1024) })
	ecKey   = sync.OnceValue(func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return key
	})
)

func makeRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func newPeer(t testing.TB, c *clock) *peer {
	t.Helper()
	p := &peer{t: t, clock: c, private: map[string]crypto.Signer{}}
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.server.Close)
	p.publish("rsa", rsaKey())
	p.publish("ec", ecKey())
	return p
}

func (p *peer) url() string { return p.server.URL }

func (p *peer) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		http.Error(w, "<html>down</html>", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		p.configHits++
		issuer := p.issuer
		if issuer == "" {
			issuer = p.url()
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": issuer, "jwks_uri": p.url() + "/keys"})
	case "/keys":
		p.jwksHits++
		if hold := p.hold; hold != nil {
			p.mu.Unlock()
			<-hold
			p.mu.Lock()
		}
		if p.jwksBody != "" {
			fmt.Fprint(w, p.jwksBody)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: p.keys})
	default:
		http.NotFound(w, r)
	}
}

// publish adds a key to the key set, under the algorithm of its kind.
func (p *peer) publish(kid string, private crypto.Signer) {
	p.with(func() {
		p.keys = append(p.keys, jose.JSONWebKey{Key: private.Public(), KeyID: kid, Use: "sig"})
		p.private[kid] = private
	})
}

// withdraw takes a key out of the key set.
func (p *peer) withdraw(kid string) {
	p.with(func() {
		var kept []jose.JSONWebKey
		for _, key := range p.keys {
			if key.KeyID != kid {
				kept = append(kept, key)
			}
		}
		p.keys = kept
	})
}

func (p *peer) with(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *peer) hits() (config, jwks int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.configHits, p.jwksHits
}

// claims are those of a good access token, with changes; nil removes a claim.
func (p *peer) claims(changes map[string]any) map[string]any {
	now := p.clock.Now()
	claims := map[string]any{
		"iss": p.url(), "aud": base, "sub": "person-1", "azp": "app-1", "scope": "user/*.rs",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// token is an access token of the peer, signed with its RSA key.
func (p *peer) token(changes map[string]any) string {
	return p.signed("RS256", map[string]any{"kid": "rsa"}, p.claims(changes))
}

func (p *peer) signed(algorithm string, header, claims map[string]any) string {
	p.t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	kid, _ := header["kid"].(string)
	private, ok := p.private[kid]
	if !ok {
		private = p.private["rsa"]
	}
	return sign(p.t, algorithm, header, string(payload), private)
}

// sign makes a compact JWS with any header and any payload.
func sign(t testing.TB, algorithm string, header map[string]any, payload string, key any) string {
	t.Helper()
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{}}
	for name, value := range header {
		options.ExtraHeaders[jose.HeaderKey(name)] = value
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(algorithm), Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// newAuth makes an authenticator with one upstream "a" at base.
func newAuth(t testing.TB, c *clock, issuers ...Issuer) *Authenticator {
	t.Helper()
	a, err := New([]Upstream{{Name: "a", Audiences: []string{base}, Issuers: issuers}}, Options{Clock: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func authenticate(a *Authenticator, token string) error {
	_, err := a.Authenticate(context.Background(), "a", "Bearer "+token)
	return err
}
