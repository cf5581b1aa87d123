package e2e_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

// endless is an expression that takes longer than any time limit.
const endless = `count([1 | some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); some c in numbers.range(1, 3000); a + b + c == 0]) == 0`

func TestPolicyThatFails(t *testing.T) {
	t.Parallel()
	const ok = `{"allow": true, "reasons": [{"code": "ok", "text": "ok"}]}`
	for name, c := range map[string]struct {
		request, read, write string
		context              string
		status               int
		code                 string
		writes               int // status of a create
		writeCode            string
	}{
		"everything in order":                {status: 200, writes: 201},
		"request undefined":                  {request: `request := {"allow": true} if false`, status: 403, code: "policy-unusable", writes: 403},
		"request an error":                   {request: `request := {"allow": true, "reasons": [to_number("x")]}`, status: 403, code: "policy-unusable", writes: 403},
		"request two answers":                {request: "request := {\"allow\": true} if true\nrequest := {\"allow\": false} if true", status: 403, code: "policy-unusable", writes: 403},
		"request too slow":                   {request: `request := {"allow": true} if ` + endless, status: 403, code: "policy-unusable", writes: 403},
		"request true alone":                 {request: `request := true`, status: 403, code: "policy-unusable", writes: 403},
		"request allow as text":              {request: `request := {"allow": "true"}`, status: 403, code: "policy-unusable", writes: 403},
		"request without allow":              {request: `request := {"reasons": []}`, status: 403, code: "policy-unusable", writes: 403},
		"request with an unknown key":        {request: `request := {"allow": true, "alow": false}`, status: 403, code: "policy-unusable", writes: 403},
		"request with a wrong obligation":    {request: `request := {"allow": true, "obligations": {"audit": "sometimes"}}`, status: 403, code: "policy-unusable", writes: 403},
		"request with a limit of text":       {request: `request := {"allow": true, "obligations": {"limits": [{"key": "k", "requests_per_minute": "many"}]}}`, status: 403, code: "policy-unusable", writes: 403},
		"request with a mask of no action":   {request: `request := {"allow": true, "masks": {"Patient": [{"path": "Patient.name"}]}}`, status: 403, code: "policy-unusable", writes: 403},
		"request denies without a reason":    {request: `request := {"allow": false}`, status: 403, code: "policy-denied", writes: 403, writeCode: "policy-denied"},
		"context an error":                   {context: `context := {"x": to_number("x")}`, status: 403, code: "policy-unusable", writes: 403},
		"context a list":                     {context: `context := ["x"]`, status: 403, code: "policy-unusable", writes: 403},
		"read undefined":                     {read: `read := ` + ok + ` if false`, status: 500, code: "judgement-failed", writes: 500},
		"read an error":                      {read: `read := {"allow": to_number(input.resource.id) == 1}`, status: 500, code: "judgement-failed", writes: 500},
		"read too slow":                      {read: `read := {"allow": true} if ` + endless, status: 500, code: "judgement-failed", writes: 500},
		"read true alone":                    {read: `read := true`, status: 500, code: "judgement-failed", writes: 500},
		"read allow as number":               {read: `read := {"allow": 1}`, status: 500, code: "judgement-failed", writes: 500},
		"read with an unknown key":           {read: `read := {"allow": true, "mask": []}`, status: 500, code: "judgement-failed", writes: 500},
		"read with a mask that isn't listed": {read: `read := {"allow": true, "masks": [{"path": "Patient.gender", "action": "remove"}]}`, status: 500, code: "judgement-failed", writes: 500},
		"read with a listed path otherwise":  {read: `read := {"allow": true, "masks": [{"path": "Patient.name", "action": "hash"}]}`, status: 500, code: "judgement-failed", writes: 500},
		"read with a grant that is no list":  {read: `read := {"allow": true, "grants": [{"path": "Patient.name", "action": "remove"}]}`, status: 500, code: "judgement-failed", writes: 500},
		"read denies":                        {read: `read := {"allow": false}`, status: 404, code: "not-found", writes: 201},
		"write undefined":                    {write: `write := ` + ok + ` if false`, status: 200, writes: 500},
		"write an error":                     {write: `write := {"allow": to_number("x") == 1}`, status: 200, writes: 500},
		"write allow as text":                {write: `write := {"allow": "yes"}`, status: 200, writes: 500},
		"write denies":                       {write: `write := {"allow": false, "reasons": [{"code": "not-now", "text": "not now"}]}`, status: 200, writes: 403, writeCode: "not-now"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parts := map[string]string{"request": c.request, "read": c.read, "write": c.write, "context": c.context}
			text := "package fhirgate\nimport rego.v1\n" +
				`masks := {"Patient": [{"path": "Patient.name", "action": "remove"}]}` + "\n"
			maps.DeleteFunc(parts, func(_, v string) bool { return v == "" })
			for name, usual := range map[string]string{
				"request": `request := {"allow": true, "reasons": [{"code": "ok", "text": "ok"}], "masks": masks}`,
				"read":    `read := {"allow": true, "masks": object.get(masks, input.resource.resourceType, [])}`,
				"write":   `write := ` + ok,
				"context": `context := {}`,
			} {
				if parts[name] == "" {
					parts[name] = usual
				}
				text += parts[name] + "\n"
			}
			behind := harness.Demo(t)
			g := harness.Start(t, harness.Options{
				Upstream: behind, Bundle: harness.Policy(t, harness.Files{"policy.rego": text}),
				Config: map[string]map[string]any{"policy": {"timeout": "300ms", "lookup": map[string]any{"timeout": "300ms"}}},
			})
			for _, path := range []string{"Patient/anna-berg", "Patient?_id=anna-berg", "Patient/anna-berg/_history/1", "Patient/anna-berg/_history"} {
				r := g.Get(t, "patient", path)
				if strings.Contains(string(r.Body), "Kristina\"") {
					t.Errorf("%s: the name leaked", path)
				}
				switch {
				case c.status == 200:
					r.Want(t, 200)
				case c.status == 404 && strings.Contains(path, "?"):
					if r.Want(t, 200); len(r.IDs()) > 0 {
						t.Error("what is denied is found")
					}
				default:
					r.Refused(t, c.status, c.code)
				}
			}
			before := behind.Do(t, harness.Request{Path: "Observation?_summary=count"}).JSON("total").Int()
			r := g.Do(t, harness.Request{Who: "patient", Method: "POST", Path: "Observation", Body: observation("", "anna-berg", "")})
			if r.Status != c.writes || c.writeCode != "" && r.Code() != c.writeCode {
				t.Errorf("a create was answered %d (%s), want %d (%s)", r.Status, r.Code(), c.writes, c.writeCode)
			}
			after := behind.Do(t, harness.Request{Path: "Observation?_summary=count"}).JSON("total").Int()
			judged := c.write == "" && c.request == "" && c.context == ""
			if made := after - before; made != 0 && !judged && c.writes != 201 || c.writes == 201 && made != 1 {
				t.Errorf("the server behind has %d more, though the answer was %d", made, r.Status)
			}
		})
	}
}

func TestBundleThatIsRefused(t *testing.T) {
	t.Parallel()
	behind := harness.Demo(t)
	g := harness.Start(t, harness.Options{Upstream: behind, Bundle: harness.Policy(t, harness.Files{"policy.rego": open})})
	g.Get(t, "patient", "Patient/anna-berg").Want(t, 200)
	path := filepath.Join(g.Bundle, "policy.rego")
	for name, text := range map[string]string{
		"syntax":          "package fhirgate\nrequest := {",
		"unsafe":          open + "\nx := y\n",
		"an entry less":   strings.Replace(open, "read := ", "reed := ", 1),
		"http.send":       open + "\nleak := http.send({\"method\": \"GET\", \"url\": \"http://127.0.0.1:1\"})\n",
		"another package": strings.Replace(open, "package fhirgate", "package other", 1),
		"fhir shadowed":   strings.Replace(open, "package fhirgate", "package fhirgate.fhir", 1),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := g.App.LoadPolicy(t.Context()); err == nil {
			t.Errorf("%s: the bundle was taken", name)
		}
		g.Get(t, "patient", "Patient/anna-berg").Want(t, 200)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(open, `read := {"allow": true`, `read := {"allow": false`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.App.LoadPolicy(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Get(t, "patient", "Patient/anna-berg").Refused(t, 404, "not-found")
}

func TestScanLimits(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind, Limits: map[string]any{"scan_rows": 30, "upstream_page": 10, "page_max": 30, "page_default": 10}})
		// Nobody's rows but a few: past the bound it ends with a refusal, not a short page.
		g.Get(t, "practitioner2", "Observation?date=lt2026-01-01").Refused(t, 403, "too-costly")
		g.Get(t, "practitioner2", "Observation?_count=0&date=lt2026-01-01").Refused(t, 403, "too-costly")
		g.Get(t, "practitioner2", "Observation?patient=Patient/sofia-marchetti").Want(t, 200)
		// A total that would cost too much is left out; the page itself is whole.
		r := g.Get(t, "admin", "Observation?_count=5&_total=accurate&date=lt2026-01-01").Want(t, 200)
		if len(r.IDs()) != 5 || r.JSON("total").Exists() || r.Next() == "" {
			t.Errorf("%d rows, total %s, next %q", len(r.IDs()), r.JSON("total").Raw, r.Next())
		}
		// Every page has a bound of its own.
		if got, _ := walk(t, g, "admin", "Observation?_count=10&date=lt2024-01-01", 10); len(got) < 31 {
			t.Errorf("%d rows in all", len(got))
		}
		bytes := harness.Start(t, harness.Options{Upstream: behind, Limits: map[string]any{"scan_bytes": "16KiB", "max_resource": "16KiB"}})
		bytes.Get(t, "practitioner2", "Observation?date=lt2026-01-01").Refused(t, 403, "too-costly")
	})
}

func TestRates(t *testing.T) {
	t.Parallel()
	const few = `clients:
  "*": {requests_per_minute: 1000, rows_per_day: 1000}
persons:
  "*": {requests_per_minute: 5, rows_per_day: 1000}
  practitioner: {requests_per_minute: 1000, rows_per_day: 12}
roles: {}
`
	behind := harness.Demo(t)
	g := harness.Start(t, harness.Options{Upstream: behind, Bundle: harness.Library(t, harness.Files{"fhirgate/tables/limits/data.yaml": few})})
	limited := 0
	for range 12 { // two minutes may meet here
		r := g.Get(t, "patient", "Patient/anna-berg")
		if r.Status == 200 {
			continue
		}
		r.Refused(t, 429, "rate-limited")
		if wait := r.Header.Get("Retry-After"); wait == "" || wait == "0" || len(wait) > 2 {
			t.Errorf("Retry-After is %q", wait)
		}
		limited++
	}
	if limited < 2 || limited > 7 {
		t.Errorf("%d of 12 requests were limited, 5 a minute are allowed", limited)
	}
	// Another person isn't.
	g.Get(t, "patient2", "Patient/marcus-reid").Want(t, 200)
	// Volume.
	g.Get(t, "practitioner", "Observation?patient=Patient/anna-berg&_count=10").Want(t, 200)
	g.Get(t, "practitioner", "Observation?patient=Patient/anna-berg&_count=10").Refused(t, 429, "quota-exhausted")
	reviews, err := g.App.Store().ListReviews(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, r := range reviews {
		kinds[r.Kind]++
	}
	if kinds["quota-crossed"] < 2 || kinds["quota-crossed"] > 3 {
		t.Errorf("reviews are %v: one for each crossing is due", kinds)
	}
}
