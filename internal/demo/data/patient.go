package data

import "fmt"

// record is what is known of the patient at hand while the resources are written.
type record struct {
	random
	number   int
	id       string // p00001
	self     target
	given    string
	family   string
	female   bool
	born     day
	ends     day // the end of the record: today, or the day of death
	dead     bool
	secret   bool // every resource is labelled as very restricted
	age      int  // at the end
	band     int
	home     town
	doctor   target
	clinic   target
	carer    target // the RelatedPerson who takes part in the care, if any
	sick     []illness
	heightMM int // of the grown person
	bmi      int // tenths, of the grown person
	pressure int // systolic without hypertension

	encounters, observations, medications, conditions, documents int
}

// illness is a chronic condition of the patient: its number among the conditions, and when it began.
type illness struct {
	*chronic
	number int
	since  day
	doctor target
}

// has tells whether the patient has a condition that asks for the test.
func (p *record) has(t test) bool {
	for i := range p.sick {
		if p.sick[i].test == t {
			return true
		}
	}
	return false
}

// patient writes the whole record of one patient.
func (g *generator) patient(number int) {
	p := &g.record
	*p = record{random: newRandom(g.seed, uint64(number)+1000), number: number, sick: p.sick[:0]}
	g.person(p)
	g.writePatient(p)
	g.relatives(p)
	g.illnesses(p)
	g.careTeams(p)
	g.consents(p)
	if p.perMille(280) {
		g.allergy(p, 1)
		if p.perMille(300) {
			g.allergy(p, 2)
		}
	}
	g.visits(p)
}

// person draws who the patient is.
func (g *generator) person(p *record) {
	p.id = fmt.Sprintf("p%05d", p.number)
	p.female = p.perMille(510)
	names := g.male
	if p.female {
		names = g.female
	}
	p.given, p.family = pick(&p.random, names), pick(&p.random, g.families)
	p.self = target{"Patient/" + p.id, p.given + " " + p.family}
	switch {
	case p.perMille(200):
		p.age = p.between(0, 17)
	case p.perMille(400):
		p.age = p.between(18, 44)
	case p.perMille(550):
		p.age = p.between(45, 64)
	default:
		p.age = p.between(65, 96)
	}
	p.ends = today - day(p.below(60))
	p.born = today - day(p.age*daysInYear+p.age/4+p.below(daysInYear-1)+61)
	p.band = child
	for _, limit := range []int{18, 45, 65} {
		if p.age >= limit {
			p.band++
		}
	}
	p.home = pick(&p.random, g.towns)
	p.doctor = g.generalist(p.number)
	p.clinic = g.clinics[(p.number-1)/patientsPerGeneralist/generalistsPerClinic]
	p.heightMM = p.around(1765, 130)
	if p.female {
		p.heightMM = p.around(1635, 120)
	}
	p.bmi = p.around(268, 80)
	p.pressure = p.around(104+p.age/3, 10)
	p.secret = p.perMille(4)
}

func (g *generator) writePatient(p *record) {
	gender := "male"
	if p.female {
		gender = "female"
	}
	g.put(`{"resourceType":"Patient","id":"`, p.id, `"`)
	g.security(ordinary)
	g.narrative()
	g.put(`<b>`, p.self.display, `</b>, born `)
	g.buf = appendDate(g.buf, p.born)
	g.put(`, MRN W-`)
	g.padded(p.number, 7)
	g.put(`</p><p>`, p.home.name, `, MA `, p.home.postalCode)
	g.endNarrative()
	g.identifiers(p)
	g.put(`,"active":true,"name":[{"use":"official","family":"`, p.family, `","given":["`, p.given, `"]}],"telecom":[{"system":"phone","value":"555-022-`)
	g.padded(p.below(10000), 4)
	g.put(`","use":"mobile"},{"system":"email","value":"`, p.id, `@mail.example","use":"home"}],"gender":"`, gender, `"`)
	g.date("birthDate", p.born)
	if p.age > 60 && p.perMille(45) {
		p.dead = true
		p.ends = today - day(p.between(60, 2*daysInYear))
		g.instant("deceasedDateTime", p.ends, p.below(24*60))
	}
	g.put(`,"address":[`)
	g.address(p)
	g.put(`]`)
	status := code{"S", "Never Married"}
	if p.age > 24 && p.perMille(650) {
		status = code{"M", "Married"}
	}
	g.concept("maritalStatus", hl7+"v3-MaritalStatus", status.code, status.display)
	if p.perMille(60) {
		g.put(`,"photo":[{"contentType":"image/png","data":"`, photo, `","title":"Photo"}]`)
	}
	if p.perMille(500) {
		g.contact(p)
	}
	g.put(`,"communication":[{"language":`)
	language := code{"en", "English"}
	if p.perMille(120) {
		language = code{"es", "Spanish"}
	}
	g.bareConcept("urn:ietf:bcp:47", language.code, language.display)
	g.put(`,"preferred":true}],"generalPractitioner":[`)
	g.bareReference(p.doctor)
	g.put(`]`)
	g.reference("managingOrganization", p.clinic)
	g.end()
}

// photo is a PNG of one pixel.
const photo = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// identifiers writes a medical record number and a social security number of area 000, which is never issued.
func (g *generator) identifiers(p *record) {
	g.put(`,"identifier":[{"use":"usual","type":`)
	g.bareConcept(hl7+"v2-0203", "MR", "Medical record number")
	g.put(`,"system":"https://westerly.example/mrn","value":"W-`)
	g.padded(p.number, 7)
	g.put(`"},{"use":"official","type":`)
	g.bareConcept(hl7+"v2-0203", "SS", "Social Security number")
	g.put(`,"system":"http://hl7.org/fhir/sid/us-ssn","value":"000-`)
	g.padded(p.number/10000%100, 2)
	g.put(`-`)
	g.padded(p.number%10000, 4)
	g.put(`"}]`)
}

func (g *generator) address(p *record) {
	g.put(`{"use":"home","line":["`)
	g.number(p.between(1, 240))
	g.put(` `, pick(&p.random, g.streets), `"],"city":"`, p.home.name, `","state":"MA","postalCode":"`, p.home.postalCode, `","country":"US"}`)
}

func (g *generator) contact(p *record) {
	g.put(`,"contact":[{"relationship":[`)
	g.bareConcept(hl7+"v2-0131", "C", "Emergency Contact")
	g.put(`],"name":{"family":"`, p.family, `","given":["`, pick(&p.random, g.female), `"]},"telecom":[{"system":"phone","value":"555-023-`)
	g.padded(p.below(10000), 4)
	g.put(`","use":"home"}]}]`)
}

// relatives writes the parents of a child, the carer of an old person and the spouse of some others.
func (g *generator) relatives(p *record) {
	switch {
	case p.band == child:
		p.carer = g.relative(p, 1, true, code{"MTH", "mother"}, p.between(20, 40))
		if p.perMille(400) {
			g.relative(p, 2, false, code{"FTH", "father"}, p.between(20, 45))
		}
	case p.age >= 75 && p.perMille(450):
		kind, female := code{"SONC", "son"}, p.perMille(600)
		if female {
			kind = code{"DAUC", "daughter"}
		}
		p.carer = g.relative(p, 1, female, kind, -p.between(22, 38))
	case p.perMille(150):
		kind := code{"HUSB", "husband"}
		if !p.female {
			kind = code{"WIFE", "wife"}
		}
		g.relative(p, 1, !p.female, kind, p.between(-8, 8))
	}
}

// relative writes a RelatedPerson who is that many years older than the patient.
func (g *generator) relative(p *record, n int, female bool, kind code, older int) target {
	gender, names := "male", g.male
	if female {
		gender, names = "female", g.female
	}
	given := pick(&p.random, names)
	born := p.born - day(older*daysInYear+p.below(daysInYear))
	start := max(p.born, p.ends-day(p.between(1, 12)*daysInYear))
	var end day
	if n > 1 && p.perMille(200) {
		end = start + day(p.below(max(1, int(p.ends-start)))) // a parent who has no say any more
	}
	g.open("RelatedPerson", p.id, "rel", n)
	g.security(ordinary)
	g.narrative()
	g.put(given, ` `, p.family, `, `, kind.display, ` of `, p.self.display)
	g.endNarrative()
	if end == 0 {
		g.put(`,"active":true`)
	} else {
		g.put(`,"active":false`)
	}
	g.reference("patient", p.self)
	g.conceptList("relationship", hl7+"v3-RoleCode", kind.code, kind.display)
	g.put(`,"name":[{"use":"official","family":"`, p.family, `","given":["`, given, `"]}],"telecom":[{"system":"phone","value":"555-024-`)
	g.padded(p.below(10000), 4)
	g.put(`","use":"mobile"}],"gender":"`, gender, `"`)
	g.date("birthDate", born)
	g.put(`,"address":[`)
	g.address(p)
	g.put(`],`)
	g.period(start, end)
	g.end()
	return target{fmt.Sprintf("RelatedPerson/%s-rel-%04d", p.id, n), given + " " + p.family}
}
