# The stand-ins do what the tests lean on, and nothing more.
package fhirgate.fhir_test

import data.fhirgate.fhir
import data.fhirgate.fixtures as f

test_read if {
	fhir.read("RelatedPerson/rp1").active with data.fhirgate.testing.store as f.store
	{resource | resource := fhir.read("RelatedPerson/none")} == set() with data.fhirgate.testing.store as f.store
	{resource | resource := fhir.read("RelatedPerson/rp1")} == set()
}

test_search if {
	count(fhir.search("CareTeam?participant=Practitioner/dr1&status=active")) == 5 with data.fhirgate.testing.store as f.store
	count(fhir.search("CareTeam?participant=Practitioner/dr1&status=active,inactive")) == 6 with data.fhirgate.testing.store as f.store
	count(fhir.search("CareTeam?colour=green")) == 0 with data.fhirgate.testing.store as f.store
	count(fhir.search("Encounter?date=ge2026-11-01&status=finished")) == 3 with data.fhirgate.testing.store as f.store
}

test_compartments if {
	fhir.compartment_refs(f.of("Observation", "p1"), "Patient") == {"p1"}
	fhir.compartment_refs(f.person("p1"), "Patient") == {"p1"}
	fhir.compartment_refs({"resourceType": "Patient"}, "Patient") == set()
	fhir.compartment_refs({"resourceType": "Organization", "id": "o"}, "Patient") == set()
	fhir.in_compartment(f.of("Observation", "p1"), "Patient", "p1")
	not fhir.in_compartment(f.of("Observation", "p1"), "Patient", "p2")
}

test_path if {
	resource := {"resourceType": "Patient", "name": [{"given": ["A", "B"]}, {"given": ["C"]}]}
	fhir.path(resource, "Patient.name.given") == ["A", "B", "C"]
	fhir.path(resource, "name.family") == []
}

test_matches if {
	resource := {"resourceType": "Observation", "code": {"coding": [{"system": "s", "code": "c"}]}, "status": "final"}
	fhir.search_matches(resource, "code", ["s|c"])
	fhir.search_matches(resource, "code", ["c"])
	fhir.search_matches(resource, "code", ["x,s|c"])
	fhir.search_matches(resource, "status", ["final"])
	not fhir.search_matches(resource, "code", ["s|c", "x"])
	not fhir.search_matches(resource, "code", [])
	not fhir.search_matches(resource, "colour", ["green"])
}
