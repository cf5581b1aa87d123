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

about(resource) := of_binary(resource) if resource.resourceType == "Binary"

subject(ids, parts) := {
	"ids": {id: true | some id in ids},
	"table": object.get({0: "shared"}, count(ids), "compartment"),
	"parts": parts,
}

of_binary(resource) := subject(own(target) | of_contained(target), [target]) if target := protecting(resource)

of_binary(resource) := subject({"?"}, []) if {
	resource.securityContext
	not protecting(resource)
}

of_binary(resource) := {"ids": {}, "table": "unprotected", "parts": []} if not resource.securityContext

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

own(resource) := (fhir.compartment_refs(resource, "Patient") | ids) | others(elements, ids) if {
	resource.resourceType != "Patient"
	elements := object.filter(resource, settings.subject_elements)
	ids := {id |
		some element in elements
		is_string(element.reference)
		["Patient", id] = split(element.reference, "/")
	}
}

# The rest, where the elements aren't all one literal reference each, to a patient of its own.
others(elements, ids) := set() if count(elements) == count(ids)

others(elements, ids) := {id | some element in elements; some id in subjects(element)} if count(elements) != count(ids)

subjects(element) := {patient_id(item) | some item in element} if is_array(element)

subjects(element) := {patient_id(element)} if not is_array(element)

patient_id(element) := id if {
	is_string(element.reference)
	["Patient", id] = split(element.reference, "/")
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
