package config

import "time"

// Issuer is one token issuer and how its claims are read.
type Issuer struct {
	// The name that upstreams use.
	Name string `yaml:"name" required:"true" format:"name"`
	// The issuer exactly as its tokens spell it in `iss`. It may hold `{tenant}`, which stands for each of tenants in turn.
	URL string `yaml:"url" required:"true" format:"issuer"`
	// What is known of this kind of issuer: `entra`, `keycloak`, `smart`, or `custom` (only what every OAuth server does).
	Preset string `yaml:"preset" default:"custom" enum:"entra|keycloak|smart|custom"`
	// The key set, for an issuer without a discovery document.
	JWKSURL string `yaml:"jwks_url" format:"issuer"`
	// Says that plain HTTP to a host other than loopback is meant for discovery and keys.
	Plaintext bool `yaml:"plaintext" default:"false"`
	// Signature algorithms that are accepted. `none` and HMAC never are.
	Algorithms []string `yaml:"algorithms" default:"RS256,RS384,RS512,ES256,ES384,PS256,EdDSA" enum:"RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512|EdDSA"`
	// By how much clocks may differ.
	ClockSkew time.Duration `yaml:"clock_skew" default:"1m" min:"1s" max:"5m"`
	// Directory tenants whose tokens are accepted; a token without a tenant is then refused. Required when url holds `{tenant}`.
	Tenants []string `yaml:"tenants"`
	// Whether tokens must carry SMART scopes: without any, nothing is allowed. Absent: true for the preset `smart`, false for the others, whose roles alone then decide.
	ScopesRequired *bool `yaml:"scopes_required"`
	// Whether tokens that nothing marks as access tokens are refused, since they could be ID tokens. Absent: true.
	RequireAccessTokenMarker *bool `yaml:"require_access_token_marker"`
	// SMART scopes for values that the issuer cannot spell as such, by the token's value.
	ScopeMap map[string]string `yaml:"scope_map"`
	// Whether `patient.Observation.rs` is read as `patient/Observation.rs`, for issuers whose scopes cannot hold a slash. Absent: true for the preset `entra` only.
	DottedScopes *bool `yaml:"dotted_scopes"`
	// keycloak: the clients whose client roles count as roles.
	RoleClients []string `yaml:"role_clients"`
	// FHIR bases that an absolute fhirUser may start with. Empty: the audiences of the upstream that was asked, where they are URLs.
	FHIRBases []string `yaml:"fhir_bases"`
	// Which claim is what, where the preset does not say it right.
	Claims Claims `yaml:"claims"`
	// What is special to one application.
	Clients []Client `yaml:"clients"`
}

// Client is what is special to one application of an issuer.
type Client struct {
	// The application's client id.
	ID string `yaml:"id" required:"true"`
	// Whether this application's tokens must carry SMART scopes. Absent: as the issuer's.
	ScopesRequired *bool `yaml:"scopes_required"`
}

// Claims name the claims of a token by path: `roles`, `realm_access.roles` for
// a member of an object, a dot within a name as `\.`. What is empty is where
// the preset looks.
type Claims struct {
	// The person or service; with the issuer it is the identity that participant links are kept under. The first path that a token has counts.
	Subject []string `yaml:"subject"`
	// The application that holds the token. The first path counts.
	Client []string `yaml:"client"`
	// The directory tenant. The first path counts.
	Tenant []string `yaml:"tenant"`
	// Roles, as policy names them. The values of all paths add up.
	Roles []string `yaml:"roles"`
	// Groups. The values of all paths add up.
	Groups []string `yaml:"groups"`
	// Scopes: strings separated by spaces, or lists. The values of all paths add up.
	Scopes []string `yaml:"scopes"`
	// The participant as a FHIR reference. The first path counts.
	FHIRUser []string `yaml:"fhir_user"`
	// The patient of the launch context. The first path counts.
	Patient []string `yaml:"patient"`
	// The encounter of the launch context. The first path counts.
	Encounter []string `yaml:"encounter"`
	// Purpose of use codes. The values of all paths add up.
	PurposeOfUse []string `yaml:"purpose_of_use"`
}
