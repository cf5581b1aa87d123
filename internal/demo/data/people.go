package data

import "strings"

// Person is somebody who can sign in to the demo. What he or she may see is the policy's to say; a Person only says who it
// is.
type Person struct {
	// Name is the PERSON of the command line.
	Name string
	// Subject is the sub claim of the person's tokens, unique among the people.
	Subject string
	// Display is the name that a person would read.
	Display string
	// Roles is the roles claim; empty for somebody without any role.
	Roles []string
	// FHIRUser is the fhirUser claim as a relative reference to a resource of the stories, empty for an application or a
	// stranger.
	FHIRUser string
	// LaunchPatient is the logical id of the patient in the launch context (the patient claim), empty when there is none.
	LaunchPatient string
	// Scopes are the scopes of a token for which none were asked.
	Scopes []string
	// Application says that this is a backend service: it signs in with client credentials.
	Application bool
	// Description is one line: what this person shows.
	Description string
	// Example is the path and query below the FHIR base that shows it.
	Example string
}

// Claims are the claims of the person's tokens.
func (p Person) Claims() map[string]any {
	c := map[string]any{"sub": p.Subject, "scope": strings.Join(p.Scopes, " ")}
	if len(p.Roles) > 0 {
		c["roles"] = p.Roles
	}
	if p.FHIRUser != "" {
		c["fhirUser"] = p.FHIRUser
	}
	if p.LaunchPatient != "" {
		c["patient"] = p.LaunchPatient
	}
	return c
}

// People are all who can sign in, in the order in which the demo lists them. The slice is the caller's.
func People() []Person {
	return append(mainPeople(), otherPeople()...)
}

// sameSearch is the example of all of mainPeople: each of them gets other rows and other masks.
const sameSearch = "Patient?_id=anna-berg,leo-lind,george-whitfield"

// mainPeople are one of each role.
func mainPeople() []Person {
	return []Person{
		{
			Name: "patient", Subject: "user-anna-berg", Display: "Anna Berg", Roles: []string{"patient"},
			FHIRUser: "Patient/anna-berg", LaunchPatient: "anna-berg",
			Scopes:      []string{"openid", "fhirUser", "launch/patient", "patient/*.cruds"},
			Description: "Anna Berg sees her own record, the old depression too, and nobody else's",
			Example:     sameSearch,
		},
		{
			Name: "practitioner", Subject: "user-dr-okafor", Display: "Dr. Chidi Okafor", Roles: []string{"practitioner"},
			FHIRUser:    "Practitioner/dr-okafor",
			Scopes:      []string{"openid", "fhirUser", "user/*.cruds"},
			Description: "Dr. Okafor sees the patients that he treats, without what is labelled as sensitive",
			Example:     sameSearch,
		},
		{
			Name: "relatedperson", Subject: "user-maria-lind", Display: "Maria Lind", Roles: []string{"relatedperson"},
			FHIRUser:    "RelatedPerson/leo-lind-mother",
			Scopes:      []string{"openid", "fhirUser", "user/*.cruds"},
			Description: "Maria Lind sees the record of her son Leo, and nobody else's",
			Example:     sameSearch,
		},
		{
			Name: "researcher", Subject: "user-res-haddad", Display: "Dr. Noor Haddad", Roles: []string{"researcher"},
			FHIRUser:    "Practitioner/res-haddad",
			Scopes:      []string{"openid", "fhirUser", "user/*.rs"},
			Description: "Dr. Haddad sees everybody without names, addresses and exact dates",
			Example:     sameSearch,
		},
		{
			Name: "admin", Subject: "user-adm-lorimer", Display: "Isaac Lorimer", Roles: []string{"admin"},
			FHIRUser:    "Practitioner/adm-lorimer",
			Scopes:      []string{"openid", "fhirUser", "user/*.cruds"},
			Description: "Isaac Lorimer runs the system and sees everything; each look is audited in full",
			Example:     sameSearch,
		},
	}
}

// otherPeople show one thing each.
func otherPeople() []Person {
	return []Person{
		{
			Name: "patient2", Subject: "user-marcus-reid", Display: "Marcus Reid", Roles: []string{"patient"},
			FHIRUser: "Patient/marcus-reid", LaunchPatient: "marcus-reid",
			Scopes:      []string{"openid", "fhirUser", "launch/patient", "patient/*.rs"},
			Description: "Marcus Reid sees his own HIV record, which most of his doctors don't",
			Example:     "Condition?patient=Patient/marcus-reid",
		},
		{
			Name: "practitioner2", Subject: "user-dr-haas", Display: "Dr. Ingrid Haas", Roles: []string{"practitioner"},
			FHIRUser:    "Practitioner/dr-haas",
			Scopes:      []string{"openid", "fhirUser", "user/*.cruds"},
			Description: "Dr. Haas sees other patients than Dr. Okafor; her team for Anna ended in 2018",
			Example:     "Patient?_count=10",
		},
		{
			Name: "carer", Subject: "user-helen-whitfield", Display: "Helen Whitfield", Roles: []string{"relatedperson"},
			FHIRUser:    "RelatedPerson/george-whitfield-carer",
			Scopes:      []string{"openid", "fhirUser", "user/*.rs"},
			Description: "Helen Whitfield cares for her father George and sees his record",
			Example:     "Observation?patient=Patient/george-whitfield&_count=5",
		},
		{
			Name: "registrar", Subject: "user-adm-oduya", Display: "Grace Oduya", Roles: []string{"registrar"},
			FHIRUser:    "Practitioner/adm-oduya",
			Scopes:      []string{"openid", "fhirUser", "user/*.cruds"},
			Description: "Grace Oduya keeps names, addresses and staff lists, and sees nothing clinical",
			Example:     "Patient?family=Berg",
		},
		{
			Name: "stranger", Subject: "user-stranger", Display: "Sam Stranger",
			Scopes:      []string{"openid", "user/*.rs"},
			Description: "A valid token without any role: sees nothing",
			Example:     "Patient/anna-berg",
		},
		{
			Name: "app", Subject: "app-quality-report", Display: "Quality report service", Roles: []string{"app"}, Application: true,
			Scopes:      []string{"system/Observation.rs", "system/Condition.rs"},
			Description: "A backend service without a person: only what its system scopes name",
			Example:     "Observation?_count=2",
		},
	}
}
