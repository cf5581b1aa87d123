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
import data.fhirgate.tables

# METADATA
# description: >-
#   The scopes that count for this caller, for the context:
#   {"restricted": bool, "letters": {letter: {type: [{"reach": {…}, "params": {…}}]}}}.
#   What is for any type is under "*" and again under every type named. "open" is
#   {letter: {type: true}} where one of them has no limit.
usable := {
	"restricted": restricted,
	"letters": by_letter,
	"open": {known: open(types) | some known, types in by_letter},
}

by_letter := {known: {type: scopes |
	some type in ({scope.type | some scope in counted} | {"*"})
	scopes := [object.remove(scope, ["type", "letters"]) |
		some scope in counted
		scope.type in {type, "*"}
		scope.letters[known] == true
	]
} |
	some known in letters_known
}

open(types) := {type: true |
	some type, scopes in types
	unlimited in scopes
}

unlimited := {"reach": patients.everyone, "params": {}}

letters_known := {"c", "r", "u", "d", "s"}

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
# description: Some scope permits the request's interaction on its type (on some type, when it names none).
permit if input.context.scopes.restricted == false

permit if count(of_type(letter, input.request.type)) > 0

permit if {
	not input.request.type
	count(input.context.scopes.letters[letter][_]) > 0
}

# METADATA
# description: The letter of a scope that the request's interaction needs.
letter := tables.interactions[input.request.interaction].scope

of_type(named, type) := object.get(types, type, types["*"]) if types := input.context.scopes.letters[named]

# METADATA
# description: Some scope with that letter covers this resource, which is about these patients.
cover(_, _, _) if input.context.scopes.restricted == false

cover(named, resource, _) if {
	some type in [resource.resourceType, "*"]
	input.context.scopes.open[named][type] == true
}

cover(named, resource, ids) if {
	some scope in of_type(named, resource.resourceType)
	patients.within(scope.reach, resource.resourceType, ids)
	matches(resource, scope.params)
}

matches(_, {})

matches(resource, params) if {
	params != {}
	every param, values in params {
		fhir.search_matches(resource, param, values)
	}
}
