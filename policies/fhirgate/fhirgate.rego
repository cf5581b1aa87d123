# METADATA
# title: fhirgate's default policy
# description: >-
#   The entry points that the gateway evaluates (docs/contract.md). What roles may do is
#   in the tables beside this file; rules are in one package for each question.
#   Everything is denied that no rule allows.
package fhirgate

import data.fhirgate.limits
import data.fhirgate.masks
import data.fhirgate.requests
import data.fhirgate.roles
import data.fhirgate.rows
import data.fhirgate.scopes
import data.fhirgate.writes

# METADATA
# title: Context
# description: >-
#   What can be known of a caller before any resource: the grants of their roles, the
#   scopes that count, the launch patient. Look-ups on the FHIR server are made here.
# entrypoint: true
context := {
	"grants": roles.grants,
	"launch": scopes.launch,
	"scopes": scopes.usable,
	"restrictions": masks.restrictions,
	"possible_masks": masks.possible(array.concat([masks.restrictions], [grant.masks | some grant in roles.grants])),
	"obligations": {
		"audit": roles.audit,
		"withheld_notice": roles.withheld_notice,
		"total": roles.total,
		"limits": limits.of_caller,
	},
}

# METADATA
# title: Request
# description: May this request be made, why, and what has the gateway to do besides?
# entrypoint: true
default request := {
	"allow": false,
	"reasons": [{"code": "policy-denied", "text": "no rule allows this"}],
}

request := {
	"allow": requests.allow,
	"reasons": sort(requests.reasons),
	"obligations": requests.obligations,
	"masks": input.context.possible_masks,
} if {
	count(requests.reasons) > 0
}

# METADATA
# title: Read
# description: May this caller see this resource, and what of it is masked?
# entrypoint: true
default read := {"allow": false}

read := {
	"allow": true,
	"grants": rows.grants,
	"masks": rows.restrictions,
} if {
	rows.visible
}

# METADATA
# title: Write
# description: May this resource be stored, changed or deleted, and why?
# entrypoint: true
default write := {"allow": false, "reasons": [{"code": "policy-denied", "text": "no rule allows this"}]}

write := {
	"allow": writes.allow,
	"reasons": sort(writes.reasons),
	"update_as_create": writes.update_as_create,
} if {
	count(writes.reasons) > 0
}
