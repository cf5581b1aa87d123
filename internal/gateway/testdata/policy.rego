package fhirgate

# A policy made for these tests: what a caller may do follows from its subject.

who := object.get(input.principal, "subject", "")

request := {"allow": false, "reasons": [{"code": "nobody", "text": "who are you"}]} if who == ""

request := {"allow": false, "reasons": [{"code": "not-you"}]} if who == "refused"

request := {"allow": true, "obligations": obligations, "masks": masks} if not who in {"", "refused", "unusable"}

request := {"allow": "yes"} if who == "unusable"

obligations := {"withheld_notice": true, "total": "omit"} if who == "noticed"

else := {"audit": "full"} if who == "audited"

else := {"review": "look"} if who == "reviewed"

else := {}

hidden if {
	some label in input.resource.meta.security
	label.code == "R"
	who != "all"
}

masks := {"Patient": [{"path": "Patient.birthDate", "action": "remove"}], "Observation": [{"path": "Observation.subject", "action": "remove"}]} if who == "masked"

else := {"*": [{"path": "Patient.id", "action": "pseudonymize"}]} if who == "pseudo"

else := {}

applied := masks.Patient if {
	who == "masked"
	input.resource.resourceType == "Patient"
}

else := masks.Observation if {
	who == "masked"
	input.resource.resourceType == "Observation"
}

else := masks["*"] if who == "pseudo"

else := []

read := {"allow": false} if hidden

read := {"allow": "yes"} if {
	not hidden
	who == "broken"
	input.resource.id == "p03"
}

read := {"allow": true, "masks": applied} if {
	not hidden
	not broken
}

broken if {
	who == "broken"
	input.resource.id == "p03"
}

write := {"allow": false, "reasons": [{"code": "read-only", "text": "only reading"}]} if who == "reader"

write := {"allow": true} if who != "reader"
