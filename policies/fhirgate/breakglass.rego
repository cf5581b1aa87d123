# METADATA
# title: Break-glass
# description: >-
#   Whether the purpose of use gives a role more than its table, for a stated
#   emergency. It counts from a claim in the token, or from a request header of
#   a client and role that tables/break_glass allows, with a reason and a time limit.
package fhirgate.breakglass

import data.fhirgate.dates
import data.fhirgate.tables.break_glass as settings

# METADATA
# description: The role has a break-glass table, and this request may use it.
active(role) if {
	settings.roles[role]
	by_token
}

active(role) if {
	settings.roles[role]
	by_header(role)
}

by_token if {
	settings.token == true
	some code in input.principal.purpose_of_use
	code in settings.codes
}

by_header(role) if {
	claimed
	client_allowed(role)
	reasoned
	timely
}

# METADATA
# description: A header asks to break the glass.
claimed if {
	input.request.purpose.source == "header"
	input.request.purpose.code in settings.codes
}

client_allowed(role) if role in settings.header.clients[input.principal.client].roles

reasoned if {
	is_string(input.request.purpose.reason)
	count(trim_space(input.request.purpose.reason)) >= settings.header.min_reason_length
}

# The context is evaluated with the time cut to the minute, hence a minute more.
timely if {
	now := dates.start(input.request.time)
	until := dates.start(input.request.purpose.until)
	now < until
	until <= now + (((settings.header.max_minutes + 1) * 60) * dates.second)
}

# METADATA
# description: >-
#   Nothing is wrong with the purpose that the request states. A claim to break the
#   glass that doesn't hold refuses the request, rather than being quietly without effect.
acceptable if not claimed

acceptable if {
	some grant in input.context.grants
	grant.break_glass == true
	by_header(grant.role)
}

# METADATA
# description: What is wrong with a claim in a header, texts by code.
faults["break-glass-not-allowed"] := "this client and role may not break the glass" if {
	not allowed_for_some_role
}

faults["break-glass-no-reason"] := "breaking the glass needs a reason" if not reasoned

faults["break-glass-no-time"] := "breaking the glass needs a time until which, soon enough and not past" if not timely

allowed_for_some_role if {
	some role in input.principal.roles
	settings.roles[role]
	client_allowed(role)
}
