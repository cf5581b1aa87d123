# Whose patients: by relatives, care teams, encounters, general practitioner.
package fhirgate.participants_test

import data.fhirgate.fixtures as f
import data.fhirgate.participants

patients(who, source) := ids if {
	ids := participants.found[source] with input as {"principal": who, "request": {"time": f.now}}
		with data.fhirgate.testing.store as f.store
}

being(type, id) := f.principal([], [f.participant(type, id)])

# name: [principal, source, patients]
cases := {
	"self": [being("Patient", "p1"), "self", {"p1"}],
	"self of a practitioner": [being("Practitioner", "dr1"), "self", set()],
	"an active relative": [being("RelatedPerson", "rp1"), "related", {"p1"}],
	"an inactive relative": [being("RelatedPerson", "rp2"), "related", set()],
	"a relative of whom it isn't said": [being("RelatedPerson", "rp3"), "related", set()],
	"a relative until last month": [being("RelatedPerson", "rp4"), "related", set()],
	"a relative that isn't there": [being("RelatedPerson", "rp9"), "related", set()],
	"teams": [being("Practitioner", "dr1"), "careteam", {"p1", "*"}],
	"another's teams": [being("Practitioner", "dr2"), "careteam", {"p5"}],
	"teams of a patient": [being("Patient", "dr1"), "careteam", set()],
	"encounters": [being("Practitioner", "dr1"), "encounter", {"p2", "p3"}],
	"encounters of a role": [being("PractitionerRole", "dr1"), "encounter", set()],
	"general practitioner": [being("Practitioner", "dr1"), "general_practitioner", {"p4"}],
	"launch of nobody in particular": [f.but(f.principal([], []), {"launch": {"patient": "p1"}}), "launch", {"p1"}],
	"launch of somebody": [f.but(being("Practitioner", "dr1"), {"launch": {"patient": "p1"}}), "launch", set()],
}

test_found[name] if {
	some name, [who, source, ids] in cases
	patients(who, source) == ids
}

# What came in as an id but isn't one reaches nobody.
test_no_wildcard_ids if {
	not f.shows(f.practitioner, {"resourceType": "Patient", "id": "*"})
	not f.shows(f.practitioner, f.of("Observation", "p9"))
	not f.shows(f.principal(["relatedperson"], [f.participant("RelatedPerson", "rp5")]), f.of("Observation", "p1"))
	not f.shows(f.principal(["patient"], [f.participant("Patient", "*")]), f.of("Observation", "p1"))
}

test_a_missing_active_may_count if {
	ids := participants.found.related with input as {"principal": being("RelatedPerson", "rp3"), "request": {"time": f.now}}
		with data.fhirgate.testing.store as f.store
		with data.fhirgate.tables.relationships.related.missing_active_is_active as true
	ids == {"p1"}
}

test_fhir_user_counts_without_participants if {
	f.shows(f.but(f.principal(["patient"], []), {"fhir_user": f.participant("Patient", "p1")}), f.of("Observation", "p1"))
}

# A participant whose parts don't agree is nobody.
test_inconsistent_participants if {
	every broken in [
		{"type": "Patient", "id": "p2", "reference": "Patient/p1"},
		{"reference": "Patient/p1"},
		{"type": "Patient", "id": "p1"},
		{"type": "Patient", "id": 1, "reference": "Patient/1"},
		"Patient/p1",
		null,
	] {
		participants.people == set() with input as {"principal": f.principal([], [broken])}
		participants.people == set() with input as {"principal": f.but(f.principal([], []), {"fhir_user": broken})}
	}
}

# A server that ignores search parameters and returns everything changes nothing.
test_answers_are_looked_at_again if {
	who := being("Practitioner", "dr2")
	ids := {id | some source in ["careteam", "encounter", "general_practitioner"]; some id in participants.found[source]} with input as {"principal": who, "request": {"time": f.now}}
		with data.fhirgate.fhir.search as f.store
	ids == {"p5"}
}
