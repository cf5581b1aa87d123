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
#   {"restricted": bool, "letters": {letter: {type: [{"reach": {…}, "params": {…}}]}}}.
#   What is for any type is under "*" and again under every type named.
usable := {
	"restricted": restricted,
	"letters": {letter: {type: scopes |
		some type in ({scope.type | some scope in counted} | {"*"})
		scopes := [object.remove(scope, ["type", "letters"]) |
			some scope in counted
			scope.type in {type, "*"}
			scope.letters[letter] == true
		]
	} |
		some letter in letters_known
	},
}

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
	some letter in needed[input.request.interaction]
	count(of_type(letter, input.request.type)) > 0
}

permit if {
	not input.request.type
	some letter in needed[input.request.interaction]
	count(input.context.scopes.letters[letter][_]) > 0
}

of_type(letter, type) := object.get(types, type, types["*"]) if types := input.context.scopes.letters[letter]

# METADATA
# description: Some scope with one of the letters covers this resource, which is about these patients.
cover(_, _, _) if input.context.scopes.restricted == false

cover(letters, resource, ids) if {
	some letter in letters
	some scope in of_type(letter, resource.resourceType)
	patients.within(scope.reach, resource.resourceType, ids)
	matches(resource, scope.params)
}

matches(_, params) if params == {}

matches(resource, params) if {
	params != {}
	every param, values in params {
		fhir.search_matches(resource, param, values)
	}
}

# METADATA
# description: >-
#   The letters, one of which makes a returned resource visible. What comes with a
#   search (an include) may be of another type; what a write returns needs "r".
visible_letters := {"r"} if not searches

visible_letters := {"s"} if {
	searches
	not included
}

visible_letters := {"r", "s"} if {
	searches
	included
}

searches if needed[input.request.interaction] == {"s"}

included if input.resource.resourceType != input.request.type
