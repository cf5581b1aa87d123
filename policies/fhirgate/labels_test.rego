package fhirgate.labels_test

import data.fhirgate.fixtures as f
import data.fhirgate.labels

# [labels, roles that see p1's observation with them]
cases := [
	[[], {"patient", "relatedperson", "practitioner", "researcher", "admin"}],
	[[[f.confidential, "N"]], {"patient", "relatedperson", "practitioner", "researcher", "admin"}],
	[[[f.confidential, "U"], [f.confidential, "L"], [f.confidential, "M"]], {"patient", "relatedperson", "practitioner", "researcher", "admin"}],
	[[[f.confidential, "R"]], {"patient", "admin"}],
	[[[f.confidential, "V"]], {"admin"}],
	[[[f.confidential, "N"], [f.confidential, "V"]], {"admin"}],
	[[[f.confidential, "X"]], set()],
	[[[f.confidential, "r"]], set()],
	[[[f.confidential, "*"]], set()],
	[[[f.confidential, 7]], set()],
	[[[f.act, "PSY"]], {"patient", "admin"}],
	[[[f.act, "HIV"]], {"patient", "admin"}],
	[[[f.act, "ETH"], [f.confidential, "R"]], {"patient", "admin"}],
	[[[f.act, "SEX"], [f.confidential, "V"]], {"admin"}],
	[[[f.act, "NOTKNOWN"]], {"patient", "admin"}],
	[[[f.act, 7]], set()],
	[[["https://hospital.example/labels", "VIP"]], {"patient", "admin"}],
	[[["http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "SUBSETTED"]], {"patient", "relatedperson", "practitioner", "researcher", "admin"}],
]

test_labels_of_one_s_own[name] if {
	some [list, roles] in cases
	name := sprintf("%v", [list])
	resource := f.labelled(f.of("Observation", "p1"), list)
	seen := {role | some role in ["patient", "relatedperson"]; f.sees(role, resource)}
	seen == roles & {"patient", "relatedperson"}
}

test_labels_of_others[name] if {
	some [list, roles] in cases
	name := sprintf("%v", [list])
	resource := f.labelled(f.of("Observation", "p1"), list)
	seen := {role | some role in ["practitioner", "researcher", "admin"]; f.sees(role, resource)}
	seen == roles & {"practitioner", "researcher", "admin"}
}

# What isn't a list of labels hides the resource.
metas := {
	"not an object": {"meta": "R"},
	"an array": {"meta": [{"security": [{"system": f.confidential, "code": "R"}]}]},
	"security not an array": {"meta": {"security": {"system": f.confidential, "code": "N"}}},
	"a label that is a text": {"meta": {"security": ["N"]}},
	"a label without a code": {"meta": {"security": [{"system": f.confidential}]}},
	"a label of nothing": {"meta": {"security": [{}]}},
	"a code without a system": {"meta": {"security": [{"code": "V"}]}},
	"a sensitivity without a system": {"meta": {"security": [{"code": "PSY"}]}},
	"null": {"meta": {"security": [null]}},
}

test_malformed_labels[name] if {
	some name, meta in metas
	f.sees("patient", f.but(f.of("Observation", "p1"), meta)) == false
}

test_meta_without_labels if {
	f.sees("practitioner", f.but(f.of("Observation", "p1"), {"meta": {"versionId": "1"}}))
}

test_a_code_without_a_system_counts_as_confidentiality if {
	f.sees("practitioner", f.but(f.of("Observation", "p1"), {"meta": {"security": [{"code": "N"}]}}))
	not f.sees("practitioner", f.but(f.of("Observation", "p1"), {"meta": {"security": [{"code": "R"}]}}))
}

test_a_clearance_by_system_and_code if {
	clearance := labels.clearance({"sensitivity": ["HIV", "https://hospital.example/labels|VIP", "https://hospital.example/labels|STAFF"]})
	vip := [["https://hospital.example/labels", "VIP"], ["https://hospital.example/labels", "STAFF"]]
	labels.cleared(clearance, f.labelled({}, vip))
	labels.cleared(clearance, f.labelled({}, [[f.act, "HIV"]]))
	not labels.cleared(clearance, f.labelled({}, [[f.act, "PSY"]]))
	not labels.cleared(clearance, f.labelled({}, [["https://hospital.example/labels", "BOARD"]]))
	not labels.cleared(clearance, f.labelled({}, [["https://other.example/labels", "VIP"]]))
}

test_a_clearance_never_opens_an_unknown_confidentiality if {
	clearance := labels.clearance({"confidentiality": ["X", "*"], "sensitivity": ["*"]})
	not labels.cleared(clearance, f.labelled({}, [[f.confidential, "X"]]))
	not labels.cleared(clearance, f.labelled({}, [[f.confidential, "R"]]))
}
