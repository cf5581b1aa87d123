package identity

import (
	"net/url"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Metadata is what an issuer's discovery document says of its OAuth endpoints.
type Metadata struct {
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	IntrospectionEndpoint string   `json:"introspection_endpoint"`
	GrantTypes            []string `json:"grant_types_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
}

// Metadata is that of the first issuer of the upstream, in configured order,
// whose discovery document has been read and names both endpoints. It does no
// I/O: documents are read together with keys. ok is false when there is none.
func (a *Authenticator) Metadata(upstream string) (m Metadata, ok bool) {
	u, ok := a.upstreams[upstream]
	if !ok {
		return Metadata{}, false
	}
	for _, source := range u.sources {
		if held := source.metadata.Load(); held != nil {
			return *held, true
		}
	}
	return Metadata{}, false
}

// keepMetadata keeps the endpoints of a discovery document, if they are usable.
func (s *keySource) keepMetadata(provider *oidc.Provider) {
	var m Metadata
	if err := provider.Claims(&m); err != nil {
		return // the document may have another shape there; tokens are verified all the same
	}
	for _, endpoint := range []string{m.AuthorizationEndpoint, m.TokenEndpoint} {
		if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return
		}
	}
	s.metadata.Store(&m)
}
