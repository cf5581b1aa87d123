# METADATA
# title: Participants
# description: >-
#   Who the caller is in FHIR, and which patients that makes theirs. One partial
#   rule for each word that a role may list under `patients`; to add one, write
#   `found.word contains id if …`. Servers may ignore search parameters, so
#   every resource that a search finds is looked at again.
package fhirgate.participants

import data.fhirgate.dates
import data.fhirgate.fhir
import data.fhirgate.tables.relationships

# METADATA
# description: The FHIR resources that the caller is, as "Type/id".
people contains person.reference if {
	some person in input.principal.participants
	valid(person)
}

people contains input.principal.fhir_user.reference if valid(input.principal.fhir_user)

valid(person) if {
	is_string(person.type)
	is_string(person.id)
	person.reference == concat("/", [person.type, person.id])
}

# METADATA
# description: Ids of the caller's resources of one type.
ids(type) := {id |
	some reference in people
	[type, id] = split(reference, "/")
}

now := dates.start(input.request.time)

# METADATA
# description: self - the caller's own Patient.
found.self contains id if some id in ids("Patient")

# METADATA
# description: launch - the patient that the app was launched for, when the token names no person.
found.launch contains input.principal.launch.patient if {
	count(people) == 0
	is_string(input.principal.launch.patient)
}

# METADATA
# description: related - the patients of the caller's active RelatedPerson resources.
found.related contains id if {
	some own in ids("RelatedPerson")
	related := fhir.read(concat("/", ["RelatedPerson", own]))
	related.resourceType == "RelatedPerson"
	related.id == own
	active(related)
	dates.current(related, now)
	id := patient_id(related.patient)
}

active(related) if related.active == true

active(related) if {
	relationships.related.missing_active_is_active == true
	not "active" in object.keys(related)
}

# METADATA
# description: careteam - patients of the care teams that the caller is a current member of.
found.careteam contains id if {
	some own in clinicians
	query := sprintf("CareTeam?participant=%s&status=%s", [own, concat(",", relationships.careteam.statuses)])
	some team in fhir.search(query)
	team.resourceType == "CareTeam"
	team.status in relationships.careteam.statuses
	dates.current(team, now)
	some member in team.participant
	member.member.reference == own
	dates.current(member, now)
	id := patient_id(team.subject)
}

# METADATA
# description: encounter - patients of the encounters that the caller takes part in, now or until lately.
found.encounter contains id if {
	some own in clinicians
	query := sprintf("Encounter?participant=%s&status=%s", [own, concat(",", relationships.encounter.open_statuses)])
	some encounter in fhir.search(query)
	encounter.status in relationships.encounter.open_statuses
	takes_part(encounter, own)
	id := patient_id(encounter.subject)
}

found.encounter contains id if {
	some own in clinicians
	query := sprintf(
		"Encounter?participant=%s&status=%s&date=ge%s",
		[own, concat(",", relationships.encounter.ended_statuses), time.format([ended_after, "UTC", "2006-01-02"])],
	)
	some encounter in fhir.search(query)
	encounter.status in relationships.encounter.ended_statuses
	dates.end(encounter.period.end) > ended_after
	took_part(encounter, own)
	id := patient_id(encounter.subject)
}

ended_after := now - (relationships.encounter.days_after_end * dates.day)

takes_part(encounter, own) if {
	encounter.resourceType == "Encounter"
	some member in encounter.participant
	member.individual.reference == own
	dates.current(member, now)
}

# The participant's own period may have ended with the encounter, but not long before it.
took_part(encounter, own) if {
	encounter.resourceType == "Encounter"
	some member in encounter.participant
	member.individual.reference == own
	dates.current(member, ended_after)
}

# METADATA
# description: general_practitioner - patients who name the caller as general practitioner.
found.general_practitioner contains patient.id if {
	some own in clinicians
	some patient in fhir.search(concat("", ["Patient?general-practitioner=", own]))
	patient.resourceType == "Patient"
	is_string(patient.id)
	some named in patient.generalPractitioner
	named.reference == own
}

# METADATA
# description: The caller's resources that can be in a care team or encounter.
clinicians contains reference if {
	some reference in people
	split(reference, "/")[0] in {"Practitioner", "PractitionerRole"}
}

# METADATA
# description: The id in a literal, relative reference to a patient.
patient_id(element) := id if {
	is_string(element.reference)
	["Patient", id] = split(element.reference, "/")
	id != ""
}
