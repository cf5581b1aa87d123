package data

import (
	"bytes"
	"testing"
)

func TestGenerateIsR4(t *testing.T) {
	var out bytes.Buffer
	const patients = 1000
	if err := Generate(&out, 1, patients); err != nil {
		t.Fatal(err)
	}
	s := readSet(t, &out, nil)
	t.Log(s.resources, s.bytes/s.resources, s.kinds)
}

func BenchmarkGenerate(b *testing.B) {
	const patients = 1000
	var total counter
	for b.Loop() {
		if err := Generate(&total, 1, patients); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(total.bytes / b.N))
	b.ReportMetric(float64(total.lines)/b.Elapsed().Seconds(), "resources/s")
}

type counter struct{ lines, bytes int }

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += len(p)
	c.lines += bytes.Count(p, []byte{'\n'})
	return len(p), nil
}
