# What each role sees, by type: the role tables as they are shipped.
package fhirgate.rows_test

import data.fhirgate.fixtures as f

clinical := ["Observation", "Condition", "MedicationRequest", "Encounter", "Immunization", "AllergyIntolerance"]

# role: patients whose clinical data and Patient it sees
reach := {
	"patient": {"p1"},
	"relatedperson": {"p1"},
	"practitioner": {"p1", "p2", "p3", "p4"},
	"researcher": {"p1", "p2", "p3", "p4", "p5"},
	"admin": {"p1", "p2", "p3", "p4", "p5"},
}

test_reach[role] if {
	some role, ids in reach
	every id in {"p1", "p2", "p3", "p4", "p5"} {
		mine := id in ids
		f.sees(role, f.person(id)) == mine
		f.sees(role, f.of("Observation", id)) == mine
	}
}

test_clinical_types[role] if {
	some role, _ in reach
	every type in clinical {
		f.sees(role, f.of(type, "p1"))
	}
}

# [role, type, seen]: of p1
types := [
	["patient", "AuditEvent", false],
	["patient", "Group", false],
	["patient", "Coverage", true],
	["patient", "Consent", true],
	["relatedperson", "Coverage", false],
	["relatedperson", "Consent", false],
	["relatedperson", "DocumentReference", true],
	["practitioner", "Task", true],
	["practitioner", "Device", true],
	["practitioner", "AuditEvent", false],
	["researcher", "DocumentReference", false],
	["researcher", "RelatedPerson", false],
	["researcher", "Consent", false],
	["admin", "AuditEvent", true],
	["admin", "Anything", true],
	["app", "Observation", true],
	["app", "Condition", false],
	["app", "Patient", false],
	["registrar", "Appointment", true],
	["registrar", "Observation", false],
	["registrar", "Condition", false],
]

test_types[name] if {
	some [role, type, seen] in types
	name := sprintf("%s %s", [role, type])
	f.sees(role, f.of(type, "p1")) == seen
}

# [role, type, seen]: about nobody
shared := [
	["patient", "Practitioner", true],
	["patient", "Organization", true],
	["patient", "Device", false],
	["patient", "Task", false],
	["relatedperson", "Practitioner", true],
	["relatedperson", "ValueSet", false],
	["practitioner", "Device", true],
	["practitioner", "Medication", true],
	["researcher", "Organization", true],
	["researcher", "Practitioner", false],
	["admin", "Subscription", true],
	["registrar", "Practitioner", true],
	["registrar", "ValueSet", false],
	# A clinical resource without a subject is nobody's.
	["patient", "Observation", false],
	["practitioner", "Observation", false],
	["researcher", "Observation", false],
	["practitioner", "Binary", false],
	["admin", "Binary", true],
]

test_shared[name] if {
	some [role, type, seen] in shared
	name := sprintf("%s %s", [role, type])
	f.sees(role, {"resourceType": type, "id": "x"}) == seen
}

# [interaction, role, type, seen]
interactions := [
	["vread", "relatedperson", "Observation", true],
	["search-type", "relatedperson", "Observation", true],
	["search-system", "relatedperson", "Observation", true],
	["search-compartment", "relatedperson", "Observation", true],
	["create", "relatedperson", "Observation", true],
	["update", "relatedperson", "Observation", true],
	["delete", "relatedperson", "Observation", true],
	["history-instance", "relatedperson", "Observation", false],
	["history-instance", "patient", "Observation", true],
	["history-type", "practitioner", "Observation", true],
	["history-system", "admin", "Observation", true],
	["history-system", "researcher", "Observation", false],
	["operation", "admin", "Observation", false],
	["capabilities", "admin", "Observation", false],
	["", "admin", "Observation", false],
]

test_interactions[name] if {
	some [interaction, role, type, seen] in interactions
	name := sprintf("%s %s %s", [interaction, role, type])
	f.seen(role, interaction, f.of(type, "p1")).allow == seen
}

# A context that isn't what this library made shows nothing.
contexts := {
	"missing": {"principal": f.admin},
	"empty": {"principal": f.admin, "context": {}},
	"grants of the wrong type": {"principal": f.admin, "context": {"grants": "all"}},
	"only grants": {"principal": f.admin, "context": {"grants": f.contexts.admin.grants}},
	"no launch": {"principal": f.admin, "context": object.remove(f.contexts.admin, ["launch"])},
	"no scopes": {"principal": f.admin, "context": object.remove(f.contexts.admin, ["scopes"])},
	"no restrictions": {"principal": f.admin, "context": object.remove(f.contexts.admin, ["restrictions"])},
}

test_broken_context[name] if {
	some name, broken in contexts
	answer := data.fhirgate.read with input as f.but(broken, {
		"request": f.request("read", "Observation"),
		"resource": f.of("Observation", "p1"),
	})
	answer == {"allow": false}
}

resources := {
	"none": {},
	"no resource": {"resource": null},
	"a string": {"resource": "Observation"},
	"an array": {"resource": [f.of("Observation", "p1")]},
	"no type": {"resource": {"id": "x", "subject": {"reference": "Patient/p1"}}},
	"a type that is none": {"resource": {"resourceType": 7, "subject": {"reference": "Patient/p1"}}},
}

test_broken_resource[name] if {
	some name, broken in resources
	answer := data.fhirgate.read with input as f.but(
		{"principal": f.patient, "request": f.request("read", "Observation"), "context": f.contexts.patient},
		broken,
	)
	answer == {"allow": false}
}

test_anonymous_sees_nothing if {
	not f.shows(f.anonymous, f.of("Observation", "p1"))
	not f.shows(f.anonymous, {"resourceType": "Organization", "id": "o1"})
	not f.shows(f.but(f.admin, {"anonymous": true}), f.of("Observation", "p1"))
}

test_several_roles_add_up if {
	who := f.principal(["practitioner", "patient"], [f.participant("Practitioner", "dr1"), f.participant("Patient", "p5")])
	f.shows(who, f.of("Observation", "p2"))
	f.shows(who, f.of("Observation", "p5"))
	not f.shows(who, f.of("Observation", "p6"))
	count(f.read(who, f.request("read", "Practitioner"), {"resourceType": "Practitioner", "id": "dr1"}).grants) == 2
}

test_acting_as_one_role if {
	who := f.principal(["practitioner", "patient"], [f.participant("Practitioner", "dr1"), f.participant("Patient", "p5")])
	asked := f.but(f.request("read", "Observation"), {"act_as": "patient"})
	f.read(who, asked, f.of("Observation", "p5")).allow
	not f.read(who, asked, f.of("Observation", "p2")).allow
	not f.read(who, f.but(asked, {"act_as": "admin"}), f.of("Observation", "p5")).allow
}
