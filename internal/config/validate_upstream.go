package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

func (c *Config) validateUpstreams(r *report) {
	names := map[string]int{}
	for i, u := range c.Upstreams {
		key := fmt.Sprintf("upstreams[%d]", i)
		if j, twice := names[u.Name]; twice && u.Name != "" {
			r.add(key+".name", quote(u.Name)+fmt.Sprintf(", the name of upstreams[%d]", j), "names that differ")
		}
		names[u.Name] = i
		c.validateIssuerNames(r, u, key)
		u.validate(r, key)
		u.Credentials.validate(r, key+".credentials")
		u.Writes.validate(r, key+".writes")
		if strings.HasPrefix(u.Base, "http:") && plainHTTP(u.Base) && !c.Listen.Plaintext {
			r.add(key+".base", quote(u.Base), "https, or listen.plaintext: true")
		}
		for j := range c.Upstreams[:i] {
			c.validateApart(r, i, j)
		}
	}
}

func (c *Config) validateIssuerNames(r *report, u Upstream, key string) {
	known := make([]string, 0, len(c.Issuers))
	for _, is := range c.Issuers {
		known = append(known, is.Name)
	}
	for i, n := range u.Issuers {
		at := fmt.Sprintf("%s.issuers[%d]", key, i)
		if !slices.Contains(known, n) {
			r.add(at, quote(n), "the name of an issuer ("+strings.Join(known, ", ")+")")
		}
		if slices.Contains(u.Issuers[:i], n) {
			r.add(at, quote(n)+" a second time", "each issuer once")
		}
	}
}

// validateApart holds two upstreams apart: a request belongs to one public base
// only, and a token for one is worth nothing at the other.
func (c *Config) validateApart(r *report, i, j int) {
	a, b := c.Upstreams[i], c.Upstreams[j]
	key := fmt.Sprintf("upstreams[%d]", i)
	hostA, pathA := baseKey(c.PublicBase(a))
	hostB, pathB := baseKey(c.PublicBase(b))
	if hostA == hostB && (strings.HasPrefix(pathA, pathB) || strings.HasPrefix(pathB, pathA)) {
		r.add(key+".base", fmt.Sprintf("%q, which overlaps with that of upstreams[%d]", a.Base, j), "bases of which none is within another")
	}
	for _, aud := range c.Audiences(a) {
		if slices.Contains(c.Audiences(b), aud) {
			r.add(key+".audience", fmt.Sprintf("%s, which upstreams[%d] accepts too", quote(aud), j),
				"audiences that differ, so that a token for one upstream is worth nothing at another")
		}
	}
}

func (u Upstream) validate(r *report, key string) {
	if plainHTTP(u.URL) && !u.Plaintext {
		r.add(key+".url", quote(u.URL), "https, or plaintext: true")
	}
	if (u.TLS.Cert == "") != (u.TLS.Key == "") {
		r.add(key+".tls", "one of cert and key", "both or none")
	}
	if u.TLS != (ClientTLS{}) && strings.HasPrefix(u.URL, "http:") {
		r.add(key+".tls", "settings for TLS", "nothing, as url is http")
	}
	l := u.Limits
	if l.PageDefault > l.PageMax && !r.known(key+".limits.page_max") {
		r.add(key+".limits.page_default", fmt.Sprint(l.PageDefault), fmt.Sprintf("at most page_max (%d)", l.PageMax))
	}
	if l.PageMax > l.ScanRows && !r.known(key+".limits.scan_rows") {
		r.add(key+".limits.page_max", fmt.Sprint(l.PageMax), fmt.Sprintf("at most scan_rows (%d)", l.ScanRows))
	}
	if l.MaxResource > l.ScanBytes && !r.known(key+".limits.scan_bytes") {
		r.add(key+".limits.max_resource", l.MaxResource.String(), fmt.Sprintf("at most scan_bytes (%s)", l.ScanBytes))
	}
	if u.Timeouts.ResponseHeader > u.Timeouts.Total {
		r.add(key+".timeouts.response_header", u.Timeouts.ResponseHeader.String(), fmt.Sprintf("at most total (%s)", u.Timeouts.Total))
	}
}

// credentialKeys says which keys a kind needs and which it may have besides.
func credentialKeys(kind string) (needs, may []string) {
	switch kind {
	case "bearer":
		return []string{"token"}, nil
	case "basic":
		return []string{"username", "password"}, nil
	case "client_credentials":
		return []string{"token_url", "client_id", "client_secret"}, []string{"auth_style", "scopes", "params"}
	case "azure":
		return []string{"scopes"}, []string{"client_id", "identity"}
	default:
		return nil, nil
	}
}

func (c Credentials) validate(r *report, key string) {
	set := map[string]bool{
		"token": c.Token != "", "username": c.Username != "", "password": c.Password != "", "token_url": c.TokenURL != "",
		"client_id": c.ClientID != "", "client_secret": c.ClientSecret != "", "auth_style": c.AuthStyle != "",
		"scopes": len(c.Scopes) > 0, "params": len(c.Params) > 0, "identity": c.Identity != "",
	}
	needs, may := credentialKeys(c.Kind)
	for _, name := range needs {
		if !set[name] {
			r.add(key+"."+name, "nothing", "a value, as kind is "+c.Kind)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if set[name] && !slices.Contains(needs, name) && !slices.Contains(may, name) {
			r.add(key+"."+name, "a value", "nothing, as kind is "+c.Kind)
		}
	}
	if c.Kind == "azure" && len(c.Scopes) > 1 {
		r.add(key+".scopes", fmt.Sprintf("%d scopes", len(c.Scopes)), "exactly one, as kind is azure")
	}
	if plainHTTP(c.TokenURL) {
		r.add(key+".token_url", quote(c.TokenURL), "https")
	}
}

var writeName = regexp.MustCompile(`^([A-Z][A-Za-z]+(\.(update|delete))?|\*\.(update|delete))$`)

func (w Writes) validate(r *report, key string) {
	for _, list := range []struct {
		key   string
		names []string
	}{{"ignored_for", w.IgnoredFor}, {"accept_race_for", w.AcceptRaceFor}} {
		for i, n := range list.names {
			if !writeName.MatchString(n) {
				r.add(fmt.Sprintf("%s.%s[%d]", key, list.key, i), quote(n), "Type, Type.update, Type.delete, *.update or *.delete")
			}
		}
	}
	if len(w.IgnoredFor) > 0 && w.IfMatch != "honoured" {
		r.add(key+".ignored_for", "a list", "nothing, as if_match is "+w.IfMatch)
	}
}
