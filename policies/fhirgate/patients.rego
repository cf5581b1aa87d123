# METADATA
# title: The patients that a resource is about
# description: >-
#   A resource is seen by who may see every patient that it is about, unless
#   tables/compartments says otherwise for its type. What the resource contains, and
#   what a Binary's securityContext refers to, are parts of it.
package fhirgate.patients

import data.fhirgate.fhir
import data.fhirgate.tables.compartments as settings

# METADATA
# description: >-
#   What a resource is about: {"ids": {id: true}, "table": the table of a role that
#   counts for it}. No ids for what belongs to nobody (an Organization); "?" stands
#   for somebody who can't be told.
about(resource) := {"ids": ids, "table": table(resource, ids)} if {
	not composite(resource)
	ids := {id: true | some id in own(resource)}
}

about(resource) := {"ids": ids, "table": table(resource, ids)} if {
	composite(resource)
	ids := {id: true | some id in union({own(resource), of_contained(resource), of_context(resource)})}
}

table(_, ids) := "compartment" if ids != {}

table(resource, {}) := "shared" if resource.resourceType != "Binary"

table(resource, {}) := "unprotected" if resource.resourceType == "Binary"

# METADATA
# description: Whether there is more to judge than the resource itself.
composite(resource) if resource.contained

composite(resource) if resource.resourceType == "Binary"

# METADATA
# description: What is judged along with the resource.
parts(resource) := array.concat(
	[part | some part in object.get(resource, "contained", [])],
	[part | some part in context(resource)],
)

# METADATA
# description: What a Binary's securityContext refers to, in a list of at most one.
context(resource) := [fhir.read(target) |
	resource.resourceType == "Binary"
	target := resource.securityContext.reference
	is_string(target)
	regex.match(`^[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}$`, target)
]

own(resource) := {resource.id} if {
	resource.resourceType == "Patient"
	is_string(resource.id)
}

own(resource) := {"?"} if {
	resource.resourceType == "Patient"
	not resource.id
}

own(resource) := fhir.compartment_refs(resource, "Patient") | subjects(resource) if resource.resourceType != "Patient"

subjects(resource) := {id |
	some element in settings.subject_elements
	some target in references(resource[element])
	id := patient_id(target)
}

references(value) := [reference(value)] if not is_array(value)

references(value) := [reference(item) | some item in value] if is_array(value)

reference(value) := value.reference if {
	is_string(value.reference)
} else := "?"

patient_id(target) := id if {
	["Patient", id] = split(target, "/")
} else := "?"

# A contained Patient has an id of its container's, which names nobody.
of_contained(resource) := {id |
	some part in object.get(resource, "contained", [])
	some id in of_part(part)
}

of_part(part) := own(object.remove(part, ["id"])) if is_string(part.resourceType)

of_part(part) := {"?"} if not typed(part)

typed(part) if is_string(part.resourceType)

of_context(resource) := {id | some part in context(resource); some id in (own(part) | of_contained(part))} if count(context(resource)) > 0

of_context(resource) := set() if not resource.securityContext

of_context(resource) := {"?"} if {
	resource.securityContext
	count(context(resource)) == 0
}

# METADATA
# description: >-
#   Whether a reach, {"everyone": bool, "ids": {id: true}}, covers a resource of that
#   type about these patients. One about nobody is left to the table `shared`.
within(reach, _, _) if reach.everyone == true

within(reach, _, ids) if object.subset(reach.ids, ids)

within(reach, type, ids) if {
	type in settings.one_patient_is_enough
	some id, _ in ids
	reach.ids[id] == true
}

# METADATA
# description: A set of ids as a reach; what isn't a FHIR id is left out.
reach(ids) := {"everyone": false, "ids": {id: true | some id in ids; regex.match(`^[A-Za-z0-9.-]{1,64}$`, id)}}

# METADATA
# description: The reach without a limit.
everyone := {"everyone": true, "ids": {}}
