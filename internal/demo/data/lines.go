package data

import "strconv"

// Code systems.
const (
	snomed = "http://snomed.info/sct"
	loinc  = "http://loinc.org"
	rxnorm = "http://www.nlm.nih.gov/research/umls/rxnorm"
	icd10  = "http://hl7.org/fhir/sid/icd-10-cm"
	act    = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
	hl7    = "http://terminology.hl7.org/CodeSystem/"
)

// lines is NDJSON under construction. Its methods append text that is JSON already: codes and displays come from the tables
// of this package, which have nothing to escape (a test reads every line strictly).
type lines struct{ buf []byte }

// put appends its parts as they are.
func (l *lines) put(parts ...string) {
	for _, part := range parts {
		l.buf = append(l.buf, part...)
	}
}

func (l *lines) number(n int) { l.buf = strconv.AppendInt(l.buf, int64(n), 10) }

// padded appends n with at least width digits.
func (l *lines) padded(n, width int) {
	for limit := 10; width > 1; width-- {
		if n < limit {
			for missing := width - 1; missing > 0; missing-- {
				l.buf = append(l.buf, '0')
			}
			break
		}
		limit *= 10
	}
	l.number(n)
}

// tenths appends n/10 with one decimal place.
func (l *lines) tenths(n int) {
	l.number(n / 10)
	l.buf = append(l.buf, '.', byte('0'+n%10))
}

func (l *lines) date(field string, d day) {
	l.put(`,"`, field, `":"`)
	l.buf = appendDate(l.buf, d)
	l.put(`"`)
}

func (l *lines) instant(field string, d day, minutes int) {
	l.put(`,"`, field, `":"`)
	l.buf = appendInstant(l.buf, d, minutes)
	l.put(`"`)
}

// open begins the resource prefix-kind-0001 of a patient (or of the one whose id is prefix).
func (l *lines) open(resourceType, prefix, kind string, n int) {
	l.put(`{"resourceType":"`, resourceType, `","id":"`)
	l.id(prefix, kind, n)
	l.put(`"`)
}

func (l *lines) id(prefix, kind string, n int) {
	l.put(prefix, "-", kind, "-")
	l.padded(n, 4)
}

// end closes the resource and the line.
func (l *lines) end() { l.put("}\n") }

func (l *lines) coding(system, code, display string) {
	l.put(`{"system":"`, system, `","code":"`, code, `","display":"`, display, `"}`)
}

// concept appends a CodeableConcept with one coding.
func (l *lines) concept(field, system, code, display string) {
	l.put(`,"`, field, `":`)
	l.bareConcept(system, code, display)
}

func (l *lines) conceptList(field, system, code, display string) {
	l.put(`,"`, field, `":[`)
	l.bareConcept(system, code, display)
	l.put(`]`)
}

func (l *lines) bareConcept(system, code, display string) {
	l.put(`{"coding":[`)
	l.coding(system, code, display)
	l.put(`],"text":"`, display, `"}`)
}

// reference appends a Reference with its display.
func (l *lines) reference(field string, to target) {
	l.put(`,"`, field, `":`)
	l.bareReference(to)
}

func (l *lines) bareReference(to target) {
	l.put(`{"reference":"`, to.reference, `"`)
	if to.display != "" {
		l.put(`,"display":"`, to.display, `"`)
	}
	l.put(`}`)
}

// numbered appends a Reference to another resource of the patient.
func (l *lines) numbered(field, resourceType, prefix, kind string, n int) {
	l.put(`,"`, field, `":{"reference":"`, resourceType, `/`)
	l.id(prefix, kind, n)
	l.put(`"}`)
}

// narrative opens the text of a resource; endNarrative closes it.
func (l *lines) narrative() {
	l.put(`,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>`)
}

func (l *lines) endNarrative() { l.put(`</p></div>"}`) }

// target is what a reference points to.
type target struct{ reference, display string }
