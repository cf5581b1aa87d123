# Which patients a resource is about, and attempts to hide one.
package fhirgate.patients_test

import data.fhirgate.fixtures as f

appointment(patients) := {"resourceType": "Appointment", "id": "a", "participant": [{"actor": {"reference": concat("/", ["Patient", id])}} | some id in patients]}

test_every_patient_must_be_visible if {
	f.sees("patient", appointment({"p1"}))
	not f.sees("patient", appointment({"p1", "p2"}))
	f.sees("practitioner", appointment({"p1", "p2"}))
	not f.sees("practitioner", appointment({"p1", "p5"}))
	f.sees("admin", appointment({"p1", "p5"}))
}

test_one_patient_may_be_enough if {
	about := appointment({"p1", "p2"})
	answer := data.fhirgate.read with input as {
		"principal": f.patient,
		"request": f.request("read", "Appointment"),
		"context": f.contexts.patient,
		"resource": about,
	}
		with data.fhirgate.tables.compartments.one_patient_is_enough as ["Appointment"]
	answer.allow
}

test_a_linked_patient_is_not_mine if {
	not f.sees("patient", {"resourceType": "Patient", "id": "p2", "link": [{"other": {"reference": "Patient/p1"}}]})
	f.sees("patient", {"resourceType": "Patient", "id": "p1", "link": [{"other": {"reference": "Patient/p2"}}]})
}

# Observations in p1's compartment that are about somebody else as well.
smuggled := {
	"performer": {"performer": [{"reference": "Patient/p2"}]},
	"subject elsewhere": {"subject": {"reference": "https://elsewhere.example/Patient/p2"}, "performer": [{"reference": "Patient/p1"}]},
	"subject by identifier": {"subject": {"identifier": {"value": "2"}}, "performer": [{"reference": "Patient/p1"}]},
	"subject a group": {"subject": {"reference": "Group/g1"}, "performer": [{"reference": "Patient/p1"}]},
	"subject a string": {"subject": "Patient/p2", "performer": [{"reference": "Patient/p1"}]},
	"subjects": {"subject": [{"reference": "Patient/p1"}, {"reference": "Patient/p2"}]},
	"subject reference not a string": {"subject": {"reference": {"reference": "Patient/p1"}}, "performer": [{"reference": "Patient/p1"}]},
	"more than an id": {"subject": {"reference": "Patient/p1/p2"}, "performer": [{"reference": "Patient/p1"}]},
	"another case": {"subject": {"reference": "patient/p1"}, "performer": [{"reference": "Patient/p1"}]},
	"contained subject": {"subject": {"reference": "#p"}, "performer": [{"reference": "Patient/p1"}], "contained": [{"resourceType": "Patient", "id": "p"}]},
	"contained patient of my id": {"contained": [{"resourceType": "Patient", "id": "p1"}]},
	"contained observation of another": {"contained": [f.of("Observation", "p2")]},
	"contained without a type": {"contained": [{"id": "p"}]},
	"contained not an object": {"contained": ["p2"]},
	"contained not an array": {"contained": {"patient": f.of("Observation", "p2")}},
	"contained of a type I don't see": {"contained": [{"resourceType": "AuditEvent", "id": "a"}]},
	"contained and labelled": {"contained": [f.labelled({"resourceType": "Medication", "id": "m"}, [[f.confidential, "V"]])]},
}

test_smuggled[name] if {
	some name, changes in smuggled
	resource := f.but(f.of("Observation", "p1"), changes)
	f.sees("patient", resource) == false
}

test_contained_things_are_no_obstacle if {
	f.sees("patient", f.but(f.of("Observation", "p1"), {"contained": []}))
	f.sees("patient", f.but(f.of("MedicationRequest", "p1"), {"contained": [{"resourceType": "Medication", "id": "m"}]}))
	f.sees("patient", f.but(f.of("Observation", "p1"), {"contained": [f.of("Condition", "p1")]}))
	f.sees("practitioner", f.but(f.of("Observation", "p1"), {"contained": [{"resourceType": "Practitioner", "id": "a"}]}))
	f.sees("relatedperson", f.but(f.of("MedicationRequest", "p1"), {"contained": [{"resourceType": "Medication", "id": "m"}]}))
}

test_contained_things_are_masked if {
	paths := {mask.path | some mask in f.seen("patient", "read", f.but(f.of("MedicationRequest", "p1"), {"contained": [{"resourceType": "Practitioner", "id": "a"}, f.of("Observation", "p1")]})).grants[0]}
	"Practitioner.address" in paths
	"Observation.note" in paths
	not "Practitioner.address" in {mask.path | some mask in f.seen("patient", "read", f.of("MedicationRequest", "p1")).grants[0]}
}

test_everyone_sees_the_unknown_too if f.sees("admin", f.but(f.of("Observation", "p1"), {"subject": {"reference": "#p"}}))

binary(reference) := {"resourceType": "Binary", "id": "b", "contentType": "application/pdf", "securityContext": {"reference": reference}}

# [role, what protects the binary, seen]
binaries := [
	["patient", "DocumentReference/d1", true],
	["patient", "Patient/p1", false],
	["patient", "DocumentReference/d5", false],
	["patient", "DocumentReference/none", false],
	["patient", "Organization/o1", false],
	["patient", "https://elsewhere.example/DocumentReference/d1", false],
	["patient", "DocumentReference/d1/_history/1", false],
	["patient", "#d1", false],
	["practitioner", "DocumentReference/d1", true],
	["practitioner", "DocumentReference/d5", false],
	["relatedperson", "DocumentReference/d1", false],
	["researcher", "DocumentReference/d1", false],
	["admin", "DocumentReference/d5", true],
]

test_binary[name] if {
	some [role, reference, seen] in binaries
	name := sprintf("%s %s", [role, reference])
	f.sees(role, binary(reference)) == seen
}

test_binary_without_context if {
	not f.sees("patient", {"resourceType": "Binary", "id": "b"})
	not f.sees("patient", {"resourceType": "Binary", "id": "b", "securityContext": {"reference": 7}})
	not f.sees("patient", {"resourceType": "Binary", "id": "b", "securityContext": {}})
}

# A role with masks on Patient doesn't get files unless its table says so.
test_binary_despite_masks if {
	table := f.but(data.fhirgate.tables.roles.relatedperson, {"compartment": {"*": ["read"]}})
	answers := {attachments: allow |
		some attachments in [true, false]
		who := f.relatedperson
		context := data.fhirgate.context with input as {"principal": who, "request": {"time": f.now}}
			with data.fhirgate.testing.store as f.store
			with data.fhirgate.tables.roles.relatedperson as f.but(table, {"attachments": attachments})
		allow := data.fhirgate.read.allow with input as {
			"principal": who,
			"request": f.request("read", "Binary"),
			"context": context,
			"resource": binary("DocumentReference/d1"),
		}
			with data.fhirgate.testing.store as f.store
	}
	answers == {true: true, false: false}
}
