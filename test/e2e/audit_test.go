package e2e_test

import (
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

// TestAudit: one event for each request, whatever became of it, and nothing of
// what the requests held.
func TestAudit(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		requests := []harness.Request{
			{Who: "practitioner", Path: "Patient/anna-berg"},
			{Who: "practitioner", Path: "Patient/sofia-marchetti"},
			{Who: "practitioner", Path: "Patient?family=Berg&given=canary-given"},
			{Who: "practitioner", Method: "POST", Path: "Patient/_search", Body: "family=canary-family&birthdate=1984-03-17"},
			{Who: "practitioner", Path: "Patient/canary-id"},
			{Who: "practitioner", Path: "Patient?canary-param=canary-value"},
			{Who: "practitioner", Path: "Canary-type/canary-id"},
			{Who: "practitioner", Path: "Patient/x", Header: []string{"X-Act-As", "admin"}},
			{Who: "practitioner", Path: "Patient/x", Header: []string{"X-Request-Id", "canary-request", "User-Agent", "canary-agent"}},
			{Who: "researcher", Path: "Patient?name=canary-name"},
			{Who: "stranger", Path: "Patient/anna-berg"},
			{Path: "Patient/anna-berg"},
			{Token: "canary-token", Path: "Patient/anna-berg"},
			{Who: "practitioner", Path: "Patient/x", Header: []string{"Accept", "application/fhir+xml"}},
			{Who: "practitioner", Method: "POST", Path: "Observation", Body: observation("", "anna-berg", `,"note":[{"text":"canary-note"}]`)},
			{Who: "practitioner", Method: "POST", Path: "Observation", Body: `{"canary-broken`},
			{Who: "practitioner", Method: "PUT", Path: "Observation/x", Body: observation("y", "anna-berg", `,"note":[{"text":"canary-note"}]`)},
			{Who: "practitioner", Method: "BREW", Path: "Patient/x"},
			{Who: "practitioner", Method: "PATCH", Path: "Patient/x", Body: `[{"op":"add","path":"/canary-patch"}]`},
			{Who: "practitioner", Path: "Patient?_page=canary-page"},
			{Who: "admin", Path: "Observation?patient=Patient/anna-berg"},
			{Path: "metadata"},
		}
		ids := map[string]harness.Request{}
		statuses := map[string]int{}
		for _, r := range requests {
			reply := g.Do(t, r)
			id := reply.Header.Get("X-Request-Id")
			if id == "" || ids[id].Path != "" {
				t.Fatalf("%s %s: request id %q", r.Method, r.Path, id)
			}
			ids[id], statuses[id] = r, reply.Status
		}
		for id, r := range ids {
			events := g.AuditEvents(t, id)
			if len(events) != 1 {
				t.Errorf("%s %s: %d events", r.Method, r.Path, len(events))
			}
			event := events[0]
			if event.Get("resourceType").String() != "AuditEvent" || !event.Get("recorded").Exists() || !event.Get("agent.0").Exists() {
				t.Errorf("%s %s: not an AuditEvent: %s", r.Method, r.Path, event.Raw)
			}
			if failed := event.Get("outcome").String() != "0"; failed != (statuses[id] >= 400) {
				t.Errorf("%s %s: outcome %s of a %d", r.Method, r.Path, event.Get("outcome"), statuses[id])
			}
		}
		text := g.Audit(t)
		if n := strings.Count(text, "\n"); n != len(requests) {
			t.Errorf("%d events of %d requests", n, len(requests))
		}
		for _, secret := range []string{"canary", "Berg\"", "Berg ", "1984-03", "Anna", "000-12", "Bearer", "eyJ"} {
			for name, where := range map[string]string{"audit": text, "log": g.Log.String()} {
				if at := strings.Index(where, secret); at >= 0 {
					t.Errorf("%q is in the %s: …%s…", secret, name, where[max(0, at-100):min(len(where), at+60)])
				}
			}
		}
		// What was given out is named.
		if !strings.Contains(text, "Patient/anna-berg") {
			t.Error("the audit doesn't say whose record was read")
		}
	})
}

// TestAuditThatMustBeWritten: where policy demands a full audit, nothing is given
// without it.
func TestAuditThatMustBeWritten(t *testing.T) {
	t.Parallel()
	behind := harness.Demo(t)
	g := harness.Start(t, harness.Options{Upstream: behind, Config: map[string]map[string]any{"audit": {"events": "file", "file": "/dev/full", "log": false}}, LosesAudit: true})
	r := g.Get(t, "admin", "Patient/anna-berg")
	r.Refused(t, 503, "audit-unavailable")
}
