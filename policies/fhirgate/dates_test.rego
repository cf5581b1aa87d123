package fhirgate.dates_test

import data.fhirgate.dates

now := dates.start("2026-11-24T21:00:00Z")

# value: [start, end], as UTC
bounds := {
	"2026": ["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"],
	"2026-11": ["2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"],
	"2024-02": ["2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"],
	"2026-12-31": ["2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"],
	"2026-11-24T21:00:00Z": ["2026-11-24T21:00:00Z", "2026-11-24T21:00:01Z"],
	"2026-11-24T08:09:08.123+01:30": ["2026-11-24T06:39:08Z", "2026-11-24T06:39:09Z"],
	"2026-11-24T22:00:00-05:00": ["2026-11-25T03:00:00Z", "2026-11-25T03:00:01Z"],
	# Not a day, and no error either.
	"2026-02-30": ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"],
	"9999-12-31": ["2200-12-31T00:00:00Z", "2201-01-01T00:00:00Z"],
	"0001-01-01": ["1900-01-01T00:00:00Z", "1900-01-02T00:00:00Z"],
}

test_bounds[value] if {
	some value, [first, after] in bounds
	dates.start(value) == time.parse_rfc3339_ns(first)
	dates.end(value) == time.parse_rfc3339_ns(after)
}

nothing := ["", "last summer", "2026-13", "2026-1-1", "2026-11-24T21:00:00", "2026-11-24T25:00:00Z", "20261124", "2026-11-24 21:00", 2026, null, ["2026"]]

test_no_date[name] if {
	some value in nothing
	name := sprintf("%v", [value])
	{bound | bound := dates.start(value)} | {bound | bound := dates.end(value)} == set()
}

# [element, current]
periods := [
	[{}, true],
	[{"period": {}}, true],
	[{"period": {"start": "2026"}}, true],
	[{"period": {"start": "2026-11-24T21:00:00Z"}}, true],
	[{"period": {"start": "2026-11-24T21:00:01Z"}}, false],
	[{"period": {"end": "2026-11"}}, true],
	[{"period": {"end": "2026-11-24"}}, true],
	[{"period": {"end": "2026-11-23"}}, false],
	[{"period": {"end": "2026-11-24T20:59:59Z"}}, false],
	[{"period": {"start": "2025", "end": "9999"}}, true],
	[{"period": {"start": "once"}}, false],
	[{"period": {"end": "some day"}}, false],
	[{"period": "2026"}, false],
	[{"period": [{"start": "2026"}]}, false],
]

test_current[name] if {
	some [element, current] in periods
	current
	name := sprintf("%v", [element])
	dates.current(element, now)
}

test_not_current[name] if {
	some [element, current] in periods
	not current
	name := sprintf("%v", [element])
	{true | dates.current(element, now)} == set()
}
