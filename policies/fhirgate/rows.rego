# METADATA
# title: One resource
# description: >-
#   Whether a grant gives a right on a resource. Evaluated for every resource of
#   every answer: what doesn't depend on the resource belongs into the context.
package fhirgate.rows

import data.fhirgate.labels
import data.fhirgate.masks
import data.fhirgate.patients
import data.fhirgate.scopes
import data.fhirgate.tables

about := patients.about(input.resource)

# METADATA
# description: >-
#   May this caller see input.resource: some grant gives it, and neither the launch
#   nor the scopes take it away.
visible if {
	some i
	giving[i] == true
	patients.within(input.context.launch, input.resource.resourceType, about.ids)
	covered
}

# METADATA
# description: The positions of the grants that make input.resource visible.
giving[i] := true if {
	some i, grant in input.context.grants
	permits(grant, input.resource, about, tables.interactions[input.request.interaction].shows.right)
}

covered if scopes.cover(tables.interactions[input.request.interaction].shows.scope, input.resource, about.ids)

# What comes along with a search (an include) needs only to be readable.
covered if {
	tables.interactions[input.request.interaction].shows.scope == "s"
	input.resource.resourceType != input.request.type
	scopes.cover("r", input.resource, about.ids)
}

# METADATA
# description: Whether a grant gives a right on a resource, of which is known what it is about.
permits(grant, resource, subject, right) if {
	in_table(grant.tables[subject.table], resource.resourceType, right)
	patients.within(grant.reach, resource.resourceType, subject.ids)
	labels.cleared(grant.labels, resource)
	every part in subject.parts {
		part_permitted(grant, resource, part)
	}
}

# METADATA
# description: A type's own line in a table counts instead of the line "*".
in_table(table, type, right) if {
	is_string(type)
	object.get(table, type, table["*"])[right] == true
}

part_permitted(grant, resource, part) if {
	in_some_table(grant, part.resourceType)
	labels.cleared(grant.labels, part)
	unmasked(grant, resource, part.resourceType)
}

in_some_table(grant, type) if in_table(grant.tables.compartment, type, "read")

in_some_table(grant, type) if in_table(grant.tables.shared, type, "read")

# A file can't be masked inside: who sees a patient or what protects the file with masks doesn't get it.
unmasked(_, resource, _) if resource.resourceType != "Binary"

unmasked(grant, resource, type) if {
	resource.resourceType == "Binary"
	every masked in {type, "Patient"} {
		not masks.names(grant.masks, masked)
		not masks.names(input.context.restrictions, masked)
	}
}

unmasked(grant, resource, _) if {
	resource.resourceType == "Binary"
	grant.attachments == true
}

# METADATA
# description: The masks of each grant that makes input.resource visible.
grants := [applied(input.context.grants[i].masks) | giving[i]]

# METADATA
# description: The masks that restrict the caller, for input.resource.
restrictions := applied(input.context.restrictions)

applied(lists) := masks.applied(lists, input.resource) if about.parts == []

applied(lists) := array.concat(masks.applied(lists, input.resource), masks.for_parts(lists, about.parts)) if about.parts != []
