package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/demo/store"
)

// clinic is a small world to search in.
const clinic = `
{"resourceType":"Organization","id":"org","name":"Clinic, North"}
{"resourceType":"Practitioner","id":"dr","name":[{"family":"Who","given":["Doctor"]}],"identifier":[{"system":"urn:npi","value":"77"}]}
{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:mrn","value":"1","type":{"text":"Record number"}}],"name":[{"family":"Müller","given":["Anna","Lea"]}],"gender":"female","birthDate":"1980-05-17","generalPractitioner":[{"reference":"Practitioner/dr"}],"managingOrganization":{"reference":"Organization/org"},"telecom":[{"system":"email","value":"a@x"},{"system":"phone","value":"555"}],"address":[{"city":"Bern"}]}
{"resourceType":"Patient","id":"p2","identifier":[{"system":"urn:other","value":"1"}],"name":[{"text":"Bob de Vries"}],"gender":"male","birthDate":"1980","deceasedDateTime":"2020-01-01","generalPractitioner":[{"identifier":{"system":"urn:npi","value":"77"}}]}
{"resourceType":"Patient","id":"p3","identifier":[{"value":"1"}],"name":[{"family":"Mull,er"}],"active":true,"deceasedBoolean":false,"meta":{"security":[{"system":"urn:conf","code":"R"}],"tag":[{"system":"urn:t","code":"vip"}],"profile":["http://example.org/p"],"source":"urn:src"}}
{"resourceType":"Encounter","id":"e1","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p1"},"period":{"start":"2024-03-01T08:00:00Z","end":"2024-03-01T09:00:00Z"}}
{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}],"text":"Pulse"},"subject":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/e1"},"performer":[{"reference":"Practitioner/dr"}],"effectiveDateTime":"2024-03-01T08:30:00Z","valueQuantity":{"value":72,"unit":"beats","system":"http://unitsofmeasure.org","code":"/min"}}
{"resourceType":"Observation","id":"o2","status":"preliminary","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/p2"},"effectivePeriod":{"start":"2024-03-02","end":"2024-03-04"},"valueQuantity":{"value":90.04,"system":"http://unitsofmeasure.org","code":"/min"}}
{"resourceType":"Observation","id":"o3","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2024-04","component":[{"code":{"coding":[{"code":"sys"}]},"valueQuantity":{"value":120,"code":"mm[Hg]"}},{"code":{"coding":[{"code":"dia"}]},"valueQuantity":{"value":80,"code":"mm[Hg]"}}]}
{"resourceType":"Observation","id":"o4","status":"final","code":{"text":"Note"},"subject":{"reference":"Group/g"},"valueString":"Free, text","hasMember":[{"reference":"Observation/o1"}]}
{"resourceType":"RiskAssessment","id":"r1","status":"final","subject":{"reference":"Patient/p1"},"prediction":[{"probabilityDecimal":0.25}]}
{"resourceType":"ValueSet","id":"v1","status":"active","url":"http://example.org/vs/a"}
{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/p3"}}]}
{"resourceType":"Provenance","id":"pv","target":[{"reference":"Patient/p1"}],"recorded":"2024-01-01T00:00:00Z","agent":[{"who":{"reference":"Practitioner/dr"}}]}
`

func startClinic(t *testing.T) *server {
	t.Helper()
	c := newClock()
	s := start(t, store.Options{Now: c.now})
	if err := s.Load(strings.NewReader(clinic)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s := startClinic(t)
	for query, want := range map[string]string{
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
		"Patient?identifier:text=record":                                "p1",
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
		"Observation?subject=Patient/p1":                     "o1 o3",
		"Observation?subject=p1":                             "o1 o3",
		"Observation?subject:Patient=p1":                     "o1 o3",
		"Observation?subject:Group=g":                        "o4",
		"Observation?subject=" + s.base + "/Patient/p1":      "o1 o3",
		"Observation?patient=p1":                             "o1 o3",
		"Observation?subject=Patient/p1,Group/g":             "o1 o3 o4",
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
		"Observation?value-quantity=90.0":                                "o2",
		"Observation?value-quantity=90.00":                               "",
		"Observation?value-quantity=gt72|http://unitsofmeasure.org|/min": "o2",
		"Observation?value-quantity=72||beats":                           "o1",
		"Observation?value-quantity=72|urn:x|/min":                       "",
		"Observation?value-quantity:missing=true":                        "o3 o4",
		"Observation?combo-value-quantity=lt81":                          "o1 o3",
		// composite
		"Observation?component-code-value-quantity=sys$gt100":      "o3",
		"Observation?component-code-value-quantity=dia$gt100":      "",
		"Observation?code-value-quantity=8867-4$lt80":              "o1",
		"Observation?combo-code-value-quantity=8867-4$90.0,dia$80": "o2 o3",
		// uri
		"ValueSet?url=http://example.org/vs/a":         "v1",
		"ValueSet?url=http://example.org/vs":           "",
		"ValueSet?url:below=http://example.org/vs":     "v1",
		"ValueSet?url:above=http://example.org/vs/a/b": "v1",
		// of every resource
		"Patient?_id=p1,p3":                     "p1 p3",
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
		"Practitioner?_has:Observation:performer:_id=o1":                                       "dr",
		// system and compartments
		"?_type=Patient,Practitioner&_id=p1,dr":           "dr p1",
		"?_id=p1,o1":                                      "o1 p1",
		"Patient/p1/Observation":                          "o1 o3",
		"Patient/p1/Observation?status=final&code=8867-4": "o1",
		"Patient/p1/Patient":                              "p1",
		"Patient/p3/*":                                    "g p3",
		"Patient/p1/*":                                    "e1 o1 o3 p1 pv r1",
		"Practitioner/dr/*?_type=Observation":             "o1",
		"Patient/none/Observation":                        "",
		// nothing, everything
		"Patient?name=": "p1 p2 p3",
		"Patient":       "p1 p2 p3",
		"Basic":         "",
		"Basic?code=x":  "",
	} {
		path := "/" + strings.ReplaceAll(strings.ReplaceAll(query, " ", "%20"), "|", "%7C")
		for range 2 { // the second time with the index there
			if got := s.ids(path); got != want {
				t.Errorf("%s found %q, want %q", query, got, want)
			}
		}
	}
}

// TestSearchFollowsWrites: indexes that exist are kept up to date.
func TestSearchFollowsWrites(t *testing.T) {
	t.Parallel()
	s := startClinic(t)
	queries := []string{
		"/Observation?status=amended", "/Observation?status:missing=true", "/Observation?subject=Patient/p2", "/Observation?date=2025", "/Observation?value-quantity=5",
		"/Observation?value-string=new", "/Observation?subject:Patient.gender=male", "/Observation?status:not=final", "/Patient/p2/Observation",
	}
	check := func(want ...string) {
		t.Helper()
		for i, q := range queries {
			if got := s.ids(q); got != want[i] {
				t.Errorf("%s found %q, want %q", q, got, want[i])
			}
		}
	}
	check("", "", "o2", "", "", "", "o2", "o2", "o2")
	s.want(201, "PUT", "/Observation/n", `{"resourceType":"Observation","id":"n","status":"amended","code":{"text":"n"},"subject":{"reference":"Patient/p2"},"effectiveDateTime":"2025-01-01","valueQuantity":{"value":5}}`)
	check("n", "", "n o2", "n", "n", "", "n o2", "n o2", "n o2")
	s.want(200, "PUT", "/Observation/n", `{"resourceType":"Observation","id":"n","code":{"text":"n"},"subject":{"reference":"Patient/p1"},"valueString":"New"}`)
	check("", "n", "o2", "", "", "n", "o2", "n o2", "o2")
	s.want(200, "DELETE", "/Observation/n", "")
	check("", "", "o2", "", "", "", "o2", "o2", "o2")
}

func TestSearchByPost(t *testing.T) {
	t.Parallel()
	s := startClinic(t)
	form := "Content-Type: application/x-www-form-urlencoded"
	for path, want := range map[string]string{"/Patient/_search": "Patient/p1", "/_search?_type=Patient": "Patient/p1", "/Patient/p1/Patient/_search": "Patient/p1"} {
		b := s.want(200, "POST", path, "_id=p1,o1", form).bundle(t)
		if got := strings.Join(b.refs(""), " "); got != want {
			t.Errorf("%s found %q", path, got)
		}
	}
	s.want(415, "POST", "/Patient/_search", "{}")
}

func TestIncludes(t *testing.T) {
	t.Parallel()
	s := startClinic(t)
	for query, want := range map[string]string{
		"Observation?_id=o1&_include=Observation:subject":                                           "Patient/p1",
		"Observation?_id=o1&_include=Observation:subject:Group":                                     "",
		"Observation?_id=o1&_include=Observation:subject&_include=Observation:encounter":            "Encounter/e1 Patient/p1",
		"Observation?_id=o1&_include=*":                                                             "Encounter/e1 Patient/p1 Practitioner/dr",
		"Observation?_id=o1&_include=Observation:*":                                                 "Encounter/e1 Patient/p1 Practitioner/dr",
		"Observation?_id=o1&_include=Observation:subject&_include=Patient:organization":             "Patient/p1",
		"Observation?_id=o1&_include=Observation:subject&_include:iterate=Patient:organization":     "Organization/org Patient/p1",
		"Patient?_id=p1&_revinclude=Observation:subject":                                            "Observation/o1 Observation/o3",
		"Patient?_id=p1&_revinclude=Provenance:target&_revinclude=Encounter:patient":                "Encounter/e1 Provenance/pv",
		"Patient?_id=p1&_revinclude=Observation:subject&_revinclude:iterate=Observation:has-member": "Observation/o1 Observation/o3 Observation/o4",
		"Observation?subject=p1&_include=Observation:subject":                                       "Patient/p1",
	} {
		b := s.want(200, "GET", "/"+query, "").bundle(t)
		got := b.refs("include")
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s included %q, want %q", query, got, want)
		}
	}
}

func TestSort(t *testing.T) {
	t.Parallel()
	s := startClinic(t)
	for query, want := range map[string]string{
		"Patient?_sort=birthdate":           "p2 p1 p3",
		"Patient?_sort=-birthdate":          "p2 p1 p3",
		"Patient?_sort=family":              "p3 p1 p2",
		"Patient?_sort=-_id":                "p3 p2 p1",
		"Patient?_sort=gender,-_id":         "p1 p2 p3",
		"Patient?_sort=_lastUpdated,-_id":   "p3 p2 p1",
		"Observation?_sort=-date":           "o3 o2 o1 o4",
		"Observation?_sort=-value-quantity": "o2 o1 o3 o4",
		"Observation?_sort=status,_id":      "o1 o3 o4 o2",
	} {
		var got []string
		for _, ref := range s.want(200, "GET", "/"+query, "").bundle(t).refs("match") {
			got = append(got, ref[strings.Index(ref, "/")+1:])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s gave %v, want %s", query, got, want)
		}
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want(201, "PUT", "/Patient/a", `{"resourceType":"Patient","id":"a","meta":{"tag":[{"code":"t"}]},"text":{"status":"generated","div":"<div/>"},"active":true,"_birthDate":{"id":"x"},"birthDate":"2000","maritalStatus":{"text":"m"},"deceasedBoolean":false}`)
	tag := `"tag":[{"code":"t"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"`
	for query, want := range map[string][2]string{
		"_summary=true":                            {`"active" "birthDate" "_birthDate" "deceasedBoolean"`, `"text" "maritalStatus"`},
		"_summary=text":                            {`"text"`, `"active" "birthDate" "maritalStatus"`},
		"_summary=data":                            {`"active" "maritalStatus"`, `"text":{"status"`},
		"_summary=false":                           {`"active" "text" "maritalStatus"`, `SUBSETTED`},
		"_elements=birthDate,Patient.deceased":     {`"birthDate" "_birthDate" "deceasedBoolean"`, `"active" "text" "maritalStatus"`},
		"_elements=active&_elements=maritalStatus": {`"active" "maritalStatus"`, `"birthDate"`},
	} {
		for _, path := range []string{"/Patient/a?", "/Patient?_id=a&"} {
			r := s.want(200, "GET", path+query, "")
			for _, in := range strings.Fields(want[0]) {
				if !strings.Contains(r.body, in) {
					t.Errorf("%s%s lacks %s: %s", path, query, in, r.body)
				}
			}
			for _, out := range strings.Fields(want[1]) {
				if strings.Contains(r.body, out) && out != `"text"` {
					t.Errorf("%s%s has %s", path, query, out)
				}
			}
			if query != "_summary=false" && !strings.Contains(r.body, tag) {
				t.Errorf("%s%s isn't tagged: %s", path, query, r.body)
			}
		}
	}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	s := startClinic(t)
	for query, want := range map[string]string{
		"":                            "3 3",
		"?_count=2":                   "none 2",
		"?_count=2&_total=accurate":   "3 2",
		"?_total=none":                "none 3",
		"?_count=0":                   "3 0",
		"?_summary=count":             "3 0",
		"?_summary=count&gender=male": "1 0",
	} {
		b := s.want(200, "GET", "/Patient"+query, "").bundle(t)
		total := "none"
		if b.Total != nil {
			total = fmt.Sprint(*b.Total)
		}
		if got := fmt.Sprint(total, " ", len(b.Entry)); got != want {
			t.Errorf("%q gave %s, want %s", query, got, want)
		}
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := start(t, store.Options{Now: c.now, BasePath: "/fhir", MaxPagings: 2})
	for i := range 7 {
		s.want(201, "PUT", fmt.Sprintf("/Patient/p%d", i), fmt.Sprintf(`{"resourceType":"Patient","id":"p%d"}`, i))
	}
	first := s.want(200, "GET", "/Patient?_count=3", "").bundle(t)
	if first.link("self") != s.base+"/Patient?_count=3" || first.link("previous") != "" || !strings.HasPrefix(first.link("next"), s.base+"?_getpages=") {
		t.Fatalf("links: %+v", first.Link)
	}
	s.want(200, "DELETE", "/Patient/p3", "")
	s.want(201, "PUT", "/Patient/p8", `{"resourceType":"Patient","id":"p8"}`)
	second := s.want(200, "GET", first.link("next"), "").bundle(t)
	third := s.want(200, "GET", second.link("next"), "").bundle(t)
	if got := fmt.Sprint(second.refs(""), third.refs(""), third.link("next")); got != "[Patient/p4 Patient/p5] [Patient/p6]" {
		t.Errorf("pages: %s", got)
	}
	if got := s.want(200, "GET", second.link("previous"), "").bundle(t).refs(""); fmt.Sprint(got) != "[Patient/p0 Patient/p1 Patient/p2]" {
		t.Errorf("previous: %v", got)
	}
	c.forward(2 * time.Hour)
	s.want(410, "GET", first.link("next"), "")

	old := s.want(200, "GET", "/Patient?_count=1", "").bundle(t).link("next")
	s.want(200, "GET", "/Patient?_count=1", "")
	s.want(200, "GET", old, "")
	s.want(200, "GET", "/Patient?_count=1", "")
	s.want(410, "GET", old, "")
}

func TestHistory(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := start(t, store.Options{Now: c.now})
	put := func(id, language string) {
		s.do("PUT", "/Patient/"+id, fmt.Sprintf(`{"resourceType":"Patient","id":%q,"language":%q}`, id, language))
		c.forward(time.Hour)
	}
	put("a", "1")
	put("b", "1")
	put("a", "2")
	s.want(201, "PUT", "/Basic/x", `{"resourceType":"Basic","id":"x","code":{"text":"x"}}`)
	c.forward(time.Hour)
	s.want(200, "DELETE", "/Patient/a", "")
	for path, want := range map[string]string{
		"/Patient/a/_history":                             "DELETE Patient/a/_history/3,PUT Patient/a/_history/2,POST Patient/a/_history/1",
		"/Patient/_history":                               "DELETE Patient/a/_history/3,PUT Patient/a/_history/2,POST Patient/b/_history/1,POST Patient/a/_history/1",
		"/_history?_count=2":                              "DELETE Patient/a/_history/3,POST Basic/x/_history/1",
		"/Patient/a/_history?_since=2026-01-02T05:00:00Z": "DELETE Patient/a/_history/3,PUT Patient/a/_history/2",
		"/_history?_since=2026-01-02T07:00:00%2B00:00":    "DELETE Patient/a/_history/3",
	} {
		b := s.want(200, "GET", path, "").bundle(t)
		var got []string
		for _, e := range b.Entry {
			got = append(got, e.Request.Method+" "+e.Request.URL)
			if (e.Request.Method == "DELETE") != (e.Resource == nil) || e.Response.LastModified == "" || e.Response.Etag == "" {
				t.Errorf("%s: entry %+v", path, e)
			}
		}
		if strings.Join(got, ",") != want || b.Type != "history" || b.Total == nil {
			t.Errorf("%s gave %v", path, got)
		}
	}
	next := s.want(200, "GET", "/_history?_count=2", "").bundle(t).link("next")
	if b := s.want(200, "GET", next, "").bundle(t); len(b.Entry) != 2 || b.Entry[0].Request.URL != "Patient/a/_history/2" {
		t.Errorf("next page: %+v", b.Entry)
	}
	s.want(404, "GET", "/Patient/none/_history", "")
	s.want(400, "GET", "/_history?_nonsense=1", "")
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	r := s.want(200, "GET", "/metadata", "")
	for _, want := range []string{`"fhirVersion":"4.0.1"`, `"type":"Observation"`, `"versioning":"versioned-update"`, `"name":"value-quantity"`, `"code":"transaction"`} {
		if !strings.Contains(r.body, want) {
			t.Errorf("lacks %s", want)
		}
	}
}
