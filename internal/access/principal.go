package access

import (
	"time"

	"github.com/fhirgate/fhirgate/internal/smart"
)

// Principal is who a request is made for, and by which application. It is
// built from a verified bearer token alone; the zero value is the anonymous
// principal, which holds no right.
type Principal struct {
	// Issuer and Subject identify the person or service (JWT iss and sub).
	Issuer, Subject string
	// Client is the application that holds the token (azp, client_id or appid).
	Client string
	// Tenant is the directory tenant where the issuer has one (Entra ID tid).
	Tenant string
	// Roles and Groups are claims mapped by the issuer's configuration.
	Roles, Groups []string
	// Scopes are the SMART scopes of the token; see ScopesRequired.
	Scopes []smart.Scope
	// ScopesRequired says that this issuer's or client's tokens must carry SMART
	// scopes. It is configuration, never inferred: when set and Scopes is empty
	// the principal may do nothing.
	ScopesRequired bool
	// FHIRUser is the token's fhirUser claim as a relative reference, or empty.
	FHIRUser string
	// Participants are the FHIR resources that this person is: FHIRUser and the
	// links kept in the store, as relative references without repeats.
	Participants []string
	// LaunchPatient and LaunchEncounter are logical ids from the launch context.
	LaunchPatient, LaunchEncounter string
	// PurposeOfUse holds the purpose codes that the token itself carries.
	PurposeOfUse []string
	// Expires is when the token ends; the zero time for the anonymous principal.
	Expires time.Time
}

// Anonymous reports whether no token vouches for the principal.
func (p Principal) Anonymous() bool { return p.Subject == "" && p.Client == "" }
