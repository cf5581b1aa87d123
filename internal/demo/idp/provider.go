// Package idp is a small OpenID Connect provider for the demo and for tests:
// discovery, keys that rotate, access tokens for people without a password. That
// makes it an open door, so it answers callers on a loopback address only. It
// must never be linked into anything but the demo command and tests.
package idp

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
)

// Person is somebody whom the provider vouches for.
type Person struct {
	// Name is how the person is asked for; it is also sub unless Claims has one.
	Name string
	// Claims go into every token of the person: roles, fhirUser, patient, ...
	Claims map[string]any
}

// Client is an application that the provider knows.
type Client struct {
	// ID is the client_id.
	ID string
	// Secret authenticates a confidential client; empty means a public client,
	// which may use the authorization code grant only.
	Secret string
	// RedirectURIs are compared exactly, but for the port of loopback addresses
	// (RFC 8252 section 7.3).
	RedirectURIs []string
	// Claims go into the tokens which the client gets for itself.
	Claims map[string]any
}

// Options configure a Provider.
type Options struct {
	// Issuer is the provider's URL as clients reach it, without a slash at the
	// end; the handler serves under its path.
	Issuer string
	// Audiences are the values of aud that tokens may be asked for; the first is
	// what a token has when nothing is asked for.
	Audiences []string
	// People and Clients are all that exist.
	People  []Person
	Clients []Client
	// Algorithm is RS256 or ES256; empty means RS256.
	Algorithm jose.SignatureAlgorithm
	// KeyDir keeps the signing keys between runs; empty means new keys each time.
	KeyDir string
	// Lifetime is that of tokens; zero means an hour.
	Lifetime time.Duration
	// Clock is the time; nil means time.Now.
	Clock func() time.Time
}

// TokenRequest says what an access token shall be.
type TokenRequest struct {
	// Person is the name of one of Options.People; empty means a token of the
	// client itself.
	Person string
	// Client is the client_id that the token names; empty leaves it out.
	Client string
	// Audience is aud; empty means the first of Options.Audiences.
	Audience string
	// Scope is the scope claim; empty leaves it out.
	Scope string
	// Lifetime is the time until exp; zero means Options.Lifetime. A negative one
	// makes a token that has expired.
	Lifetime time.Duration
	// Claims replace claims; nil values remove them.
	Claims map[string]any
	// Header replaces and adds members of the JOSE header.
	Header map[string]any
}

// Provider is an OpenID Connect provider. It is safe for concurrent use.
type Provider struct {
	options Options
	path    string // of the issuer
	host    string // of the issuer

	mu    sync.Mutex
	keys  []signingKey // the first signs; all are published
	codes map[string]grant
}

// New makes a provider with its keys.
func New(options Options) (*Provider, error) {
	issuer, err := url.Parse(options.Issuer)
	if err != nil || issuer.Host == "" || strings.HasSuffix(issuer.Path, "/") {
		return nil, fmt.Errorf("issuer %q: want an absolute URL without a slash at the end", options.Issuer)
	}
	if len(options.Audiences) == 0 {
		return nil, errors.New("no audience")
	}
	if options.Algorithm == "" {
		options.Algorithm = jose.RS256
	}
	if options.Lifetime == 0 {
		options.Lifetime = time.Hour
	}
	if options.Clock == nil {
		options.Clock = time.Now //nolint:forbidigo // the default for the injected clock
	}
	p := &Provider{options: options, path: issuer.Path, host: issuer.Host, codes: map[string]grant{}}
	if p.keys, err = loadKeys(options.KeyDir, options.Algorithm); err != nil {
		return nil, err
	}
	return p, nil
}

// Rotate makes a new key, which signs from now on. The one before stays
// published, so that its tokens are good until they end; those before it go.
func (p *Provider) Rotate() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh, err := newKey(p.options.Algorithm)
	if err != nil {
		return err
	}
	p.keys = []signingKey{fresh, p.keys[0]}
	return saveKeys(p.options.KeyDir, p.keys)
}

// Token returns a signed access token (RFC 9068).
func (p *Provider) Token(r TokenRequest) (string, error) {
	if r.Audience == "" {
		r.Audience = p.options.Audiences[0]
	}
	lifetime := r.Lifetime
	if lifetime == 0 {
		lifetime = p.options.Lifetime
	}
	now := p.options.Clock()
	claims := map[string]any{
		"iss": p.options.Issuer, "aud": r.Audience, "jti": uuid.NewString(),
		"iat": now.Unix(), "exp": now.Add(lifetime).Unix(),
	}
	if lifetime < 0 {
		claims["iat"] = now.Add(2 * lifetime).Unix()
	}
	if r.Scope != "" {
		claims["scope"] = r.Scope
	}
	if r.Client != "" {
		claims["azp"], claims["client_id"], claims["sub"] = r.Client, r.Client, r.Client
	}
	if r.Person != "" {
		person, ok := p.person(r.Person)
		if !ok {
			return "", fmt.Errorf("no person is named %q", r.Person)
		}
		claims["sub"] = person.Name
		maps.Copy(claims, person.Claims)
	}
	maps.Copy(claims, r.Claims)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	header := map[string]any{"typ": "at+jwt"}
	maps.Copy(header, r.Header)
	return p.sign(claims, header)
}

// idToken returns an ID token (OpenID Connect Core section 2).
func (p *Provider) idToken(g grant) (string, error) {
	person, _ := p.person(g.person)
	now := p.options.Clock()
	claims := map[string]any{}
	maps.Copy(claims, person.Claims)
	maps.Copy(claims, map[string]any{
		"iss": p.options.Issuer, "aud": g.client, "sub": person.Name,
		"iat": now.Unix(), "exp": now.Add(p.options.Lifetime).Unix(), "auth_time": now.Unix(),
	})
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	return p.sign(claims, map[string]any{"typ": "JWT"})
}

// sign makes a compact JWS with the current key.
func (p *Provider) sign(claims, header map[string]any) (string, error) {
	p.mu.Lock()
	key := p.keys[0]
	p.mu.Unlock()
	options := &jose.SignerOptions{}
	options.WithHeader("kid", key.id)
	for name, value := range header {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: key.algorithm, Key: key.private}, options)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

func (p *Provider) person(name string) (Person, bool) {
	at := slices.IndexFunc(p.options.People, func(person Person) bool { return person.Name == name })
	if at < 0 {
		return Person{}, false
	}
	return p.options.People[at], true
}

func (p *Provider) client(id string) (Client, bool) {
	at := slices.IndexFunc(p.options.Clients, func(client Client) bool { return client.ID == id })
	if at < 0 {
		return Client{}, false
	}
	return p.options.Clients[at], true
}

// onLoopback refuses callers from elsewhere, and hosts that are not the
// provider's own: a web page could have a name of its own point to this machine.
func (p *Provider) onLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, _, err := net.SplitHostPort(r.RemoteAddr)
		ip := net.ParseIP(peer)
		if err != nil || ip == nil || !ip.IsLoopback() || r.Host != p.host && !isLoopbackName(r.Host) {
			http.Error(w, "the demo identity provider answers this machine only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLoopbackName reports whether a Host header names this machine by itself.
func isLoopbackName(host string) bool {
	u, err := url.Parse("http://" + host)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
