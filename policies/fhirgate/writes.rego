# METADATA
# title: Writes
# description: >-
#   Whether a resource may be stored, changed or deleted. What would be stored and
#   what is stored are both judged, so that nothing is taken from or put into a
#   record that isn't the writer's. Who may write a type gives nobody rights by it:
#   that takes the right `grant`.
package fhirgate.writes

import data.fhirgate.breakglass
import data.fhirgate.labels
import data.fhirgate.patients
import data.fhirgate.rows
import data.fhirgate.scopes
import data.fhirgate.tables.rights as settings

default allow := false

allow if {
	input.request.interaction == "create"
	not input.stored
	input.resource.resourceType == input.request.type
	may_store("create")
	entitled
}

allow if {
	input.request.interaction == "update"
	same_identity
	may_replace("update")
	may_store("update")
	entitled
	labelled
}

allow if update_as_create

allow if {
	input.request.interaction == "delete"
	not input.resource
	input.stored.resourceType == input.request.type
	may_replace("delete")
	entitled
}

default update_as_create := false

# METADATA
# description: An update of what doesn't exist, by a role that may choose ids.
update_as_create if {
	input.request.interaction == "update"
	not input.stored
	input.resource.resourceType == input.request.type
	input.resource.id == input.request.id
	may_store("create")
	may_store("update")
	entitled
	some grant in input.context.grants
	grant.update_as_create == true
	rows.permits(grant, input.resource, resource_subject, "create")
}

same_identity if {
	input.resource.resourceType == input.request.type
	input.stored.resourceType == input.request.type
	input.resource.id == input.stored.id
	input.resource.id == input.request.id
}

resource_subject := patients.about(input.resource)

stored_subject := patients.about(input.stored)

# METADATA
# description: Some grant gives the right on what would be stored, and launch and scopes leave it.
may_store(right) if {
	breakglass.acceptable
	some grant in input.context.grants
	rows.permits(grant, input.resource, resource_subject, right)
	patients.within(input.context.launch, input.resource.resourceType, resource_subject.ids)
	scopes.cover(scopes.letter, input.resource, resource_subject.ids)
}

# METADATA
# description: Some grant gives the right on what is stored, some grant lets it be read, and launch and scopes leave it.
may_replace(right) if {
	breakglass.acceptable
	some grant in input.context.grants
	rows.permits(grant, input.stored, stored_subject, right)
	some reader in input.context.grants
	rows.permits(reader, input.stored, stored_subject, "read")
	patients.within(input.context.launch, input.stored.resourceType, stored_subject.ids)
	scopes.cover(scopes.letter, input.stored, stored_subject.ids)
}

# METADATA
# description: The write touches nothing that gives rights, or a role names the right to give them.
entitled if count(granting) == 0

entitled if may_grant

may_grant if {
	granted_on_resource
	granted_on_stored
}

granted_on_resource if not input.resource

granted_on_resource if {
	some grant in input.context.grants
	rows.permits(grant, input.resource, resource_subject, "grant")
}

granted_on_stored if not input.stored

granted_on_stored if {
	some grant in input.context.grants
	rows.permits(grant, input.stored, stored_subject, "grant")
}

# METADATA
# description: The elements of this write that give rights (tables/rights).
granting contains element if {
	some element in settings.granting[input.request.type]
	touched(element)
}

touched("*")

touched(element) if object.get(resource, element, null) != object.get(stored, element, null)

resource := object.get(input, "resource", {})

stored := object.get(input, "stored", {})

# METADATA
# description: No label that restricts the stored resource is lost, or a role names the right to take it off.
labelled if labels.kept(input.stored, input.resource)

labelled if may_grant

# METADATA
# description: Why, with stable codes.
reasons contains {"code": "role-grants", "text": "a role of the caller may do this"} if allow

reasons contains {"code": "resource-not-granted", "text": "no role of the caller may store this resource"} if {
	not allow
	input.resource
	not may_store(input.request.interaction)
}

reasons contains {"code": "stored-not-granted", "text": "no role of the caller may do this to the stored resource"} if {
	not allow
	input.stored
	not may_replace(input.request.interaction)
}

reasons contains {"code": "identity-changed", "text": "type or id differ from what the request names"} if {
	input.request.interaction == "update"
	input.stored
	not same_identity
}

reasons contains {"code": "gives-rights", "text": sprintf("writing %s gives rights to somebody, which no role of the caller may do", [concat(", ", granting)])} if {
	not entitled
}

reasons contains {"code": "label-removed", "text": "a security label of the stored resource is missing"} if {
	input.request.interaction == "update"
	input.stored
	not labelled
}

reasons contains {"code": "update-as-create", "text": "no role of the caller may choose the id of a new resource"} if {
	not allow
	input.request.interaction == "update"
	not input.stored
}

reasons contains {"code": "unknown-interaction", "text": "policy does not know this kind of write"} if {
	not input.request.interaction in {"create", "update", "delete"}
}
