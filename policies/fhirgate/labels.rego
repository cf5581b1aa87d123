# METADATA
# title: Security labels
# description: >-
#   Confidentiality and sensitivity labels in Resource.meta.security. A label that
#   isn't known to be open needs a clearance of the role.
package fhirgate.labels

import data.fhirgate.tables.labels as settings

# METADATA
# description: What a role is cleared for, codes by system, and whether every sensitivity is included.
clearance(table) := {
	"codes": object.union(
		{
			settings.confidentiality.system: confidentiality(object.get(table, "confidentiality", [])),
			settings.sensitivity.system: {code: true | some code in object.get(table, "sensitivity", [])},
		},
		{system: codes |
			some word in object.get(table, "sensitivity", [])
			system := split(word, "|")[0]
			contains(word, "|")
			codes := {code: true |
				some other in object.get(table, "sensitivity", [])
				[system, code] = split(other, "|")
			}
		},
	),
	"all_but_confidentiality": "*" in object.get(table, "sensitivity", []),
}

confidentiality(cleared) := {code: true | some code in allowed} if {
	restricted := {code | some code in settings.confidentiality.restricted}
	open := {code | some code in settings.confidentiality.open}
	allowed := open | (restricted & {code | some code in cleared})
}

# METADATA
# description: Whether a clearance covers every label of a resource.
cleared(_, resource) if not resource.meta

cleared(_, resource) if {
	is_object(resource.meta)
	not resource.meta.security
}

cleared(clearance, resource) if {
	is_array(resource.meta.security)
	every label in resource.meta.security {
		covers(clearance, label)
	}
}

covers(clearance, label) if clearance.codes[label.system][label.code] == true

# A code without a system could be a confidentiality: it is treated as one.
covers(clearance, label) if {
	is_object(label)
	not label.system
	clearance.codes[settings.confidentiality.system][label.code] == true
}

covers(_, label) if label.system in settings.ignored_systems

covers(clearance, label) if {
	clearance.all_but_confidentiality == true
	is_string(label.system)
	is_string(label.code)
	label.system != settings.confidentiality.system
}

# METADATA
# description: Whether every label of the stored resource that restricts it is still on the new one.
kept(stored, resource) if {
	every label in object.get(stored, ["meta", "security"], []) {
		may_go(label, resource)
	}
}

may_go(label, _) if label.system in settings.ignored_systems

may_go(label, _) if {
	label.system == settings.confidentiality.system
	label.code in settings.confidentiality.open
}

may_go(label, resource) if {
	some other in resource.meta.security
	object.get(other, "system", "") == object.get(label, "system", "")
	object.get(other, "code", "") == object.get(label, "code", "")
}

# METADATA
# description: Whether a resource carries one of these label codes, of whatever system.
carries(resource, codes) if {
	some label in resource.meta.security
	label.code in codes
}
