package identity

import (
	"strings"
	"testing"
	"time"
)

func TestConfigurationRefused(t *testing.T) {
	issuer := func(change func(*Issuer)) []Upstream {
		c := Issuer{URL: "https://login.example", Preset: "custom"}
		change(&c)
		return []Upstream{{Name: "a", Audiences: []string{base}, Issuers: []Issuer{c}}}
	}
	good := issuer(func(*Issuer) {})[0]
	tests := map[string]struct {
		upstreams []Upstream
		want      string // in the error; empty: accepted
	}{
		"good":                    {[]Upstream{good}, ""},
		"loopback over http":      {issuer(func(c *Issuer) { c.URL = "http://127.0.0.1:8080/idp" }), ""},
		"http allowed":            {issuer(func(c *Issuer) { c.URL, c.AllowHTTP = "http://keycloak:8080/realms/a", true }), ""},
		"http":                    {issuer(func(c *Issuer) { c.URL = "http://login.example" }), "issuers[0]: url"},
		"http that looks local":   {issuer(func(c *Issuer) { c.URL = "http://127.0.0.1.evil.example" }), "issuers[0]: url"},
		"no URL":                  {issuer(func(c *Issuer) { c.URL = "" }), "issuers[0]: url"},
		"URL with a query":        {issuer(func(c *Issuer) { c.URL = "https://login.example?a=b" }), "issuers[0]: url"},
		"keys over http":          {issuer(func(c *Issuer) { c.JWKSURL = "http://login.example/keys" }), "jwks_url"},
		"no preset":               {issuer(func(c *Issuer) { c.Preset = "" }), "preset"},
		"unknown preset":          {issuer(func(c *Issuer) { c.Preset = "okta" }), "preset"},
		"HMAC":                    {issuer(func(c *Issuer) { c.Algorithms = []string{"RS256", "HS256"} }), "algorithms[1]"},
		"none":                    {issuer(func(c *Issuer) { c.Algorithms = []string{"none"} }), "algorithms[0]"},
		"skew too large":          {issuer(func(c *Issuer) { c.ClockSkew = 6 * time.Minute }), "clock_skew"},
		"skew negative":           {issuer(func(c *Issuer) { c.ClockSkew = -1 }), "clock_skew"},
		"tenant in URL, no list":  {issuer(func(c *Issuer) { c.URL, c.Preset = "https://login.example/{tenant}", "entra" }), "tenants"},
		"tenants without a claim": {issuer(func(c *Issuer) { c.Tenants = []string{"t"} }), "claims.tenant"},
		"empty tenant":            {issuer(func(c *Issuer) { c.Tenants, c.Preset = []string{""}, "entra" }), "tenants"},
		"empty claim path":        {issuer(func(c *Issuer) { c.Claims.Roles = []string{""} }), "claims"},
		"scope map to nothing":    {issuer(func(c *Issuer) { c.ScopeMap = map[string]string{"a": "b"} }), "scope_map"},
		"scope map to two":        {issuer(func(c *Issuer) { c.ScopeMap = map[string]string{"a": "user/*.rs user/*.c"} }), "scope_map"},
		"bad FHIR base":           {issuer(func(c *Issuer) { c.FHIRBases = []string{"gate"} }), "fhir_bases[0]"},
		"no name":                 {[]Upstream{{Audiences: []string{base}}}, "name"},
		"same name":               {[]Upstream{{Name: "a", Audiences: []string{"x"}}, {Name: "a", Audiences: []string{"y"}}}, "used twice"},
		"same audience":           {[]Upstream{good, {Name: "b", Audiences: []string{base}}}, "audience"},
		"same audience, issuer":   {[]Upstream{good, {Name: "b", Issuers: []Issuer{{URL: "https://x.example", Preset: "smart", Audiences: []string{base}}}}}, "audience"},
		"no audience":             {[]Upstream{{Name: "a", Issuers: good.Issuers}}, "audiences"},
		"empty audience":          {[]Upstream{{Name: "a", Audiences: []string{""}}}, "audiences[0]"},
		"same issuer":             {[]Upstream{{Name: "a", Audiences: []string{base}, Issuers: []Issuer{good.Issuers[0], good.Issuers[0]}}}, "twice"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.upstreams, Options{})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Fatalf("New: %v, want %q", err, tt.want)
			}
		})
	}
}
