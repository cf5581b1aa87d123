# METADATA
# title: SMART scopes and launch
# description: >-
#   Restrictions: they take away from what the roles give and never add to it.
#   Where scopes are required and none is there, nothing is left. A patient/
#   scope reaches the launch patient, or else the caller's own; a user/ scope what
#   the caller may see; a system/ scope counts only for clients without a person.
package fhirgate.scopes

import data.fhirgate.fhir
import data.fhirgate.participants
import data.fhirgate.patients

# METADATA
# description: >-
#   The scopes that count for this caller, for the context:
#   {"restricted": bool, "types": {type: [{"letters": {letter: true}, "reach": {…}, "params": {…}}]}}.
usable := {
	"restricted": restricted,
	"types": {type: [scope | some scope in counted; scope.type == type] | some type in {scope.type | some scope in counted}},
}

default restricted := true

restricted := false if {
	input.principal.scopes.required == false
	is_array(input.principal.scopes.granted)
	count(input.principal.scopes.granted) == 0
}

counted contains {"type": scope.type, "letters": letters(scope), "params": object.get(scope, "params", {}), "reach": reach} if {
	some scope in input.principal.scopes.granted
	judgeable(scope)
	reach := reaches(scope.context)
}

letters(scope) := {letter: true |
	some letter, permission in {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}
	scope[permission] == true
}

# Parameters with modifiers or chains can't be judged on a resource: such a scope grants nothing.
judgeable(scope) if {
	every param, values in object.get(scope, "params", {}) {
		regex.match(`^_?[a-z]+(-[a-z]+)*$`, param)
		count(values) > 0
	}
}

reaches("user") := patients.everyone

reaches("system") := patients.everyone if count(participants.people) == 0

reaches("patient") := launch if launched

reaches("patient") := patients.reach(participants.ids("Patient")) if {
	not launched
	count(participants.ids("Patient")) > 0
}

launched if {
	is_object(input.principal.launch)
	"patient" in object.keys(input.principal.launch)
}

# METADATA
# description: What the launch leaves of the caller's patients, for the context.
launch := patients.reach({input.principal.launch.patient}) if launched

launch := patients.everyone if {
	is_object(input.principal.launch)
	not launched
}

# METADATA
# description: The letters, one of which each interaction needs.
needed := {
	"create": {"c"},
	"delete": {"d"},
	"history-instance": {"r"},
	"history-system": {"r"},
	"history-type": {"r"},
	"read": {"r"},
	"search-compartment": {"s"},
	"search-system": {"s"},
	"search-type": {"s"},
	"update": {"u"},
	"vread": {"r"},
}

# METADATA
# description: Some scope permits the request's interaction on its type (on some type, when it names none).
permit if input.context.scopes.restricted == false

permit if {
	some scope in of_request
	some letter in needed[input.request.interaction]
	scope.letters[letter] == true
}

of_request := of_type(input.request.type) if input.request.type

of_request := [scope | some scope in input.context.scopes.types[_]] if not input.request.type

of_type(type) := array.concat(
	object.get(input.context.scopes.types, type, []),
	object.get(input.context.scopes.types, "*", []),
)

# METADATA
# description: Some scope with one of the letters covers this resource, which is about these patients.
cover(_, _, _) if input.context.scopes.restricted == false

cover(letters, resource, ids) if {
	some scope in of_type(resource.resourceType)
	some letter in letters
	scope.letters[letter] == true
	patients.within(scope.reach, resource.resourceType, ids)
	every param, values in scope.params {
		fhir.search_matches(resource, param, values)
	}
}

# METADATA
# description: >-
#   The letters, one of which makes a returned resource visible. What comes with a
#   search (an include) may be of another type; what a write returns needs "r".
visible_letters := {"r"} if needed[input.request.interaction] != {"s"}

visible_letters := {"s"} if {
	needed[input.request.interaction] == {"s"}
	input.resource.resourceType == object.get(input.request, "type", input.resource.resourceType)
}

visible_letters := {"r", "s"} if {
	needed[input.request.interaction] == {"s"}
	input.resource.resourceType != object.get(input.request, "type", input.resource.resourceType)
}
