package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

const (
	// keysMaxAge is how long keys are used before they are fetched again, so that
	// a key which the issuer has withdrawn stops to count.
	keysMaxAge = 15 * time.Minute
	// keysMaxStale is how long keys are used while the issuer cannot be reached.
	keysMaxStale = 4 * time.Hour
	// fetchInterval and fetchBurst bound fetches from one issuer, however many
	// tokens with unknown keys arrive.
	fetchInterval = 10 * time.Second
	fetchBurst    = 3
	// fetchTimeout bounds one discovery and key fetch together.
	fetchTimeout = 10 * time.Second
	// maxDocumentBytes bounds a discovery document and a key set.
	maxDocumentBytes = 1 << 20
	// maxKeys bounds the keys tried for a token without a key id.
	maxKeys = 64
	// minRSABits is the least RSA modulus taken (RFC 7518 section 3.3).
	minRSABits = 2048
)

// keySource holds the published keys of one issuer. It fetches them when they
// are first needed, when they are old, and when a token names one it does not
// have; at most one fetch runs at a time. It is safe for concurrent use.
type keySource struct {
	issuer  string
	jwksURL string // empty: discovered
	client  *http.Client
	clock   func() time.Time
	limit   *rate.Limiter
	flight  singleflight.Group
	current atomic.Pointer[keys]
	// metadata is what the discovery document said; nil before it was read.
	metadata atomic.Pointer[Metadata]

	mu      sync.Mutex
	failure error // of the last fetch
}

func newKeySource(issuer, jwksURL string, client *http.Client, clock func() time.Time) *keySource {
	return &keySource{
		issuer: issuer, jwksURL: jwksURL, client: client, clock: clock,
		limit: rate.NewLimiter(rate.Every(fetchInterval), fetchBurst),
	}
}

// errFetchLimited says that a fetch is due but not allowed yet.
var errFetchLimited = errors.New("fetched too recently")

// get returns keys that may be used now. The error says why there are none.
func (s *keySource) get(ctx context.Context) (*keys, error) {
	held := s.current.Load()
	now := s.clock()
	if held != nil && now.Sub(held.fetched) < keysMaxAge {
		return held, nil
	}
	fresh, err := s.renew(ctx)
	if err == nil {
		return fresh, nil
	}
	if held != nil && now.Sub(held.fetched) < keysMaxStale {
		return held, nil
	}
	return nil, err
}

// renew fetches the keys, or joins a fetch under way. When the limit allows no
// fetch now, it returns the keys held if the last fetch succeeded.
func (s *keySource) renew(ctx context.Context) (*keys, error) {
	result := s.flight.DoChan("", func() (any, error) {
		now := s.clock()
		if !s.limit.AllowN(now, 1) {
			return s.limited()
		}
		// The fetch serves every caller that waits, so it outlives the first one's request.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		fetched, err := s.fetch(ctx)
		if err == nil {
			fetched.fetched = now
			s.current.Store(fetched)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failure = err
		return fetched, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-result:
		fetched, _ := r.Val.(*keys)
		return fetched, r.Err
	}
}

// limited is the answer while no fetch is allowed.
func (s *keySource) limited() (*keys, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return nil, s.failure
	}
	if held := s.current.Load(); held != nil {
		return held, nil
	}
	return nil, errFetchLimited
}

// fetch reads the issuer's discovery document, if need be, and its key set.
func (s *keySource) fetch(ctx context.Context) (*keys, error) {
	jwksURL := s.jwksURL
	if jwksURL == "" {
		var err error
		if jwksURL, err = s.discover(ctx); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, jwksURL, nil)
	if err != nil {
		return nil, fmt.Errorf("key set of %s: its URL is invalid", s.issuer)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("key set of %s: %w", s.issuer, err)
	}
	defer response.Body.Close() // reading is over, an error here changes nothing
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("key set of %s: HTTP status %d", s.issuer, response.StatusCode)
	}
	document, err := io.ReadAll(response.Body) // bounded by the transport
	if err != nil {
		return nil, fmt.Errorf("key set of %s: %w", s.issuer, err)
	}
	parsed, err := parseKeys(document)
	if err != nil {
		return nil, fmt.Errorf("key set of %s: %w", s.issuer, err)
	}
	return parsed, nil
}

// discover returns the jwks_uri of the issuer's discovery document. go-oidc
// checks that the document is the issuer's own (OpenID Connect Discovery 4.3).
func (s *keySource) discover(ctx context.Context) (string, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, s.client), s.issuer)
	var mismatch *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &mismatch):
		return "", fmt.Errorf("discovery of %s: the document is another issuer's", s.issuer)
	case err != nil:
		return "", fmt.Errorf("discovery of %s failed", s.issuer) // the text could quote the document
	}
	var metadata struct {
		JWKSURL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&metadata); err != nil {
		return "", fmt.Errorf("discovery of %s: the document is not valid", s.issuer)
	}
	insecure := strings.HasPrefix(s.issuer, "http:")
	if err := checkURL("jwks_uri", metadata.JWKSURL, insecure); err != nil {
		return "", fmt.Errorf("discovery of %s: %w", s.issuer, err)
	}
	s.keepMetadata(provider)
	return metadata.JWKSURL, nil
}

// newClient returns a client that fetches documents of issuers: it never goes
// from https to http, and cuts bodies at maxDocumentBytes, as go-oidc reads them
// whole. What was cut is no valid document any more.
func newClient(given *http.Client) *http.Client {
	client := &http.Client{Timeout: fetchTimeout, CheckRedirect: refuseDowngrade}
	if given != nil {
		*client = *given
	}
	if client.Transport == nil {
		client.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: fetchTimeout, IdleConnTimeout: keysMaxAge, MaxIdleConnsPerHost: 1,
		}
	}
	client.Transport = boundedTransport{client.Transport}
	return client
}

// refuseDowngrade ends redirects that would leave https, and long chains.
func refuseDowngrade(request *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("too many redirects")
	}
	if via[0].URL.Scheme == "https" && request.URL.Scheme != "https" {
		return errors.New("redirect from https to http")
	}
	return nil
}

// boundedTransport cuts bodies at maxDocumentBytes.
type boundedTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t boundedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body := response.Body
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(body, maxDocumentBytes), body}
	return response, nil
}

// keys is an immutable set of public signature keys.
type keys struct {
	set     []jose.JSONWebKey
	fetched time.Time
}

// parseKeys reads a JWK set (RFC 7517). Keys of kinds that are not understood,
// weak ones, symmetric ones and those for encryption are left out (section 5).
func parseKeys(document []byte) (*keys, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, errors.New("not a JSON Web Key Set")
	}
	parsed := &keys{}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if err := json.Unmarshal(raw, &key); err != nil || !isVerifying(key) {
			continue
		}
		if len(parsed.set) == maxKeys {
			return nil, fmt.Errorf("more than %d keys", maxKeys)
		}
		parsed.set = append(parsed.set, key)
	}
	if len(parsed.set) == 0 {
		return nil, errors.New("no usable signature key")
	}
	return parsed, nil
}

// isVerifying reports whether key is a public key that may verify signatures.
func isVerifying(key jose.JSONWebKey) bool {
	if key.Use != "" && key.Use != "sig" {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return public.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	default:
		return false
	}
}

// signature verifies one token against one set of keys, as go-oidc's KeySet.
// It keeps whether the signature was good, which go-oidc's errors do not tell.
type signature struct {
	keys       *keys
	algorithms []jose.SignatureAlgorithm
	kid        string
	valid      bool
}

// VerifySignature implements oidc.KeySet without any I/O.
func (s *signature) VerifySignature(_ context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, s.algorithms)
	if err != nil {
		return nil, ErrMalformed
	}
	algorithm := jws.Signatures[0].Protected.Algorithm
	for i := range s.keys.set {
		key := &s.keys.set[i]
		if s.kid != "" && key.KeyID != s.kid || key.Algorithm != "" && key.Algorithm != algorithm {
			continue
		}
		if payload, err := jws.Verify(key.Key); err == nil {
			s.valid = true
			return payload, nil
		}
	}
	return nil, ErrSignature
}

// has reports whether the set has a key of that id.
func (k *keys) has(kid string) bool {
	for i := range k.set {
		if k.set[i].KeyID == kid {
			return true
		}
	}
	return false
}
