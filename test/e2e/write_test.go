package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/fhirgate/fhirgate/internal/demo/data"
	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

func observation(id, patient, more string) string {
	if id != "" {
		id = fmt.Sprintf(`"id":%q,`, id)
	}
	return fmt.Sprintf(`{"resourceType":"Observation",%s"status":"final","code":{"text":"e2e"},"subject":{"reference":"Patient/%s"}%s}`, id, patient, more)
}

// copyOfAnna is a Patient like Anna, with an id of its own, in Dr. Okafor's care.
func copyOfAnna(t *testing.T, id string) string {
	t.Helper()
	var anna string
	for line := range strings.Lines(readAll(t, data.Stories())) {
		if gjson.Get(line, "resourceType").String() == "Patient" && gjson.Get(line, "id").String() == "anna-berg" {
			anna = line
		}
	}
	return strings.Replace(anna, `"id":"anna-berg"`, `"id":"`+id+`"`, 1)
}

func TestCreate(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		for _, c := range []struct {
			name, who, path, body string
			status                int
			code                  string
		}{
			{"practitioner, own patient", "practitioner", "Observation", observation("", "anna-berg", ""), 201, ""},
			{"practitioner, another's patient", "practitioner", "Observation", observation("", "sofia-marchetti", ""), 403, "resource-not-granted"},
			{"practitioner, nobody's", "practitioner", "Observation", `{"resourceType":"Observation","status":"final","code":{"text":"x"}}`, 403, "resource-not-granted"},
			{"practitioner, two patients", "practitioner", "Observation", observation("", "anna-berg", `,"performer":[{"reference":"Patient/sofia-marchetti"}]`), 403, "resource-not-granted"},
			{"practitioner, type not granted", "practitioner", "Organization", `{"resourceType":"Organization","name":"x"}`, 403, "type-not-granted"},
			{"practitioner, a team of their own", "practitioner", "CareTeam", `{"resourceType":"CareTeam","status":"active","subject":{"reference":"Patient/sofia-marchetti"},"participant":[{"member":{"reference":"Practitioner/dr-okafor"}}]}`, 403, "type-not-granted"},
			{"patient, own", "patient", "Observation", observation("", "anna-berg", ""), 201, ""},
			{"patient, another's", "patient", "Observation", observation("", "marcus-reid", ""), 403, "resource-not-granted"},
			{"patient, condition", "patient", "Condition", `{"resourceType":"Condition","subject":{"reference":"Patient/anna-berg"}}`, 403, "type-not-granted"},
			{"relatedperson", "relatedperson", "Observation", observation("", "leo-lind", ""), 403, "type-not-granted"},
			{"researcher", "researcher", "Observation", observation("", "anna-berg", ""), 403, "scope-insufficient"},
			{"registrar", "registrar", "Observation", observation("", "anna-berg", ""), 403, "type-not-granted"},
			{"admin", "admin", "Observation", observation("", "anna-berg", ""), 201, ""},
			{"stranger", "stranger", "Observation", observation("", "anna-berg", ""), 403, "no-known-role"},
			{"anonymous", "", "Observation", observation("", "anna-berg", ""), 401, "login-required"},
			{"own absolute references", "practitioner", "Observation", strings.Replace(observation("", "anna-berg", ""), "Patient/anna-berg", g.Base+"/Patient/anna-berg", 1), 201, ""},
			{"a reference to nothing", "admin", "Observation", observation("", "never-was", ""), 422, "upstream-rejected"},
			{"a placeholder", "practitioner", "Patient", `{"resourceType":"Patient","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}`, 403, "type-not-granted"},
		} {
			t.Run(c.name, func(t *testing.T) {
				r := g.Do(t, harness.Request{Who: c.who, Method: "POST", Path: c.path, Body: c.body})
				if c.status != 201 {
					if c.code == "upstream-rejected" && (r.Status == 400 || r.Status == 422) {
						return
					}
					r.Refused(t, c.status, c.code)
					return
				}
				r.Want(t, 201)
				id := r.JSON("id").String()
				if want := g.Base + "/Observation/" + id + "/_history/1"; r.Header.Get("Location") != want {
					t.Errorf("Location is %q, want %q", r.Header.Get("Location"), want)
				}
				if r.Header.Get("ETag") != `W/"1"` {
					t.Errorf("ETag is %q", r.Header.Get("ETag"))
				}
				stored := behind.Do(t, harness.Request{Path: "Observation/" + id}).Want(t, 200)
				if ref := stored.JSON("subject.reference").String(); ref != "Patient/anna-berg" {
					t.Errorf("stored subject is %q", ref)
				}
			})
		}
	})
}

func TestPreferReturn(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		for prefer, typ := range map[string]string{"return=minimal": "", "return=representation": "Observation", "return=OperationOutcome": "OperationOutcome", "": "Observation"} {
			r := g.Do(t, harness.Request{Who: "practitioner", Method: "POST", Path: "Observation", Body: observation("", "anna-berg", ""), Header: []string{"Prefer", prefer}}).Want(t, 201)
			if got := r.JSON("resourceType").String(); got != typ || typ == "" && len(r.Body) > 0 {
				t.Errorf("Prefer %q gave %q (%d bytes)", prefer, got, len(r.Body))
			}
		}
	})
}

func TestUpdateWithoutMasks(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		id := newID()
		behind.Put(t, observation(id, "anna-berg", ""))
		put := func(who, body string, header ...string) harness.Reply {
			return g.Do(t, harness.Request{Who: who, Method: "PUT", Path: "Observation/" + id, Body: body, Header: header})
		}
		r := put("practitioner", observation(id, "anna-berg", `,"valueString":"second"`)).Want(t, 200)
		if r.Header.Get("ETag") != `W/"2"` || r.JSON("valueString").String() != "second" {
			t.Errorf("after an update: %s %s", r.Header.Get("ETag"), r.Body)
		}
		put("practitioner", observation(id, "anna-berg", ""), "If-Match", `W/"1"`).Refused(t, 412, "version-conflict")
		put("practitioner", observation(id, "anna-berg", ""), "If-Match", `W/"1", W/"2"`).Refused(t, 400, "bad-if-match")
		put("practitioner", observation(id, "anna-berg", ""), "If-Match", `*`).Refused(t, 400, "bad-if-match")
		put("practitioner", observation(id, "anna-berg", `,"valueString":"third"`), "If-Match", `W/"2"`).Want(t, 200)
		// Away from the patient, and to one of another's.
		put("practitioner", observation(id, "sofia-marchetti", "")).Refused(t, 403, "resource-not-granted")
		put("practitioner2", observation(id, "anna-berg", "")).Refused(t, 404, "not-found")
		put("patient", observation(id, "anna-berg", "")).Refused(t, 403, "type-not-granted")
		put("researcher", observation(id, "anna-berg", "")).Refused(t, 403, "scope-insufficient")
		put("", observation(id, "anna-berg", "")).Refused(t, 401, "login-required")
		stored := behind.Do(t, harness.Request{Path: "Observation/" + id}).Want(t, 200)
		if stored.JSON("valueString").String() != "third" || stored.JSON("meta.versionId").String() != "3" {
			t.Errorf("stored: %s", stored.Body)
		}
		// Versions.
		got := []string{}
		h := g.Get(t, "practitioner", "Observation/"+id+"/_history").Want(t, 200)
		for _, e := range h.JSON("entry").Array() {
			got = append(got, e.Get("resource.meta.versionId").String()+" "+e.Get("request.method").String())
		}
		if len(got) != 3 || !strings.HasPrefix(got[0], "3 ") || h.JSON("type").String() != "history" || h.JSON("total").Int() != 3 {
			t.Errorf("history is %q of type %s, total %s", got, h.JSON("type"), h.JSON("total"))
		}
		g.Get(t, "practitioner2", "Observation/"+id+"/_history").Refused(t, 404, "not-found")
		if g.Get(t, "practitioner", "Observation/"+id+"/_history/1").Want(t, 200).JSON("valueString").Exists() {
			t.Error("version 1 is another")
		}
	})
}

func TestDelete(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		id := newID()
		behind.Put(t, observation(id, "anna-berg", ""))
		path := "Observation/" + id
		del := func(who, path string, header ...string) harness.Reply {
			return g.Do(t, harness.Request{Who: who, Method: "DELETE", Path: path, Header: header})
		}
		del("practitioner2", path).Refused(t, 404, "not-found")
		del("patient", path).Refused(t, 403, "type-not-granted")
		del("practitioner", "Condition/anna-berg-cond-hypertension").Refused(t, 403, "type-not-granted")
		del("practitioner", path, "If-Match", `W/"9"`).Refused(t, 412, "version-conflict")
		if behind.Kind == "hapi" {
			// It ignores If-Match on a delete, the probe finds out, and no race is accepted.
			del("practitioner", path).Refused(t, 501, "if-match-not-honoured")
			behind.Do(t, harness.Request{Path: path}).Want(t, 200)
			return
		}
		del("practitioner", path).Want(t, 204)
		if got := behind.Do(t, harness.Request{Path: path}).Status; got != 410 {
			t.Errorf("after a delete the server behind says %d", got)
		}
		g.Get(t, "practitioner", path).Refused(t, 404, "not-found")
		h := g.Get(t, "practitioner", path+"/_history").Want(t, 200)
		if h.JSON("entry.#.request.method").Raw != `["DELETE","POST"]` && h.JSON("entry.#.request.method").Raw != `["DELETE","PUT"]` {
			t.Errorf("history after a delete: %s", h.JSON("entry.#.request.method"))
		}
		g.Get(t, "practitioner2", path+"/_history").Refused(t, 404, "not-found")
	})
}

// TestUpdateOfWhatIsMasked is the merge: Dr. Okafor sees the Patient without photo.
func TestUpdateOfWhatIsMasked(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		id := newID()
		behind.Put(t, copyOfAnna(t, id))
		path := "Patient/" + id
		before := behind.Do(t, harness.Request{Path: path}).Want(t, 200)
		seen := g.Get(t, "practitioner", path).Want(t, 200)
		if seen.JSON("photo").Exists() || !before.JSON("photo").Exists() {
			t.Fatal("the photo isn't masked: the library changed")
		}
		edited := strings.Replace(string(seen.Body), "555-010-1001", "555-010-9999", 1)
		put := func(body string, header ...string) harness.Reply {
			return g.Do(t, harness.Request{Who: "practitioner", Method: "PUT", Path: path, Body: body, Header: header})
		}
		put(edited).Refused(t, 428, "if-match-required")
		put(edited, "If-Match", `W/"7"`).Refused(t, 412, "version-conflict")
		put(strings.Replace(edited, `"gender"`, `"photo":[{"title":"mine"}],"gender"`, 1), "If-Match", seen.Header.Get("ETag")).Refused(t, 422, "masked-element-changed")
		if got := behind.Do(t, harness.Request{Path: path}).JSON("meta.versionId").String(); got != "1" {
			t.Fatalf("refused writes made version %s", got)
		}
		r := put(edited, "If-Match", seen.Header.Get("ETag")).Want(t, 200)
		if r.JSON("photo").Exists() {
			t.Error("the answer to the write shows what is masked")
		}
		after := behind.Do(t, harness.Request{Path: path}).Want(t, 200)
		for _, kept := range []string{"photo", "identifier", "contact", "address", "extension"} {
			if a, b := before.JSON(kept).Raw, after.JSON(kept).Raw; a != b {
				t.Errorf("%s was %s and is %s", kept, a, b)
			}
		}
		if got := after.JSON("telecom.0.value").String(); got != "555-010-9999" {
			t.Errorf("the change didn't arrive: %s", got)
		}
		noPlaceholders(t, after)
		put(edited, "If-Match", seen.Header.Get("ETag")).Refused(t, 412, "version-conflict")
		// The general practitioner gives rights.
		g.Do(t, harness.Request{
			Who: "practitioner", Method: "PUT", Path: path, Header: []string{"If-Match", r.Header.Get("ETag")},
			Body: strings.Replace(string(r.Body), "Practitioner/dr-okafor", "Practitioner/dr-haas", 1),
		}).Refused(t, 403, "gives-rights")
	})
}

// noPlaceholders holds what arrived behind free of what masks put in.
func noPlaceholders(t *testing.T, stored harness.Reply) {
	t.Helper()
	for _, placeholder := range []string{"REDACTED", "data-absent-reason", "SUBSETTED", `"masked"`} {
		if strings.Contains(string(stored.Body), placeholder) {
			t.Errorf("%s arrived at the server behind", placeholder)
		}
	}
}

// writers is the library with a researcher who may write, seeing every kind of
// mask.
const writers = `title: Researcher
description: For tests, one who sees masks of every kind and may write.
patients: [all]
compartment:
  Patient: [read, history, write]
  Observation: [read, history, write]
masks:
  - {path: Patient.name.family, action: hash}
  - {path: Patient.birthDate, action: truncate, to: year}
  - {path: Patient.address.postalCode, action: truncate, to: postal3}
  - {path: Patient.telecom.value, action: replace, value: hidden}
  - {path: Patient.gender, action: generalize, map: {female: unknown}, default: unknown}
  - {path: Patient.identifier.where(system='http://hl7.org/fhir/sid/us-ssn'), action: remove}
  - {path: Patient.photo, action: remove}
  - {path: Patient.maritalStatus, action: remove}
  - {path: Observation.code, action: remove}
`

func TestPlaceholdersNeverArrive(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind, Bundle: harness.Library(t, harness.Files{"fhirgate/tables/roles/researcher/data.yaml": writers})})
		scoped := researcherWithScopes(t, g)
		id := newID()
		behind.Put(t, copyOfAnna(t, id))
		path := "Patient/" + id
		before := behind.Do(t, harness.Request{Path: path}).Want(t, 200)
		seen := g.Do(t, harness.Request{Token: scoped, Path: path}).Want(t, 200)
		for _, secret := range []string{`"family":"Berg","given":["Anna`, "1984-03-17", `"02998","country":"US","text"`, "555-010-1001", `"female"`, "000-12-1001", "Married"} {
			if strings.Contains(string(seen.Body), secret) {
				t.Errorf("the masked view shows %s", secret)
			}
		}
		// Written back as it was read, with one change that is seen.
		edited := strings.Replace(string(seen.Body), `"active":true`, `"active":false`, 1)
		r := g.Do(t, harness.Request{Token: scoped, Method: "PUT", Path: path, Body: edited, Header: []string{"If-Match", seen.Header.Get("ETag")}}).Want(t, 200)
		after := behind.Do(t, harness.Request{Path: path}).Want(t, 200)
		for _, kept := range []string{"name", "birthDate", "address", "telecom", "gender", "identifier", "photo", "maritalStatus", "contact", "text.div"} {
			if a, b := before.JSON(kept).Raw, after.JSON(kept).Raw; a != b {
				t.Errorf("%s was %s and is %s", kept, a, b)
			}
		}
		if after.JSON("active").Bool() {
			t.Error("the change didn't arrive")
		}
		noPlaceholders(t, after)
		// Removing what is seen works, inventing what is hidden doesn't.
		again := strings.Replace(string(r.Body), seen.JSON("name.0.family").String(), "Invented", 1)
		g.Do(t, harness.Request{Token: scoped, Method: "PUT", Path: path, Body: again, Header: []string{"If-Match", r.Header.Get("ETag")}}).Refused(t, 422, "masked-element-changed")
		// A masked view can't be stored anew.
		g.Do(t, harness.Request{Token: scoped, Method: "POST", Path: "Patient", Body: string(seen.Body)}).Refused(t, 422, "masked-placeholder")
	})
}

func researcherWithScopes(t *testing.T, g *harness.Gateway) string {
	t.Helper()
	return g.TokenFor(t, tokenOf("researcher", map[string]any{"scope": "user/*.cruds"}))
}

func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		id := newID()
		behind.Put(t, copyOfAnna(t, id))
		path := "Patient/" + id
		for round := range 3 {
			seen := g.Get(t, "practitioner", path).Want(t, 200)
			statuses := make([]int, 6)
			var wait sync.WaitGroup
			for i := range statuses {
				body := strings.Replace(string(seen.Body), `"family":"Berg"`, fmt.Sprintf(`"family":"Berg%d-%d"`, round, i), 1)
				wait.Go(func() {
					r, err := g.Try(t.Context(), t, harness.Request{Who: "practitioner", Method: "PUT", Path: path, Body: body, Header: []string{"If-Match", seen.Header.Get("ETag")}})
					if err == nil {
						statuses[i] = r.Status
					}
				})
			}
			wait.Wait()
			slices.Sort(statuses)
			if want := []int{200, 412, 412, 412, 412, 412}; !slices.Equal(statuses, want) {
				t.Errorf("round %d: statuses are %v, want %v", round, statuses, want)
			}
			behind.Do(t, harness.Request{Method: "PUT", Path: path, Body: copyOfAnna(t, id)})
		}
	})
}

func TestBreakGlass(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		ask := func(who, path, purpose, reason string) harness.Reply {
			return g.Do(t, harness.Request{Who: who, Path: path, Header: []string{"X-Purpose-Of-Use", purpose, "X-Purpose-Of-Use-Reason", reason}})
		}
		const path, reason = "Patient/sofia-marchetti", "Unconscious in the emergency room, canary-reason"
		until := "BTG; until=" + time.Now().Add(20*time.Minute).UTC().Format(time.RFC3339)
		g.Get(t, "practitioner", path).Refused(t, 404, "not-found")
		r := ask("practitioner", path, until, reason).Want(t, 200)
		g.Get(t, "practitioner", path).Refused(t, 404, "not-found")
		events := g.AuditEvents(t, r.Header.Get("X-Request-Id"))
		if len(events) != 1 || !strings.Contains(events[0].Get("purposeOfEvent").Raw, "BTG") {
			t.Errorf("audit of a broken glass: %s", events)
		}
		reviews, err := g.App.Store().ListReviews(t.Context(), 0, 10)
		if err != nil || len(reviews) != 1 || reviews[0].Kind != "break-glass" || reviews[0].Reason != reason || reviews[0].RequestID != r.Header.Get("X-Request-Id") {
			t.Errorf("reviews are %+v, %v", reviews, err)
		}
		if strings.Contains(g.Audit(t)+g.Log.String(), "canary-reason") {
			t.Error("the reason is in audit or log")
		}
		ask("practitioner", "Condition/sofia-marchetti-cond-bipolar", until, reason)
		for name, c := range map[string]struct {
			who, purpose, reason string
			status               int
			code                 string
		}{
			"no reason":      {"practitioner", until, "", 400, "bad-purpose"},
			"a short reason": {"practitioner", until, "because", 400, "bad-purpose"},
			"no end":         {"practitioner", "BTG", reason, 400, "bad-purpose"},
			"ended":          {"practitioner", "BTG; until=2020-01-01T00:00:00Z", reason, 400, "bad-purpose"},
			"too long":       {"practitioner", "BTG; until=" + time.Now().Add(3*time.Hour).UTC().Format(time.RFC3339), reason, 400, "bad-purpose"},
			"no code":        {"practitioner", "<script>; until=2030-01-01T00:00:00Z", reason, 400, "bad-purpose"},
			"another role":   {"patient", until, reason, 403, "break-glass-not-allowed"},
			"a researcher":   {"researcher", until, reason, 403, "break-glass-not-allowed"},
			"nobody":         {"", until, reason, 401, "login-required"},
			"another reason": {"practitioner", strings.Replace(until, "BTG", "TREAT", 1), reason, 404, "not-found"},
		} {
			t.Run(name, func(t *testing.T) { ask(c.who, path, c.purpose, c.reason).Refused(t, c.status, c.code) })
		}
		off := harness.Start(t, harness.Options{Upstream: behind, Config: map[string]map[string]any{"policy": {"purpose": map[string]any{"header": false}}}})
		off.Do(t, harness.Request{Who: "practitioner", Path: path, Header: []string{"X-Purpose-Of-Use", until, "X-Purpose-Of-Use-Reason", reason}}).Refused(t, 400, "purpose-header-off")
	})
}

func TestActAs(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		both := g.TokenFor(t, tokenOf("practitioner", map[string]any{"roles": []string{"practitioner", "registrar"}}))
		as := func(role, path string) harness.Reply {
			return g.Do(t, harness.Request{Token: both, Path: path, Header: []string{"X-Act-As", role}})
		}
		as("", "Patient/sofia-marchetti").Want(t, http.StatusOK)
		as("registrar", "Patient/sofia-marchetti").Want(t, http.StatusOK)
		as("practitioner", "Patient/sofia-marchetti").Refused(t, 404, "not-found")
		as("registrar", "Observation/anna-berg-bp-1").Refused(t, 403, "type-not-granted")
		as("admin", "Observation/anna-berg-bp-1").Refused(t, 403, "act-as-not-held")
		// Grants add up: one that sees the photo is enough.
		if !as("", "Patient/anna-berg").Want(t, 200).JSON("photo").Exists() || as("practitioner", "Patient/anna-berg").Want(t, 200).JSON("photo").Exists() {
			t.Error("masks of one grant don't add up with another's")
		}
	})
}
