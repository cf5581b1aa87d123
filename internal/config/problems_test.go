package config

import (
	"errors"
	"strings"
	"testing"
)

// minimal is the shortest legal file; nine lines.
const minimal = `public_url: https://gw.example
upstreams:
  - name: main
    url: https://fhir.internal/r4
    issuers: [idp]
issuers:
  - {name: idp, url: https://idp.example, preset: smart}
policy:
  bundle: p
`

// with replaces the one place where old is in the minimal file.
func with(old, replacement string) string {
	if strings.Count(minimal, old) != 1 {
		panic("not once in the minimal file: " + old)
	}
	return strings.Replace(minimal, old, replacement, 1)
}

func TestProblems(t *testing.T) {
	up := func(lines string) string { return with("    issuers: [idp]\n", "    issuers: [idp]\n"+lines) }
	issuer := func(rest string) string {
		return with("preset: smart}", "preset: smart, "+rest+"}")
	}
	second := "  - {name: two, url: https://b.internal/r4, issuers: [idp], "
	for _, tc := range []struct{ name, file, want string }{
		{"empty file", "", "f.yaml:1: found 0 documents; expected YAML of one document, with a mapping at its top"},
		{"two documents", minimal + "---\nlog: {}\n", "f.yaml:1: found 2 documents; expected YAML of one document, with a mapping at its top"},
		{"syntax", minimal + "log: {level: info\n", "f.yaml:10: found a syntax error (could not find flow mapping end token '}'); expected YAML of one document, with a mapping at its top"},
		{"a list at the top", "- a\n", "f.yaml:1: found a list; expected a mapping"},
		{"unknown key at the top", minimal + "lissen: {}\n", "f.yaml:10: lissen: found an unknown key; expected one of listen, public_url, upstreams, issuers, policy, store, audit, metrics, tracing, log"},
		{"unknown key within", minimal + "log:\n  levle: info\n", "f.yaml:11: log.levle: found an unknown key; expected one of level, format"},
		{"unknown key in a list", up("    tiemouts: {}\n"), "f.yaml:6: upstreams[0].tiemouts: found an unknown key; expected one of name, base, url, plaintext, tls, credentials, issuers, audience, timeouts, max_connections, limits, writes"},
		{"a key twice", minimal + "log: {level: info, level: warn}\n", "f.yaml:10: log.level: found the key a second time (first on line 10); expected each key once"},
		{"a section twice", minimal + "policy:\n  bundle: q\n", "f.yaml:10: policy: found the key a second time (first on line 8); expected each key once"},
		{"a key that is a number", minimal + "1: 2\n", "f.yaml:10: 1: found a key that is not plain text; expected keys that are names"},
		{"an anchor", with("issuers: [idp]", "issuers: &x [idp]"), "f.yaml:5: upstreams[0].issuers: found a YAML anchor, alias, tag or merge key, which are not supported; expected a list"},
		{"public_url missing", with("public_url: https://gw.example\n", ""), "f.yaml:1: public_url: found nothing; expected an http or https URL without user, query or fragment"},
		{"public_url of another scheme", with("https://gw.example", "ftp://gw.example"), `f.yaml:1: public_url: found "ftp://gw.example"; expected an http or https URL without user, query or fragment`},
		{"public_url with a query", with("https://gw.example", "https://gw.example?a=b"), `f.yaml:1: public_url: found "https://gw.example?a=b"; expected an http or https URL without user, query or fragment`},
		{"public_url without TLS", with("https://gw.example", "http://gw.example"), `f.yaml:1: public_url: found "http://gw.example"; expected https, or listen.plaintext: true`},
		{"a password in a URL is not shown", with("https://fhir.internal/r4", "https://u:hunter2@fhir.internal/r4"), "f.yaml:4: upstreams[0].url: found a URL with a user in it; expected an http or https URL without user, query or fragment"},
		{"no upstreams", strings.Replace(minimal, "upstreams:\n  - name: main\n    url: https://fhir.internal/r4\n    issuers: [idp]\n", "upstreams: []\n", 1), "f.yaml:2: upstreams: found nothing; expected a list with at least one entry"},
		{"upstreams is a mapping", strings.Replace(minimal, "  - name: main\n    url: https://fhir.internal/r4\n    issuers: [idp]\n", "  name: main\n", 1), "f.yaml:2: upstreams: found a mapping; expected a list"},
		{"an upstream without url", with("    url: https://fhir.internal/r4\n", ""), "f.yaml:3: upstreams[0].url: found nothing; expected an http or https URL without user, query or fragment"},
		{"http to another machine", with("https://fhir.internal/r4", "http://fhir.internal/r4"), `f.yaml:4: upstreams[0].url: found "http://fhir.internal/r4"; expected https, or plaintext: true`},
		{"a name with capitals", with("name: main", "name: Main"), `f.yaml:3: upstreams[0].name: found "Main"; expected a name of at most 32 lower-case letters, digits and -, beginning with a letter`},
		{"a name that is a number", with("name: main", "name: 12"), "f.yaml:3: upstreams[0].name: found 12; expected a name of at most 32 lower-case letters, digits and -, beginning with a letter (in quotes)"},
		{"an issuer that is not there", with("issuers: [idp]", "issuers: [ipd]"), `f.yaml:5: upstreams[0].issuers[0]: found "ipd"; expected the name of an issuer (idp)`},
		{"no issuers of an upstream", with("issuers: [idp]", "issuers: []"), "f.yaml:5: upstreams[0].issuers: found nothing; expected a list of at least one string"},
		{"issuers is a string", with("issuers: [idp]", "issuers: idp"), `f.yaml:5: upstreams[0].issuers: found "idp"; expected a list`},
		{"a base with a trick", up("    base: /fhir/../admin\n"), `f.yaml:6: upstreams[0].base: found "/fhir/../admin"; expected a path such as /fhir, or an http or https URL, in clean form`},
		{"a base with an escape", up("    base: https://a.example/f%2fb\n"), `f.yaml:6: upstreams[0].base: found "https://a.example/f%2fb"; expected a path such as /fhir, or an http or https URL, in clean form`},
		{"bases that overlap", up(second + "base: /fhir/b}\n"), `f.yaml:6: upstreams[1].base: found "/fhir/b", which overlaps with that of upstreams[0]; expected bases of which none is within another`},
		{"one audience for two", up("    audience: [a]\n" + second + "base: /b, audience: [a]}\n"), `f.yaml:7: upstreams[1].audience: found "a", which upstreams[0] accepts too; expected audiences that differ, so that a token for one upstream is worth nothing at another`},
		{"a name for two", up("  - {name: main, base: /b, url: https://b.internal/r4, issuers: [idp]}\n"), `f.yaml:6: upstreams[1].name: found "main", the name of upstreams[0]; expected names that differ`},
		{"a duration without unit", up("    timeouts: {connect: 5}\n"), "f.yaml:6: upstreams[0].timeouts.connect: found 5; expected a duration such as 30s from 10ms to 5m"},
		{"a duration out of bounds", up("    timeouts: {connect: 20m}\n"), "f.yaml:6: upstreams[0].timeouts.connect: found 20m0s; expected a duration such as 30s from 10ms to 5m"},
		{"a negative duration", up("    timeouts: {connect: -5s}\n"), `f.yaml:6: upstreams[0].timeouts.connect: found "-5s"; expected a duration such as 30s from 10ms to 5m`},
		{"a size of the wrong kind", up("    limits: {max_resource: 10MB}\n"), `f.yaml:6: upstreams[0].limits.max_resource: found "10MB"; expected a size such as 10MiB from 1KiB to 1GiB`},
		{"a count that is text", up("    limits: {scan_rows: many}\n"), `f.yaml:6: upstreams[0].limits.scan_rows: found "many"; expected a whole number from 1 to 100000000`},
		{"a count out of bounds", up("    limits: {scan_rows: 0}\n"), "f.yaml:6: upstreams[0].limits.scan_rows: found 0; expected a whole number from 1 to 100000000"},
		{"a page larger than its bound", up("    limits: {page_default: 600}\n"), "f.yaml:6: upstreams[0].limits.page_default: found 600; expected at most page_max (500)"},
		{"a secret in the file", up("    credentials: {kind: bearer, token: hunter2}\n"), "f.yaml:6: upstreams[0].credentials.token: found something else than a reference; expected env:NAME or file:/path (a secret is never written in the file)"},
		{"a secret that is a number", up("    credentials: {kind: bearer, token: 123456}\n"), "f.yaml:6: upstreams[0].credentials.token: found something else than a reference; expected env:NAME or file:/path (a secret is never written in the file)"},
		{"a relative secret", up("    credentials: {kind: bearer, token: 'file:token'}\n"), "f.yaml:6: upstreams[0].credentials.token: found something else than a reference; expected env:NAME or file:/path (a secret is never written in the file)"},
		{"credentials of no known kind", up("    credentials: {kind: oauth}\n"), `f.yaml:6: upstreams[0].credentials.kind: found "oauth"; expected one of none, bearer, basic, client_credentials, azure`},
		{"credentials without their token", up("    credentials: {kind: bearer}\n"), "f.yaml:6: upstreams[0].credentials.token: found nothing; expected a value, as kind is bearer"},
		{"credentials with another's key", up("    credentials: {kind: none, token: env:T}\n"), "f.yaml:6: upstreams[0].credentials.token: found a value; expected nothing, as kind is none"},
		{"a client certificate without its key", up("    tls: {cert: c.pem}\n"), "f.yaml:6: upstreams[0].tls: found one of cert and key; expected both or none"},
		{"a race accepted for all", up("    writes: {accept_race_for: ['*']}\n"), `f.yaml:6: upstreams[0].writes.accept_race_for[0]: found "*"; expected Type, Type.update, Type.delete, *.update or *.delete`},
		{"HMAC", issuer("algorithms: [RS256, HS256]"), `f.yaml:7: issuers[0].algorithms[1]: found "HS256"; expected one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`},
		{"no algorithm", issuer("algorithms: []"), "f.yaml:7: issuers[0].algorithms: found an empty list; expected at least one algorithm"},
		{"skew too large", issuer("clock_skew: 1h"), "f.yaml:7: issuers[0].clock_skew: found 1h0m0s; expected a duration such as 30s from 1s to 5m"},
		{"an issuer by http", with("https://idp.example", "http://idp.example"), `f.yaml:7: issuers[0].url: found "http://idp.example"; expected https, or plaintext: true`},
		{"all tenants", with("https://idp.example", "'https://login.example/{tenant}/v2.0'"), "f.yaml:7: issuers[0].tenants: found nothing; expected at least one tenant, as url holds {tenant}"},
		{"another template", with("https://idp.example", "'https://login.example/{tenantid}/v2.0'"), `f.yaml:7: issuers[0].url: found "https://login.example/{tenantid}/v2.0"; expected an http or https URL without user, query or fragment, and {tenant} as its only template`},
		{"tenants without a claim", issuer("tenants: [t]"), "f.yaml:7: issuers[0].claims.tenant: found nothing; expected the claim with the tenant, as tenants is set"},
		{"client roles elsewhere", issuer("role_clients: [app]"), "f.yaml:7: issuers[0].role_clients: found a list; expected nothing, as preset is smart"},
		{"an application twice", issuer("clients: [{id: a}, {id: a}]"), `f.yaml:7: issuers[0].clients[1].id: found "a" a second time; expected each application once`},
		{"a flag that is a word", issuer("scopes_required: preset"), `f.yaml:7: issuers[0].scopes_required: found "preset"; expected true or false`},
		{"two issuers of a kind", with("policy:", "  - {name: idp, url: https://b.example, preset: smart}\npolicy:"), `f.yaml:8: issuers[1].name: found "idp", the name of issuers[0]; expected names that differ`},
		{"an empty claim", issuer(`claims: {roles: [""]}`), "f.yaml:7: issuers[0].claims.roles[0]: found nothing; expected a string"},
		{"no bundle", with("  bundle: p\n", ""), "f.yaml:8: policy.bundle: found nothing; expected a path"},
		{"a flag that is text", minimal + "audit: {log: 'yes'}\n", `f.yaml:10: audit.log: found "yes"; expected true or false`},
		{"listening in the open", minimal + "listen: {address: '0.0.0.0:80'}\n", `f.yaml:10: listen.address: found "0.0.0.0:80" without TLS; expected listen.tls, a loopback address, or listen.plaintext: true`},
		{"no port", minimal + "listen: {address: localhost}\n", `f.yaml:10: listen.address: found "localhost"; expected host:port`},
		{"half a certificate", minimal + "listen: {tls: {cert: c.pem}}\n", "f.yaml:10: listen.tls.key: found nothing; expected a path, as listen.tls.cert is set"},
		{"a TLS version that is gone", minimal + "listen: {tls: {min_version: 1.1}}\n", `f.yaml:10: listen.tls.min_version: found "1.1"; expected one of 1.2, 1.3`},
		{"postgres without a DSN", minimal + "store: {driver: postgres}\n", "f.yaml:10: store.dsn: found nothing; expected env:NAME or file:/path, as store.driver is postgres"},
		{"a DSN in the file", minimal + "store: {driver: postgres, dsn: 'postgres://u:hunter2@db/x'}\n", "f.yaml:10: store.dsn: found something else than a reference; expected env:NAME or file:/path (a secret is never written in the file)"},
		{"an audit file without a path", minimal + "audit: {events: file}\n", "f.yaml:10: audit.file: found nothing; expected a path, as audit.events is file"},
		{"audit to nowhere", minimal + "audit: {events: upstream, upstream: other}\n", `f.yaml:10: audit.upstream: found "other"; expected the name of an upstream`},
		{"a ratio out of bounds", minimal + "tracing: {sample_ratio: 1.5}\n", "f.yaml:10: tracing.sample_ratio: found 1.5; expected a number from 0 to 1"},
		{"a ratio that is none", minimal + "tracing: {sample_ratio: .nan}\n", "f.yaml:10: tracing.sample_ratio: found something else; expected a number from 0 to 1"},
		{"a header in the file", minimal + "tracing: {headers: {authorization: hunter2}}\n", "f.yaml:10: tracing.headers.authorization: found something else than a reference; expected env:NAME or file:/path (a secret is never written in the file)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Parse("f.yaml", []byte(tc.file))
			if err == nil || err.Error() != tc.want {
				t.Fatalf("got\n%v\nwant\n%s", err, tc.want)
			}
			if c != nil {
				t.Error("a configuration came with the error")
			}
			var p *Problem
			if !errors.As(err, &p) {
				t.Errorf("%T is no *Problem", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the message shows a secret")
			}
		})
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	_, err := Parse("f.yaml", []byte(`public_url: gw.example
listen: {max_body: 5, adress: x}
upstreams:
  - url: https://fhir.internal/r4
    issuers: [nobody]
issuers: []
store: {driver: mysql}
`))
	want := `f.yaml:1: policy.bundle: found nothing; expected a path
f.yaml:1: public_url: found "gw.example"; expected an http or https URL without user, query or fragment
f.yaml:2: listen.max_body: found 5; expected a size such as 10MiB from 1KiB to 1GiB
f.yaml:2: listen.adress: found an unknown key; expected one of address, tls, plaintext, http2, h2c, read_header_timeout, read_timeout, write_timeout, idle_timeout, shutdown_delay, shutdown_timeout, max_body, max_header, max_url
f.yaml:4: upstreams[0].name: found nothing; expected a name of at most 32 lower-case letters, digits and -, beginning with a letter
f.yaml:5: upstreams[0].issuers[0]: found "nobody"; expected the name of an issuer ()
f.yaml:6: issuers: found nothing; expected a list with at least one entry
f.yaml:7: store.driver: found "mysql"; expected one of sqlite, postgres`
	if err == nil {
		t.Fatal("no error")
	}
	got, wantLines := strings.Split(err.Error(), "\n"), strings.Split(want, "\n")
	for _, line := range wantLines {
		if !strings.Contains("\n"+err.Error()+"\n", "\n"+line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if len(got) != len(wantLines) {
		t.Errorf("got %d problems, want %d:\n%v", len(got), len(wantLines), err)
	}
}

// FuzzParse holds that a file is refused with problems or accepted as a
// configuration that keeps what the checks promise.
func FuzzParse(f *testing.F) {
	f.Add([]byte(Example()))
	f.Add([]byte(minimal))
	f.Add([]byte("a: &a [*a, *a]\nb: {<<: *a}\n? [x]\n: y\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.yaml", data)
		if (c == nil) == (err == nil) {
			t.Fatalf("configuration %v with error %v", c, err)
		}
		if err != nil {
			return
		}
		again := newReport(c.source)
		c.validate(again)
		if err := again.err(); err != nil {
			t.Fatalf("an accepted configuration is not valid: %v", err)
		}
		if c.Listen.MaxBody < 1<<10 || len(c.Upstreams) == 0 || c.Upstreams[0].Timeouts.Total <= 0 {
			t.Fatal("a bound is not kept")
		}
	})
}

// FuzzSecret holds that no message shows what stands where a secret belongs.
func FuzzSecret(f *testing.F) {
	const canary = "CaNaRy"
	f.Add("", "")
	f.Add("'", "'")
	f.Add("{a: ", "}")
	f.Add("[", "]")
	f.Add("|\n        ", "\n")
	f.Add("!!x ", "\t\x00")
	f.Add("env:", "-")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.ContainsAny(before, "\n\r\u0085\u2028\u2029:{}[],#?") { // More YAML of its own: the canary is then a value of another key, or a key.
			return
		}
		text := with("    issuers: [idp]\n", "    issuers: [idp]\n    credentials:\n      kind: bearer\n      token: "+before+canary+after+"\n")
		if _, err := Parse("f.yaml", []byte(text)); err != nil && strings.Contains(err.Error(), canary) {
			t.Fatalf("the message shows a secret: %v", err)
		}
	})
}
