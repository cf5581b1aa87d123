# SMART scopes and the launch patient: what they leave of what the roles give.
package fhirgate.scopes_test

import data.fhirgate.fixtures as f

vital_signs := f.but(f.scope("user", "Observation", "rs"), {"params": {"category": ["http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"]}})

vital := f.but(f.of("Observation", "p1"), {"category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}]})

lab := f.but(f.of("Observation", "p1"), {"category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}]})

launched(who, patient) := f.but(who, {"launch": {"patient": patient}})

# name: [principal, interaction, resource, seen]
scope_cases := {
	"none required, none there": [f.practitioner, "read", f.of("Observation", "p2"), true],
	"required, none there": [f.with_scopes(f.practitioner, []), "read", f.of("Observation", "p2"), false],
	"user scope": [f.with_scopes(f.practitioner, [f.scope("user", "Observation", "rs")]), "read", f.of("Observation", "p2"), true],
	"user scope doesn't add": [f.with_scopes(f.practitioner, [f.scope("user", "Observation", "rs")]), "read", f.of("Observation", "p5"), false],
	"another type": [f.with_scopes(f.practitioner, [f.scope("user", "Condition", "rs")]), "read", f.of("Observation", "p2"), false],
	"any type": [f.with_scopes(f.practitioner, [f.scope("user", "*", "rs")]), "read", f.of("Observation", "p2"), true],
	"read without r": [f.with_scopes(f.practitioner, [f.scope("user", "*", "cuds")]), "read", f.of("Observation", "p2"), false],
	"search with s": [f.with_scopes(f.practitioner, [f.scope("user", "*", "s")]), "search-type", f.of("Observation", "p2"), true],
	"search without s": [f.with_scopes(f.practitioner, [f.scope("user", "*", "r")]), "search-type", f.of("Observation", "p2"), false],
	"history with r": [f.with_scopes(f.practitioner, [f.scope("user", "*", "r")]), "history-type", f.of("Observation", "p2"), true],
	"history without r": [f.with_scopes(f.practitioner, [f.scope("user", "*", "s")]), "history-type", f.of("Observation", "p2"), false],
	"what a create returns, without r": [f.with_scopes(f.practitioner, [f.scope("user", "*", "c")]), "create", f.of("Observation", "p2"), false],
	"scopes that aren't required cut as well": [f.but(f.practitioner, {"scopes": {"required": false, "granted": [f.scope("user", "Condition", "rs")]}}), "read", f.of("Observation", "p2"), false],
}

launch_cases := {
	"patient scope, own patient": [f.with_scopes(f.patient, [f.scope("patient", "*", "rs")]), "read", f.of("Observation", "p1"), true],
	"patient scope, launched": [launched(f.with_scopes(f.practitioner, [f.scope("patient", "*", "rs")]), "p2"), "read", f.of("Observation", "p2"), true],
	"patient scope, another patient": [launched(f.with_scopes(f.practitioner, [f.scope("patient", "*", "rs")]), "p2"), "read", f.of("Observation", "p1"), false],
	"patient scope without a patient": [f.with_scopes(f.practitioner, [f.scope("patient", "*", "rs")]), "read", f.of("Observation", "p1"), false],
	"patient scope, shared": [launched(f.with_scopes(f.practitioner, [f.scope("patient", "*", "rs")]), "p2"), "read", {"resourceType": "Organization", "id": "o"}, true],
	"launch cuts without scopes": [launched(f.practitioner, "p2"), "read", f.of("Observation", "p1"), false],
	"launch cuts user scopes": [launched(f.with_scopes(f.practitioner, [f.scope("user", "*", "rs")]), "p2"), "read", f.of("Observation", "p1"), false],
	"launch doesn't add": [launched(f.practitioner, "p5"), "read", f.of("Observation", "p5"), false],
	"launch of an app without a person": [launched(f.principal(["patient"], []), "p1"), "read", f.of("Observation", "p1"), true],
	"launch doesn't add to a person": [launched(f.patient, "p2"), "read", f.of("Observation", "p2"), false],
	"launch of everybody": [launched(f.admin, "*"), "read", f.of("Observation", "p1"), false],
	"launch of nobody": [launched(f.admin, ""), "read", f.of("Observation", "p1"), false],
	"launch of a number": [launched(f.admin, 1), "read", f.of("Observation", "p1"), false],
}

granular_cases := {
	"system scope of an app": [f.with_scopes(f.principal(["admin"], []), [f.scope("system", "*", "rs")]), "read", f.of("Observation", "p1"), true],
	"system scope of a person": [f.with_scopes(f.practitioner, [f.scope("system", "*", "rs")]), "read", f.of("Observation", "p1"), false],
	"granular, matching": [f.with_scopes(f.practitioner, [vital_signs]), "read", vital, true],
	"granular, not matching": [f.with_scopes(f.practitioner, [vital_signs]), "read", lab, false],
	"granular, element missing": [f.with_scopes(f.practitioner, [vital_signs]), "read", f.of("Observation", "p1"), false],
	"granular, every parameter": [f.with_scopes(f.practitioner, [f.but(vital_signs, {"params": f.but(vital_signs.params, {"status": ["final"]})})]), "read", vital, false],
	"granular with a modifier": [f.with_scopes(f.practitioner, [f.but(vital_signs, {"params": {"category:not": ["x"]}})]), "read", vital, false],
	"granular with a chain": [f.with_scopes(f.practitioner, [f.but(vital_signs, {"params": {"subject.name": ["x"]}})]), "read", vital, false],
	"granular without a value": [f.with_scopes(f.practitioner, [f.but(vital_signs, {"params": {"category": []}})]), "read", vital, false],
	"two scopes, each of its letter": [f.with_scopes(f.practitioner, [f.but(vital_signs, {"read": false}), f.scope("user", "Condition", "r")]), "read", vital, false],
}

judged([who, interaction, resource, seen]) if {
	context := f.context_of(who, {"time": f.now}, [f.team("ct1", "p1", {}), f.team("ct2", "p2", {})])
	answer := data.fhirgate.read with input as {
		"principal": who,
		"request": f.request(interaction, resource.resourceType),
		"context": context,
		"resource": resource,
	}
	answer.allow == seen
}

test_scopes[name] if {
	some name, case in scope_cases
	judged(case)
}

test_launch[name] if {
	some name, case in launch_cases
	judged(case)
}

test_granular_scopes[name] if {
	some name, case in granular_cases
	judged(case)
}

# What comes along with a search needs r or s of its own type.
test_included_types if {
	who := f.with_scopes(f.practitioner, [f.scope("user", "Observation", "s"), f.scope("user", "Patient", "r")])
	f.read(who, f.request("search-type", "Observation"), f.of("Observation", "p1")).allow
	f.read(who, f.request("search-type", "Observation"), f.person("p1")).allow
	not f.read(who, f.request("search-type", "Patient"), f.person("p1")).allow
	not f.read(who, f.request("search-type", "Observation"), f.of("Condition", "p1")).allow
}

test_search_without_a_type if {
	who := f.with_scopes(f.admin, [f.scope("user", "Observation", "s")])
	asked := {"interaction": "search-system", "time": f.now, "params": []}
	f.requested(who, asked).allow
	f.read(who, asked, f.of("Observation", "p1")).allow
	not f.read(who, asked, f.of("Condition", "p1")).allow
	not f.requested(f.with_scopes(f.admin, [f.scope("user", "Observation", "r")]), asked).allow
}
