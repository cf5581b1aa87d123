package identity

import (
	"context"
	"testing"
)

// BenchmarkAuthenticate shows what the cache of verified tokens saves.
func BenchmarkAuthenticate(b *testing.B) {
	for _, bench := range []struct {
		name      string
		algorithm string
		size      int
	}{{"cached", "RS256", 0}, {"verified-RS256", "RS256", -1}, {"verified-ES256", "ES256", -1}} {
		b.Run(bench.name, func(b *testing.B) {
			c := newClock()
			p := newPeer(b, c)
			a, err := New([]Upstream{{Name: "a", Audiences: []string{base}, Issuers: []Issuer{{URL: p.url(), Preset: "smart"}}}},
				Options{Clock: c.Now, CacheSize: bench.size})
			if err != nil {
				b.Fatal(err)
			}
			kid := map[string]string{"RS256": "rsa", "ES256": "ec"}[bench.algorithm]
			header := "Bearer " + p.signed(bench.algorithm, map[string]any{"kid": kid}, p.claims(map[string]any{"roles": []string{"a", "b"}}))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Authenticate(context.Background(), "a", header); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
