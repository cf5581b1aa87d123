package e2e_test

import (
	"testing"

	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

// names are parts of the stories that no masked view may show.
const (
	annaStreet = "Alder Lane"
	annaPhoto  = "iVBORw0KGgoAAAANSUhEUg"
)

func TestReads(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		checkLooks(t, g, []look{
			// The same Patient by each of them.
			{who: "patient", path: "Patient/anna-berg", status: 200, has: []string{"name.0.family", "photo", "birthDate", "text.div"}},
			{who: "practitioner", path: "Patient/anna-berg", status: 200, has: []string{"name.0.family", "birthDate", "address.0.line"}, no: []string{"photo"}, text: []string{annaPhoto}},
			{
				who: "researcher", path: "Patient/anna-berg", status: 200, has: []string{"gender", "address.0.state"},
				no:   []string{"name", "text", "photo", "telecom", "identifier", "address.0.line", "address.0.city", "contact", "generalPractitioner"},
				text: []string{"Berg", annaStreet, "1984-03", "000-12-1001", annaPhoto, "02998"},
			},
			{who: "admin", path: "Patient/anna-berg", status: 200, has: []string{"photo", "identifier.1", "contact.0.telecom"}},
			{who: "registrar", path: "Patient/anna-berg", status: 200, has: []string{"name.0.family", "identifier.0"}},
			{who: "relatedperson", path: "Patient/anna-berg", status: 404, code: "not-found"},
			{who: "relatedperson", path: "Patient/leo-lind", status: 200, has: []string{"name.0.family"}, no: []string{"identifier", "photo", "address.0.line"}},
			{who: "patient2", path: "Patient/anna-berg", status: 404, code: "not-found"},
			{who: "practitioner2", path: "Patient/anna-berg", status: 404, code: "not-found"},
			{who: "carer", path: "Patient/anna-berg", status: 404, code: "not-found"},
			{who: "stranger", path: "Patient/anna-berg", status: 403, code: "no-known-role"},
			{who: "app", path: "Patient/anna-berg", status: 403, code: "scope-insufficient"},
			{path: "Patient/anna-berg", status: 401, code: "login-required"},

			// What is labelled as sensitive.
			{who: "patient", path: "Condition/anna-berg-cond-depression", status: 200},
			{who: "admin", path: "Condition/anna-berg-cond-depression", status: 200},
			{who: "practitioner", path: "Condition/anna-berg-cond-depression", status: 404, code: "not-found"},
			{who: "researcher", path: "Condition/anna-berg-cond-depression", status: 404, code: "not-found"},
			{who: "registrar", path: "Condition/anna-berg-cond-depression", status: 403, code: "type-not-granted"},

			// Versions and attachments.
			{who: "practitioner", path: "Patient/anna-berg/_history/1", status: 200, no: []string{"photo"}},
			{who: "researcher", path: "Patient/anna-berg/_history/1", status: 200, no: []string{"name"}, text: []string{"Berg"}},
			{who: "practitioner2", path: "Patient/anna-berg/_history/1", status: 404, code: "not-found"},
			{who: "patient", path: "Patient/anna-berg/_history/99", status: 404, code: "not-found"},
			{who: "patient", path: "Binary/anna-berg-doc-2024-visit-content", status: 200, has: []string{"data"}},
			{who: "practitioner", path: "Binary/anna-berg-doc-psychotherapy-content", status: 404, code: "not-found"},
			{who: "researcher", path: "Binary/anna-berg-doc-2024-visit-content", status: 403, code: "type-not-granted"},
			{
				who: "researcher", path: "Observation/anna-berg-bp-1", status: 200, has: []string{"component.0.valueQuantity.value"},
				no: []string{"note", "performer", "subject.display", "issued", "text"}, text: []string{"Berg", "2023-05-09", "anxious"},
			},
		})
	})
}

func TestAbsenceIsOneAnswer(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		id := newID()
		behind.Put(t, `{"resourceType":"Observation","id":"`+id+`","status":"final","code":{"text":"e2e"},"subject":{"reference":"Patient/anna-berg"}}`)
		g.Get(t, "practitioner", "Observation/"+id).Want(t, 200)
		behind.Do(t, harness.Request{Method: "DELETE", Path: "Observation/" + id})
		absent := g.Get(t, "practitioner", "Observation/never-was").Refused(t, 404, "not-found")
		for name, path := range map[string]string{
			"hidden by label":        "Observation/anna-berg-phq9-1",
			"of another patient":     "Observation/sofia-marchetti-bp-1",
			"deleted":                "Observation/" + id,
			"version hidden":         "Observation/anna-berg-phq9-1/_history/1",
			"version absent":         "Observation/anna-berg-bp-1/_history/77",
			"version no number":      "Observation/anna-berg-bp-1/_history/abc",
			"version deleted":        "Observation/" + id + "/_history/2",
			"history hidden":         "Observation/anna-berg-phq9-1/_history",
			"history absent":         "Observation/never-was/_history",
			"history of another one": "Observation/sofia-marchetti-bp-1/_history",
		} {
			t.Run(name, func(t *testing.T) {
				got := g.Get(t, "practitioner", path)
				if got.Status != absent.Status || string(got.Body) != string(absent.Body) {
					t.Errorf("%s: %d %s\nwant %d %s", path, got.Status, got.Body, absent.Status, absent.Body)
				}
				for _, h := range []*harness.Reply{&absent, &got} {
					h.Header.Del("X-Request-Id")
					h.Header.Del("Date")
				}
				if a, b := headerText(absent.Header), headerText(got.Header); a != b {
					t.Errorf("%s: headers\n%s\nwant\n%s", path, b, a)
				}
			})
		}
		for name, r := range map[string]harness.Request{
			"update hidden": {Method: "PUT", Path: "Observation/anna-berg-phq9-1", Body: `{"resourceType":"Observation","id":"anna-berg-phq9-1","status":"final","code":{"text":"x"}}`},
			"update absent": {Method: "PUT", Path: "Observation/never-was", Body: `{"resourceType":"Observation","id":"never-was","status":"final","code":{"text":"x"}}`},
			"delete hidden": {Method: "DELETE", Path: "Observation/anna-berg-phq9-1"},
			"delete absent": {Method: "DELETE", Path: "Observation/never-was"},
			"delete gone":   {Method: "DELETE", Path: "Observation/" + id},
		} {
			t.Run(name, func(t *testing.T) {
				r.Who = "practitioner"
				if got := g.Do(t, r); got.Status != 404 || string(got.Body) != string(absent.Body) {
					t.Errorf("%d %s\nwant %d %s", got.Status, got.Body, absent.Status, absent.Body)
				}
			})
		}
	})
}

func TestConditionalRead(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		const path = "Observation/anna-berg-bp-1"
		first := g.Get(t, "practitioner", path).Want(t, 200)
		tag, modified := first.Header.Get("ETag"), first.Header.Get("Last-Modified")
		if tag == "" || modified == "" {
			t.Fatalf("ETag %q, Last-Modified %q: both are needed", tag, modified)
		}
		for _, c := range []struct {
			who, name, value string
			status           int
		}{
			{"practitioner", "If-None-Match", tag, 304},
			{"practitioner", "If-None-Match", `W/"nope", ` + tag, 304},
			{"practitioner", "If-None-Match", `W/"nope"`, 200},
			{"practitioner", "If-Modified-Since", modified, 304},
			{"practitioner", "If-Modified-Since", "Mon, 02 Jan 2006 15:04:05 GMT", 200},
			{"practitioner", "If-Modified-Since", "yesterday", 200},
			{"practitioner2", "If-None-Match", tag, 404},
			{"practitioner2", "If-None-Match", "*", 404},
			{"practitioner2", "If-Modified-Since", modified, 404},
		} {
			got := g.Do(t, harness.Request{Who: c.who, Path: path, Header: []string{c.name, c.value}})
			if got.Status != c.status || c.status == 304 && len(got.Body) > 0 {
				t.Errorf("%s with %s: %s: status %d with %d bytes, want %d", c.who, c.name, c.value, got.Status, len(got.Body), c.status)
			}
			if c.status == 304 && got.Header.Get("ETag") != tag {
				t.Errorf("a 304 has ETag %q, want %q", got.Header.Get("ETag"), tag)
			}
		}
	})
}
