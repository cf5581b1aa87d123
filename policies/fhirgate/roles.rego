# METADATA
# title: Roles
# description: >-
#   From the caller's roles to grants: what each role gives this caller, with
#   everything worked out that doesn't depend on a resource. Part of the context,
#   so it is evaluated about once a minute and caller.
package fhirgate.roles

import data.fhirgate.breakglass
import data.fhirgate.labels
import data.fhirgate.masks
import data.fhirgate.participants
import data.fhirgate.patients
import data.fhirgate.tables

# METADATA
# description: The caller's roles that have a table, or the one of them that the request names.
active contains role if {
	input.principal.anonymous == false
	some role in input.principal.roles
	tables.roles[role]
	acts_as(role)
	scoped(role)
}

# A role of applications may be worth nothing without a scope in the token.
scoped(role) if not tables.roles[role].needs_scopes

scoped(_) if count(input.principal.scopes.granted) > 0

acts_as(_) if not "act_as" in object.keys(input.request)

acts_as(role) if input.request.act_as == role

# METADATA
# description: One grant for each active role, and one more where it breaks the glass.
grants := array.concat(
	[grant(role, tables.roles[role], false) | some role in sort(active)],
	[grant(role, tables.break_glass.roles[role], true) | some role in sort(broken)],
)

broken contains role if {
	some role in active
	breakglass.active(role)
}

# METADATA
# description: A role's table as a grant. Lists become objects, so that a look-up costs the same whatever their length.
grant(role, table, breaks_glass) := {
	"role": role,
	"break_glass": breaks_glass,
	"reach": reach(object.get(table, "patients", [])),
	"tables": {
		"compartment": rights(object.get(table, "compartment", {})),
		"shared": rights(object.get(table, "shared", {})),
		"unprotected": rights(unprotected(object.get(table, "shared", {}))),
	},
	"system": {interaction: true | some interaction in object.get(table, "system", [])},
	"update_as_create": object.get(table, "update_as_create", false),
	"attachments": object.get(table, "attachments", false),
	"labels": labels.clearance(object.get(table, "clearance", {})),
	"masks": masks.by_type(masks.of_role(table)),
}

reach(sources) := patients.everyone if "all" in sources

reach(sources) := patients.reach({id | some source in sources; some id in participants.found[source]}) if not "all" in sources

# A Binary that nothing protects needs a line of its own: "*" doesn't reach it.
unprotected(shared) := {"Binary": object.get(shared, "Binary", [])}

# METADATA
# description: Lists of rights as objects, with write spelt out as create and update, and always a line "*".
rights(table) := object.union(
	{"*": {}},
	{type: {right: true | some word in words; some right in meaning(word)} | some type, words in table},
)

meaning("write") := ["create", "update"]

meaning(word) := [word] if word in {"read", "history", "create", "update", "delete", "export", "grant"}

# METADATA
# description: Obligations that the tables of the active roles ask for; the strictest counts.
audit := "full" if {
	some role in active
	tables.roles[role].audit == "full"
} else := "full" if {
	count(broken) > 0
} else := "standard"

default withheld_notice := false

withheld_notice if {
	some role in active
	tables.roles[role].withheld_notice == true
}

total := "omit" if {
	some role in active
	tables.roles[role].total == "omit"
} else := "accurate"
