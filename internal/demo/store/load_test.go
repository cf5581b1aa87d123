package store_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/demo/store"
)

// ward makes patients with 99 observations each, about 1 KB a resource.
func ward(patients int) []byte {
	var b bytes.Buffer
	for p := range patients {
		fmt.Fprintf(&b, `{"resourceType":"Patient","id":"p%d","identifier":[{"system":"urn:mrn","value":"%d"}],"name":[{"family":"Family%d","given":["Given"]}],"gender":"female","birthDate":"19%02d-01-01"}`+"\n", p, p, p, p%100)
		for o := range 99 {
			fmt.Fprintf(&b, `{"resourceType":"Observation","id":"o%d-%d","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}]}],`+
				`"code":{"coding":[{"system":"http://loinc.org","code":"c%d","display":"Something measured"}],"text":"Something measured"},"subject":{"reference":"Patient/p%d","display":"Given Family%d"},`+
				`"effectiveDateTime":"2024-%02d-%02dT10:00:00Z","issued":"2024-01-01T10:00:00.000Z","performer":[{"reference":"Practitioner/dr"}],"valueQuantity":{"value":%d.%d,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"},`+
				`"note":[{"text":%q}]}`+"\n", p, o, o%20, p, p, o%12+1, o%28+1, o, p%10, noteText)
		}
	}
	return b.Bytes()
}

const noteText = "Taken while seated, after five minutes of rest, with the arm at the height of the heart, by an instrument that was calibrated this year. " +
	"The patient felt well and had no complaints; the value was read twice, and the second reading is what stands here. Nothing else of note."

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkLoad loads 100,000 resources; the figures are the time for them and the memory that each takes.
func BenchmarkLoad(b *testing.B) {
	lines := ward(1000)
	for b.Loop() {
		before := heap()
		begun := time.Now()
		s, err := store.Open("", store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Load(bytes.NewReader(lines)); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(100_000/time.Since(begun).Seconds(), "resources/s")
		b.ReportMetric(float64(heap()-before)/100_000, "heapB/resource")
		b.ReportMetric(float64(len(lines))/100_000, "jsonB/resource")
		runtime.KeepAlive(s)
	}
}

// BenchmarkSearch runs searches over 100,000 resources with their indexes there.
func BenchmarkSearch(b *testing.B) {
	s, err := store.Open("", store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Load(bytes.NewReader(ward(1000))); err != nil {
		b.Fatal(err)
	}
	for name, query := range map[string]string{
		"read":      "/Patient/p5",
		"reference": "/Observation?subject=Patient/p5&_count=100",
		"two":       "/Observation?subject=Patient/p5&code=c3",
		"date":      "/Observation?date=ge2024-12-20&_count=10",
		"quantity":  "/Observation?value-quantity=gt98&_count=10",
		"chain":     "/Observation?subject:Patient.birthdate=1950&_count=10",
		"has":       "/Patient?_has:Observation:subject:code=c3&_count=10",
		"sort":      "/Observation?status=final&_sort=-date&_count=10",
	} {
		b.Run(name, func(b *testing.B) {
			before := heap()
			req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, query, nil)
			s.Handler().ServeHTTP(httptest.NewRecorder(), req)
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				s.Handler().ServeHTTP(w, req)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
			b.ReportMetric((float64(heap())-float64(before))/(1<<20), "indexMB")
		})
	}
}
