# Writes: both versions judged, rights given, labels kept, identities held.
package fhirgate.writes_test

import data.fhirgate.fixtures as f

observation(patient) := f.of("Observation", patient)

r := [[f.confidential, "R"]]

# [role, interaction, resource, stored, allowed, codes]; {} is none
creates := {
	"own observation": ["patient", "create", observation("p1"), {}, true, {"role-grants"}],
	"another's observation": ["patient", "create", observation("p2"), {}, false, {"resource-not-granted"}],
	"an observation about nobody": ["patient", "create", {"resourceType": "Observation"}, {}, false, {"resource-not-granted"}],
	"about two": ["patient", "create", f.but(observation("p1"), {"performer": [{"reference": "Patient/p2"}]}), {}, false, {"resource-not-granted"}],
	"foreign subject contained": ["patient", "create", f.but(observation("p1"), {"contained": [observation("p2")]}), {}, false, {"resource-not-granted"}],
	"a type that the role doesn't write": ["patient", "create", f.of("Condition", "p1"), {}, false, {"resource-not-granted"}],
	"relatives write nothing": ["relatedperson", "create", observation("p1"), {}, false, {"resource-not-granted"}],
	"researchers write nothing": ["researcher", "create", observation("p1"), {}, false, {"resource-not-granted"}],
	"a patient in care": ["practitioner", "create", observation("p2"), {}, true, {"role-grants"}],
	"a patient in nobody's care": ["practitioner", "create", observation("p5"), {}, false, {"resource-not-granted"}],
	"a label above one's clearance": ["practitioner", "create", f.labelled(observation("p2"), r), {}, false, {"resource-not-granted"}],
}

changes := {
	"update": ["practitioner", "update", f.but(observation("p1"), {"status": "final"}), observation("p1"), true, {"role-grants"}],
	"update from another's": ["practitioner", "update", observation("p1"), observation("p5"), false, {"stored-not-granted"}],
	"update to another's": ["practitioner", "update", observation("p5"), observation("p1"), false, {"resource-not-granted"}],
	"move within one's care": ["practitioner", "update", observation("p2"), observation("p1"), true, {"role-grants"}],
	"update of the labelled": ["practitioner", "update", observation("p1"), f.labelled(observation("p1"), r), false, {"label-removed", "stored-not-granted"}],
	"another id": ["practitioner", "update", f.but(observation("p1"), {"id": "y"}), observation("p1"), false, {"identity-changed"}],
	"another type stored": ["practitioner", "update", observation("p1"), f.of("Condition", "p1"), false, {"identity-changed"}],
	"update of what isn't there": ["practitioner", "update", observation("p1"), {}, false, {"update-as-create"}],
	"update of what isn't there, by an admin": ["admin", "update", observation("p1"), {}, true, {"role-grants"}],
	"own response": ["patient", "update", f.of("QuestionnaireResponse", "p1"), f.of("QuestionnaireResponse", "p1"), true, {"role-grants"}],
	"own Patient": ["patient", "update", f.person("p1"), f.person("p1"), false, {"resource-not-granted", "stored-not-granted"}],
	"Patient in care": ["practitioner", "update", f.but(f.person("p1"), {"gender": "female"}), f.person("p1"), true, {"role-grants"}],
	"new Patient": ["practitioner", "create", {"resourceType": "Patient"}, {}, false, {"resource-not-granted"}],
	"new Patient by an admin": ["admin", "create", {"resourceType": "Patient"}, {}, true, {"role-grants"}],
	"new Patient by a registrar": ["registrar", "create", {"resourceType": "Patient", "generalPractitioner": [{"reference": "Practitioner/dr1"}]}, {}, true, {"role-grants"}],
	"delete": ["practitioner", "delete", {}, observation("p1"), true, {"role-grants"}],
	"delete another's": ["practitioner", "delete", {}, observation("p5"), false, {"stored-not-granted"}],
	"delete without the right": ["practitioner", "delete", {}, f.of("Condition", "p1"), false, {"stored-not-granted"}],
	"delete the labelled": ["practitioner", "delete", {}, f.labelled(observation("p1"), r), false, {"stored-not-granted"}],
	"shared without the right": ["practitioner", "update", {"resourceType": "Organization", "id": "o"}, {"resourceType": "Organization", "id": "o"}, false, {"resource-not-granted", "stored-not-granted"}],
	"shared by a registrar": ["registrar", "update", {"resourceType": "Organization", "id": "o", "name": "X"}, {"resourceType": "Organization", "id": "o"}, true, {"role-grants"}],
	"a patient into the shared": ["practitioner", "update", {"resourceType": "Observation", "id": "x"}, observation("p1"), false, {"resource-not-granted"}],
	"unknown interaction": ["admin", "patch", observation("p1"), observation("p1"), false, {"resource-not-granted", "stored-not-granted", "unknown-interaction"}],
	"read is no write": ["admin", "read", observation("p1"), {}, false, {"unknown-interaction"}],
}

test_creates[name] if {
	some name, case in creates
	judged(case)
}

test_changes[name] if {
	some name, case in changes
	judged(case)
}

judged([role, interaction, resource, stored, allowed, codes]) if {
	answer := f.wrote(role, interaction, present(resource, stored))
	answer.allow == allowed
	f.codes(answer) == codes
}

present(resource, stored) := {key: value |
	some key, value in {"resource": resource, "stored": stored}
	value != {}
}

# Writes that would give somebody rights.
member := {"participant": [{"member": {"reference": "Practitioner/dr1"}}]}

visit := f.encounter("e", "p1", {"status": "finished"})

# name: [resource, stored, allowed to a practitioner]; an admin may all of them
granting := {
	"a care team": [f.but(f.of("CareTeam", "p1"), member), {}, false],
	"an encounter with participants": [visit, {}, false],
	"an encounter without": [{"resourceType": "Encounter", "id": "e", "class": {"code": "AMB"}}, {}, false],
	"joining an encounter": [visit, object.remove(visit, ["participant"]), false],
	"another status": [f.but(visit, {"status": "in-progress"}), visit, false],
	"another period": [f.but(visit, {"period": {"end": "2030"}}), visit, false],
	"another subject": [f.but(visit, {"subject": {"reference": "Patient/p2"}}), visit, false],
	"a reason for an encounter": [f.but(visit, {"reasonCode": [{"text": "cough"}]}), visit, true],
	"general practitioner": [f.but(f.person("p1"), {"generalPractitioner": [{"reference": "Practitioner/dr1"}]}), f.person("p1"), false],
	"general practitioner taken off": [f.person("p1"), f.but(f.person("p1"), {"generalPractitioner": [{"reference": "Practitioner/dr1"}]}), false],
	"a link": [f.but(f.person("p1"), {"link": [{"other": {"reference": "Patient/p5"}}]}), f.person("p1"), false],
	"a relative": [f.of("RelatedPerson", "p1"), f.of("RelatedPerson", "p1"), false],
	"consent": [f.of("Consent", "p1"), f.of("Consent", "p1"), false],
}

test_granting[name] if {
	some name, [resource, stored, allowed] in granting
	interaction := interaction_of(stored)
	answer := f.wrote("practitioner", interaction, present(resource, stored))
	answer.allow == allowed
	f.wrote("admin", interaction, present(resource, stored)).allow
}

interaction_of(stored) := "create" if stored == {}

interaction_of(stored) := "update" if stored != {}

test_gives_rights_is_said if {
	answer := f.wrote("practitioner", "update", {"resource": f.but(visit, {"status": "in-progress"}), "stored": visit})
	f.codes(answer) == {"gives-rights"}
	some reason in answer.reasons
	contains(reason.text, "status")
}

# Deleting what gives rights takes the right to give them, too.
test_delete_of_what_grants if {
	table := f.but(data.fhirgate.tables.roles.practitioner, {"compartment": {"*": ["read", "delete"]}})
	answers := {type: answer.allow |
		some type in ["Observation", "CareTeam"]
		context := data.fhirgate.context with input as {"principal": f.practitioner, "request": {"time": f.now}}
			with data.fhirgate.testing.store as f.store
			with data.fhirgate.tables.roles.practitioner as table
		answer := data.fhirgate.write with input as {
			"principal": f.practitioner,
			"request": f.but(f.request("delete", type), {"id": "x"}),
			"context": context,
			"stored": f.of(type, "p1"),
		}
	}
	answers == {"Observation": true, "CareTeam": false}
}

# [stored labels, new labels, kept], by somebody cleared for all of them but without `grant`
labels := [
	[[], [], true],
	[[], [[f.confidential, "R"]], true],
	[[[f.confidential, "R"]], [[f.confidential, "R"]], true],
	[[[f.confidential, "R"]], [], false],
	[[[f.confidential, "R"]], [[f.confidential, "N"]], false],
	[[[f.confidential, "V"]], [[f.confidential, "R"]], false],
	[[[f.confidential, "R"]], [[f.act, "R"]], false],
	[[[f.confidential, "N"]], [], true],
	[[[f.act, "PSY"], [f.confidential, "R"]], [[f.confidential, "R"]], false],
	[[["http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "REDACTED"]], [], true],
	[[["https://hospital.example/labels", "VIP"]], [], false],
]

test_labels[name] if {
	some [before, after, kept] in labels
	name := sprintf("%v -> %v", [before, after])
	who := f.principal(["keeper"], [])
	table := {"patients": ["all"], "compartment": {"*": ["read", "write"]}, "clearance": {"confidentiality": ["R", "V"], "sensitivity": ["*"]}}
	context := data.fhirgate.context with input as {"principal": who, "request": {"time": f.now}}
		with data.fhirgate.tables.roles as {"keeper": table}
	answer := data.fhirgate.write with input as {
		"principal": who,
		"request": f.but(f.request("update", "Observation"), {"id": "x"}),
		"context": context,
		"resource": f.labelled(observation("p1"), after),
		"stored": f.labelled(observation("p1"), before),
	}
	answer.allow == kept
}

test_an_admin_may_take_a_label_off if {
	f.wrote("admin", "update", {"resource": observation("p1"), "stored": f.labelled(observation("p1"), r)}).allow
}

scoped(scopes, interaction, resource, stored) := answer.allow if {
	who := f.with_scopes(f.practitioner, scopes)
	answer := data.fhirgate.write with input as object.union(present(resource, stored), {
		"principal": who,
		"request": f.but(f.request(interaction, "Observation"), {"id": "x"}),
		"context": f.context_of(who, {"time": f.now}, [f.team("ct1", "p1", {})]),
	})
}

test_scopes if {
	scoped([f.scope("user", "Observation", "c")], "create", observation("p1"), {})
	not scoped([f.scope("user", "Observation", "ruds")], "create", observation("p1"), {})
	scoped([f.scope("user", "*", "u")], "update", observation("p1"), observation("p1"))
	not scoped([f.scope("user", "*", "crds")], "update", observation("p1"), observation("p1"))
	scoped([f.scope("user", "*", "d")], "delete", {}, observation("p1"))
	not scoped([f.scope("user", "*", "crus")], "delete", {}, observation("p1"))
	not scoped([], "create", observation("p1"), {})
}

# A granular scope has to hold before and after.
test_granular_scopes if {
	final := f.but(observation("p1"), {"status": "final"})
	amended := f.but(observation("p1"), {"status": "amended"})
	scope := f.but(f.scope("user", "Observation", "u"), {"params": {"status": ["final"]}})
	scoped([scope], "update", final, final)
	not scoped([scope], "update", amended, final)
	not scoped([scope], "update", final, amended)
}

test_launch_cuts_writes if {
	who := f.but(f.practitioner, {"launch": {"patient": "p2"}})
	not f.written(who, f.request("create", "Observation"), {"resource": observation("p1")}).allow
	f.written(who, f.request("create", "Observation"), {"resource": observation("p2")}).allow
}

# What the gateway never sends.
broken := {
	"nothing": {},
	"no resource": {"request": f.request("create", "Observation")},
	"a create with something stored": {"request": f.request("create", "Observation"), "resource": observation("p1"), "stored": observation("p1")},
	"a delete with something to store": {"request": f.request("delete", "Observation"), "resource": observation("p1"), "stored": observation("p1")},
	"a delete of nothing": {"request": f.request("delete", "Observation")},
	"a type that differs": {"request": f.request("create", "Condition"), "resource": observation("p1")},
	"no type": {"request": object.remove(f.request("create", ""), ["type"]), "resource": observation("p1")},
	"update without an id": {"request": f.request("update", "Observation"), "resource": observation("p1"), "stored": observation("p1")},
	"update as create of another id": {"request": f.but(f.request("update", "Observation"), {"id": "y"}), "resource": observation("p1")},
}

test_broken_input[name] if {
	some name, value in broken
	answer := data.fhirgate.write with input as object.union({"principal": f.admin, "context": f.contexts.admin}, value)
	answer.allow == false
	count(answer.reasons) > 0
}

test_update_as_create if {
	f.wrote("admin", "update", {"resource": observation("p1")}).update_as_create == true
	f.wrote("admin", "update", {"resource": observation("p1"), "stored": observation("p1")}).update_as_create == false
	f.wrote("admin", "create", {"resource": observation("p1")}).update_as_create == false
	f.wrote("practitioner", "update", {"resource": observation("p1")}).update_as_create == false
}
