package definitions

import "testing"

func BenchmarkR4(b *testing.B) {
	for b.Loop() {
		if _, err := decode(r4Text); err != nil {
			b.Fatal(err)
		}
	}
}
