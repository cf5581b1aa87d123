package identity

import (
	"errors"
	"testing"
)

func TestTokenKinds(t *testing.T) {
	type m = map[string]any
	no := false
	tests := []struct {
		name    string
		issuer  Issuer
		header  m
		changes m
		want    error
	}{
		{"scope", Issuer{Preset: "smart"}, nil, nil, nil},
		{"scp", Issuer{Preset: "smart"}, nil, m{"scope": nil, "scp": []string{"x"}}, nil},
		{"nothing marks it", Issuer{Preset: "smart"}, nil, m{"scope": nil}, ErrTokenType},
		{"nothing marks it, allowed", Issuer{Preset: "smart", RequireAccessTokenMarker: &no}, nil, m{"scope": nil}, nil},
		{"ID token with nonce", Issuer{Preset: "smart"}, nil, m{"nonce": "n"}, ErrTokenType},
		{"ID token with nonce, marker not required", Issuer{Preset: "smart", RequireAccessTokenMarker: &no}, nil, m{"nonce": "n", "scope": nil}, ErrTokenType},
		{"ID token with at_hash", Issuer{Preset: "smart"}, nil, m{"at_hash": "x"}, ErrTokenType},
		{"ID token with c_hash", Issuer{Preset: "smart"}, nil, m{"c_hash": "x"}, ErrTokenType},
		{"aud is the client", Issuer{Preset: "smart", Audiences: []string{"app-1"}}, nil, m{"aud": "app-1"}, ErrTokenType},
		{"aud is the client_id", Issuer{Preset: "smart", Audiences: []string{"app-2"}}, nil, m{"aud": "app-2", "client_id": "app-2"}, ErrTokenType},
		{"at+jwt for the client's own API", Issuer{Preset: "smart", Audiences: []string{"app-1"}}, m{"typ": "at+jwt"}, m{"aud": "app-1"}, nil},
		{"Cognito access token", Issuer{Preset: "custom"}, nil, m{"token_use": "access", "scope": nil}, nil},
		{"Cognito ID token", Issuer{Preset: "custom"}, nil, m{"token_use": "id"}, ErrTokenType},
		{"Keycloak access token", Issuer{Preset: "keycloak"}, m{"typ": "JWT"}, m{"typ": "Bearer", "nonce": "old Keycloak"}, nil},
		{"Keycloak ID token", Issuer{Preset: "keycloak"}, m{"typ": "JWT"}, m{"typ": "ID"}, ErrTokenType},
		{"Keycloak refresh token", Issuer{Preset: "keycloak"}, m{"typ": "JWT"}, m{"typ": "Refresh"}, ErrTokenType},
		{"Keycloak DPoP token", Issuer{Preset: "keycloak"}, m{"typ": "JWT"}, m{"typ": "DPoP"}, ErrTokenType},
		{"typ that is no string", Issuer{Preset: "keycloak"}, nil, m{"typ": 1}, ErrTokenType},
		{"Entra v2 access token, own API", Issuer{Preset: "entra", Audiences: []string{"app-1"}}, m{"typ": "JWT"}, m{"aud": "app-1", "azpacr": "1", "scope": nil}, nil},
		{"Entra v1 app-only token", Issuer{Preset: "entra"}, m{"typ": "JWT"}, m{"appidacr": "2", "scope": nil, "azp": nil, "appid": "app-1"}, nil},
		{"Entra v2 ID token", Issuer{Preset: "entra", Audiences: []string{"app-1"}}, m{"typ": "JWT"}, m{"aud": "app-1", "azp": nil, "scope": nil, "roles": []string{"r"}, "nonce": "n"}, ErrTokenType},
		{"Entra v2 ID token without nonce", Issuer{Preset: "entra", Audiences: []string{"app-1"}}, m{"typ": "JWT"}, m{"aud": "app-1", "azp": nil, "scope": nil, "roles": []string{"r"}}, ErrTokenType},
		{"Entra marker of no meaning elsewhere", Issuer{Preset: "smart"}, nil, m{"azpacr": "1", "nonce": "n"}, ErrTokenType},
	}
	c := newClock()
	p := newPeer(t, c)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.issuer.URL = p.url()
			header := m{"kid": "rsa"}
			for name, value := range tt.header {
				header[name] = value
			}
			err := authenticate(newAuth(t, c, tt.issuer), p.signed("RS256", header, p.claims(tt.changes)))
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestTenants(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	entra := map[string]any{"azpacr": "1", "scope": nil, "tid": "t-1"}
	with := func(tid any) string {
		changes := map[string]any{}
		for name, value := range entra {
			changes[name] = value
		}
		changes["tid"] = tid
		return p.token(changes)
	}
	a := newAuth(t, c, Issuer{URL: p.url(), Preset: "entra", Tenants: []string{"t-1", "t-2"}})
	for _, tt := range []struct {
		tid  any
		want error
	}{
		{"t-1", nil},
		{"t-2", nil},
		{"t-3", ErrTenant},
		{nil, ErrTenant},
		{"", ErrTenant},
		{"T-1", ErrTenant},
		{[]string{"t-1", "t-3"}, ErrTenant},
	} {
		if err := authenticate(a, with(tt.tid)); !errors.Is(err, tt.want) {
			t.Errorf("tid %v: %v, want %v", tt.tid, err, tt.want)
		}
	}
}

// TestTenantInURL: of an issuer for several tenants, each one's tokens carry that
// tenant and no other.
func TestTenantInURL(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	a := newAuth(t, c, Issuer{
		URL: "https://login.invalid/{tenant}/v2.0", JWKSURL: p.url() + "/keys", Preset: "entra", Tenants: []string{"t-1", "t-2"},
	})
	for _, tt := range []struct {
		iss, tid string
		want     error
	}{
		{"https://login.invalid/t-1/v2.0", "t-1", nil},
		{"https://login.invalid/t-2/v2.0", "t-2", nil},
		{"https://login.invalid/t-1/v2.0", "t-2", ErrTenant},
		{"https://login.invalid/t-3/v2.0", "t-3", ErrIssuer},
		{"https://login.invalid/{tenant}/v2.0", "t-1", ErrIssuer},
	} {
		token := p.token(map[string]any{"iss": tt.iss, "tid": tt.tid, "azpacr": "1"})
		if err := authenticate(a, token); !errors.Is(err, tt.want) {
			t.Errorf("iss %s with tid %s: %v, want %v", tt.iss, tt.tid, err, tt.want)
		}
	}
}
