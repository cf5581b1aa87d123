package fhirgate.breakglass_test

import data.fhirgate.breakglass
import data.fhirgate.fixtures as f

purpose := {"code": "BTG", "reason": "unconscious in the emergency room", "source": "header", "until": "2026-11-24T21:30:00Z"}

dr := f.but(f.practitioner, {"client": "ehr"})

# p5 is nobody's to dr1.
read(who, what) := answer if {
	context := context_of(who, what)
	answer := data.fhirgate.read with input as {
		"principal": who,
		"request": what,
		"context": context,
		"resource": f.of("Observation", "p5"),
	}
}

context_of(who, what) := context if {
	context := data.fhirgate.context with input as {"principal": who, "request": what}
		with data.fhirgate.tables.break_glass.header.clients as {"ehr": {"roles": ["practitioner"]}, "empty": {"roles": []}, "odd": {}}
}

requested(who, what) := answer if {
	context := context_of(who, what)
	answer := data.fhirgate.request with input as {"principal": who, "request": what, "context": context}
		with data.fhirgate.tables.break_glass.header.clients as {"ehr": {"roles": ["practitioner"]}, "empty": {"roles": []}, "odd": {}}
}

stating(changes) := f.but(f.request("read", "Observation"), {"purpose": f.but(purpose, changes)})

without(keys) := f.but(f.request("read", "Observation"), {"purpose": object.remove(purpose, keys)})

# name: [principal, request, codes of the refusal; none when it holds]
headers := {
	"as it should be": [dr, stating({}), set()],
	"ETREAT": [dr, stating({"code": "ETREAT"}), set()],
	"the last second": [dr, stating({"until": "2026-11-24T21:00:01Z"}), set()],
	"an hour": [dr, stating({"until": "2026-11-24T22:00:00Z"}), set()],
	"no reason": [dr, without(["reason"]), {"break-glass-no-reason"}],
	"a blank reason": [dr, stating({"reason": "                    "}), {"break-glass-no-reason"}],
	"a short reason": [dr, stating({"reason": "because"}), {"break-glass-no-reason"}],
	"a reason that is no text": [dr, stating({"reason": ["unconscious in the emergency room"]}), {"break-glass-no-reason"}],
	"no time": [dr, without(["until"]), {"break-glass-no-time"}],
	"over": [dr, stating({"until": "2026-11-24T20:59:59Z"}), {"break-glass-no-time"}],
	"just over": [dr, stating({"until": f.now}), {"break-glass-no-time"}],
	"too long": [dr, stating({"until": "2026-11-24T22:30:00Z"}), {"break-glass-no-time"}],
	"for ever": [dr, stating({"until": "9999-12-31T23:59:59Z"}), {"break-glass-no-time"}],
	"a time that is none": [dr, stating({"until": "soon"}), {"break-glass-no-time"}],
	"another client": [f.but(dr, {"client": "wellness"}), stating({}), {"break-glass-not-allowed"}],
	"a client without roles": [f.but(dr, {"client": "empty"}), stating({}), {"break-glass-not-allowed"}],
	"a client set up oddly": [f.but(dr, {"client": "odd"}), stating({}), {"break-glass-not-allowed"}],
	"no client": [object.remove(dr, ["client"]), stating({}), {"break-glass-not-allowed"}],
	"another role": [f.but(f.patient, {"client": "ehr"}), stating({}), {"break-glass-not-allowed"}],
	"everything wrong": [f.patient, without(["reason", "until"]), {"break-glass-no-reason", "break-glass-no-time", "break-glass-not-allowed"}],
}

test_header_of_a_request[name] if {
	some name, [who, what, codes] in headers
	answer := requested(who, what)
	holds := count(codes) == 0
	answer.allow == holds
	f.codes(answer) - {"role-grants", "break-glass"} == codes
}

test_header_of_a_row[name] if {
	some name, [who, what, codes] in headers
	holds := count(codes) == 0
	read(who, what).allow == holds
}

test_acting_as_another_role_breaks_no_glass if {
	who := f.but(dr, {"roles": ["practitioner", "patient"]})
	not read(who, f.but(stating({}), {"act_as": "patient"})).allow
	not requested(who, f.but(stating({}), {"act_as": "patient"})).allow
	read(who, f.but(stating({}), {"act_as": "practitioner"})).allow
}

test_token if {
	claimed := f.but(f.practitioner, {"purpose_of_use": ["BTG"]})
	read(claimed, f.request("read", "Observation")).allow
	"break-glass" in f.codes(requested(claimed, f.request("read", "Observation")))
	not read(f.but(f.practitioner, {"purpose_of_use": ["TREAT"]}), f.request("read", "Observation")).allow
	not read(f.but(f.patient, {"purpose_of_use": ["BTG"]}), f.request("read", "Observation")).allow
	not read(f.but(f.researcher, {"roles": ["app"], "purpose_of_use": ["BTG"]}), f.request("read", "Observation")).allow
}

test_token_may_not_be_enough if {
	claimed := f.but(f.practitioner, {"purpose_of_use": ["BTG"]})
	not breakglass.active("practitioner") with input as {"principal": claimed, "request": f.request("read", "Observation")}
		with data.fhirgate.tables.break_glass.token as false
}

# A purpose that breaks no glass, or one that didn't come in a header, changes nothing.
test_other_purposes if {
	requested(f.patient, stating({"code": "TREAT"})).allow
	not read(dr, stating({"code": "TREAT"})).allow
	not read(dr, stating({"source": "token"})).allow
	not read(dr, without(["source"])).allow
	not read(dr, without(["code"])).allow
}

test_obligations if {
	answer := requested(dr, stating({}))
	answer.obligations.audit == "full"
	answer.obligations.review == "break-glass"
	not "review" in object.keys(requested(dr, f.request("read", "Observation")).obligations)
}

# [labels, type, seen] of p5 in an emergency
emergency := [
	[[[f.confidential, "R"]], "Observation", true],
	[[[f.confidential, "V"]], "Observation", false],
	[[[f.act, "HIV"]], "Observation", true],
	[[[f.act, "PSY"], [f.confidential, "R"]], "Condition", true],
	[[[f.act, "PSY"], [f.confidential, "V"]], "Condition", false],
	[[], "AuditEvent", false],
	[[], "Group", false],
]

test_emergency[name] if {
	some [labels, type, seen] in emergency
	name := sprintf("%s %v", [type, labels])
	answer := data.fhirgate.read with input as {
		"principal": dr,
		"request": stating({}),
		"context": context_of(dr, stating({})),
		"resource": f.labelled(f.of(type, "p5"), labels),
	}
	answer.allow == seen
}

# It shows, and lets nothing be written.
test_no_writes if {
	who := f.but(f.practitioner, {"purpose_of_use": ["BTG"]})
	context := context_of(who, {"time": f.now})
	answer := data.fhirgate.write with input as {
		"principal": who,
		"request": f.request("create", "Observation"),
		"context": context,
		"resource": f.of("Observation", "p5"),
	}
	answer.allow == false
	f.codes(answer) == {"resource-not-granted"}
}

test_its_masks_are_listed if {
	context := context_of(dr, stating({}))
	{"path": "Patient.photo", "action": "remove"} in context.possible_masks.Patient
}
