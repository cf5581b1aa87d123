package fhirgate.limits_test

import data.fhirgate.fixtures as f

tables := {
	"clients": {"*": {"requests_per_minute": 10, "rows_per_day": 100}, "big": {"requests_per_minute": 20, "rows_per_day": 200}},
	"persons": {"*": {"requests_per_minute": 1, "rows_per_day": 9}, "patient": {"requests_per_minute": 2, "rows_per_day": 3}},
	"roles": {"researcher": {"requests_per_minute": 5, "rows_per_day": 50}},
}

limits(who) := {limit.key: object.remove(limit, ["key"]) | some limit in answer} if {
	answer := data.fhirgate.limits.of_caller with input as {"principal": who, "request": {"time": f.now}}
		with data.fhirgate.tables.limits as tables
}

test_client_and_person if {
	limits(f.patient) == {
		"client:app-1": {"requests_per_minute": 10, "rows_per_day": 100},
		"person:https://login.example:somebody": {"requests_per_minute": 2, "rows_per_day": 3},
	}
}

test_named_client_and_role if {
	limits(f.but(f.researcher, {"client": "big"})) == {
		"client:big": {"requests_per_minute": 20, "rows_per_day": 200},
		"person:https://login.example:somebody": {"requests_per_minute": 1, "rows_per_day": 9},
		"role:researcher": {"requests_per_minute": 5, "rows_per_day": 50},
	}
}

# Of several roles the most generous, number by number.
test_several_roles if {
	limits(f.but(f.patient, {"roles": ["patient", "admin"]}))["person:https://login.example:somebody"] == {"requests_per_minute": 2, "rows_per_day": 9}
}

test_nobody if limits(f.anonymous) == {}

test_shipped_tables_are_numbers if {
	every table in [data.fhirgate.tables.limits.clients, data.fhirgate.tables.limits.persons, data.fhirgate.tables.limits.roles] {
		every limit in table {
			object.keys(limit) == {"requests_per_minute", "rows_per_day"}
			limit.requests_per_minute > 0
			limit.rows_per_day > 0
		}
	}
}
