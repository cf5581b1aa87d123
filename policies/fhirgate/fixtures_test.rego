# People, resources and shorthands for the tests.
package fhirgate.fixtures

now := "2026-11-24T21:00:00Z"

confidential := "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

act := "http://terminology.hl7.org/CodeSystem/v3-ActCode"

# What the server behind holds for the look-ups. dr1 cares for p1 (care team), p2 (open encounter), p3 (ended
# lately) and p4 (general practitioner); what would give p5 to dr1 isn't in force.
store := [
	{"resourceType": "RelatedPerson", "id": "rp1", "active": true, "patient": {"reference": "Patient/p1"}},
	{"resourceType": "RelatedPerson", "id": "rp2", "active": false, "patient": {"reference": "Patient/p1"}},
	{"resourceType": "RelatedPerson", "id": "rp3", "patient": {"reference": "Patient/p1"}},
	{"resourceType": "RelatedPerson", "id": "rp4", "active": true, "patient": {"reference": "Patient/p1"}, "period": {"end": "2026-10"}},
	{"resourceType": "RelatedPerson", "id": "rp5", "active": true, "patient": {"reference": "Patient/*"}},
	team("ct1", "p1", {}),
	team("ct2", "p5", {"status": "inactive"}),
	team("ct3", "p5", {"period": {"end": "2026-11-23"}}),
	team("ct4", "p5", {"participant": [{"member": {"reference": "Practitioner/dr1"}, "period": {"start": "2026-12-01"}}]}),
	team("ct5", "p5", {"participant": [{"member": {"reference": "Practitioner/dr2"}}]}),
	team("ct6", "p5", {"period": {"start": "last summer"}}),
	team("ct7", "*", {}),
	encounter("e1", "p2", {"status": "in-progress"}),
	encounter("e2", "p3", {"status": "finished", "period": {"start": "2026-11-01", "end": "2026-11-02T10:00:00+01:00"}}),
	encounter("e3", "p5", {"status": "finished", "period": {"start": "2026-09-01", "end": "2026-09-02"}}),
	encounter("e4", "p5", {"status": "finished"}),
	encounter("e5", "p5", {"status": "cancelled"}),
	encounter("e6", "p5", {"status": "in-progress", "participant": [{"individual": {"reference": "Practitioner/dr1"}, "period": {"end": "2026-11-24T20:59:59Z"}}]}),
	{"resourceType": "Patient", "id": "p4", "generalPractitioner": [{"reference": "Practitioner/dr1"}]},
	{"resourceType": "Patient", "id": "p5", "generalPractitioner": [{"reference": "Practitioner/dr2"}]},
	{"resourceType": "DocumentReference", "id": "d1", "subject": {"reference": "Patient/p1"}},
	{"resourceType": "DocumentReference", "id": "d5", "subject": {"reference": "Patient/p5"}},
]

team(id, patient, more) := object.union(
	{
		"resourceType": "CareTeam",
		"id": id,
		"status": "active",
		"subject": {"reference": concat("/", ["Patient", patient])},
		"participant": [{"member": {"reference": "Practitioner/dr1"}}],
	},
	more,
)

encounter(id, patient, more) := object.union(
	{
		"resourceType": "Encounter",
		"id": id,
		"status": "in-progress",
		"subject": {"reference": concat("/", ["Patient", patient])},
		"participant": [{"individual": {"reference": "Practitioner/dr1"}}],
	},
	more,
)

participant(type, id) := {"type": type, "id": id, "reference": concat("/", [type, id])}

principal(roles, participants) := {
	"anonymous": false,
	"issuer": "https://login.example",
	"subject": "somebody",
	"client": "app-1",
	"roles": roles,
	"groups": [],
	"scopes": {"required": false, "granted": []},
	"participants": participants,
	"launch": {},
	"purpose_of_use": [],
}

anonymous := {
	"anonymous": true,
	"roles": [],
	"groups": [],
	"scopes": {"required": false, "granted": []},
	"participants": [],
	"launch": {},
	"purpose_of_use": [],
}

patient := principal(["patient"], [participant("Patient", "p1")])

practitioner := principal(["practitioner"], [participant("Practitioner", "dr1")])

relatedperson := principal(["relatedperson"], [participant("RelatedPerson", "rp1")])

researcher := principal(["researcher"], [])

admin := principal(["admin"], [])

people := {
	"patient": patient,
	"practitioner": practitioner,
	"relatedperson": relatedperson,
	"researcher": researcher,
	"admin": admin,
	"app": app,
	"registrar": registrar,
}

# Evaluated once a test, as the gateway does it once a minute.
contexts[name] := context(people[name], {"time": now}) if people[name]

# What one of the people sees of a resource.
seen(name, interaction, resource) := answer if {
	answer := data.fhirgate.read with input as {
		"principal": people[name],
		"request": request(interaction, resource.resourceType),
		"context": contexts[name],
		"resource": resource,
	}
		with data.fhirgate.testing.store as store
}

sees(name, resource) := seen(name, "read", resource).allow

app := but(principal(["app"], []), {"scopes": {"required": true, "granted": [scope("system", "Observation", "rs")]}})

registrar := principal(["registrar"], [])

# Changes to a principal, a resource or a request.
but(value, changes) := object.union(object.remove(value, object.keys(changes)), changes)

with_scopes(who, scopes) := but(who, {"scopes": {"required": true, "granted": scopes}})

scope(context, type, letters) := {
	"context": context,
	"type": type,
	"create": contains(letters, "c"),
	"read": contains(letters, "r"),
	"update": contains(letters, "u"),
	"delete": contains(letters, "d"),
	"search": contains(letters, "s"),
	"params": {},
	"text": sprintf("%s/%s.%s", [context, type, letters]),
}

request(interaction, type) := {"upstream": "main", "interaction": interaction, "type": type, "params": [], "time": now}

# A resource about a patient, or about nobody.
of(type, patient) := {"resourceType": type, "id": "x", subject_of(type): {"reference": concat("/", ["Patient", patient])}}

subject_of(type) := "patient" if type in {"AllergyIntolerance", "Immunization", "Consent", "RelatedPerson", "Device"}

subject_of(type) := "for" if type == "Task"

subject_of(type) := "subject" if not type in {"AllergyIntolerance", "Immunization", "Consent", "RelatedPerson", "Device", "Task"}

person(id) := {"resourceType": "Patient", "id": id}

labelled(resource, labels) := but(resource, {"meta": {"security": [{"system": pair[0], "code": pair[1]} | some pair in labels]}})

# The input of the entry points, with the context that the gateway would have evaluated before.
asking(who, what) := {"principal": who, "request": what, "context": context(who, what)}

context(who, what) := context_of(who, what, store)

context_of(who, what, stored) := evaluated if {
	brief := {key: what[key] | some key in {"upstream", "time", "act_as", "purpose"}}
	evaluated := json.unmarshal(json.marshal(data.fhirgate.context)) with input as {"principal": who, "request": brief}
		with data.fhirgate.testing.store as stored
}

requested(who, what) := answer if {
	answer := data.fhirgate.request with input as asking(who, what)
}

read(who, what, resource) := answer if {
	answer := data.fhirgate.read with input as but(asking(who, what), {"resource": resource})
		with data.fhirgate.testing.store as store
}

shows(who, resource) if read(who, request("read", resource.resourceType), resource).allow

written(who, what, resources) := answer if {
	answer := data.fhirgate.write with input as but(asking(who, what), resources)
		with data.fhirgate.testing.store as store
}

wrote(name, interaction, resources) := answer if {
	some key in ["resource", "stored"]
	one := resources[key]
	not written_by_resource(key, resources)
	answer := data.fhirgate.write with input as object.union(
		{
			"principal": people[name],
			"request": but(request(interaction, one.resourceType), {"id": object.get(one, "id", "new")}),
			"context": contexts[name],
		},
		resources,
	)
		with data.fhirgate.testing.store as store
}

# The request names what would be stored or, for a delete, what is stored.
written_by_resource("stored", resources) if resources.resource

codes(answer) := {reason.code | some reason in answer.reasons}
