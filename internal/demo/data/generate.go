package data

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

const (
	patientsPerGeneralist = 66
	patientsPerSpecialist = 200
	generalistsPerClinic  = 10
	patientsPerCohort     = 1000
	cohortMembers         = 100 // at most

	flushAt = 256 << 10 // bytes gathered before a write
)

// ErrPatients says that the number of patients makes no sense.
var ErrPatients = errors.New("the number of patients must not be negative")

// Generate writes the records of that many patients as NDJSON, about a hundred resources of about a kilobyte for each: first
// organizations and practitioners, then patient by patient, then groups of them. Every resource comes after those that it
// refers to. The same seed and number give the same bytes, on every machine and with every release of Go; no id is one of
// the stories. It holds one patient in memory, and ends with the first error of w.
func Generate(w io.Writer, seed uint64, patients int) error {
	if patients < 0 {
		return ErrPatients
	}
	g := newGenerator(seed, patients)
	if patients == 0 {
		return nil
	}
	g.organizations()
	g.practitioners()
	for n := 1; n <= patients; n++ {
		g.patient(n)
		if n%patientsPerCohort == 0 || n == patients {
			g.cohort(n)
		}
		if len(g.buf) >= flushAt || n == patients {
			if _, err := w.Write(g.buf); err != nil {
				return fmt.Errorf("write patient %d: %w", n, err)
			}
			g.buf = g.buf[:0]
		}
	}
	return nil
}

// generator holds the tables and what has been written but not yet flushed.
type generator struct {
	lines
	seed        uint64
	patients    int
	clinics     []target
	generalists []target
	specialists []target

	disciplines []discipline
	chronic     []chronic
	acute       []acute
	allergens   []allergen
	female      []string
	male        []string
	families    []string
	streets     []string
	towns       []town
	notes       []string
	histories   []string
	reports     []string

	consenting []string // Patient references since the last cohort
	record     record   // the patient at hand
	report     []byte   // text of the document at hand
}

func newGenerator(seed uint64, patients int) *generator {
	g := &generator{
		seed: seed, patients: patients, disciplines: disciplines(), chronic: chronicConditions(), acute: acuteConditions(), allergens: allergens(),
		female: femaleNames(), male: maleNames(), families: familyNames(), streets: streets(), towns: towns(), notes: noteSentences(), histories: historySentences(), reports: reportSentences(),
	}
	g.buf = make([]byte, 0, flushAt+flushAt/2)
	return g
}

// hospital is where specialists work and acute cases are treated.
func hospital() target { return target{"Organization/hospital-0001", "Westerly General Hospital"} }

func (g *generator) organizations() {
	g.organization(hospital(), "hospital-0001", "Westerly Marsh", "02991")
	r := newRandom(g.seed, 1)
	generalists := (g.patients + patientsPerGeneralist - 1) / patientsPerGeneralist
	for n := 1; n <= (generalists+generalistsPerClinic-1)/generalistsPerClinic; n++ {
		id := fmt.Sprintf("clinic-%04d", n)
		place := pick(&r, g.towns)
		clinic := target{"Organization/" + id, fmt.Sprintf("%s Clinic %d", place.name, n)}
		g.clinics = append(g.clinics, clinic)
		g.organization(clinic, id, place.name, place.postalCode)
	}
}

func (g *generator) organization(is target, id, city, postalCode string) {
	g.put(`{"resourceType":"Organization","id":"`, id, `"`)
	g.narrative()
	g.put(is.display)
	g.endNarrative()
	g.put(`,"identifier":[{"system":"https://westerly.example/organization","value":"`, id, `"}],"active":true`)
	g.conceptList("type", hl7+"organization-type", "prov", "Healthcare Provider")
	g.put(`,"name":"`, is.display, `","telecom":[{"system":"phone","value":"555-020-0100","use":"work"}],"address":[{"use":"work","line":["1 Harbor Way"],"city":"`,
		city, `","state":"MA","postalCode":"`, postalCode, `","country":"US"}]`)
	g.end()
}

func (g *generator) practitioners() {
	r := newRandom(g.seed, 2)
	for n := range (g.patients + patientsPerGeneralist - 1) / patientsPerGeneralist {
		g.generalists = append(g.generalists, g.practitioner(&r, fmt.Sprintf("gp-%04d", n+1), generalPractice, g.clinics[n/generalistsPerClinic]))
	}
	// One of each specialty at least, whatever the number of patients.
	count := max(int(generalPractice), (g.patients+patientsPerSpecialist-1)/patientsPerSpecialist)
	for n := range count {
		field := specialty(n % int(generalPractice))
		g.specialists = append(g.specialists, g.practitioner(&r, fmt.Sprintf("sp-%04d", n+1), field, hospital()))
	}
}

// specialist returns the one of that specialty nearest to the patient, or the patient's general practitioner.
func (g *generator) specialist(patient int, field specialty) target {
	if field == generalPractice {
		return g.generalist(patient)
	}
	each := int(generalPractice)
	n := (patient-1)/(patientsPerSpecialist*each)*each + int(field)
	if n >= len(g.specialists) {
		n = int(field)
	}
	return g.specialists[n]
}

func (g *generator) generalist(patient int) target {
	return g.generalists[(patient-1)/patientsPerGeneralist]
}

// practitioner writes a Practitioner and a PractitionerRole.
func (g *generator) practitioner(r *random, id string, field specialty, at target) target {
	names, gender := g.female, "female"
	if r.perMille(480) {
		names, gender = g.male, "male"
	}
	given, family := pick(r, names), pick(r, g.families)
	is := target{"Practitioner/" + id, "Dr. " + given + " " + family}
	born := today - day(r.between(30, 66)*daysInYear+r.below(daysInYear))
	g.put(`{"resourceType":"Practitioner","id":"`, id, `"`)
	g.narrative()
	g.put(is.display)
	g.endNarrative()
	g.put(`,"identifier":[{"use":"official","system":"https://westerly.example/staff","value":"`, id, `"}],"active":true,"name":[{"use":"official","family":"`, family,
		`","given":["`, given, `"],"prefix":["Dr."]}],"telecom":[{"system":"phone","value":"555-021-`)
	g.padded(r.below(10000), 4)
	g.put(`","use":"work"},{"system":"email","value":"`, id, `@westerly.example","use":"work"}],"gender":"`, gender, `"`)
	g.date("birthDate", born)
	g.put(`,"qualification":[{"code":`)
	g.bareConcept(hl7+"v2-0360/2.7", "MD", "Doctor of Medicine")
	g.put(`}]`)
	g.end()

	d := g.disciplines[field]
	g.put(`{"resourceType":"PractitionerRole","id":"`, id, `-role","identifier":[{"system":"https://westerly.example/role","value":"`, id, `-role"}],"active":true`)
	g.put(`,"period":{"start":"`)
	g.buf = appendDate(g.buf, born+27*daysInYear)
	g.put(`"}`)
	g.reference("practitioner", is)
	g.reference("organization", at)
	g.conceptList("code", snomed, d.role.code, d.role.display)
	g.conceptList("specialty", snomed, d.field.code, d.field.display)
	g.end()
	return is
}

// cohort writes the Group of the patients since the last one who agreed to research.
func (g *generator) cohort(last int) {
	members := g.consenting[:min(len(g.consenting), cohortMembers)]
	g.open("Group", "research", "cohort", (last+patientsPerCohort-1)/patientsPerCohort)
	g.put(`,"active":true,"type":"person","actual":true,"code":{"text":"Agreed to research"},"name":"Research cohort","quantity":`)
	g.number(len(members))
	g.reference("managingEntity", hospital())
	for i, member := range members {
		if i == 0 {
			g.put(`,"member":[`)
		} else {
			g.put(`,`)
		}
		g.put(`{"entity":`)
		g.bareReference(target{reference: member})
		g.put(`}`)
	}
	if len(members) > 0 {
		g.put(`]`)
	}
	g.end()
	g.consenting = g.consenting[:0]
}

// base64 appends the report at hand.
func (g *generator) base64() { g.buf = base64.StdEncoding.AppendEncode(g.buf, g.report) }
