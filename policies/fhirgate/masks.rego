# METADATA
# title: Masks
# description: >-
#   The masks of roles (under `masks` in their tables) and those that restrict
#   everybody or a client (tables/masks). A mask with `when_label` applies to
#   resources that carry one of those label codes.
package fhirgate.masks

import data.fhirgate.labels
import data.fhirgate.tables.masks as settings

# METADATA
# description: The masks of one role's table, with those that withhold attachments where its masks ask for it.
of_role(table) := object.get(table, "masks", []) if not withholds_attachments(table)

of_role(table) := array.concat(table.masks, settings.attachments) if withholds_attachments(table)

withholds_attachments(table) if {
	object.get(table, "attachments", false) == false
	some mask in table.masks
	type_of(mask) in {"Patient", "*"}
}

# METADATA
# description: The masks that restrict this caller, whatever the roles.
restrictions := by_type(array.concat(settings.everybody, object.get(settings.clients, object.get(input.principal, "client", ""), [])))

# METADATA
# description: >-
#   Masks sorted by resource type: {"always": {type: [mask]}, "sometimes": {type: [mask]}}.
#   What is for any type is under "*" and again under every type named.
by_type(list) := {
	"always": {type: [mask | some mask in list; for_type(mask, type); not mask.when_label] | some type in types(list)},
	"sometimes": {type: [mask | some mask in list; for_type(mask, type); mask.when_label] | some type in types(list)},
}

types(list) := {type_of(mask) | some mask in list} | {"*"}

for_type(mask, type) if type_of(mask) in {type, "*"}

# METADATA
# description: The type that a mask is for, "*" for any.
type_of(mask) := "*" if startswith(mask.path, "*")

type_of(mask) := split(mask.path, ".")[0] if not startswith(mask.path, "*")

# METADATA
# description: Whether a mask names this type by itself.
names(sorted, type) if count(sorted.always[type]) > count(sorted.always["*"])

names(sorted, type) if count(sorted.sometimes[type]) > count(sorted.sometimes["*"])

# METADATA
# description: The masks, of those sorted by type, that apply to this resource.
applied(sorted, resource) := array.concat(
	of_type(sorted.always, resource.resourceType),
	[object.remove(mask, ["when_label"]) |
		some mask in of_type(sorted.sometimes, resource.resourceType)
		labels.carries(resource, mask.when_label)
	],
)

of_type(masks, type) := object.get(masks, type, masks["*"])

# METADATA
# description: Every mask, by type, that one of these could apply to some resource.
possible(list_of_sorted) := {type: masks |
	some type in {type | some sorted in list_of_sorted; some type in object.keys(sorted.always)}
	masks := sort({object.remove(mask, ["when_label"]) |
		some sorted in list_of_sorted
		some kind in ["always", "sometimes"]
		some mask in object.get(sorted[kind], type, [])
	})
}
