package data

// quantity is what an Observation with a Quantity is about. Values are given in tenths unless it is whole.
type quantity struct {
	category code
	loinc    code
	unit     string
	ucum     string
	isWhole  bool
	low      int // of the reference range, in the same measure; 0: none
	high     int
}

func vital(c code, unit, ucum string) quantity {
	return quantity{category: code{"vital-signs", "Vital Signs"}, loinc: c, unit: unit, ucum: ucum}
}

func lab(c code, unit, ucum string, low, high int) quantity {
	return quantity{category: code{"laboratory", "Laboratory"}, loinc: c, unit: unit, ucum: ucum, low: low, high: high}
}

func (q quantity) whole() quantity { q.isWhole = true; return q }

// vitals writes what is measured at a check-up.
func (g *generator) vitals(p *record, v *visit) {
	age := p.ageOn(v.on)
	height, weight := p.body(v.on, age)
	if age >= 3 {
		g.bloodPressure(p, v)
	}
	g.measure(p, v, vital(code{"29463-7", "Body weight"}, "kg", "kg"), weight)
	if age < 20 || p.perMille(600) {
		g.measure(p, v, vital(code{"8302-2", "Body height"}, "cm", "cm"), height)
		g.measure(p, v, vital(code{"39156-5", "Body mass index (BMI) [Ratio]"}, "kg/m2", "kg/m2"), weight*100000/(height*height))
	}
	rate := 72
	if age < 12 {
		rate = 118 - 4*age
	}
	g.measure(p, v, vital(code{"8867-4", "Heart rate"}, "beats/minute", "/min").whole(), p.around(rate, 9))
	if p.perMille(550) {
		g.measure(p, v, vital(code{"9279-1", "Respiratory rate"}, "breaths/minute", "/min").whole(), p.around(16, 3))
	}
	if p.perMille(300) {
		g.measure(p, v, vital(code{"59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"}, "%", "%").whole(), p.between(95, 99))
	}
}

// body returns height in tenths of a centimetre and weight in tenths of a kilogram.
func (p *record) body(on day, age int) (height, weight int) {
	const grown = 18
	height, bmi := p.heightMM, p.bmi
	if age < grown {
		// Half of the height of an adult at two years, then about even growth.
		months := int(on-p.born) * 12 / daysInYear
		height = p.heightMM * (290 + 210*min(months, 24)/24 + 500*max(months-24, 0)/(grown*12-24)) / 1000
		bmi = 158 + 3*age
	}
	drift := int(on-today) / daysInYear // some weigh more every year
	if p.bmi < 260 {
		drift = 0
	}
	bmi += 2*drift + p.around(0, 5)
	return height, bmi * height * height / 100000
}

func (g *generator) bloodPressure(p *record, v *visit) {
	systolic := p.pressure
	for i := range p.sick {
		if s := &p.sick[i]; s.sct.code == "59621000" {
			systolic += max(6, 26-3*int(v.on-s.since)/daysInYear) // comes down with treatment
		}
	}
	systolic = p.around(systolic, 9)
	diastolic := systolic*55/100 + p.around(9, 6)
	g.observation(p, v, code{"vital-signs", "Vital Signs"}, code{"85354-9", "Blood pressure panel with all children optional"}, v.label)
	g.interpretation(systolic >= 140 || diastolic >= 90, false)
	g.concept("bodySite", snomed, "368209003", "Right upper arm structure")
	g.put(`,"component":[`)
	g.component(code{"8480-6", "Systolic blood pressure"}, systolic)
	g.put(`,`)
	g.component(code{"8462-4", "Diastolic blood pressure"}, diastolic)
	g.put(`]`)
	g.end()
}

func (g *generator) component(c code, value int) {
	g.put(`{"code":`)
	g.bareConcept(loinc, c.code, c.display)
	g.put(`,"valueQuantity":{"value":`)
	g.number(value)
	g.put(`,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}`)
}

// observation opens an Observation, up to its value.
func (g *generator) observation(p *record, v *visit, category, what code, label sensitivity) {
	p.observations++
	g.open("Observation", p.id, "obs", p.observations)
	g.security(max(label, v.label))
	g.put(`,"status":"final"`)
	g.conceptList("category", hl7+"observation-category", category.code, category.display)
	g.concept("code", loinc, what.code, what.display)
	g.reference("subject", p.self)
	g.numbered("encounter", "Encounter", p.id, "enc", v.number)
	g.instant("effectiveDateTime", v.on, v.minutes+5)
	g.instant("issued", v.on, v.minutes+15)
	g.put(`,"performer":[`)
	if category.code == "laboratory" {
		g.bareReference(v.at)
	} else {
		g.bareReference(v.doctor)
	}
	g.put(`]`)
	if p.perMille(110) && category.code == "vital-signs" {
		g.note(p, g.notes)
	}
}

func (g *generator) interpretation(high, low bool) {
	c := code{"N", "Normal"}
	switch {
	case high:
		c = code{"H", "High"}
	case low:
		c = code{"L", "Low"}
	}
	g.conceptList("interpretation", hl7+"v3-ObservationInterpretation", c.code, c.display)
}

func (g *generator) measure(p *record, v *visit, q quantity, value int) {
	g.labelled(p, v, q, value, ordinary)
}

func (g *generator) labelled(p *record, v *visit, q quantity, value int, label sensitivity) {
	g.observation(p, v, q.category, q.loinc, label)
	g.put(`,"valueQuantity":`)
	g.amount(q, value)
	if q.low != 0 || q.high != 0 {
		g.interpretation(q.high != 0 && value > q.high, value < q.low)
		g.put(`,"referenceRange":[{`)
		if q.low != 0 {
			g.put(`"low":`)
			g.amount(q, q.low)
		}
		if q.high != 0 {
			if q.low != 0 {
				g.put(`,`)
			}
			g.put(`"high":`)
			g.amount(q, q.high)
		}
		g.put(`}]`)
	}
	g.end()
}

func (g *generator) amount(q quantity, value int) {
	g.put(`{"value":`)
	if q.isWhole {
		g.number(value)
	} else {
		g.tenths(value)
	}
	g.put(`,"unit":"`, q.unit, `","system":"http://unitsofmeasure.org","code":"`, q.ucum, `"}`)
}

// laboratory writes the tests of a check-up: those that the conditions of the patient ask for, and a common panel for most
// adults.
func (g *generator) laboratory(p *record, v *visit) {
	if p.band >= adult && p.perMille(620) {
		if !p.has(testDiabetes) {
			g.measure(p, v, lab(code{"2345-7", "Glucose [Mass/volume] in Serum or Plasma"}, "mg/dL", "mg/dL", 70, 99).whole(), p.around(90, 12))
		}
		g.measure(p, v, lab(code{"2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"}, "mg/dL", "mg/dL", 0, 200).whole(), p.around(188, 40))
		if !p.has(testBlood) {
			g.measure(p, v, lab(code{"718-7", "Hemoglobin [Mass/volume] in Blood"}, "g/dL", "g/dL", 120, 175), p.around(142, 16))
		}
	}
	done := [testHeart + 1]bool{}
	for i := range p.sick {
		if s := &p.sick[i]; s.since <= v.on && !done[s.test] {
			done[s.test] = true
			g.tests(p, v, s.test, s.label)
		}
	}
}

// tests writes the tests that follow a condition.
func (g *generator) tests(p *record, v *visit, t test, label sensitivity) {
	switch t {
	case noTest:
	case testDiabetes:
		g.measure(p, v, lab(code{"4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"}, "%", "%", 40, 56), p.around(72, 16))
		g.measure(p, v, lab(code{"2345-7", "Glucose [Mass/volume] in Serum or Plasma"}, "mg/dL", "mg/dL", 70, 99).whole(), p.around(148, 55))
	case testLipids:
		g.measure(p, v, lab(code{"13457-7", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation"}, "mg/dL", "mg/dL", 0, 130).whole(), p.around(118, 45))
		g.measure(p, v, lab(code{"2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma"}, "mg/dL", "mg/dL", 40, 0).whole(), p.around(52, 16))
		g.measure(p, v, lab(code{"2571-8", "Triglyceride [Mass/volume] in Serum or Plasma"}, "mg/dL", "mg/dL", 0, 150).whole(), p.around(145, 70))
	case testKidney:
		g.measure(p, v, lab(code{"2160-0", "Creatinine [Mass/volume] in Serum or Plasma"}, "mg/dL", "mg/dL", 6, 13), p.around(11, 5))
		g.measure(p, v, lab(code{"2823-3", "Potassium [Moles/volume] in Serum or Plasma"}, "mmol/L", "mmol/L", 35, 51), p.around(43, 8))
	case testThyroid:
		g.measure(p, v, lab(code{"3016-3", "Thyrotropin [Units/volume] in Serum or Plasma"}, "mIU/L", "m[IU]/L", 4, 45), p.around(31, 26))
	case testBlood:
		g.measure(p, v, lab(code{"718-7", "Hemoglobin [Mass/volume] in Blood"}, "g/dL", "g/dL", 120, 175), p.around(112, 14))
		g.measure(p, v, lab(code{"2276-4", "Ferritin [Mass/volume] in Serum or Plasma"}, "ng/mL", "ng/mL", 15, 150).whole(), p.around(18, 12))
	case testHIV:
		g.labelled(p, v, lab(code{"25836-8", "HIV 1 RNA [#/volume] (viral load) in Specimen by NAA with probe detection"}, "copies/mL", "{copies}/mL", 0, 20).whole(), p.around(30, 10), label)
		g.labelled(p, v, lab(code{"24467-3", "CD3+CD4+ (T4 helper) cells [#/volume] in Blood"}, "cells/uL", "{cells}/uL", 500, 1500).whole(), p.around(640, 240), label)
	case testMood:
		q := quantity{category: code{"survey", "Survey"}, loinc: code{"44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]"}, unit: "{score}", ucum: "{score}", isWhole: true}
		g.labelled(p, v, q, p.between(0, 20), label)
	case testHeart:
		g.measure(p, v, lab(code{"33762-6", "Natriuretic peptide.B prohormone N-Terminal [Mass/volume] in Serum or Plasma"}, "pg/mL", "pg/mL", 0, 450).whole(), p.around(1500, 1100))
	}
}

// smoking writes the same answer at every visit, as most people give it.
func (g *generator) smoking(p *record, v *visit) {
	c := code{"266919005", "Never smoked tobacco"}
	switch p.number % 7 {
	case 1:
		c = code{"449868002", "Smokes tobacco daily"}
	case 2, 3:
		c = code{"8517006", "Ex-smoker"}
	}
	g.observation(p, v, code{"social-history", "Social History"}, code{"72166-2", "Tobacco smoking status"}, ordinary)
	g.concept("valueCodeableConcept", snomed, c.code, c.display)
	g.end()
}
