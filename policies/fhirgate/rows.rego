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

ids := patients.about(input.resource)

# METADATA
# description: >-
#   May this caller see input.resource: some grant gives it, and neither the launch
#   nor the scopes take it away.
visible if {
	some i
	giving[i] == true
	patients.within(input.context.launch, input.resource.resourceType, ids)
	scopes.cover(scopes.visible_letters, input.resource, ids)
}

# METADATA
# description: The positions of the grants that make input.resource visible.
giving[i] := true if {
	some i, grant in input.context.grants
	permits(grant, input.resource, ids, right)
}

right := "history" if input.request.interaction in {"history-instance", "history-type", "history-system"}

right := "read" if input.request.interaction in {
	"create", "delete", "read", "search-compartment", "search-system", "search-type", "update", "vread",
}

# METADATA
# description: Whether a grant gives a right on a resource that is about these patients.
permits(grant, resource, ids, right) if {
	is_string(resource.resourceType)
	has_right(grant, resource.resourceType, ids, right)
	patients.within(grant.reach, resource.resourceType, ids)
	labels.cleared(grant.labels, resource)
	parts_permitted(grant, resource)
}

has_right(grant, type, ids, right) if {
	count(ids) > 0
	in_table(grant.compartment, type, right)
}

has_right(grant, type, ids, right) if {
	count(ids) == 0
	type != "Binary"
	in_table(grant.shared, type, right)
}

# A Binary that nothing protects: "*" doesn't reach it.
has_right(grant, "Binary", ids, right) if {
	count(ids) == 0
	grant.shared.Binary[right] == true
}

# METADATA
# description: A type's own line in a table counts instead of the line "*".
in_table(table, type, right) if table[type][right] == true

in_table(table, type, right) if {
	not table[type]
	table["*"][right] == true
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

in_some_table(grant, type) if in_table(grant.compartment, type, "read")

in_some_table(grant, type) if in_table(grant.shared, type, "read")

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
