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
	"always": sorted([[type_of(mask), mask] | some mask in list; not mask.when_label], types),
	"sometimes": sorted([[type_of(mask), mask] | some mask in list; mask.when_label], types),
} if {
	types := {type_of(mask) | some mask in list} | {"*"}
}

sorted(pairs, types) := {type: masks |
	some type in types
	masks := [mask | some [named, mask] in pairs; named in {type, "*"}]
}

# METADATA
# description: The type that a mask is for, "*" for any.
type_of(mask) := "*" if startswith(mask.path, "*")

type_of(mask) := split(mask.path, ".")[0] if not startswith(mask.path, "*")

# METADATA
# description: Whether a mask names this type by itself.
names(lists, type) if count(lists.always[type]) > count(lists.always["*"])

names(lists, type) if count(lists.sometimes[type]) > count(lists.sometimes["*"])

# METADATA
# description: The masks, of those sorted by type, that apply to this resource.
applied(lists, resource) := object.get(lists.always, resource.resourceType, lists.always["*"]) if {
	object.get(lists.sometimes, resource.resourceType, lists.sometimes["*"]) == []
}

applied(lists, resource) := array.concat(
	object.get(lists.always, resource.resourceType, lists.always["*"]),
	[object.remove(mask, ["when_label"]) |
		some mask in conditional
		labels.carries(resource, mask.when_label)
	],
) if {
	conditional := object.get(lists.sometimes, resource.resourceType, lists.sometimes["*"])
	conditional != []
}

# METADATA
# description: >-
#   The masks for what a resource contains. The gateway masks each contained resource by
#   the rules of its own type; those for labelled resources apply here whatever the labels.
for_parts(lists, parts) := [object.remove(mask, ["when_label"]) |
	some type in {part.resourceType | some part in parts}
	some kind in ["always", "sometimes"]
	some mask in object.get(lists[kind], type, [])
]

# METADATA
# description: Every mask, by type, that one of these could apply to some resource.
possible(all) := {type: masks |
	some type in {type | some lists in all; some type in object.keys(lists.always)}
	masks := sort({object.remove(mask, ["when_label"]) |
		some lists in all
		some kind in ["always", "sometimes"]
		some mask in object.get(lists[kind], type, [])
	})
}
