package data

// yearsKept is how much of a life the record covers.
const yearsKept = 8

// visit is one Encounter and what all that happens in it shares.
type visit struct {
	number  int
	on      day
	minutes int // after midnight
	doctor  target
	label   sensitivity
	class   code
	kind    code
	reason  code
	at      target
	lasts   int  // minutes
	open    bool // it still goes on
}

// visits writes the encounters of the last years, check-up by check-up with those in between, each with what was found and
// done.
func (g *generator) visits(p *record) {
	start := max(p.born+7, p.ends-yearsKept*daysInYear+day(p.below(daysInYear)))
	gap := []int{440, 520, 380, 285}[p.band] - 12*len(p.sick) // days between check-ups
	for on := start; on <= p.ends; on += day(p.around(gap, gap/4)) {
		g.checkup(p, on)
		if p.perMille(370) {
			if later := on + day(p.between(20, gap/2)); later <= p.ends {
				g.acuteVisit(p, later)
			}
		}
		for i := range p.sick {
			if s := &p.sick[i]; s.care != generalPractice && s.since <= on && p.perMille(130) {
				g.specialistVisit(p, s, min(on+day(p.between(3, 19)), p.ends))
			}
		}
	}
	if !p.dead && p.perMille(20) {
		v := visit{on: p.ends, doctor: g.specialist(p.number, specialty(p.below(int(generalPractice)))), at: hospital(), class: code{"IMP", "inpatient encounter"}, kind: code{"32485007", "Hospital admission"}, open: true}
		g.encounter(p, &v)
	}
}

// checkup is a visit to the general practitioner, with vital signs and laboratory tests.
func (g *generator) checkup(p *record, on day) {
	v := visit{on: on, doctor: p.doctor, at: p.clinic, class: code{"AMB", "ambulatory"}, kind: code{"185349003", "Encounter for check up"}, lasts: 30}
	if p.band == child {
		v.kind = code{"410620009", "Well child visit"}
	}
	g.encounter(p, &v)
	g.vitals(p, &v)
	g.laboratory(p, &v)
	if p.ageOn(on) >= 14 {
		g.smoking(p, &v)
	}
	if p.perMille(230) {
		g.document(p, &v, code{"11506-3", "Progress note"})
	}
}

// acuteVisit is about something that passes.
func (g *generator) acuteVisit(p *record, on day) {
	a := pick(&p.random, g.acute)
	if age := p.ageOn(on); age < a.minAge || age > a.maxAge {
		a = g.acute[3] // bronchitis, at any age
	}
	v := visit{on: on, doctor: p.doctor, at: p.clinic, label: a.label, class: code{"AMB", "ambulatory"}, kind: code{"185345009", "Encounter for symptom"}, reason: a.sct, lasts: 20}
	if p.perMille(180) {
		v.class, v.kind, v.at, v.lasts = code{"EMER", "emergency"}, code{"50849002", "Emergency room admission"}, hospital(), 200
	}
	g.encounter(p, &v)
	p.conditions++
	number := p.conditions
	g.condition(p, condition{number: number, sct: a.sct, icd: a.icd, label: a.label, since: on, until: min(on+day(p.between(4, 25)), p.ends), encounter: v.number, doctor: v.doctor, category: code{"encounter-diagnosis", "Encounter Diagnosis"}})
	if a.fever {
		g.measure(p, &v, vital(code{"8310-5", "Body temperature"}, "degree Celsius", "Cel"), p.around(385, 8))
	}
	g.measure(p, &v, vital(code{"8867-4", "Heart rate"}, "beats/minute", "/min").whole(), p.around(88, 14))
	if a.treatment.rx.code != "" {
		g.medication(p, order{medication: a.treatment, label: a.label, on: on, encounter: v.number, reason: number, by: v.doctor, status: "completed"})
	}
	if v.class.code == "EMER" {
		g.document(p, &v, code{"18842-5", "Discharge summary"})
	}
}

// specialistVisit is about one chronic condition.
func (g *generator) specialistVisit(p *record, s *illness, on day) {
	v := visit{on: on, doctor: s.doctor, at: hospital(), label: s.label, class: code{"AMB", "ambulatory"}, kind: code{"390906007", "Follow-up encounter"}, reason: s.sct, lasts: 40}
	if p.perMille(120) {
		v.class, v.kind, v.lasts = code{"IMP", "inpatient encounter"}, code{"32485007", "Hospital admission"}, p.between(1, 9)*24*60
	}
	g.encounter(p, &v)
	g.bloodPressure(p, &v)
	g.tests(p, &v, s.test, s.label)
	if p.perMille(500) {
		g.document(p, &v, code{"11488-4", "Consult note"})
	}
}

func (p *record) ageOn(d day) int { return int(d-p.born) * 4 / (4*daysInYear + 1) }

func (g *generator) encounter(p *record, v *visit) {
	p.encounters++
	v.number = p.encounters
	v.minutes = p.between(8*60, 16*60)
	if v.on+day(v.lasts/(24*60)+1) > p.ends {
		v.lasts = min(v.lasts, 60)
	}
	g.open("Encounter", p.id, "enc", v.number)
	g.security(v.label)
	if v.open {
		g.put(`,"status":"in-progress","class":`)
	} else {
		g.put(`,"status":"finished","class":`)
	}
	g.coding(act, v.class.code, v.class.display)
	g.conceptList("type", snomed, v.kind.code, v.kind.display)
	g.reference("subject", p.self)
	g.put(`,"participant":[{"type":[`)
	g.bareConcept(hl7+"v3-ParticipationType", "PPRF", "primary performer")
	g.put(`],"individual":`)
	g.bareReference(v.doctor)
	g.put(`}],"period":{"start":"`)
	g.buf = appendInstant(g.buf, v.on, v.minutes)
	if !v.open {
		g.put(`","end":"`)
		g.buf = appendInstant(g.buf, v.on, v.minutes+v.lasts)
	}
	g.put(`"}`)
	if v.reason.code != "" {
		g.conceptList("reasonCode", snomed, v.reason.code, v.reason.display)
	}
	g.reference("serviceProvider", v.at)
	g.end()
}

// document writes a Binary with a report and the DocumentReference to it.
func (g *generator) document(p *record, v *visit, kind code) {
	p.documents++
	g.report = append(g.report[:0], kind.display...)
	g.report = append(g.report, ", "...)
	g.report = append(g.report, p.self.display...)
	g.report = append(g.report, '\n')
	first := p.below(len(g.reports))
	for i := range p.between(5, 12) {
		g.report = append(g.report, g.reports[(first+i*3)%len(g.reports)]...)
		g.report = append(g.report, '\n')
	}
	g.open("Binary", p.id, "bin", p.documents)
	g.security(v.label)
	g.put(`,"contentType":"text/plain","securityContext":{"reference":"`, p.self.reference, `"},"data":"`)
	g.base64()
	g.put(`"`)
	g.end()

	g.open("DocumentReference", p.id, "doc", p.documents)
	g.security(v.label)
	g.put(`,"status":"current","docStatus":"final"`)
	g.concept("type", loinc, kind.code, kind.display)
	g.conceptList("category", "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "clinical-note", "Clinical Note")
	g.reference("subject", p.self)
	g.instant("date", v.on, v.minutes+v.lasts)
	g.put(`,"author":[`)
	g.bareReference(v.doctor)
	g.put(`]`)
	g.reference("custodian", v.at)
	g.put(`,"description":"`, kind.display, `","content":[{"attachment":{"contentType":"text/plain","language":"en","url":"Binary/`)
	g.id(p.id, "bin", p.documents)
	g.put(`","size":`)
	g.number(len(g.report))
	g.put(`,"title":"`, kind.display, `"}}],"context":{"encounter":[{"reference":"Encounter/`)
	g.id(p.id, "enc", v.number)
	g.put(`"}],`)
	g.period(v.on, v.on)
	g.put(`}`)
	g.end()
}
