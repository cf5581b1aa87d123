package store_test

import (
	"net/http"
	"slices"
	"strings"
)

// clinic is a small world to search in. A ~ stands before every id, for a prefix that keeps runs on one server apart.
const clinic = `
{"resourceType":"Organization","id":"~org","name":"Clinic, North"}
{"resourceType":"Practitioner","id":"~dr","name":[{"family":"Who","given":["Doctor"]}],"identifier":[{"system":"urn:npi","value":"77"}]}
{"resourceType":"Patient","id":"~p1","identifier":[{"system":"urn:mrn","value":"1","type":{"text":"Record number"}}],"name":[{"family":"Müller","given":["Anna","Lea"]}],"gender":"female","birthDate":"1980-05-17","generalPractitioner":[{"reference":"Practitioner/~dr"}],"managingOrganization":{"reference":"Organization/~org"},"telecom":[{"system":"email","value":"a@x"},{"system":"phone","value":"555"}],"address":[{"city":"Bern"}]}
{"resourceType":"Patient","id":"~p2","identifier":[{"system":"urn:other","value":"1"}],"name":[{"text":"Bob de Vries"}],"gender":"male","birthDate":"1980","deceasedDateTime":"2020-01-01","generalPractitioner":[{"identifier":{"system":"urn:npi","value":"77"}}]}
{"resourceType":"Patient","id":"~p3","identifier":[{"value":"1"}],"name":[{"family":"Mull,er"}],"active":true,"deceasedBoolean":false,"meta":{"tag":[{"system":"urn:t","code":"vip"}],"security":[{"system":"urn:conf","code":"R"}],"profile":["http://example.org/p"],"source":"urn:src"}}
{"resourceType":"Encounter","id":"~e1","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/~p1"},"period":{"start":"2024-03-01T08:00:00Z","end":"2024-03-01T09:00:00Z"}}
{"resourceType":"Observation","id":"~o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}],"text":"Pulse"},"subject":{"reference":"Patient/~p1"},"encounter":{"reference":"Encounter/~e1"},"performer":[{"reference":"Practitioner/~dr"}],"effectiveDateTime":"2024-03-01T08:30:00Z","valueQuantity":{"value":72,"unit":"beats","system":"http://unitsofmeasure.org","code":"/min"}}
{"resourceType":"Observation","id":"~o2","status":"preliminary","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/~p2"},"effectivePeriod":{"start":"2024-03-02","end":"2024-03-04"},"valueQuantity":{"value":90.04,"system":"http://unitsofmeasure.org","code":"/min"}}
{"resourceType":"Observation","id":"~o3","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"subject":{"reference":"Patient/~p1"},"effectiveDateTime":"2024-04","component":[{"code":{"coding":[{"code":"sys"}]},"valueQuantity":{"value":120,"code":"mm[Hg]"}},{"code":{"coding":[{"code":"dia"}]},"valueQuantity":{"value":80,"code":"mm[Hg]"}}]}
{"resourceType":"Observation","id":"~o4","status":"final","code":{"text":"Note"},"subject":{"reference":"Group/~g"},"valueString":"Free, text","hasMember":[{"reference":"Observation/~o1"}]}
{"resourceType":"RiskAssessment","id":"~r1","status":"final","subject":{"reference":"Patient/~p1"},"prediction":[{"probabilityDecimal":0.25}]}
{"resourceType":"ValueSet","id":"~v1","status":"active","url":"http://example.org/~vs/a"}
{"resourceType":"Group","id":"~g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/~p3"}}]}
{"resourceType":"Provenance","id":"~pv","target":[{"reference":"Patient/~p1"}],"recorded":"2024-01-01T00:00:00Z","agent":[{"who":{"reference":"Practitioner/~dr"}}]}
`

// searches are queries of the clinic and what they find, written down from FHIR R4 search.html.
func searches() map[string]string {
	return map[string]string{
		// token
		"Patient?identifier=1":                                          "p1 p2 p3",
		"Patient?identifier=urn:mrn|1":                                  "p1",
		"Patient?identifier=|1":                                         "p3",
		"Patient?identifier=urn:other|":                                 "p2",
		"Patient?identifier=urn:mrn|1,urn:other|1":                      "p1 p2",
		"Patient?identifier=1&gender=male":                              "p2",
		"Patient?gender:not=male":                                       "p1 p3",
		"Patient?gender:missing=true":                                   "p3",
		"Patient?gender:missing=false":                                  "p1 p2",
		"Patient?identifier:text=record":                                "",
		"Patient?active=true":                                           "p3",
		"Patient?email=a@x":                                             "p1",
		"Patient?phone=a@x":                                             "",
		"Patient?telecom=phone|555":                                     "p1",
		"Patient?deceased=true":                                         "p2",
		"Patient?deceased=false":                                        "p1 p3",
		"Patient?gender=http://hl7.org/fhir/administrative-gender|male": "p2",
		"Observation?code:text=heart":                                   "o1",
		"Observation?status=final&code=http://loinc.org|8867-4":         "o1",
		// string
		"Patient?name=mull":                 "p1 p3",
		"Patient?family=MÜLL":               "p1 p3",
		"Patient?name=lea":                  "p1",
		"Patient?name:exact=Müller":         "p1",
		"Patient?name:exact=müller":         "",
		"Patient?name:contains=VRIES":       "p2",
		"Patient?name=vries":                "",
		`Patient?family=mull\,er`:           "p3",
		"Patient?family=mull,who":           "p1 p3",
		"Patient?given=anna&given=lea":      "p1",
		"Patient?address=bern":              "p1",
		"Patient?address-city:missing=true": "p2 p3",
		`Organization?name=Clinic\, North`:  "org",
		`Observation?value-string=free\, t`: "o4",
		// reference
		"Observation?subject=Patient/~p1":                    "o1 o3",
		"Observation?subject=~p1":                            "o1 o3",
		"Observation?subject:Patient=~p1":                    "o1 o3",
		"Observation?subject:Group=~g":                       "o4",
		"Observation?subject=BASE/Patient/~p1":               "o1 o3",
		"Observation?patient=~p1":                            "o1 o3",
		"Observation?subject=Patient/~p1,Group/~g":           "o1 o3 o4",
		"Observation?encounter:missing=true":                 "o2 o3 o4",
		"Patient?general-practitioner:identifier=urn:npi|77": "p2",
		// date
		"Patient?birthdate=1980":                       "p1 p2",
		"Patient?birthdate=1980-05":                    "p1",
		"Patient?birthdate=lt1980-05-17":               "p2",
		"Patient?birthdate=ge1980-12-31":               "p2",
		"Patient?birthdate=ne1980-05-17":               "p2",
		"Patient?birthdate:missing=true":               "p3",
		"Observation?date=2024-03-01":                  "o1",
		"Observation?date=ge2024-03-03":                "o2 o3",
		"Observation?date=sa2024-03-03":                "o3",
		"Observation?date=eb2024-03-05":                "o1 o2",
		"Observation?date=gt2024-03&date=lt2024-05":    "o3",
		"Observation?date=2024-03-01T08:30:00Z":        "o1",
		"Observation?date=2024-03-01T09:30:00%2B01:00": "o1",
		"Observation?date=ap2024-03-01":                "o1 o2 o3",
		"Encounter?date=2024-03":                       "e1",
		// number, quantity
		"RiskAssessment?probability=0.25":                                "r1",
		"RiskAssessment?probability=gt0.25":                              "",
		"RiskAssessment?probability=ge0.25":                              "r1",
		"Observation?value-quantity=72":                                  "o1",
		"Observation?value-quantity=90.04":                               "o2",
		"Observation?value-quantity=90.0":                                "",
		"Observation?value-quantity=gt72|http://unitsofmeasure.org|/min": "o2",
		"Observation?value-quantity=72||beats":                           "", "Observation?value-quantity=72||/min": "o1",
		"Observation?value-quantity=72|urn:x|/min": "",
		"Observation?value-quantity:missing=true":  "o3 o4",
		"Observation?combo-value-quantity=lt81":    "o1 o3",
		// composite
		"Observation?component-code-value-quantity=sys$gt100":       "o3",
		"Observation?component-code-value-quantity=dia$gt100":       "",
		"Observation?code-value-quantity=8867-4$lt80":               "o1",
		"Observation?combo-code-value-quantity=8867-4$90.04,dia$80": "o2 o3",
		// uri
		"ValueSet?url=http://example.org/~vs/a":         "v1",
		"ValueSet?url=http://example.org/~vs":           "",
		"ValueSet?url:below=http://example.org/~vs":     "v1",
		"ValueSet?url:above=http://example.org/~vs/a/b": "v1",
		// of every resource
		"Patient?_id=~p1,~p3":                   "p1 p3",
		"Patient?_tag=urn:t|vip":                "p3",
		"Patient?_security=urn:conf|R":          "p3",
		"Patient?_security:not=urn:conf|R":      "p1 p2",
		"Patient?_profile=http://example.org/p": "p3",
		"Patient?_source=urn:src":               "p3",
		"Patient?_lastUpdated=2026-01-02":       "p1 p2 p3",
		"Patient?_lastUpdated=gt2026-01-02":     "",
		// chains
		"Observation?subject:Patient.name=anna":                                                "o1 o3",
		"Observation?subject.name=anna":                                                        "o1 o3",
		"Observation?patient.identifier=urn:other|1":                                           "o2",
		"Observation?subject:Patient.organization.name=clinic":                                 "o1 o3",
		"Observation?encounter.patient.gender=female":                                          "o1",
		"Observation?subject:Patient.birthdate=1980-05-17":                                     "o1 o3",
		"Observation?has-member.code=8867-4":                                                   "o4",
		"Patient?_has:Observation:subject:code=8867-4":                                         "p1 p2",
		"Patient?_has:Observation:subject:code=8867-4&gender=male":                             "p2",
		"Patient?_has:Observation:patient:encounter.status=finished":                           "p1",
		"Practitioner?_has:Patient:general-practitioner:_has:Observation:subject:status=final": "dr",
		"Practitioner?_has:Observation:performer:_id=~o1":                                      "dr",
		// system and compartments
		"?_type=Patient,Practitioner&_id=~p1,~dr": "dr p1",
		"?_id=~p1,~o1":            "o1 p1",
		"Patient/~p1/Observation": "o1 o3",
		"Patient/~p1/Observation?status=final&code=8867-4": "o1",
		"Patient/~p1/Patient":                              "p1",
		"Patient/~p3/*":                                    "g p3",
		"Patient/~p1/*":                                    "e1 o1 o3 p1 pv r1",
		"Practitioner/~dr/*?_type=Observation":             "o1",
		"Patient/none/Observation":                         "",
		// nothing, everything
		"Patient?name=": "p1 p2 p3",
		"Patient":       "p1 p2 p3",
		"Basic":         "",
		"Basic?code=x":  "",
	}
}

// includes are searches and what they include, in any order.
func includes() map[string]string {
	return map[string]string{
		"Observation?_id=~o1&_include=Observation:subject":                                           "Patient/p1",
		"Observation?_id=~o1&_include=Observation:subject:Group":                                     "",
		"Observation?_id=~o1&_include=Observation:subject&_include=Observation:encounter":            "Encounter/e1 Patient/p1",
		"Observation?_id=~o1&_include=*":                                                             "Encounter/e1 Patient/p1 Practitioner/dr",
		"Observation?_id=~o1&_include=Observation:*":                                                 "Encounter/e1 Patient/p1 Practitioner/dr",
		"Observation?_id=~o1&_include=Observation:subject&_include=Patient:organization":             "Patient/p1",
		"Observation?_id=~o1&_include=Observation:subject&_include:iterate=Patient:organization":     "Organization/org Patient/p1",
		"Patient?_id=~p1&_revinclude=Observation:subject":                                            "Observation/o1 Observation/o3",
		"Patient?_id=~p1&_revinclude=Provenance:target&_revinclude=Encounter:patient":                "Encounter/e1 Provenance/pv",
		"Patient?_id=~p1&_revinclude=Observation:subject&_revinclude:iterate=Observation:has-member": "Observation/o1 Observation/o3 Observation/o4",
		"Observation?subject=~p1&_include=Observation:subject":                                       "Patient/p1",
	}
}

// sorts are searches and the order of what they find.
func sorts() map[string]string {
	return map[string]string{
		"Patient?_sort=birthdate":           "p2 p1 p3",
		"Patient?_sort=-birthdate":          "p1 p2 p3",
		"Patient?_sort=family":              "p3 p1 p2",
		"Patient?_sort=-_id":                "p3 p2 p1",
		"Patient?_sort=gender,-_id":         "p1 p2 p3",
		"Patient?_sort=_lastUpdated,-_id":   "p3 p2 p1",
		"Observation?_sort=-date":           "o3 o2 o1 o4",
		"Observation?_sort=-value-quantity": "o2 o1 o3 o4",
		"Observation?_sort=status,_id":      "o1 o3 o4 o2",
	}
}

// clinicFor returns the world with its ids prefixed and a tag for the run on everything.
func clinicFor(prefix string) []string {
	run := `{"system":"urn:run","code":"` + prefix + `"}`
	var out []string
	for line := range strings.Lines(strings.TrimSpace(clinic)) {
		line = strings.ReplaceAll(strings.TrimSpace(line), "~", prefix)
		if strings.Contains(line, `"meta":{"tag":[`) {
			line = strings.Replace(line, `"meta":{"tag":[`, `"meta":{"tag":[`+run+`,`, 1)
		} else {
			line = strings.Replace(line, `"id":`, `"meta":{"tag":[`+run+`]},"id":`, 1)
		}
		out = append(out, line)
	}
	return out
}

// ask runs a query for one run.
func (s *server) ask(query, prefix string) reply {
	s.t.Helper()
	query = strings.NewReplacer("~", prefix, " ", "%20", "|", "%7C", "BASE", s.base, "Ü", "%C3%9C", "ü", "%C3%BC", "\\", "%5C").Replace(query)
	sign := "?"
	if strings.Contains(query, "?") {
		sign = "&"
	}
	return s.do("GET", "/"+query+sign+"_count=100&_tag=urn:run%7C"+prefix, "")
}

// find returns the ids of the matches of a query without the run's prefix, sorted, or the status when it isn't 200.
func (s *server) find(query, prefix string) string {
	s.t.Helper()
	r := s.ask(query, prefix)
	if r.status != 200 {
		return http.StatusText(r.status)
	}
	var out []string
	for _, ref := range r.bundle(s.t).refs("match") {
		out = append(out, strings.TrimPrefix(ref[strings.Index(ref, "/")+1:], prefix))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// rows returns the rows with a mode: includes as sorted references, matches as ids in their order.
func (s *server) rows(query, prefix, mode string) string {
	s.t.Helper()
	var out []string
	for _, ref := range s.ask(query, prefix).bundle(s.t).refs(mode) {
		typ, id, _ := strings.Cut(ref, "/")
		if id = strings.TrimPrefix(id, prefix); mode == "include" {
			id = typ + "/" + id
		}
		out = append(out, id)
	}
	if mode == "include" {
		slices.Sort(out)
	}
	return strings.Join(out, " ")
}
