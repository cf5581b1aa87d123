package fhirgate.masks_test

import data.fhirgate.fixtures as f
import data.fhirgate.masks

own := ["patient", "relatedperson", "practitioner", "researcher", "admin", "app", "registrar"]

paths(list) := {mask.path | some mask in list}

test_masks_by_role if {
	paths(f.seen("practitioner", "read", f.person("p1")).grants[0]) == {"Patient.photo", "Patient.extension.where(url='http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName')"}
	f.seen("patient", "read", f.person("p1")).grants == [[]]
	f.seen("admin", "read", f.person("p1")).grants == [[]]
	"Patient.name" in paths(f.seen("researcher", "read", f.person("p1")).grants[0])
	"*.text" in paths(f.seen("researcher", "read", f.person("p1")).grants[0])
	"*.text" in paths(f.seen("researcher", "read", f.of("Observation", "p1")).grants[0])
	not "Patient.name" in paths(f.seen("researcher", "read", f.of("Observation", "p1")).grants[0])
	{"path": "Patient.birthDate", "action": "truncate", "to": "year"} in f.seen("researcher", "read", f.person("p1")).grants[0]
}

test_a_mask_for_labelled_resources if {
	f.seen("patient", "read", f.labelled(f.of("Observation", "p1"), [[f.confidential, "R"]])).grants == [[{"path": "Observation.note", "action": "remove"}]]
	f.seen("patient", "read", f.labelled(f.of("Observation", "p1"), [[f.confidential, "N"]])).grants == [[]]
}

test_attachments_go_with_masks_on_patient if {
	"DocumentReference.content.attachment.data" in paths(masks.of_role(data.fhirgate.tables.roles.relatedperson))
	not "DocumentReference.content.attachment.data" in paths(masks.of_role(data.fhirgate.tables.roles.practitioner))
	masks.of_role({}) == []
	masks.of_role({"masks": [{"path": "Observation.note", "action": "remove"}]}) == [{"path": "Observation.note", "action": "remove"}]
}

# Several roles: one list for each that shows the resource.
test_a_list_for_each_grant if {
	who := f.principal(["researcher", "practitioner"], [f.participant("Practitioner", "dr1")])
	count(f.read(who, f.request("read", "Patient"), f.person("p1")).grants) == 2
	count(f.read(who, f.request("read", "Patient"), f.person("p5")).grants) == 1
}

restricted(who, resource) := answer if {
	context := data.fhirgate.context with input as {"principal": who, "request": {"time": f.now}}
		with data.fhirgate.testing.store as f.store
		with data.fhirgate.tables.masks.everybody as [{"path": "Patient.photo", "action": "remove"}]
		with data.fhirgate.tables.masks.clients as {"app-1": [{"path": "Patient.telecom", "action": "remove"}]}
	answer := data.fhirgate.read with input as {
		"principal": who,
		"request": f.request("read", resource.resourceType),
		"context": context,
		"resource": resource,
	}
}

test_restrictions if {
	paths(restricted(f.admin, f.person("p1")).masks) == {"Patient.photo", "Patient.telecom"}
	paths(restricted(f.but(f.admin, {"client": "app-2"}), f.person("p1")).masks) == {"Patient.photo"}
	restricted(f.admin, f.of("Observation", "p1")).masks == []
	restricted(f.patient, f.of("Observation", "p1")).masks == []
}

# Every type that any table names a mask for or a line, and one that none names.
every_type := types | {"Basic"}

types contains type if {
	some role in own
	some mask in masks.of_role(data.fhirgate.tables.roles[role])
	type := masks.type_of(mask)
	type != "*"
}

types contains type if {
	some role in own
	some table in ["compartment", "shared"]
	some type in object.keys(object.get(data.fhirgate.tables.roles[role], table, {}))
	type != "*"
}

# What `read` masks is listed by `request`: for all types, with and without labels, of each role.
test_possible_masks_hold_those_applied[role] if {
	some role in own
	context := f.contexts[role]
	every type in every_type {
		listed := {mask | some key in [type, "*"]; some mask in object.get(context.possible_masks, key, [])}
		every resource in [
			{"resourceType": type, "id": "p1"},
			f.labelled({"resourceType": type, "id": "p1"}, [[f.confidential, "R"], [f.act, "PSY"]]),
		] {
			every grant in context.grants {
				every mask in masks.applied(grant.masks, resource) {
					mask in listed
				}
			}
			every mask in masks.applied(context.restrictions, resource) {
				mask in listed
			}
		}
	}
}

# The same for what really comes out of `read`, of everybody with every pair of roles.
test_possible_masks_hold_those_of_pairs[name] if {
	some first, second in {"researcher": "practitioner", "patient": "relatedperson", "practitioner": "patient"}
	name := sprintf("%s and %s", [first, second])
	participants := [f.participant("Practitioner", "dr1"), f.participant("Patient", "p1"), f.participant("RelatedPerson", "rp1")]
	who := f.principal([first, second], participants)
	context := f.context(who, {"time": f.now})
	every type in ["Patient", "Observation", "Practitioner"] {
		resource := resource_of(type)
		answer := data.fhirgate.read with input as {
			"principal": who,
			"request": f.request("read", type),
			"context": context,
			"resource": resource,
		}
		asked := data.fhirgate.request with input as {"principal": who, "request": f.request("read", type), "context": context}
		listed := {mask | some key in [type, "*"]; some mask in object.get(asked.masks, key, [])}
		answer.allow
		every list in array.concat(answer.grants, [answer.masks]) {
			every mask in list {
				mask in listed
			}
		}
	}
}

resource_of(type) := f.labelled(f.of(type, "p1"), [[f.confidential, "N"]]) if type == "Observation"

resource_of("Patient") := f.person("p1")

resource_of(type) := {"resourceType": type, "id": "x"} if type == "Practitioner"

# No mask of the tables carries more than the contract knows.
test_masks_are_of_the_contract if {
	every role, table in data.fhirgate.tables.roles {
		every mask in object.get(table, "masks", []) {
			object.keys(mask) - {"path", "action", "to", "value", "map", "default", "when_label"} == set()
			mask.action in {"remove", "replace", "hash", "truncate", "generalize", "pseudonymize"}
		}
		is_string(role)
	}
	every role in own {
		every _, list in f.contexts[role].possible_masks {
			every mask in list {
				not "when_label" in object.keys(mask)
			}
		}
	}
}
