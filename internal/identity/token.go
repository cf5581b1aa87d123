package identity

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/tidwall/gjson"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// maxTokenDepth bounds the nesting of a token's header and claims.
const maxTokenDepth = 16

// token is a JWT in the form of strict JSON. Nothing of it is to be believed
// before verifySignature and check have passed.
type token struct {
	text      string
	algorithm string
	kid       string
	kind      string // header typ in lower case, without "application/"
	issuer    string
	audience  []string
	issued    time.Time
	notBefore time.Time // zero: none
	expires   time.Time
	claims    []byte
}

// parseToken reads a compact JWS whose parts are not empty. Duplicate members
// are refused, since two readers could take different ones (RFC 7519 section 4).
func parseToken(text string) (*token, error) {
	parts := strings.Split(text, ".")
	header, err := decodePart(parts[0])
	if err != nil {
		return nil, err
	}
	claims, err := decodePart(parts[1])
	if err != nil {
		return nil, err
	}
	t := &token{text: text, claims: claims}
	if err := t.parseHeader(header); err != nil {
		return nil, err
	}
	return t, t.parseClaims()
}

// decodePart returns the JSON object in one part of a token.
func decodePart(part string) ([]byte, error) {
	doc, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil || wire.Check(doc, wire.Limits{MaxDepth: maxTokenDepth}) != nil {
		return nil, ErrMalformed
	}
	return doc, nil
}

// parseHeader reads the JOSE header. Keys that a header brings or points to
// (jwk, jku, x5c, x5u) are never looked at.
func (t *token) parseHeader(header []byte) error {
	fields := gjson.GetManyBytes(header, "alg", "kid", "typ", "crit", "b64")
	algorithm, kid, typ, crit, b64 := fields[0], fields[1], fields[2], fields[3], fields[4]
	// No extension is understood (RFC 7515 section 4.1.11), RFC 7797's b64 included.
	if algorithm.Type != gjson.String || crit.Exists() || b64.Exists() ||
		kid.Exists() && kid.Type != gjson.String || typ.Exists() && typ.Type != gjson.String {
		return ErrMalformed
	}
	if !slices.Contains(asymmetricAlgorithms(), algorithm.Str) {
		return ErrAlgorithm
	}
	t.algorithm, t.kid = algorithm.Str, kid.Str
	// RFC 7515 section 4.1.9: case does not matter, "application/" may be left out.
	t.kind = strings.TrimPrefix(strings.ToLower(typ.Str), "application/")
	return nil
}

// parseClaims reads the registered claims. iss, aud, exp and iat must be there;
// nbf need not be, as many issuers leave it out (RFC 9068 doesn't ask for it).
func (t *token) parseClaims() error {
	fields := gjson.GetManyBytes(t.claims, "iss", "aud", "exp", "iat", "nbf")
	if fields[0].Type != gjson.String || fields[0].Str == "" {
		return ErrMalformed
	}
	t.issuer = fields[0].Str
	var ok bool
	if t.audience, ok = audienceOf(fields[1]); !ok {
		return ErrMalformed
	}
	if t.expires, ok = numericDate(fields[2]); !ok {
		return ErrMalformed
	}
	if t.issued, ok = numericDate(fields[3]); !ok {
		return ErrMalformed
	}
	if fields[4].Exists() && fields[4].Type != gjson.Null {
		if t.notBefore, ok = numericDate(fields[4]); !ok {
			return ErrMalformed
		}
	}
	return nil
}

// audienceOf reads aud: a string or an array of strings, at least one.
func audienceOf(aud gjson.Result) ([]string, bool) {
	if aud.Type == gjson.String {
		return []string{aud.Str}, aud.Str != ""
	}
	if !aud.IsArray() {
		return nil, false
	}
	var audience []string
	for _, item := range aud.Array() {
		if item.Type != gjson.String {
			return nil, false
		}
		audience = append(audience, item.Str)
	}
	return audience, len(audience) > 0
}

// numericDate reads seconds since 1970 (RFC 7519 section 2), up to the year 9999.
func numericDate(value gjson.Result) (time.Time, bool) {
	const lastSecond = 253402300799
	if value.Type != gjson.Number || !(value.Num >= 0 && value.Num <= lastSecond) {
		return time.Time{}, false
	}
	seconds, fraction := math.Modf(value.Num)
	return time.Unix(int64(seconds), int64(fraction*1e9)).UTC(), true
}

// issuer is one issuer as configured for one upstream.
type issuer struct {
	url            string
	audiences      []string
	fhirBases      []string
	tenants        []string
	algorithms     []string
	skew           time.Duration
	keys           *keySource
	claims         Claims
	markers        []string
	requireMarker  bool
	scopesRequired bool
	clients        map[string]Client
	scopeMap       map[string]string
	dottedScopes   bool
}

// newIssuer joins what upstream, issuer and preset say; all were validated.
func newIssuer(u Upstream, c Issuer, iss string, tenants []string, keys *keySource) *issuer {
	p, _ := presetOf(c.Preset)
	i := &issuer{
		url: iss, audiences: c.Audiences, fhirBases: c.FHIRBases, tenants: tenants,
		algorithms: c.Algorithms, skew: c.ClockSkew, keys: keys,
		claims: claimsOf(p, c), markers: p.markers,
		requireMarker:  or(c.RequireAccessTokenMarker, true),
		scopesRequired: or(c.ScopesRequired, p.scopesRequired),
		dottedScopes:   or(c.DottedScopes, p.dottedScopes),
		clients:        c.Clients, scopeMap: c.ScopeMap,
	}
	if len(i.audiences) == 0 {
		i.audiences = u.Audiences
	}
	if len(i.fhirBases) == 0 {
		i.fhirBases = u.FHIRBases
	}
	if len(i.fhirBases) == 0 {
		i.fhirBases = slices.Concat(u.Audiences, c.Audiences)
	}
	if len(i.algorithms) == 0 {
		i.algorithms = DefaultAlgorithms()
	}
	if i.skew == 0 {
		i.skew = DefaultClockSkew
	}
	return i
}

// verifySignature checks algorithm, key, signature and iss. It fetches keys when
// those held do not verify the token, as far as the key source allows.
func (i *issuer) verifySignature(ctx context.Context, t *token) error {
	if !slices.Contains(i.algorithms, t.algorithm) {
		return ErrAlgorithm
	}
	held, err := i.keys.get(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	err = i.verifyWith(ctx, t, held)
	if !errors.Is(err, ErrSignature) {
		return err
	}
	fresh, renewErr := i.keys.renew(ctx)
	switch {
	case renewErr != nil && held.has(t.kid):
		return ErrSignature
	case renewErr != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, renewErr)
	case fresh == held:
		return ErrSignature
	}
	return i.verifyWith(ctx, t, fresh)
}

// verifyWith runs go-oidc's verifier over one set of keys.
func (i *issuer) verifyWith(ctx context.Context, t *token, with *keys) error {
	s := &signature{keys: with, kid: t.kid, algorithms: []jose.SignatureAlgorithm{jose.SignatureAlgorithm(t.algorithm)}}
	verifier := oidc.NewVerifier(i.url, s, &oidc.Config{
		SupportedSigningAlgs: []string{t.algorithm},
		SkipClientIDCheck:    true, // check has a list of audiences
		SkipExpiryCheck:      true, // check has a clock skew
	})
	_, err := verifier.Verify(ctx, t.text)
	switch {
	case err == nil:
		return nil
	case !s.valid:
		return ErrSignature
	default:
		return ErrMalformed // the claims do not have the types of OpenID Connect
	}
}

// check judges what a verified token says of itself.
func (i *issuer) check(t *token, now time.Time) error {
	if now.After(t.expires.Add(i.skew)) {
		return ErrExpired
	}
	if t.notBefore.After(now.Add(i.skew)) || t.issued.After(now.Add(i.skew)) {
		return ErrNotYetValid
	}
	if !slices.ContainsFunc(t.audience, func(aud string) bool { return slices.Contains(i.audiences, aud) }) {
		return ErrAudience
	}
	if err := i.checkKind(t); err != nil {
		return err
	}
	if len(i.tenants) > 0 {
		tenant, err := firstString(t.claims, i.claims.Tenant)
		if err != nil || !slices.Contains(i.tenants, tenant) {
			return ErrTenant
		}
	}
	return nil
}

// checkKind accepts access tokens alone; the package documentation has the rules.
func (i *issuer) checkKind(t *token) error {
	has := func(claim string) bool { return gjson.GetBytes(t.claims, claim).Exists() }
	if has("cnf") {
		return ErrBound
	}
	switch t.kind {
	case "at+jwt":
		return nil
	case "", "jwt":
	default:
		return ErrTokenType
	}
	marked := slices.ContainsFunc(i.markers, has)
	for claim, access := range map[string]string{"typ": "bearer", "token_use": "access"} {
		if value := gjson.GetBytes(t.claims, claim); value.Exists() {
			if !strings.EqualFold(value.Str, access) {
				return ErrTokenType
			}
			marked = true
		}
	}
	if marked {
		return nil
	}
	if slices.ContainsFunc([]string{"nonce", "at_hash", "c_hash", "s_hash"}, has) {
		return ErrTokenType
	}
	if len(t.audience) == 1 {
		for _, party := range gjson.GetManyBytes(t.claims, "azp", "client_id", "appid") {
			if party.Str == t.audience[0] {
				return ErrTokenType
			}
		}
	}
	if i.requireMarker && !has("scope") && !has("scp") {
		return ErrTokenType
	}
	return nil
}
