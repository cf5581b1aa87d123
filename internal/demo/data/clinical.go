package data

// illnesses draws the chronic conditions and writes them with their medications.
func (g *generator) illnesses(p *record) {
	for i := range g.chronic {
		c := &g.chronic[i]
		if !p.perMille(c.perMille[p.band]) {
			continue
		}
		p.conditions++
		known := min(p.between(1, 15), max(p.age, 1))
		since := max(p.born+30, p.ends-day(known*daysInYear-p.below(daysInYear-30)))
		sick := illness{c, p.conditions, since, g.specialist(p.number, c.care)}
		p.sick = append(p.sick, sick)
		g.condition(p, condition{number: p.conditions, sct: c.sct, icd: c.icd, label: c.label, since: since, doctor: sick.doctor, category: code{"problem-list-item", "Problem List Item"}})
		for _, m := range c.medications {
			g.medication(p, order{medication: m, label: c.label, on: since, reason: p.conditions, by: sick.doctor, status: "active"})
		}
	}
}

// condition is what a Condition says; until is the zero day while it lasts, encounter 0 when it belongs to none.
type condition struct {
	number       int
	sct, icd     code
	label        sensitivity
	since, until day
	encounter    int
	doctor       target
	category     code
}

func (g *generator) condition(p *record, c condition) {
	g.open("Condition", p.id, "cond", c.number)
	g.security(c.label)
	g.narrative()
	g.put(c.sct.display, `, since `)
	g.buf = appendDate(g.buf, c.since)
	g.endNarrative()
	status := code{"active", "Active"}
	if c.until != 0 {
		status = code{"resolved", "Resolved"}
	}
	g.concept("clinicalStatus", hl7+"condition-clinical", status.code, status.display)
	g.concept("verificationStatus", hl7+"condition-ver-status", "confirmed", "Confirmed")
	g.conceptList("category", hl7+"condition-category", c.category.code, c.category.display)
	g.put(`,"code":{"coding":[`)
	g.coding(snomed, c.sct.code, c.sct.display)
	g.put(`,`)
	g.coding(icd10, c.icd.code, c.icd.display)
	g.put(`],"text":"`, c.sct.display, `"}`)
	g.reference("subject", p.self)
	if c.encounter != 0 {
		g.numbered("encounter", "Encounter", p.id, "enc", c.encounter)
	}
	g.date("onsetDateTime", c.since)
	if c.until != 0 {
		g.date("abatementDateTime", c.until)
	}
	g.date("recordedDate", c.since)
	g.reference("recorder", c.doctor)
	g.reference("asserter", c.doctor)
	if p.perMille(200) {
		g.note(p, g.histories)
	}
	g.end()
}

// security writes the labels of a resource that has any.
func (g *generator) security(s sensitivity) {
	if g.record.secret {
		s = veryRestricted
	}
	if labels := s.labels(); labels != "" {
		g.put(`,"meta":{"security":[`, labels, `]}`)
	}
}

// note writes one of the sentences as an Annotation.
func (g *generator) note(p *record, sentences []string) {
	g.put(`,"note":[{"text":"`, pick(&p.random, sentences), `"}]`)
}

// order is what a MedicationRequest says; reason is the number of a Condition, encounter 0 when it belongs to none.
type order struct {
	medication
	label     sensitivity
	on        day
	encounter int
	reason    int
	by        target
	status    string
}

func (g *generator) medication(p *record, o order) {
	p.medications++
	g.open("MedicationRequest", p.id, "med", p.medications)
	g.security(o.label)
	g.put(`,"status":"`, o.status, `","intent":"order"`)
	g.conceptList("category", hl7+"medicationrequest-category", "community", "Community")
	g.concept("medicationCodeableConcept", rxnorm, o.rx.code, o.rx.display)
	g.reference("subject", p.self)
	if o.encounter != 0 {
		g.numbered("encounter", "Encounter", p.id, "enc", o.encounter)
	}
	g.date("authoredOn", o.on)
	g.reference("requester", o.by)
	g.put(`,"reasonReference":[{"reference":"Condition/`)
	g.id(p.id, "cond", o.reason)
	g.put(`"}],"dosageInstruction":[{"sequence":1,"text":"`, o.sig, `"`)
	if o.perDay > 0 {
		g.put(`,"timing":{"repeat":{"frequency":`)
		g.number(o.perDay)
		g.put(`,"period":1,"periodUnit":"d"}}`)
	} else {
		g.put(`,"asNeededBoolean":true`)
	}
	if o.unit == "{puff}" {
		g.concept("route", snomed, "447694001", "Respiratory tract route")
	} else {
		g.concept("route", snomed, "26643006", "Oral route")
	}
	g.put(`,"doseAndRate":[{"type":`)
	g.bareConcept(hl7+"dose-rate-type", "ordered", "Ordered")
	g.put(`,"doseQuantity":{"value":`)
	g.number(o.dose)
	g.put(`,"system":"http://unitsofmeasure.org","code":"`, o.unit, `"}}]}],"dispenseRequest":{"validityPeriod":{"start":"`)
	g.buf = appendDate(g.buf, o.on)
	g.put(`"},"expectedSupplyDuration":{"value":`)
	g.number(o.duration)
	g.put(`,"unit":"days","system":"http://unitsofmeasure.org","code":"d"}}`)
	g.end()
}

// careTeams writes a primary team for many, a team for a chronic condition that a specialist looks after, and an ended one
// for some.
func (g *generator) careTeams(p *record) {
	n := 0
	if p.perMille(450) || p.carer.reference != "" {
		n++
		g.careTeam(p, team{number: n, status: "active", since: p.ends - day(p.between(1, 6)*daysInYear), with: p.doctor, role: g.disciplines[generalPractice].role})
	}
	for i := range p.sick {
		if s := &p.sick[i]; s.care != generalPractice && (p.perMille(350) || s.label != ordinary) {
			n++
			g.careTeam(p, team{number: n, status: "active", since: s.since, with: s.doctor, role: g.disciplines[s.care].role, label: s.label, reason: s.sct})
		}
	}
	if p.perMille(200) {
		field := specialty(p.below(int(generalPractice)))
		since := max(p.born, p.ends-day(p.between(4, 8)*daysInYear))
		status := "inactive"
		if p.perMille(250) {
			status = "active" // forgotten by everybody: only the period says that it is over
		}
		g.careTeam(p, team{number: n + 1, status: status, since: since, until: min(p.ends, since+day(p.between(1, 3)*daysInYear)), with: g.specialist(p.number, field), role: g.disciplines[field].role})
	}
}

// team is what a CareTeam says; until is the zero day while it exists.
type team struct {
	number       int
	status       string
	since, until day
	with         target
	role         code
	reason       code
	label        sensitivity
}

func (g *generator) careTeam(p *record, c team) {
	c.since = max(c.since, p.born)
	if p.dead && c.until == 0 {
		c.status, c.until = "inactive", p.ends
	}
	g.open("CareTeam", p.id, "team", c.number)
	g.security(c.label)
	g.put(`,"status":"`, c.status, `"`)
	g.conceptList("category", loinc, "LA28865-6", "Longitudinal care-coordination focused care team")
	g.put(`,"name":"Care team of `, p.self.display, `"`)
	g.reference("subject", p.self)
	g.put(`,`)
	g.period(c.since, c.until)
	g.put(`,"participant":[`)
	g.participant(c, c.role, c.with)
	if c.with != p.doctor {
		g.put(`,`)
		g.participant(c, g.disciplines[generalPractice].role, p.doctor)
	}
	if p.carer.reference != "" && c.until == 0 {
		g.put(`,`)
		g.participant(c, code{"133932002", "Caregiver"}, p.carer)
	}
	g.put(`]`)
	if c.reason.code != "" {
		g.conceptList("reasonCode", snomed, c.reason.code, c.reason.display)
	}
	g.put(`,"managingOrganization":[`)
	g.bareReference(p.clinic)
	g.put(`]`)
	g.end()
}

func (g *generator) period(since, until day) {
	g.put(`"period":{"start":"`)
	g.buf = appendDate(g.buf, since)
	if until != 0 {
		g.put(`","end":"`)
		g.buf = appendDate(g.buf, until)
	}
	g.put(`"}`)
}

func (g *generator) participant(c team, role code, member target) {
	g.put(`{"role":[`)
	g.bareConcept(snomed, role.code, role.display)
	g.put(`],"member":`)
	g.bareReference(member)
	g.put(`,`)
	g.period(c.since, c.until)
	g.put(`}`)
}

// consents writes what the patient says about research, and of some who have sensitive conditions what others may see.
func (g *generator) consents(p *record) {
	on := p.ends - day(p.between(30, 4*daysInYear))
	if on < p.born {
		return
	}
	switch {
	case p.perMille(280):
		g.consent(p, 1, on, "research", "permit")
		g.consenting = append(g.consenting, p.self.reference)
	case p.perMille(90):
		g.consent(p, 1, on, "research", "deny")
	}
	for i := range p.sick {
		if s := &p.sick[i]; s.label != ordinary && p.perMille(300) {
			g.consent(p, 2, on, "patient-privacy", "deny")
			return
		}
	}
}

func (g *generator) consent(p *record, n int, on day, scope, provision string) {
	g.open("Consent", p.id, "consent", n)
	g.security(ordinary)
	g.put(`,"status":"active"`)
	if scope == "research" {
		g.concept("scope", hl7+"consentscope", scope, "Research")
	} else {
		g.concept("scope", hl7+"consentscope", scope, "Privacy Consent")
	}
	g.conceptList("category", loinc, "59284-0", "Consent Document")
	g.reference("patient", p.self)
	g.date("dateTime", on)
	g.put(`,"organization":[`)
	g.bareReference(p.clinic)
	g.put(`]`)
	if provision == "permit" {
		g.concept("policyRule", act, "OPTIN", "opt-in")
	} else {
		g.concept("policyRule", act, "OPTOUT", "opt-out")
	}
	g.put(`,"provision":{"type":"`, provision, `",`)
	g.period(on, 0)
	if scope == "research" {
		g.put(`,"purpose":[`)
		g.coding(hl7+"v3-ActReason", "HRESCH", "healthcare research")
	} else {
		g.put(`,"securityLabel":[`, labelR)
	}
	g.put(`]}`)
	g.end()
}

func (g *generator) allergy(p *record, n int) {
	a := pick(&p.random, g.allergens)
	since := p.born + day(p.below(max(1, int(p.ends-p.born))))
	severity, criticality := "mild", "low"
	if p.perMille(250) {
		severity, criticality = "severe", "high"
	}
	g.open("AllergyIntolerance", p.id, "allergy", n)
	g.security(ordinary)
	g.narrative()
	g.put(a.substance.display, `: `, a.manifestation.display)
	g.endNarrative()
	g.concept("clinicalStatus", hl7+"allergyintolerance-clinical", "active", "Active")
	g.concept("verificationStatus", hl7+"allergyintolerance-verification", "confirmed", "Confirmed")
	g.put(`,"type":"allergy","category":["`, a.category, `"],"criticality":"`, criticality, `"`)
	g.concept("code", snomed, a.substance.code, a.substance.display)
	g.reference("patient", p.self)
	g.date("onsetDateTime", since)
	g.date("recordedDate", since)
	g.reference("recorder", p.doctor)
	g.put(`,"reaction":[{"manifestation":[`)
	g.bareConcept(snomed, a.manifestation.code, a.manifestation.display)
	g.put(`],"severity":"`, severity, `"}]`)
	g.end()
}
