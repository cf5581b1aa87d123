package config

import (
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"
)

// validate adds every problem of c to r and changes nothing. Keys that are
// already known to be bad are left alone.
func (c *Config) validate(r *report) {
	walk(reflect.ValueOf(c).Elem(), "", r.checkTags)
	c.Listen.validate(r)
	if plainHTTP(c.PublicURL) && !c.Listen.Plaintext {
		r.add("public_url", quote(c.PublicURL), "https, or listen.plaintext: true")
	}
	c.validateUpstreams(r)
	c.validateIssuers(r)
	c.Store.validate(r)
	c.validateAudit(r)
}

// checkTags applies required, enum, format, min and max.
func (r *report) checkTags(f field) {
	empty := f.value.IsZero() || f.value.Kind() == reflect.Slice && f.value.Len() == 0
	if empty && f.item {
		r.add(f.key, "nothing", wantType(f.value.Type(), f.tags))
		return
	}
	if empty && f.value.Kind() == reflect.String && f.tag("enum") == "" {
		if f.tag("required") == "true" || f.tag("default") != "" {
			r.add(f.key, "nothing", wantType(f.value.Type(), f.tags))
		}
		return
	}
	if empty && f.tag("required") == "true" {
		r.add(f.key, "nothing", wantType(f.value.Type(), f.tags))
		return
	}
	if !r.inBounds(f) || f.value.Kind() == reflect.String && !f.hasForm() {
		r.add(f.key, f.show(), wantType(f.value.Type(), f.tags))
	}
}

// hasForm checks enum and format of a string.
func (f field) hasForm() bool {
	s := f.value.String()
	if enum := f.tag("enum"); enum != "" {
		return slices.Contains(strings.Split(enum, "|"), s) || s == "" && f.tag("default") == "" && !f.item
	}
	check := formats()[f.tag("format")].ok
	return check == nil || check(s)
}

func (r *report) inBounds(f field) bool {
	if f.tag("min") == "" {
		return true
	}
	low, high := reflect.New(f.value.Type()).Elem(), reflect.New(f.value.Type()).Elem()
	if !setScalar(low, f.tag("min")) || !setScalar(high, f.tag("max")) {
		return false
	}
	if f.value.Kind() == reflect.Float64 {
		return low.Float() <= f.value.Float() && f.value.Float() <= high.Float()
	}
	return low.Int() <= f.value.Int() && f.value.Int() <= high.Int()
}

// show is the value as one would write it. A URL with a user in it is not
// shown: there is a password beside it.
func (f field) show() string {
	switch v := f.value.Interface().(type) {
	case time.Duration:
		return v.String()
	case Size:
		return v.String()
	case string:
		if strings.Contains(v, "@") && strings.Contains(v, "//") {
			return "a URL with a user in it"
		}
		return quote(v)
	default:
		return fmt.Sprint(v)
	}
}

func (l Listen) validate(r *report) {
	if l.TLS.Cert == "" && l.TLS.Key != "" {
		r.add("listen.tls.cert", "nothing", "a path, as listen.tls.key is set")
	}
	if l.TLS.Cert != "" && l.TLS.Key == "" {
		r.add("listen.tls.key", "nothing", "a path, as listen.tls.cert is set")
	}
	if l.TLS.On() && l.H2C {
		r.add("listen.h2c", "true", "false, as listen.tls is set")
	}
	host, _, err := net.SplitHostPort(l.Address)
	if err == nil && !loopback(host) && !l.TLS.On() && !l.Plaintext {
		r.add("listen.address", quote(l.Address)+" without TLS", "listen.tls, a loopback address, or listen.plaintext: true")
	}
}

func (s Store) validate(r *report) {
	if s.Driver == "postgres" && s.DSN == "" {
		r.add("store.dsn", "nothing", "env:NAME or file:/path, as store.driver is postgres")
	}
	if s.Driver == "sqlite" && s.DSN != "" {
		r.add("store.dsn", "a value", "nothing, as store.driver is sqlite")
	}
}

func (c *Config) validateAudit(r *report) {
	a := c.Audit
	if a.Events == "file" && a.File == "" {
		r.add("audit.file", "nothing", "a path, as audit.events is file")
	}
	if a.Events != "file" && a.File != "" {
		r.add("audit.file", quote(a.File), "nothing, as audit.events is "+a.Events)
	}
	if a.Upstream == "" {
		return
	}
	if a.Events != "upstream" {
		r.add("audit.upstream", quote(a.Upstream), "nothing, as audit.events is "+a.Events)
	}
	known := func(u Upstream) bool { return u.Name == a.Upstream }
	if !slices.ContainsFunc(c.Upstreams, known) {
		r.add("audit.upstream", quote(a.Upstream), "the name of an upstream")
	}
}

func (c *Config) validateIssuers(r *report) {
	names, urls := map[string]int{}, map[string]int{}
	for i, is := range c.Issuers {
		key := fmt.Sprintf("issuers[%d]", i)
		if j, twice := names[is.Name]; twice && is.Name != "" {
			r.add(key+".name", quote(is.Name)+fmt.Sprintf(", the name of issuers[%d]", j), "names that differ")
		}
		if j, twice := urls[is.URL]; twice && is.URL != "" {
			r.add(key+".url", quote(is.URL)+fmt.Sprintf(", the issuer of issuers[%d]", j), "issuers that differ")
		}
		names[is.Name], urls[is.URL] = i, i
		is.validate(r, key)
	}
}

func (is Issuer) validate(r *report, key string) {
	for _, f := range []struct{ key, url string }{{"url", is.URL}, {"jwks_url", is.JWKSURL}} {
		if plainHTTP(f.url) && !is.Plaintext {
			r.add(key+"."+f.key, quote(f.url), "https, or plaintext: true")
		}
	}
	if len(is.Algorithms) == 0 {
		r.add(key+".algorithms", "an empty list", "at least one algorithm")
	}
	if strings.Contains(is.URL, "{tenant}") && len(is.Tenants) == 0 {
		r.add(key+".tenants", "nothing", "at least one tenant, as url holds {tenant}")
	}
	if len(is.Tenants) > 0 && is.Preset != "entra" && len(is.Claims.Tenant) == 0 {
		r.add(key+".claims.tenant", "nothing", "the claim with the tenant, as tenants is set")
	}
	if len(is.RoleClients) > 0 && is.Preset != "keycloak" {
		r.add(key+".role_clients", "a list", "nothing, as preset is "+is.Preset)
	}
	for i, base := range is.FHIRBases {
		if !isURL(base) {
			r.add(fmt.Sprintf("%s.fhir_bases[%d]", key, i), quote(base), formats()["url"].want)
		}
	}
	for i, client := range is.Clients {
		same := func(other Client) bool { return other.ID == client.ID }
		if client.ID != "" && slices.ContainsFunc(is.Clients[:i], same) {
			r.add(fmt.Sprintf("%s.clients[%d].id", key, i), quote(client.ID)+" a second time", "each application once")
		}
	}
}
