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
#   counts for it, "parts": [what has to be judged along with it]}. No ids for what
#   belongs to nobody (an Organization); "?" stands for somebody who can't be told.
about(resource) := subject(own(resource), []) if {
	not resource.contained
	resource.resourceType != "Binary"
}

about(resource) := subject(own(resource) | of_contained(resource), resource.contained) if {
	resource.contained
	resource.resourceType != "Binary"
}

about(resource) := subject(own(target) | of_contained(target), [target]) if {
	resource.resourceType == "Binary"
	target := protecting(resource)
}

about(resource) := subject({"?"}, []) if {
	resource.resourceType == "Binary"
	resource.securityContext
	not protecting(resource)
}

about(resource) := {"ids": {}, "table": "unprotected", "parts": []} if {
	resource.resourceType == "Binary"
	not resource.securityContext
}

subject(ids, parts) := {"ids": {id: true | some id in ids}, "table": "compartment", "parts": parts} if ids != set()

subject(ids, parts) := {"ids": {}, "table": "shared", "parts": parts} if ids == set()

# What a Binary's securityContext refers to.
protecting(resource) := fhir.read(target) if {
	target := resource.securityContext.reference
	is_string(target)
	regex.match(`^[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}$`, target)
}

own(resource) := {resource.id} if {
	resource.resourceType == "Patient"
	is_string(resource.id)
}

own(resource) := {"?"} if {
	resource.resourceType == "Patient"
	not resource.id
}

own(resource) := fhir.compartment_refs(resource, "Patient") | {id |
	some element in object.filter(resource, settings.subject_elements)
	some id in subjects(element)
} if {
	resource.resourceType != "Patient"
}

# Of an element that has a literal reference, one that repeats, and one that is anything else.
subjects(element) := {patient_id(element.reference)} if is_string(element.reference)

subjects(element) := {id | some item in element; some id in subject_of(item)} if is_array(element)

subjects(element) := {"?"} if {
	not is_array(element)
	not referring(element)
}

subject_of(item) := {patient_id(item.reference)} if referring(item)

subject_of(item) := {"?"} if not referring(item)

referring(item) if is_string(item.reference)

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
