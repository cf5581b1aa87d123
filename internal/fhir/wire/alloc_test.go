//go:build !race

// The race detector makes pools forget at random.

package wire

import "testing"

func TestCheckDoesNotAllocate(t *testing.T) {
	doc := []byte(`{"resourceType":"Patient","name":[{"family":"F","given":["G"]}],"active":true}`)
	if err := Check(doc, Limits{}); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _ = Check(doc, Limits{}) }); n >= 1 {
		t.Errorf("%v allocations a document", n)
	}
}
