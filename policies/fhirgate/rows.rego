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

about := patients.about(input.resource)

# METADATA
# description: >-
#   May this caller see input.resource: some grant gives it, and neither the launch
#   nor the scopes take it away.
visible if {
	some i
	giving[i] == true
	patients.within(input.context.launch, input.resource.resourceType, about.ids)
	scopes.cover(scopes.visible_letters, input.resource, about.ids)
}

# METADATA
# description: The positions of the grants that make input.resource visible.
giving[i] := true if {
	some i, grant in input.context.grants
	permits(grant, input.resource, about, rights[input.request.interaction])
}

# The right that what an interaction returns is judged by.
rights := {
	"create": "read",
	"delete": "read",
	"history-instance": "history",
	"history-system": "history",
	"history-type": "history",
	"read": "read",
	"search-compartment": "read",
	"search-system": "read",
	"search-type": "read",
	"update": "read",
	"vread": "read",
}

# METADATA
# description: Whether a grant gives a right on a resource, of which is known what it is about.
permits(grant, resource, subject, right) if {
	in_table(grant.tables[subject.table], resource.resourceType, right)
	patients.within(grant.reach, resource.resourceType, subject.ids)
	labels.cleared(grant.labels, resource)
	parts_permitted(grant, resource)
}

# METADATA
# description: A type's own line in a table counts instead of the line "*".
in_table(table, type, right) if {
	is_string(type)
	object.get(table, type, table["*"])[right] == true
}

parts_permitted(_, resource) if not patients.composite(resource)

parts_permitted(grant, resource) if {
	patients.composite(resource)
	every part in patients.parts(resource) {
		in_some_table(grant, part.resourceType)
		labels.cleared(grant.labels, part)
		unmasked(grant, resource, part.resourceType)
	}
	unmasked_file(grant, resource)
}

in_some_table(grant, type) if in_table(grant.tables.compartment, type, "read")

in_some_table(grant, type) if in_table(grant.tables.shared, type, "read")

# What would be masked by itself isn't shown inside another resource.
unmasked(grant, _, type) if {
	not masks.names(grant.masks, type)
	not masks.names(input.context.restrictions, type)
}

unmasked(grant, resource, _) if {
	resource.resourceType == "Binary"
	grant.attachments == true
}

unmasked_file(_, resource) if resource.resourceType != "Binary"

unmasked_file(grant, resource) if unmasked(grant, resource, "Patient")
