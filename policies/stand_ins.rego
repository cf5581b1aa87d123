# METADATA
# title: Stand-ins for the gateway's builtins
# description: >-
#   What the gateway offers to policy, in plain Rego, so that `opa test` needs no
#   gateway. The gateway drops every module of this package when it loads the
#   bundle and puts its own in their place: the same functions, exact and complete.
#   These here know the resources of data.fhirgate.testing.store, which a test sets
#   with `with`, element paths without functions, and the search parameters below.
package fhirgate.fhir

# METADATA
# description: The resource at "Type/id"; undefined when there is none.
read(ref) := resource if {
	some resource in data.fhirgate.testing.store
	concat("/", [resource.resourceType, resource.id]) == ref
}

# METADATA
# description: The resources that match "Type?param=value&param=value", whole. Dates aren't judged, as by a lax server.
search(query) := [resource |
	parts := split(query, "?")
	some resource in data.fhirgate.testing.store
	resource.resourceType == parts[0]
	every pair in split(parts[1], "&") {
		matches_pair(resource, split(pair, "="))
	}
]

matches_pair(_, ["date", _])

matches_pair(resource, [param, value]) if search_matches(resource, param, [value])

# METADATA
# description: Whether the resource is in the compartment of that type and id.
in_compartment(resource, type, id) if id in compartment_refs(resource, type)

# METADATA
# description: The ids of the compartments of that type that the resource is in.
compartment_refs(resource, type) := own_id(resource, type) | {id |
	some element in compartments[type][resource.resourceType]
	some reference in path(resource, concat(".", [element, "reference"]))
	[type, id] = split(reference, "/")
}

own_id(resource, type) := {resource.id} if resource.resourceType == type

own_id(resource, type) := set() if resource.resourceType != type

own_id(resource, type) := set() if {
	resource.resourceType == type
	not resource.id
}

# METADATA
# description: The values at an element path, through arrays.
path(resource, expression) := values if {
	all := split(expression, ".")
	names := array.concat([name | some i, name in all; not names_type(resource, i, name)], ["", "", "", "", ""])
	values := step(step(step(step(step([resource], names[0]), names[1]), names[2]), names[3]), names[4])
}

names_type(resource, 0, name) if name == resource.resourceType

step(values, "") := values

step(values, name) := [item | some value in values; some item in items(value[name])] if name != ""

items(value) := value if is_array(value)

items(value) := [value] if not is_array(value)

# METADATA
# description: Whether the resource matches a token or reference search parameter with each of the values; a comma in one means or.
search_matches(resource, param, values) if {
	count(values) > 0
	every value in values {
		some expression in params[param]
		some found in path(resource, expression)
		some candidate in array.concat([found], object_codings(found))
		some alternative in split(value, ",")
		matches_value(candidate, alternative)
	}
}

matches_value(found, value) if found == value

matches_value(found, value) if found.reference == value

matches_value(found, value) if found.code == value

matches_value(found, value) if concat("|", [found.system, found.code]) == value

object_codings(found) := [coding | some coding in found.coding]

params := {
	"_id": ["id"],
	"category": ["category"],
	"code": ["code"],
	"general-practitioner": ["generalPractitioner"],
	"participant": ["participant.member", "participant.individual"],
	"patient": ["subject", "patient"],
	"status": ["status"],
	"subject": ["subject"],
}

# Of the R4 compartment definition, what the tests use.
compartments := {"Patient": {
	"AllergyIntolerance": ["patient", "recorder", "asserter"],
	"Appointment": ["participant.actor"],
	"AuditEvent": ["agent.who", "entity.what"],
	"CarePlan": ["subject"],
	"CareTeam": ["subject", "participant.member"],
	"ClinicalImpression": ["subject"],
	"Communication": ["subject", "sender", "recipient"],
	"Condition": ["subject", "asserter"],
	"Consent": ["patient"],
	"Coverage": ["policyHolder", "subscriber", "beneficiary", "payor"],
	"DiagnosticReport": ["subject"],
	"DocumentReference": ["subject", "author"],
	"Encounter": ["subject"],
	"Goal": ["subject"],
	"Group": ["member.entity"],
	"Immunization": ["patient"],
	"List": ["subject", "source"],
	"MedicationRequest": ["subject"],
	"Observation": ["subject", "performer"],
	"Patient": ["link.other"],
	"Person": ["link.target"],
	"Procedure": ["subject", "performer.actor"],
	"Provenance": ["target"],
	"QuestionnaireResponse": ["subject", "author"],
	"RelatedPerson": ["patient"],
	"ServiceRequest": ["subject", "performer"],
}}
