# METADATA
# title: Dates
# description: >-
#   FHIR dates and dateTimes of any precision as nanoseconds. Nothing in here can
#   raise an error: a value that isn't a FHIR date has no bounds, so that whatever
#   depends on it is not granted. A date without a time zone is taken as UTC.
package fhirgate.dates

pattern := `^([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01])(?:T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.[0-9]+)?(?:Z|([+-])(0[0-9]|1[0-4]):([0-5][0-9])))?)?)?$`

second := 1000000000

day := 86400 * second

# METADATA
# description: The first nanosecond of a FHIR date, dateTime or instant.
start(value) := time.add_date(clock(parts), year(parts) - 1970, number(parts[2], 1) - 1, number(parts[3], 1) - 1) if {
	parts := fields(value)
}

# METADATA
# description: The first nanosecond after a FHIR date, dateTime or instant ("2026-11" ends with November).
end(value) := start(value) + second if fields(value)[4] != ""

end(value) := start(value) + day if {
	parts := fields(value)
	parts[3] != ""
	parts[4] == ""
}

end(value) := time.add_date(start(value), 0, 1, 0) if {
	parts := fields(value)
	parts[2] != ""
	parts[3] == ""
}

end(value) := time.add_date(start(value), 1, 0, 0) if fields(value)[2] == ""

# METADATA
# description: Whether an element's Period, absent or with open ends, contains the instant now.
current(element, _) if not element.period

current(element, now) if contains_instant(element.period, now)

contains_instant(period, now) if {
	is_object(period)
	started(period, now)
	not_ended(period, now)
}

started(period, _) if not period.start

started(period, now) if start(period.start) <= now

not_ended(period, _) if not period.end

not_ended(period, now) if now < end(period.end)

fields(value) := regex.find_all_string_submatch_n(pattern, value, 1)[0] if is_string(value)

# Years are bounded so that the arithmetic can't overflow: "9999" means "for ever".
year(parts) := min([max([number(parts[1], 1970), 1900]), 2200])

clock(parts) := (((((number(parts[4], 0) * 60) + number(parts[5], 0)) * 60) + number(parts[6], 0)) - zone(parts)) * second

zone(parts) := 0 if parts[7] == ""

zone(parts) := sign(parts[7]) * (((number(parts[8], 0) * 60) + number(parts[9], 0)) * 60) if parts[7] != ""

sign("+") := 1

sign("-") := -1

number("", missing) := missing

# Not to_number(text) alone: "08" isn't a JSON number.
number(text, _) := to_number(concat("", ["1", text])) - to_number(substring("100000", 0, count(text) + 1)) if text != ""
