package config

import "time"

// Issuer is one token issuer and how its claims are read.
type Issuer struct {
	// The name that upstreams use.
	Name string `yaml:"name" required:"true" format:"name"`
	// The `iss` value. For an Entra ID application of several tenants it holds `{tenantid}`, and allowed_tenants says which.
	Issuer string `yaml:"issuer" required:"true" format:"issuer"`
	// Where the claims below are when they are not given: `entra`, `keycloak`, `smart`, or `custom` (only what is given).
	Preset string `yaml:"preset" default:"custom" enum:"entra|keycloak|smart|custom"`
	// The discovery document, when it is not at `ISSUER/.well-known/openid-configuration`.
	DiscoveryURL string `yaml:"discovery_url" format:"url"`
	// The key set, when there is no discovery document. Not together with discovery_url.
	JWKSURL string `yaml:"jwks_url" format:"url"`
	// Says that plain HTTP to a host other than loopback is meant for discovery and keys.
	Plaintext bool `yaml:"plaintext" default:"false"`
	// Signature algorithms that are accepted. `none` and HMAC are never.
	Algorithms []string `yaml:"algorithms" default:"RS256" enum:"RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512|EdDSA"`
	// By how much clocks may differ.
	ClockSkew time.Duration `yaml:"clock_skew" default:"30s" min:"0s" max:"5m"`
	// Longest life of a token that is accepted, from `iat` to `exp`.
	MaxLifetime time.Duration `yaml:"max_lifetime" default:"24h" min:"1m" max:"8760h"`
	// Tenants whose tokens are accepted (claims.tenant). Empty: the issuer's own; required when issuer holds `{tenantid}`.
	AllowedTenants []string `yaml:"allowed_tenants"`
	// Applications whose tokens are accepted (claims.client). Empty: all of this issuer.
	AllowedClients []string `yaml:"allowed_clients"`
	// Whether tokens must carry SMART scopes: without any, nothing is allowed. Set it to false for issuers that know no SMART scopes; roles alone then decide.
	ScopesRequired bool `yaml:"scopes_required" default:"true"`
	// With scopes_required false: the applications whose tokens must carry them all the same.
	ScopesRequiredClients []string `yaml:"scopes_required_clients"`
	// FHIR bases that an absolute fhirUser may start with; it is then read as a resource of the upstream that was asked. Others are ignored.
	FHIRBases []string `yaml:"fhir_bases"`
	// Which claim is what.
	Claims Claims `yaml:"claims"`
}

// Claims name the claims of a token by path: `roles`, or `realm_access.roles`
// for a member of an object. Of several the values are joined (lists) or the
// first that is there is taken.
type Claims struct {
	// The person or service; with the issuer it is the identity that participant links are kept under.
	Subject []string `yaml:"subject"`
	// The application that holds the token.
	Client []string `yaml:"client"`
	// The directory tenant.
	Tenant []string `yaml:"tenant"`
	// Roles, as policy names them.
	Roles []string `yaml:"roles"`
	// Groups.
	Groups []string `yaml:"groups"`
	// Scopes: a string separated by spaces or a list.
	Scopes []string `yaml:"scopes"`
	// The participant as a FHIR reference.
	FHIRUser []string `yaml:"fhir_user"`
	// The patient of the launch context.
	Patient []string `yaml:"patient"`
	// The encounter of the launch context.
	Encounter []string `yaml:"encounter"`
	// Purpose of use codes.
	PurposeOfUse []string `yaml:"purpose_of_use"`
}

// presetClaims is where each kind of issuer puts its claims. Entra ID: `scp`
// for delegated and `roles` for application permissions, `azp` in v2 and
// `appid` in v1 tokens. Keycloak: realm roles in an object. SMART App Launch
// 2.2: fhirUser, patient and encounter beside the scopes.
func presetClaims(preset string) Claims {
	switch preset {
	case "entra":
		return Claims{
			Subject: []string{"oid", "sub"}, Client: []string{"azp", "appid"}, Tenant: []string{"tid"}, Roles: []string{"roles"},
			Groups: []string{"groups"}, Scopes: []string{"scp"}, FHIRUser: []string{"fhirUser"},
		}
	case "keycloak":
		return Claims{
			Subject: []string{"sub"}, Client: []string{"azp", "client_id"}, Roles: []string{"realm_access.roles"}, Groups: []string{"groups"},
			Scopes: []string{"scope"}, FHIRUser: []string{"fhirUser"}, Patient: []string{"patient"}, Encounter: []string{"encounter"},
			PurposeOfUse: []string{"purpose_of_use"},
		}
	case "smart":
		return Claims{
			Subject: []string{"sub"}, Client: []string{"client_id", "azp"}, Roles: []string{"roles"}, Groups: []string{"groups"},
			Scopes: []string{"scope", "scp"}, FHIRUser: []string{"fhirUser"}, Patient: []string{"patient"}, Encounter: []string{"encounter"},
			PurposeOfUse: []string{"purpose_of_use"},
		}
	default:
		return Claims{Subject: []string{"sub"}}
	}
}

// withPreset fills what the file leaves out.
func (c Claims) withPreset(preset string) Claims {
	p := presetClaims(preset)
	for _, f := range []struct {
		own  *[]string
		then []string
	}{
		{&c.Subject, p.Subject},
		{&c.Client, p.Client},
		{&c.Tenant, p.Tenant},
		{&c.Roles, p.Roles},
		{&c.Groups, p.Groups},
		{&c.Scopes, p.Scopes},
		{&c.FHIRUser, p.FHIRUser},
		{&c.Patient, p.Patient},
		{&c.Encounter, p.Encounter},
		{&c.PurposeOfUse, p.PurposeOfUse},
	} {
		if len(*f.own) == 0 {
			*f.own = f.then
		}
	}
	return c
}
