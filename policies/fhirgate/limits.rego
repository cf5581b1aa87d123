# METADATA
# title: Limits
# description: >-
#   Rates and volumes from tables/limits: one counter for the client, one for the
#   person, one for each role that has a limit of its own.
package fhirgate.limits

import data.fhirgate.roles
import data.fhirgate.tables.limits as settings

# METADATA
# description: The counters that this request counts on.
of_caller := array.concat(array.concat(client, person), role)

client := [object.union({"key": concat(":", ["client", input.principal.client])}, limits) |
	limits := object.get(settings.clients, input.principal.client, settings.clients["*"])
]

person := [object.union({"key": concat(":", ["person", input.principal.issuer, input.principal.subject])}, limits) |
	some_limits := [object.get(settings.persons, role, settings.persons["*"]) | some role in names]
	count(some_limits) > 0
	limits := {name: max([own[name] | some own in some_limits]) | some name in object.keys(some_limits[0])}
]

role := [object.union({"key": concat(":", ["role", name])}, settings.roles[name]) | some name in names]

names := sort({grant.role | some grant in roles.grants})
