# May a request be made at all: role tables, scopes, roles to act as, broken input.
package fhirgate.requests_test

import data.fhirgate.fixtures as f

# [role, interaction, type, allowed]
requests := [
	["patient", "read", "Patient", true],
	["patient", "vread", "Patient", true],
	["patient", "search-type", "Observation", true],
	["patient", "search-compartment", "Observation", true],
	["patient", "history-instance", "Observation", true],
	["patient", "create", "Observation", true],
	["patient", "update", "Observation", false],
	["patient", "delete", "Observation", false],
	["patient", "update", "QuestionnaireResponse", true],
	["patient", "read", "AuditEvent", false],
	["patient", "read", "Practitioner", true],
	["patient", "create", "Practitioner", false],
	["patient", "read", "Binary", true],
	["relatedperson", "read", "Patient", true],
	["relatedperson", "history-instance", "Patient", false],
	["relatedperson", "search-type", "Coverage", false],
	["relatedperson", "create", "Observation", false],
	["practitioner", "update", "Patient", true],
	["practitioner", "create", "Patient", false],
	["practitioner", "delete", "Patient", false],
	["practitioner", "delete", "Observation", true],
	["practitioner", "read", "AuditEvent", false],
	["researcher", "search-type", "Observation", true],
	["researcher", "search-type", "DocumentReference", false],
	["researcher", "create", "Observation", false],
	["admin", "delete", "Patient", true],
	["admin", "read", "AuditEvent", true],
	["app", "search-type", "Observation", true],
	["app", "read", "Observation", true],
	["app", "search-type", "Patient", false],
	["registrar", "create", "Patient", true],
	["registrar", "read", "Observation", false],
	["admin", "operation", "Patient", false],
	["admin", "patch", "Patient", false],
	["admin", "", "Patient", false],
	["patient", "capabilities", "Patient", true],
]

test_requests[name] if {
	some [role, interaction, type, allowed] in requests
	name := sprintf("%s %s %s", [role, interaction, type])
	ask(role, f.request(interaction, type)).allow == allowed
}

ask(role, what) := answer if {
	answer := data.fhirgate.request with input as {"principal": f.people[role], "request": what, "context": f.contexts[role]}
}

# Without a type.
# [role, interaction, allowed]
system := [
	["admin", "search-system", true],
	["admin", "history-system", true],
	["admin", "search-compartment", true],
	["patient", "search-compartment", true],
	["patient", "search-system", false],
	["practitioner", "history-system", false],
	["researcher", "search-system", false],
	["app", "search-compartment", true],
	["admin", "create", false],
	["admin", "read", false],
	["admin", "capabilities", true],
]

test_without_a_type[name] if {
	some [role, interaction, allowed] in system
	name := sprintf("%s %s", [role, interaction])
	ask(role, {"interaction": interaction, "time": f.now, "params": []}).allow == allowed
}

# The codes of refusals.
# name: [principal, changes to a read of Observation, codes]
refusals := {
	"anonymous": [f.anonymous, {}, {"anonymous"}],
	"a role nobody knows": [f.principal(["astronaut"], []), {}, {"no-known-role"}],
	"no role": [f.principal([], []), {}, {"no-known-role"}],
	"another case": [f.principal(["Admin"], []), {}, {"no-known-role"}],
	"to act as what one isn't": [f.patient, {"act_as": "admin"}, {"act-as-not-held"}],
	"to act as a role nobody knows": [f.principal(["astronaut"], []), {"act_as": "astronaut"}, {"policy-denied"}],
	"a type": [f.relatedperson, {"type": "Coverage"}, {"type-not-granted"}],
	"an interaction": [f.relatedperson, {"interaction": "delete"}, {"type-not-granted"}],
	"an unknown interaction": [f.admin, {"interaction": "operation"}, {"unknown-interaction"}],
	"no scope": [f.with_scopes(f.admin, []), {}, {"scope-missing"}],
	"an app without a scope": [f.with_scopes(f.app, []), {}, {"no-known-role", "scope-missing"}],
	"a scope for another type": [f.with_scopes(f.admin, [f.scope("user", "Patient", "cruds")]), {}, {"scope-insufficient"}],
	"a scope for another interaction": [f.with_scopes(f.admin, [f.scope("user", "*", "s")]), {}, {"scope-insufficient"}],
	"a patient scope without a patient": [f.with_scopes(f.admin, [f.scope("patient", "*", "cruds")]), {}, {"scope-insufficient"}],
	"a system scope of a person": [f.with_scopes(f.practitioner, [f.scope("system", "*", "cruds")]), {}, {"scope-insufficient"}],
}

test_refusals[name] if {
	some name, [who, changes, codes] in refusals
	answer := f.requested(who, f.but(f.request("read", "Observation"), changes))
	answer.allow == false
	f.codes(answer) == codes
}

test_every_reason_has_a_text if {
	every refusal in refusals {
		answer := f.requested(refusal[0], f.but(f.request("read", "Observation"), refusal[1]))
		every reason in answer.reasons {
			count(reason.text) > 5
			regex.match(`^[a-z]+(-[a-z]+)*$`, reason.code)
			object.keys(reason) == {"code", "text"}
		}
	}
}

test_capabilities_are_open if {
	answer := f.requested(f.anonymous, {"interaction": "capabilities", "time": f.now, "params": []})
	answer.allow == true
	f.codes(answer) == {"capabilities-open"}
	not f.requested(f.anonymous, f.request("read", "Patient")).allow
}

# What the gateway never sends, or sends by mistake.
broken := {
	"nothing": {},
	"no principal": {"request": f.request("read", "Patient"), "context": f.contexts.admin},
	"no context": {"principal": f.admin, "request": f.request("read", "Patient")},
	"no request": {"principal": f.admin, "context": f.contexts.admin},
	"anonymous isn't said": {"principal": object.remove(f.admin, ["anonymous"]), "request": f.request("read", "Patient"), "context": f.contexts.admin},
	"an interaction that is no text": {"principal": f.admin, "request": {"interaction": ["read"], "type": "Patient"}, "context": f.contexts.admin},
	"a type that is no text": {"principal": f.patient, "request": {"interaction": "read", "type": {}}, "context": f.contexts.patient},
	"a null interaction": {"principal": f.admin, "request": {"interaction": null, "type": "Patient"}, "context": f.contexts.admin},
	"scopes missing": {
		"principal": f.admin,
		"request": f.request("read", "Patient"),
		"context": object.remove(f.contexts.admin, ["scopes"]),
	},
}

test_broken_input[name] if {
	some name, value in broken
	answer := data.fhirgate.request with input as value
	answer.allow == false
	count(answer.reasons) > 0
}

# A context is made of whatever there is, and gives nothing where something is missing.
broken_principals := {
	"nothing": {},
	"launch missing": object.remove(f.admin, ["launch"]),
	"launch a text": f.but(f.admin, {"launch": "patient"}),
	"no scopes": object.remove(f.admin, ["scopes"]),
	"scopes of the wrong type": f.but(f.admin, {"scopes": "user/*.cruds"}),
	"required missing": f.but(f.admin, {"scopes": {"granted": []}}),
	"required not a boolean": f.but(f.admin, {"scopes": {"required": "false", "granted": []}}),
	"granted missing": f.but(f.admin, {"scopes": {"required": false}}),
	"granted an empty text": f.but(f.admin, {"scopes": {"required": false, "granted": ""}}),
	"a scope without a context": f.but(f.admin, {"scopes": {"required": false, "granted": [object.remove(f.scope("user", "*", "cruds"), ["context"])]}}),
	"a scope of an unknown context": f.with_scopes(f.admin, [f.scope("everybody", "*", "cruds")]),
	"a scope without a type": f.with_scopes(f.admin, [object.remove(f.scope("user", "*", "cruds"), ["type"])]),
	"a scope whose permission is a text": f.with_scopes(f.admin, [f.but(f.scope("user", "*", ""), {"read": "true"})]),
	"roles a text": f.but(f.admin, {"roles": "admin"}),
	"roles missing": object.remove(f.admin, ["roles"]),
}

test_broken_principal[name] if {
	some name, who in broken_principals
	{allow | allow := f.requested(who, f.request("read", "Patient")).allow} - {false} == set()
}

test_obligations_by_role[role] if {
	some role, wanted in {
		"patient": {"audit": "standard", "withheld_notice": false, "total": "accurate"},
		"relatedperson": {"audit": "standard", "withheld_notice": true, "total": "accurate"},
		"practitioner": {"audit": "standard", "withheld_notice": true, "total": "accurate"},
		"researcher": {"audit": "standard", "withheld_notice": true, "total": "accurate"},
		"admin": {"audit": "full", "withheld_notice": false, "total": "accurate"},
	}
	object.remove(ask(role, f.request("read", "Patient")).obligations, ["limits"]) == wanted
}

test_total_may_be_left_out if {
	context := data.fhirgate.context with input as {"principal": f.researcher, "request": {"time": f.now}}
		with data.fhirgate.tables.roles.researcher.total as "omit"
	context.obligations.total == "omit"
}
