package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

// TestScopesAndLaunch: what a token carries only ever takes away.
func TestScopesAndLaunch(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		const vitals = "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"
		for _, c := range []struct {
			name, who string
			claims    map[string]any
			path      string
			status    int
			code      string
		}{
			{"no scope", "patient", map[string]any{"scope": "openid"}, "Patient/anna-berg", 403, "scope-missing"},
			{"no scope claim", "patient", map[string]any{"scope": nil}, "Patient/anna-berg", 403, "scope-missing"},
			{"another type", "patient", map[string]any{"scope": "patient/Observation.rs"}, "Patient/anna-berg", 403, "scope-insufficient"},
			{"read alone", "patient", map[string]any{"scope": "patient/Observation.r"}, "Observation?patient=Patient/anna-berg", 403, "scope-insufficient"},
			{"search alone", "patient", map[string]any{"scope": "patient/Observation.s"}, "Observation/anna-berg-bp-1", 403, "scope-insufficient"},
			{"SMART v1", "patient", map[string]any{"scope": "patient/Observation.read"}, "Observation/anna-berg-bp-1", 200, ""},
			{"of the category", "patient", map[string]any{"scope": "patient/Observation.rs?category=" + vitals}, "Observation/anna-berg-bp-1", 200, ""},
			{"of another category", "patient", map[string]any{"scope": "patient/Observation.rs?category=" + vitals}, "Observation/anna-berg-tsh-1", 404, "not-found"},
			{"launch patient of a practitioner", "practitioner", map[string]any{"patient": "george-whitfield", "scope": "launch/patient patient/*.rs"}, "Patient/anna-berg", 404, "not-found"},
			{"launch patient of a practitioner, theirs", "practitioner", map[string]any{"patient": "anna-berg", "scope": "launch/patient patient/*.rs"}, "Patient/anna-berg", 200, ""},
			{"launch patient gives nothing", "practitioner", map[string]any{"patient": "sofia-marchetti", "scope": "launch/patient patient/*.rs"}, "Patient/sofia-marchetti", 404, "not-found"},
			{"all scopes give nothing", "stranger", map[string]any{"scope": "system/*.cruds user/*.cruds patient/*.cruds"}, "Patient/anna-berg", 403, "no-known-role"},
			{"an emergency in the token", "practitioner", map[string]any{"purpose_of_use": "BTG"}, "Patient/sofia-marchetti", 200, ""},
			{"another purpose in the token", "practitioner", map[string]any{"purpose_of_use": "TREAT"}, "Patient/sofia-marchetti", 404, "not-found"},
			{"somebody else as fhirUser", "patient", map[string]any{"fhirUser": "Patient/marcus-reid", "patient": nil}, "Patient/anna-berg", 404, "not-found"},
			{"a fhirUser of another server", "patient", map[string]any{"fhirUser": "https://other.example/fhir/Patient/anna-berg", "patient": nil}, "Patient/anna-berg", 403, "scope-insufficient"},
			{"a fhirUser of this base", "patient", map[string]any{"fhirUser": g.Base + "/Patient/anna-berg", "patient": nil}, "Patient/anna-berg", 200, ""},
			{"roles that are no list", "practitioner", map[string]any{"roles": map[string]any{"admin": true}}, "Patient/anna-berg", 401, "token-claims"},
		} {
			t.Run(c.name, func(t *testing.T) {
				r := g.Do(t, harness.Request{Token: g.TokenFor(t, tokenOf(c.who, c.claims)), Path: c.path})
				if c.status == 200 {
					r.Want(t, 200)
					return
				}
				r.Refused(t, c.status, c.code)
			})
		}
		only := g.TokenFor(t, tokenOf("patient", map[string]any{"scope": "patient/Observation.rs?category=" + vitals}))
		for _, e := range g.Do(t, harness.Request{Token: only, Path: "Observation?patient=Patient/anna-berg&_count=200"}).Want(t, 200).JSON("entry.#.resource").Array() {
			if e.Get("resourceType").String() == "Observation" && !strings.Contains(e.Get("category").Raw, "vital-signs") {
				t.Errorf("%s isn't of the scope's category", e.Get("id"))
			}
		}
	})
}

// TestWritesDropWhatPolicyLookedUp: rights end with the write that ends them.
func TestWritesDropWhatPolicyLookedUp(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		id := newID()
		behind.Put(t, fmt.Sprintf(`{"resourceType":"Patient","id":%q,"gender":"other"}`, id))
		g.Get(t, "practitioner2", "Patient/"+id).Refused(t, 404, "not-found")
		team := func(status string) string {
			return fmt.Sprintf(`{"resourceType":"CareTeam","id":"%s","status":"%s","subject":{"reference":"Patient/%s"},"participant":[{"member":{"reference":"Practitioner/dr-haas"}}]}`, id, status, id)
		}
		put := func(body string) {
			t.Helper()
			g.Do(t, harness.Request{Who: "admin", Method: "PUT", Path: "CareTeam/" + id, Body: body}).Want(t, 200)
		}
		behind.Put(t, team("inactive"))
		put(team("active"))
		g.Get(t, "practitioner2", "Patient/"+id).Want(t, 200)
		put(team("inactive"))
		g.Get(t, "practitioner2", "Patient/"+id).Refused(t, 404, "not-found")
		// Nobody else may do that.
		for _, who := range []string{"practitioner2", "patient", "relatedperson", "researcher", "registrar"} {
			r := g.Do(t, harness.Request{Who: who, Method: "PUT", Path: "CareTeam/" + id, Body: team("active")})
			if r.Status != 403 && r.Status != 404 {
				t.Errorf("%s: status %d", who, r.Status)
			}
		}
		g.Get(t, "practitioner2", "Patient/"+id).Refused(t, 404, "not-found")
	})
}

// TestUnmaskedIsUnchanged: what nobody masks comes as it is stored, byte for byte.
func TestUnmaskedIsUnchanged(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		for _, path := range []string{"Patient/anna-berg", "Observation/anna-berg-bp-1", "Binary/anna-berg-doc-2024-visit-content", "Encounter/anna-berg-enc-2024-checkup", "Consent/daniel-cohen-consent-research", "Practitioner/dr-okafor"} {
			stored, seen := behind.Do(t, harness.Request{Path: path}), g.Get(t, "admin", path)
			if stored.Status == 404 {
				continue
			}
			if string(stored.Body) != string(seen.Want(t, 200).Body) {
				t.Errorf("%s differs:\n%s\n%s", path, stored.Body, seen.Body)
			}
			if stored.Header.Get("ETag") != seen.Header.Get("ETag") {
				t.Errorf("%s: ETag %q, stored %q", path, seen.Header.Get("ETag"), stored.Header.Get("ETag"))
			}
		}
		// In a masked one, every element that is left does.
		stored, seen := behind.Do(t, harness.Request{Path: "Patient/anna-berg"}), g.Get(t, "practitioner", "Patient/anna-berg").Want(t, 200)
		seen.JSON("@this").ForEach(func(key, value gjson.Result) bool {
			if key.String() != "meta" && value.Raw != stored.JSON(key.String()).Raw {
				t.Errorf("%s is %s, stored %s", key, value.Raw, stored.JSON(key.String()).Raw)
			}
			return true
		})
	})
}

// TestAddressBehindStaysHidden: absolute links of the server behind are made
// relative wherever they stand, and no header of its own passes.
func TestAddressBehindStaysHidden(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		id := newID()
		behind.Put(t, observation(id, "anna-berg", fmt.Sprintf(`,"encounter":{"reference":"%s/Encounter/anna-berg-enc-2024-checkup"},"note":[{"text":"see elsewhere"}]`, behind.URL)))
		for _, path := range []string{
			"Observation/" + id, "Observation?_id=" + id, "Observation/" + id + "/_history", "Observation/" + id + "/_history/1", "Observation?patient=Patient/anna-berg&_count=1", "metadata", "Observation/none",
		} {
			r := g.Get(t, "practitioner", path)
			address := strings.TrimPrefix(strings.TrimSuffix(behind.URL, "/fhir"), "http://")
			if strings.Contains(string(r.Body)+headerText(r.Header), address) {
				t.Errorf("%s shows the address behind: %s\n%.2000s", path, headerText(r.Header), r.Body)
			}
			for name := range r.Header {
				switch name {
				case "X-Request-Id", "Cache-Control", "X-Content-Type-Options", "Etag", "Last-Modified", "Vary", "Content-Type", "Content-Length", "Date":
				default:
					t.Errorf("%s: header %s: %s", path, name, r.Header.Get(name))
				}
			}
		}
	})
}

// TestSearchesAtATime bounds how many one caller has running.
func TestSearchesAtATime(t *testing.T) {
	t.Parallel()
	reached, release := make(chan struct{}, 10), make(chan struct{})
	behind := serveBehind(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached <- struct{}{}
		<-release
		w.Header().Set("Content-Type", "application/fhir+json")
		_, _ = w.Write([]byte(bundleOf(entryOf(patientOf("x")))))
	}))
	g := harness.Start(t, harness.Options{Upstream: behind, Bundle: openPolicy(t), Limits: map[string]any{"scans_per_caller": 2}})
	first := make(chan int, 3)
	search := func(who string) {
		r, err := g.Try(t.Context(), t, harness.Request{Who: who, Path: "Patient"})
		if err != nil {
			r.Status = -1
		}
		first <- r.Status
	}
	for _, who := range []string{"patient", "practitioner"} {
		g.Token(t, who)
	}
	go search("patient")
	go search("patient")
	<-reached
	<-reached
	r := g.Get(t, "patient", "Patient").Refused(t, 429, "too-many-searches")
	if r.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	go search("practitioner") // another caller
	<-reached
	close(release)
	for range 3 {
		if status := <-first; status != 200 {
			t.Errorf("status %d", status)
		}
	}
	g.Get(t, "patient", "Patient").Want(t, 200)
}
