package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/golang-lru/v2"

	"github.com/fhirgate/fhirgate/internal/access"
)

const (
	// DefaultMaxTokenBytes is the longest token read when Options say nothing.
	// Entra ID tokens with 200 groups are about 10 KB.
	DefaultMaxTokenBytes = 16 << 10
	// DefaultCacheSize is the number of verified tokens kept for each upstream.
	DefaultCacheSize = 4096
	// tokenMaxAge is how long a verified token is believed without verifying it again.
	tokenMaxAge = time.Minute
	// linksMaxAge is how long participant links are kept with a verified token.
	linksMaxAge = 5 * time.Second
)

// Options are what an Authenticator needs beside its upstreams.
type Options struct {
	// Clock is the time; nil means time.Now.
	Clock func() time.Time
	// HTTPClient fetches discovery documents and keys; nil means one with a
	// time-out of ten seconds that never goes from https to http.
	HTTPClient *http.Client
	// Links returns the FHIR participants linked to a person, as relative
	// references; nil means that there are none.
	Links func(ctx context.Context, upstream, issuer, subject string) ([]string, error)
	// MaxTokenBytes bounds a token; zero means DefaultMaxTokenBytes.
	MaxTokenBytes int
	// CacheSize is the number of verified tokens kept for each upstream; zero
	// means DefaultCacheSize, a negative number none.
	CacheSize int
}

// Authenticator turns bearer tokens into principals. It is immutable but for its
// caches and safe for concurrent use.
type Authenticator struct {
	options   Options
	upstreams map[string]*upstream
	sources   []*keySource
}

// upstream is one upstream with its issuers by the text of iss.
type upstream struct {
	name     string
	issuers  map[string]*issuer
	sources  []*keySource                            // of the issuers, in configured order
	verified *lru.Cache[[sha256.Size]byte, verified] // nil: no cache
}

// verified is a token found good, with the participants its person had.
type verified struct {
	principal access.Principal
	until     time.Time // when the token must be verified again
	linked    time.Time // when the links were read
}

// New checks the configuration and returns an Authenticator. It contacts no
// issuer: keys are fetched when a token needs them, see Warm. The error names
// every problem.
func New(upstreams []Upstream, options Options) (*Authenticator, error) {
	if options.Clock == nil {
		options.Clock = time.Now //nolint:forbidigo // the default for the injected clock
	}
	options.HTTPClient = newClient(options.HTTPClient)
	if options.MaxTokenBytes == 0 {
		options.MaxTokenBytes = DefaultMaxTokenBytes
	}
	if options.CacheSize == 0 {
		options.CacheSize = DefaultCacheSize
	}
	if err := validateAll(upstreams); err != nil {
		return nil, err
	}
	a := &Authenticator{options: options, upstreams: map[string]*upstream{}}
	sources := map[[2]string]*keySource{}
	for _, u := range upstreams {
		built, err := a.build(u, sources)
		if err != nil {
			return nil, err
		}
		a.upstreams[u.Name] = built
	}
	return a, nil
}

// build makes one upstream. An issuer's keys are shared by all upstreams that
// take its tokens; nothing else is.
func (a *Authenticator) build(u Upstream, sources map[[2]string]*keySource) (*upstream, error) {
	built := &upstream{name: u.Name, issuers: map[string]*issuer{}}
	if a.options.CacheSize > 0 {
		cache, err := lru.New[[sha256.Size]byte, verified](a.options.CacheSize)
		if err != nil {
			return nil, fmt.Errorf("cache of verified tokens: %w", err)
		}
		built.verified = cache
	}
	for _, config := range u.Issuers {
		for i, iss := range config.urls() {
			tenants := config.Tenants
			jwksURL := config.JWKSURL
			if strings.Contains(config.URL, tenantPlaceholder) {
				tenants = tenants[i : i+1]
				jwksURL = strings.ReplaceAll(jwksURL, tenantPlaceholder, tenants[0])
			}
			at := [2]string{iss, jwksURL}
			if sources[at] == nil {
				sources[at] = newKeySource(iss, jwksURL, a.options.HTTPClient, a.options.Clock)
				a.sources = append(a.sources, sources[at])
			}
			built.sources = append(built.sources, sources[at])
			built.issuers[iss] = newIssuer(u, config, iss, tenants, sources[at])
		}
	}
	return built, nil
}

// Warm fetches the keys of every issuer. Its error names those that could not be
// reached; their tokens are refused with ErrUnavailable until they can.
func (a *Authenticator) Warm(ctx context.Context) error {
	var errs []error
	for _, source := range a.sources {
		if _, err := source.get(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Authenticate returns the principal that an Authorization header vouches for at
// an upstream. The error is one of this package's refusals, at most with a cause
// that holds nothing of the token. Without an error the principal is never
// anonymous. Its slices are shared with other requests and must not be changed.
func (a *Authenticator) Authenticate(ctx context.Context, upstreamName, authorization string) (access.Principal, error) {
	u, ok := a.upstreams[upstreamName]
	if !ok {
		return access.Principal{}, ErrUpstream
	}
	token, err := bearer(authorization, a.options.MaxTokenBytes)
	if err != nil {
		return access.Principal{}, err
	}
	now := a.options.Clock()
	key := sha256.Sum256([]byte(token))
	entry, found := u.cached(key, now)
	if !found {
		if entry, err = u.verify(ctx, token, now); err != nil {
			return access.Principal{}, err
		}
	}
	if !found || now.Sub(entry.linked) >= linksMaxAge {
		if err := a.link(ctx, u.name, &entry, now); err != nil {
			return access.Principal{}, err
		}
		u.keep(key, entry)
	}
	return entry.principal, nil
}

// cached returns a token that was verified a short while ago.
func (u *upstream) cached(key [sha256.Size]byte, now time.Time) (verified, bool) {
	if u.verified == nil {
		return verified{}, false
	}
	entry, ok := u.verified.Get(key)
	if ok && !now.Before(entry.until) {
		u.verified.Remove(key)
		return verified{}, false
	}
	return entry, ok
}

// keep remembers a verified token.
func (u *upstream) keep(key [sha256.Size]byte, entry verified) {
	if u.verified != nil {
		u.verified.Add(key, entry)
	}
}

// verify does everything that a token not seen before needs.
func (u *upstream) verify(ctx context.Context, text string, now time.Time) (verified, error) {
	t, err := parseToken(text)
	if err != nil {
		return verified{}, err
	}
	by, ok := u.issuers[t.issuer]
	if !ok {
		return verified{}, ErrIssuer
	}
	if err := by.verifySignature(ctx, t); err != nil {
		return verified{}, err
	}
	if err := by.check(t, now); err != nil {
		return verified{}, err
	}
	principal, err := by.principal(t)
	if err != nil {
		return verified{}, err
	}
	until := now.Add(tokenMaxAge)
	if end := t.expires.Add(by.skew); end.Before(until) {
		until = end
	}
	return verified{principal: principal, until: until}, nil
}

// link sets the participants of a verified token's person: who its fhirUser
// claim says, then the links that are kept for it.
func (a *Authenticator) link(ctx context.Context, upstreamName string, entry *verified, now time.Time) error {
	p := &entry.principal
	var participants []string
	if p.FHIRUser != "" {
		participants = append(participants, p.FHIRUser)
	}
	if a.options.Links != nil && p.Subject != "" {
		links, err := a.options.Links(ctx, upstreamName, p.Issuer, p.Subject)
		if err != nil {
			return fmt.Errorf("%w: participant links: %w", ErrUnavailable, err)
		}
		for _, reference := range links {
			if !slices.Contains(participants, reference) {
				participants = append(participants, reference)
			}
		}
	}
	p.Participants, entry.linked = participants, now
	return nil
}

// validateAll reports every problem, of the upstreams and between them.
func validateAll(upstreams []Upstream) error {
	var errs []error
	names := map[string]bool{}
	audiences := map[string]string{}
	for i, u := range upstreams {
		if err := u.validate(); err != nil {
			errs = append(errs, fmt.Errorf("upstreams[%d]: %w", i, err))
		}
		if names[u.Name] {
			errs = append(errs, fmt.Errorf("upstreams[%d]: the name %q is used twice", i, u.Name))
		}
		names[u.Name] = true
		all := slices.Clone(u.Audiences)
		for _, issuer := range u.Issuers {
			all = append(all, issuer.Audiences...)
		}
		for _, audience := range all {
			if other, used := audiences[audience]; used && other != u.Name {
				errs = append(errs, fmt.Errorf("upstreams[%d]: the audience %q is also that of %q", i, audience, other))
			}
			audiences[audience] = u.Name
		}
	}
	return errors.Join(errs...)
}
