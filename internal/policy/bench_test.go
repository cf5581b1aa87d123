package policy

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// benchObservation is a blood pressure panel of about 2 KB.
const benchObservation = `{"resourceType":"Observation","id":"bp-1","meta":{"versionId":"1","lastUpdated":"2025-11-03T08:00:00.000+00:00"},` +
	`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Blood pressure 142/92 mmHg on 2023-05-09</p></div>"},"status":"final",` +
	`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}],"text":"Vital Signs"}],` +
	`"code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel with all children optional"}],"text":"Blood pressure panel with all children optional"},` +
	`"subject":{"reference":"Patient/anna-berg","display":"Anna Kristina Berg"},"encounter":{"reference":"Encounter/anna-berg-enc-2023-checkup"},` +
	`"effectiveDateTime":"2023-05-09T09:05:00-05:00","issued":"2023-05-09T09:05:00-05:00","performer":[{"reference":"Practitioner/nurse-jensen","display":"Mette Jensen"}],` +
	`"interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"H","display":"High"}],"text":"High"}],` +
	`"note":[{"text":"Says that her readings at home are lower; a little anxious today."}],` +
	`"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6","display":"Systolic blood pressure"}],"text":"Systolic blood pressure"},"valueQuantity":{"value":142,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},` +
	`{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4","display":"Diastolic blood pressure"}],"text":"Diastolic blood pressure"},"valueQuantity":{"value":92,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}`

func BenchmarkParse(b *testing.B) {
	doc := []byte(benchObservation)
	keys := newKeyTerms(definitions.R4())
	b.Run("to keep", func(b *testing.B) { benchmarkParse(b, doc, parseResource) })
	b.Run("input", func(b *testing.B) {
		benchmarkParse(b, doc, func(doc []byte) (ast.Value, error) { return parseInput(doc, keys) })
	})
}

func benchmarkParse(b *testing.B, doc []byte, parse func([]byte) (ast.Value, error)) {
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(doc); err != nil {
			b.Fatal(err)
		}
	}
}
