package mask

import (
	"fmt"
	"strings"
	"testing"
)

// benchPatient is a Patient of about 3 KB.
func benchPatient(i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"resourceType":"Patient","id":"p%d","meta":{"versionId":"3","lastUpdated":"2024-05-06T07:08:09.123Z","profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]},`, i)
	b.WriteString(`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">` + strings.Repeat("narrative ", 30) + `</div>"},"extension":[`)
	for j := range 6 {
		if j > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race-%d","extension":[{"url":"ombCategory","valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238","code":"2106-3","display":"White"}},{"url":"text","valueString":"White"}]}`, j)
	}
	b.WriteString(`],"identifier":[{"use":"usual","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"system":"http://hospital.example.org","value":"12345"},{"system":"http://hl7.org/fhir/sid/us-ssn","value":"999-99-1234"}],`)
	b.WriteString(`"active":true,"name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},{"use":"maiden","family":"Windsor","given":["Peter","James"],"period":{"end":"2002"}}],`)
	b.WriteString(`"telecom":[{"system":"phone","value":"(03) 5555 6473","use":"work","rank":1},{"system":"phone","value":"(03) 3410 5613","use":"mobile","rank":2}],"gender":"male","birthDate":"1974-12-25",`)
	b.WriteString(`"address":[{"use":"home","type":"both","text":"534 Erewhon St PeasantVille, Rainbow, Vic  3999","line":["534 Erewhon St"],"city":"PleasantVille","district":"Rainbow","state":"Vic","postalCode":"3999","period":{"start":"1974-12-25"}}],`)
	b.WriteString(`"contact":[{"relationship":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0131","code":"N"}]}],"name":{"family":"du Marché","given":["Bénédicte"]},"telecom":[{"system":"phone","value":"+33 (237) 998327"}],"gender":"female","period":{"start":"2012"}}],"managingOrganization":{"reference":"Organization/1"}}`)
	return b.String()
}

func benchmark(b *testing.B, masks []Rule, resources int) {
	m := compile(b, "Patient", masks)
	k := testKeys(b)
	var docs [][]byte
	size := 0
	for i := range resources {
		docs = append(docs, []byte(benchPatient(i)))
		size += len(docs[i])
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		for _, doc := range docs {
			var err error
			if out, err = m.Apply(out[:0], doc, k); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkApply(b *testing.B) {
	three := remove(b, "Patient.birthDate", "Patient.address.line", "Patient.telecom")
	b.Run("3 removes/3 KB", func(b *testing.B) { benchmark(b, three, 1) })
	b.Run("3 removes/300 KB", func(b *testing.B) { benchmark(b, three, 100) })
	b.Run("any depth/3 KB", func(b *testing.B) { benchmark(b, remove(b, "**.text", "**.display"), 1) })
	b.Run("condition/3 KB", func(b *testing.B) {
		benchmark(b, remove(b, "Patient.identifier.where(system='http://hl7.org/fhir/sid/us-ssn')"), 1)
	})
	b.Run("hash/3 KB", func(b *testing.B) {
		benchmark(b, []Rule{{Path: "Patient.name.family", Action: Hash}}, 1)
	})
}

func BenchmarkCompile(b *testing.B) {
	three := remove(b, "Patient.birthDate", "Patient.address.line", "Patient.telecom")
	for b.Loop() {
		compile(b, "Patient", three)
	}
}
