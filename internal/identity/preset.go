package identity

import "github.com/tidwall/gjson"

// preset is what is known of a kind of issuer.
type preset struct {
	claims         Claims
	markers        []string // claims that only access tokens have
	scopesRequired bool
	dottedScopes   bool
	roleClients    bool // client roles at resource_access.<client>.roles
}

// presetOf returns the preset of a name; the empty name is no preset.
func presetOf(name string) (preset, bool) {
	base := Claims{
		Subject: []string{"sub"},
		Client:  []string{"azp", "client_id"},
		Scopes:  []string{"scope", "scp"},
	}
	switch name {
	case "custom":
		return preset{claims: base}, true
	case "smart":
		// SMART App Launch 2.2 names these for the token response and the ID token;
		// servers with JWT access tokens repeat them there. IHE IUA nests its
		// purpose under extensions.
		base.Roles, base.Groups = []string{"roles"}, []string{"groups"}
		base.FHIRUser = []string{"fhirUser"}
		base.Patient, base.Encounter = []string{"patient"}, []string{"encounter"}
		base.PurposeOfUse = []string{"purpose_of_use", "extensions.@values.#.purpose_of_use"}
		return preset{claims: base, scopesRequired: true}, true
	case "keycloak":
		base.Roles, base.Groups = []string{"realm_access.roles"}, []string{"groups"}
		base.FHIRUser = []string{"fhirUser"}
		base.Patient, base.Encounter = []string{"patient"}, []string{"encounter"}
		base.PurposeOfUse = []string{"purpose_of_use"}
		return preset{claims: base, roleClients: true}, true
	case "entra":
		return preset{
			claims: Claims{
				// oid is the same for all applications of a tenant; sub differs by application.
				Subject:      []string{"oid", "sub"},
				Client:       []string{"azp", "appid"},
				Tenant:       []string{"tid"},
				Roles:        []string{"roles"},
				Groups:       []string{"groups"},
				Scopes:       []string{"scp"},
				FHIRUser:     []string{"fhirUser", `extn\.fhirUser`},
				Patient:      []string{"patient"},
				Encounter:    []string{"encounter"},
				PurposeOfUse: []string{"purpose_of_use"},
			},
			markers:      []string{"appidacr", "azpacr"},
			dottedScopes: true,
		}, true
	}
	return preset{}, false
}

// claimsOf merges what an issuer's configuration says over what its preset knows.
func claimsOf(p preset, c Issuer) Claims {
	claims := p.claims
	if p.roleClients {
		for _, client := range c.RoleClients {
			claims.Roles = append(claims.Roles, "resource_access."+gjson.Escape(client)+".roles")
		}
	}
	for _, over := range []struct{ to, from *[]string }{
		{&claims.Subject, &c.Claims.Subject},
		{&claims.Client, &c.Claims.Client},
		{&claims.Tenant, &c.Claims.Tenant},
		{&claims.Roles, &c.Claims.Roles},
		{&claims.Groups, &c.Claims.Groups},
		{&claims.Scopes, &c.Claims.Scopes},
		{&claims.FHIRUser, &c.Claims.FHIRUser},
		{&claims.Patient, &c.Claims.Patient},
		{&claims.Encounter, &c.Claims.Encounter},
		{&claims.PurposeOfUse, &c.Claims.PurposeOfUse},
	} {
		if *over.from != nil {
			*over.to = *over.from
		}
	}
	return claims
}

// or returns *choice, or otherwise when there is none.
func or(choice *bool, otherwise bool) bool {
	if choice == nil {
		return otherwise
	}
	return *choice
}
