package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/fhirgate/fhirgate/internal/config"
	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/gateway"
	"github.com/fhirgate/fhirgate/internal/httpapi"
	"github.com/fhirgate/fhirgate/internal/identity"
	"github.com/fhirgate/fhirgate/internal/policy"
	"github.com/fhirgate/fhirgate/internal/upstream"
	"github.com/fhirgate/fhirgate/internal/upstream/credential"
)

// upstreamParts are the parts that belong to one FHIR server. Nothing of them is
// shared with another.
type upstreamParts struct {
	name    string
	lookups *policy.Lookups
	policy  *currentPolicy
	base    httpapi.Base
	maskKey []byte
}

func (a *App) openUpstreams(ctx context.Context) error {
	for _, u := range a.config.Upstreams {
		parts, err := a.openUpstream(ctx, u)
		if err != nil {
			return fmt.Errorf("upstream %s: %w", u.Name, err)
		}
		a.upstreams = append(a.upstreams, parts)
	}
	return nil
}

func (a *App) openUpstream(ctx context.Context, u config.Upstream) (*upstreamParts, error) {
	client, err := newClient(u)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, func(context.Context) error { client.Close(); return nil })
	limits := fhir.BundleLimits{MaxEntry: int(u.Limits.MaxResource), MaxDepth: u.Limits.MaxDepth}
	lookups, err := policy.NewLookups(upstream.Fetcher{Client: client, Limits: limits}, a.defs, policy.LookupOptions{
		TTL: a.config.Policy.Lookup.TTL, MaxRows: a.config.Policy.Lookup.MaxRows, MaxBytes: int64(a.config.Policy.Lookup.CacheBytes), Clock: a.clock,
	})
	if err != nil {
		return nil, err
	}
	parts := &upstreamParts{name: u.Name, lookups: lookups, policy: &currentPolicy{}}
	if parts.maskKey, err = a.store.Key(ctx, "mask/"+u.Name); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	pageKey, err := a.store.Key(ctx, "page-link/"+u.Name)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	policyPort, upstreamPort := a.traced(parts.policy, client)
	g, err := gateway.New(gateway.Options{
		Name: u.Name, PublicBase: a.config.PublicBase(u), Definitions: a.defs, Policy: policyPort, Upstream: upstreamPort,
		IfMatch: upstream.NewIfMatch(client, upstream.IfMatchOptions{
			Stated: u.Writes.IfMatch == "honoured", Ignored: u.Writes.Ignored, AcceptsRace: u.Writes.AcceptsRace,
		}),
		Quota: &quotas{limiter: a.limiter, upstream: u.Name, journal: a.journal}, Journal: a.journal, Written: lookups.Written,
		Limits: gatewayLimits(u.Limits), PageKey: pageKey, OAuth: a.oauth(u.Name), Clock: a.clock, Version: Version,
	})
	if err != nil {
		return nil, err
	}
	parts.base = publicBase(a.config, u, g)
	parts.base.SMART = a.smart(u.Name)
	return parts, nil
}

// bind prepares a revision for this upstream.
func (u *upstreamParts) bind(ctx context.Context, a *App, r *policy.Revision) (*policy.Policy, error) {
	return r.Bind(ctx, policy.Options{
		Definitions: a.defs, Timeout: a.config.Policy.Timeout, ContextTimeout: a.config.Policy.Lookup.Timeout,
		Lookups: u.lookups, MaskKey: u.maskKey,
	})
}

func gatewayLimits(l config.Limits) gateway.Limits {
	return gateway.Limits{
		MaxResource: int(l.MaxResource), MaxDepth: l.MaxDepth, ScanRows: l.ScanRows, ScanBytes: int64(l.ScanBytes), ScanTime: l.ScanTime,
		ScansPerCaller: l.ScansPerCaller, PageDefault: l.PageDefault, PageMax: l.PageMax, UpstreamPage: l.UpstreamPage,
		PageLinkTTL: l.PageLinkTTL, OmitTotal: l.Total == "omit",
	}
}

// publicBase takes the public base apart into host and path.
func publicBase(c *config.Config, u config.Upstream, g *gateway.Gateway) httpapi.Base {
	b := httpapi.Base{Upstream: u.Name, Gateway: g}
	if strings.HasPrefix(u.Base, "/") {
		b.Path = strings.TrimRight(u.Base, "/")
		if p, err := url.Parse(c.PublicURL); err == nil {
			b.Path = strings.TrimRight(p.Path, "/") + b.Path
		}
		return b
	}
	if p, err := url.Parse(u.Base); err == nil {
		b.Host, b.Path = strings.ToLower(p.Host), strings.TrimRight(p.Path, "/")
	}
	return b
}

func newClient(u config.Upstream) (*upstream.Client, error) {
	credentials, err := newCredential(u.Credentials)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	trust, err := clientTLS(u.TLS)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return upstream.New(upstream.Options{
		Base: u.URL, Credential: credentials, TLS: trust, MaxConnections: u.MaxConnections,
		Connect: u.Timeouts.Connect, ResponseHeader: u.Timeouts.ResponseHeader, Total: u.Timeouts.Total, Idle: u.Timeouts.Idle,
	})
}

func newCredential(c config.Credentials) (credential.Credential, error) {
	switch c.Kind {
	case "none":
		return credential.None{}, nil
	case "bearer":
		return credential.NewBearer(c.Token.Read)
	case "basic":
		return credential.NewBasic(c.Username, c.Password.Read)
	case "client_credentials":
		return credential.NewClientCredentials(credential.ClientCredentials{
			TokenURL: c.TokenURL, ClientID: c.ClientID, Secret: c.ClientSecret.Read, Scopes: c.Scopes, Params: c.Params, SecretInBody: c.AuthStyle == "params",
		})
	case "azure":
		kind := credential.AzureKind(c.Identity)
		if kind == "" {
			kind = "managed"
		}
		return credential.NewAzureIdentity(credential.AzureIdentity{Kind: kind, ClientID: c.ClientID, Scope: strings.Join(c.Scopes, " ")})
	}
	return nil, errors.New("unknown kind")
}

func clientTLS(c config.ClientTLS) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("ca: the file holds no PEM certificate")
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("cert: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// identityUpstream is what identity has to know of one upstream.
func identityUpstream(c *config.Config, u config.Upstream) identity.Upstream {
	out := identity.Upstream{Name: u.Name, Audiences: c.Audiences(u), FHIRBases: []string{c.PublicBase(u)}}
	for _, i := range c.Issuers {
		for _, name := range u.Issuers {
			if name == i.Name {
				out.Issuers = append(out.Issuers, identityIssuer(i))
			}
		}
	}
	return out
}

func identityIssuer(i config.Issuer) identity.Issuer {
	clients := map[string]identity.Client{}
	for _, c := range i.Clients {
		clients[c.ID] = identity.Client{ScopesRequired: c.ScopesRequired}
	}
	return identity.Issuer{
		URL: i.URL, Preset: i.Preset, JWKSURL: i.JWKSURL, AllowHTTP: i.Plaintext, FHIRBases: i.FHIRBases, Algorithms: i.Algorithms,
		ClockSkew: i.ClockSkew, Tenants: i.Tenants, ScopesRequired: i.ScopesRequired, RequireAccessTokenMarker: i.RequireAccessTokenMarker,
		ScopeMap: i.ScopeMap, DottedScopes: i.DottedScopes, RoleClients: i.RoleClients, Claims: identity.Claims(i.Claims), Clients: clients,
	}
}

// oauth gives the endpoints of the upstream's authorization server.
func (a *App) oauth(name string) func() (authorize, token string) {
	return func() (string, string) {
		m, _ := a.auth.Metadata(name)
		return m.AuthorizationEndpoint, m.TokenEndpoint
	}
}

// smart gives the SMART configuration of the upstream's base. Its capabilities
// are those that the gateway itself has: enforcing scopes.
func (a *App) smart(name string) func() *httpapi.SMARTConfiguration {
	return func() *httpapi.SMARTConfiguration {
		m, ok := a.auth.Metadata(name)
		if !ok {
			return nil
		}
		return &httpapi.SMARTConfiguration{
			AuthorizationEndpoint: m.AuthorizationEndpoint, TokenEndpoint: m.TokenEndpoint, RevocationEndpoint: m.RevocationEndpoint,
			IntrospectionEndpoint: m.IntrospectionEndpoint, GrantTypes: m.GrantTypes, ChallengeMethods: m.ChallengeMethods, TokenAuthMethods: m.TokenAuthMethods,
			Capabilities: []string{"permission-patient", "permission-user", "permission-v1", "permission-v2"},
		}
	}
}
