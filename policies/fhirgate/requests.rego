# METADATA
# title: Requests
# description: >-
#   Whether a request may be made at all: a grant of the caller has the right on the
#   type, and the scopes permit the interaction. Which resources it then shows is
#   decided one by one (rows).
package fhirgate.requests

import data.fhirgate.breakglass
import data.fhirgate.rows
import data.fhirgate.scopes
import data.fhirgate.tables

default allow := false

# What the server can do is no secret: an app reads it before anybody logs in.
allow if input.request.interaction == "capabilities"

allow if {
	right
	input.principal.anonymous == false
	breakglass.acceptable
	scopes.permit
	granted
}

# METADATA
# description: The right in a role's tables that the interaction needs.
right := tables.interactions[input.request.interaction].right

# METADATA
# description: Some grant has the right on the type of the request.
granted if {
	some grant in input.context.grants
	gives(grant)
}

gives(grant) if {
	is_string(input.request.type)
	some table in grant.tables
	rows.in_table(table, input.request.type, right)
}

gives(grant) if {
	not input.request.type
	input.request.interaction == "search-compartment"
	grant.tables.compartment[_].read == true
}

gives(grant) if {
	not input.request.type
	grant.system[input.request.interaction] == true
}

permitting contains reason("capabilities-open", "what the server can do is open to everybody") if {
	input.request.interaction == "capabilities"
}

permitting contains reason("role-grants", sprintf("%s may %s %s", [grant.role, input.request.interaction, type_name])) if {
	some grant in input.context.grants
	gives(grant)
	grant.break_glass == false
}

permitting contains reason("break-glass", sprintf("%s may %s %s in an emergency", [grant.role, input.request.interaction, type_name])) if {
	some grant in input.context.grants
	gives(grant)
	grant.break_glass == true
}

# METADATA
# description: Why, with stable codes. All that apply are given.
reasons := permitting if allow

reasons := refusing if not allow

refusing contains reason("unknown-interaction", "policy does not know this interaction") if {
	not right
}

refusing contains reason("anonymous", "this needs a token") if {
	not input.principal.anonymous == false
}

refusing contains reason("act-as-not-held", "the role to act as is none of the caller's") if {
	input.principal.anonymous == false
	input.request.act_as
	not input.request.act_as in input.principal.roles
}

refusing contains reason("no-known-role", "none of the caller's roles is known here") if {
	input.principal.anonymous == false
	count(input.context.grants) == 0
	not input.request.act_as
}

refusing contains reason("type-not-granted", sprintf("none of the caller's roles may %s %s", [input.request.interaction, type_name])) if {
	right
	count(input.context.grants) > 0
	not granted
}

refusing contains reason("scope-missing", "the token carries no scope, and needs one") if {
	input.principal.scopes.required == true
	count(input.principal.scopes.granted) == 0
}

refusing contains reason("scope-insufficient", sprintf("no scope of the token permits %s of %s", [input.request.interaction, type_name])) if {
	right
	count(input.principal.scopes.granted) > 0
	not scopes.permit
}

refusing contains reason(code, text) if {
	not breakglass.acceptable
	some code, text in breakglass.faults
}

type_name := input.request.type if is_string(input.request.type)

type_name := "resources of any type" if not input.request.type

reason(code, text) := {"code": code, "text": text}

# METADATA
# description: What the gateway has to do besides.
obligations := object.union(input.context.obligations, review)

review := {"review": "break-glass"} if breaks_glass

review := {} if not breaks_glass

breaks_glass if {
	some grant in input.context.grants
	grant.break_glass == true
}
