package identity

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Upstream is what identity has to know of one upstream. Nothing of it is shared
// with another: a token for one is worthless at another.
type Upstream struct {
	// Name is how requests name the upstream.
	Name string
	// Audiences are the values of aud that mean this upstream: its public FHIR
	// base, in each spelling that its clients use, compared byte for byte. No two
	// upstreams may share one.
	Audiences []string
	// FHIRBases are the absolute base URLs of this upstream's resources, for
	// fhirUser claims; empty means those of Audiences which are http(s) URLs.
	FHIRBases []string
	// Issuers are those whose tokens the upstream takes.
	Issuers []Issuer
}

// Issuer is the configuration of one token issuer for one upstream.
type Issuer struct {
	// URL is the issuer as its tokens spell it in iss, compared byte for byte. It
	// may contain {tenant}, which stands for each of Tenants in turn.
	URL string
	// Preset is entra, keycloak, smart or custom (which maps nothing but sub,
	// azp and client_id, scope and scp by itself).
	Preset string
	// JWKSURL is where the keys are, for issuers without discovery; empty means
	// what the issuer's discovery document says.
	JWKSURL string
	// AllowHTTP permits plain http for an issuer that is not on a loopback address.
	AllowHTTP bool
	// Audiences replace the upstream's for this issuer. Entra ID v2 tokens carry
	// the client id of the API's app registration in aud, whatever was asked for.
	Audiences []string
	// FHIRBases replace the upstream's for this issuer's fhirUser claims.
	FHIRBases []string
	// Algorithms are those allowed of DefaultAlgorithms (which empty means),
	// ES512, PS384 and PS512. Symmetric ones and none are refused always.
	Algorithms []string
	// ClockSkew is the tolerance for exp, nbf and iat; zero means
	// DefaultClockSkew, more than five minutes is refused.
	ClockSkew time.Duration
	// Tenants are the directory tenants whose tokens are taken; with it, a token
	// without a tenant is refused.
	Tenants []string
	// ScopesRequired says whether this issuer's tokens must carry SMART scopes;
	// absent means the preset's answer: yes for smart, no for the others.
	ScopesRequired *bool
	// RequireAccessTokenMarker refuses tokens which nothing marks as access
	// tokens; absent means yes. See the package documentation.
	RequireAccessTokenMarker *bool
	// ScopeMap gives SMART scopes for values which the issuer cannot spell as
	// such, by the token's value.
	ScopeMap map[string]string
	// DottedScopes reads patient.Observation.rs as patient/Observation.rs and
	// patient.all.read as patient/*.read, for issuers whose scopes cannot contain
	// a slash or a star (Entra ID). Absent means yes for the preset entra only.
	DottedScopes *bool
	// RoleClients are the Keycloak clients whose client roles count as roles.
	RoleClients []string
	// Claims replace, claim by claim, where the preset looks.
	Claims Claims
	// Clients hold what is special to one application, by client id.
	Clients map[string]Client
}

// Client is what is special to one application of an issuer.
type Client struct {
	// ScopesRequired overrides the issuer's; absent means the issuer's.
	ScopesRequired *bool
}

// Claims says where the parts of a principal are in a token, each as gjson paths
// ("realm_access.roles"; a dot within a name is written "\."). For Subject,
// Client, Tenant, FHIRUser, Patient and Encounter the first path that the token
// has counts; for the others the values of all paths add up.
type Claims struct {
	Subject      []string
	Client       []string
	Tenant       []string
	Roles        []string
	Groups       []string
	Scopes       []string
	FHIRUser     []string
	Patient      []string
	Encounter    []string
	PurposeOfUse []string
}

// DefaultClockSkew is the tolerance between the clocks of an issuer and this host.
const DefaultClockSkew = time.Minute

const maxClockSkew = 5 * time.Minute

// tenantPlaceholder stands for a tenant in an issuer's URL.
const tenantPlaceholder = "{tenant}"

// DefaultAlgorithms returns the signature algorithms allowed when none are named.
func DefaultAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "EdDSA"}
}

// asymmetricAlgorithms returns every algorithm that configuration may allow.
func asymmetricAlgorithms() []string {
	return append(DefaultAlgorithms(), "ES512", "PS384", "PS512")
}

// validate reports every problem of the upstream's configuration.
func (u Upstream) validate() error {
	var errs []error
	if u.Name == "" {
		errs = append(errs, errors.New("name: is empty"))
	}
	for i, audience := range u.Audiences {
		if audience == "" {
			errs = append(errs, fmt.Errorf("audiences[%d]: is empty", i))
		}
	}
	errs = append(errs, checkBases("fhir_bases", u.FHIRBases))
	seen := map[string]bool{}
	for i, issuer := range u.Issuers {
		if err := issuer.validate(); err != nil {
			errs = append(errs, fmt.Errorf("issuers[%d]: %w", i, err))
		}
		if len(u.Audiences) == 0 && len(issuer.Audiences) == 0 {
			errs = append(errs, fmt.Errorf("issuers[%d].audiences: neither the issuer nor the upstream has any", i))
		}
		for _, iss := range issuer.urls() {
			if seen[iss] {
				errs = append(errs, fmt.Errorf("issuers[%d].url: %q is configured twice", i, iss))
			}
			seen[iss] = true
		}
	}
	return errors.Join(errs...)
}

// validate reports every problem of the issuer's configuration.
func (c Issuer) validate() error {
	errs := []error{checkURL("url", strings.ReplaceAll(c.URL, tenantPlaceholder, "t"), c.AllowHTTP)}
	if strings.Contains(c.URL, tenantPlaceholder) && len(c.Tenants) == 0 {
		errs = append(errs, errors.New("tenants: must be listed when url contains "+tenantPlaceholder))
	}
	if c.JWKSURL != "" {
		errs = append(errs, checkURL("jwks_url", strings.ReplaceAll(c.JWKSURL, tenantPlaceholder, "t"), c.AllowHTTP))
	}
	if p, ok := presetOf(c.Preset); !ok {
		errs = append(errs, fmt.Errorf("preset: %q is not one of entra, keycloak, smart, custom", c.Preset))
	} else if len(c.Tenants) > 0 && len(claimsOf(p, c).Tenant) == 0 {
		errs = append(errs, errors.New("tenants: need claims.tenant, which says where a token names its tenant"))
	}
	for i, algorithm := range c.Algorithms {
		if !slices.Contains(asymmetricAlgorithms(), algorithm) {
			errs = append(errs, fmt.Errorf("algorithms[%d]: %q is not one of %s", i, algorithm, strings.Join(asymmetricAlgorithms(), ", ")))
		}
	}
	if c.ClockSkew < 0 || c.ClockSkew > maxClockSkew {
		errs = append(errs, fmt.Errorf("clock_skew: %s is not between 0s and %s", c.ClockSkew, maxClockSkew))
	}
	if slices.Contains(c.Tenants, "") || slices.Contains(c.Audiences, "") || slices.Contains(c.RoleClients, "") {
		errs = append(errs, errors.New("tenants, audiences and role_clients: must not contain an empty value"))
	}
	errs = append(errs, checkBases("fhir_bases", c.FHIRBases), c.Claims.validate())
	for value, scope := range c.ScopeMap {
		if len(parseScopeValue(scope)) == 0 {
			errs = append(errs, fmt.Errorf("scope_map[%q]: %q is not a SMART resource scope", value, scope))
		}
	}
	return errors.Join(errs...)
}

// validate reports empty claim paths: an empty path would find the whole token.
func (c Claims) validate() error {
	for _, paths := range [][]string{
		c.Subject, c.Client, c.Tenant, c.Roles, c.Groups, c.Scopes, c.FHIRUser, c.Patient, c.Encounter, c.PurposeOfUse,
	} {
		if slices.Contains(paths, "") {
			return errors.New("claims: a path is empty")
		}
	}
	return nil
}

// urls returns the issuers meant by URL: one, or one for each tenant.
func (c Issuer) urls() []string {
	if !strings.Contains(c.URL, tenantPlaceholder) {
		return []string{c.URL}
	}
	var urls []string
	for _, tenant := range c.Tenants {
		urls = append(urls, strings.ReplaceAll(c.URL, tenantPlaceholder, tenant))
	}
	return urls
}

// checkURL refuses what is not an absolute https URL; http is for loopback, or
// for whoever says so.
func checkURL(key, text string, allowHTTP bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%s: %q is not an absolute URL without user, query and fragment", key, text)
	case u.Scheme == "https", u.Scheme == "http" && (allowHTTP || isLoopback(u.Hostname())):
		return nil
	default:
		return fmt.Errorf("%s: %q must be https", key, text)
	}
}

// isLoopback reports whether host is an address of this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkBases refuses bases that are not absolute http(s) URLs.
func checkBases(key string, bases []string) error {
	for i, base := range bases {
		if err := checkURL(fmt.Sprintf("%s[%d]", key, i), base, true); err != nil {
			return err
		}
	}
	return nil
}
