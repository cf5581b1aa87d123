package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/internal/demo/idp"
	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

// TestTwoUpstreams: nothing of one is worth anything at the other, though both
// have the same ids.
func TestTwoUpstreams(t *testing.T) {
	t.Parallel()
	first, second := harness.Demo(t), harness.Demo(t)
	g := harness.Start(t, harness.Options{Upstreams: map[string]harness.FHIR{"main": first, "second": second}})
	other := g.URL + "/second"
	here := g.Token(t, "practitioner")
	there := g.TokenFor(t, idp.TokenRequest{Person: "practitioner", Audience: other})
	get := func(token, url string) harness.Reply {
		return g.Do(t, harness.Request{Token: token, Path: url})
	}

	// Tokens.
	get(here, g.Base+"/Patient/anna-berg").Want(t, 200)
	get(there, other+"/Patient/anna-berg").Want(t, 200)
	get(here, other+"/Patient/anna-berg").Refused(t, 401, "token-audience")
	get(there, g.Base+"/Patient/anna-berg").Refused(t, 401, "token-audience")

	// Links lead back to where they are.
	page := get(there, other+"/Observation?patient=Patient/anna-berg&_count=2").Want(t, 200)
	if got := page.JSON("entry.1.fullUrl").String(); !strings.HasPrefix(got, other+"/Observation/") {
		t.Errorf("fullUrl is %q", got)
	}
	next := page.Next()
	if !strings.HasPrefix(next, other+"/Observation?_page=") {
		t.Fatalf("next is %q", next)
	}
	get(there, next).Want(t, 200)
	get(here, strings.Replace(next, other, g.Base, 1)).Refused(t, 400, "bad-page-link")

	// What policy looked up: at the second, Anna leaves Dr. Okafor's care.
	anna := second.Do(t, harness.Request{Path: "Patient/anna-berg"}).Want(t, 200)
	second.Put(t, strings.Replace(string(anna.Body), "Practitioner/dr-okafor", "Practitioner/dr-haas", 1))
	for _, team := range second.Do(t, harness.Request{Path: "CareTeam?patient=Patient/anna-berg"}).IDs() {
		stored := second.Do(t, harness.Request{Path: team}).Want(t, 200)
		second.Put(t, strings.ReplaceAll(string(stored.Body), `"status":"active"`, `"status":"inactive"`))
	}
	apart := harness.Start(t, harness.Options{Upstreams: map[string]harness.FHIR{"main": first, "second": second}})
	there2 := apart.TokenFor(t, idp.TokenRequest{Person: "practitioner", Audience: apart.URL + "/second"})
	apart.Get(t, "practitioner", "Patient/anna-berg").Want(t, 200)
	apart.Do(t, harness.Request{Token: there2, Path: apart.URL + "/second/Patient/anna-berg"}).Refused(t, 404, "not-found")
	apart.Get(t, "practitioner", "Patient/anna-berg").Want(t, 200)

	// Participant links.
	const subject = "somebody-new"
	if err := g.App.Store().Link(t.Context(), "main", g.Issuer(), subject, "Practitioner/dr-okafor"); err != nil {
		t.Fatal(err)
	}
	linked := map[string]any{"sub": subject, "fhirUser": nil}
	get(g.TokenFor(t, idp.TokenRequest{Person: "practitioner", Claims: linked}), g.Base+"/Patient/anna-berg").Want(t, 200)
	get(g.TokenFor(t, idp.TokenRequest{Person: "practitioner", Claims: linked, Audience: other}), other+"/Patient/anna-berg").Refused(t, 404, "not-found")

	// Discovery is per base, as is the statement.
	for _, base := range []string{g.Base, other} {
		if got := g.Do(t, harness.Request{Path: base + "/metadata"}).Want(t, 200).JSON("implementation.url").String(); got != base {
			t.Errorf("the statement of %s says %q", base, got)
		}
	}
	g.Do(t, harness.Request{Path: g.URL + "/nowhere/Patient/x"}).Refused(t, 404, "unknown-base")
	g.Do(t, harness.Request{Path: g.URL + "/fhirx/Patient/x"}).Refused(t, 404, "unknown-base")
}

// TestReferencesBetweenUpstreams: an absolute reference to the other is data, and
// never followed.
func TestReferencesBetweenUpstreams(t *testing.T) {
	t.Parallel()
	first, second := harness.Demo(t), record(t)
	g := harness.Start(t, harness.Options{Upstreams: map[string]harness.FHIR{"main": first, "second": second.FHIR}})
	id := newID()
	first.Put(t, `{"resourceType":"Observation","id":"`+id+`","status":"final","code":{"text":"e2e"},"subject":{"reference":"`+second.URL+`/Patient/anna-berg"}}`)
	g.Get(t, "practitioner", "Observation/"+id).Refused(t, 404, "not-found")
	r := g.Get(t, "admin", "Observation/"+id).Want(t, 200)
	if got := r.JSON("subject.reference").String(); got != second.URL+"/Patient/anna-berg" {
		t.Errorf("the reference is %q", got)
	}
	g.Get(t, "practitioner", "Observation?subject="+second.URL+"/Patient/anna-berg")
	if n := second.requests.Load(); n > 0 {
		t.Errorf("%d requests to the other server", n)
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		for _, who := range []string{"", "patient", "stranger", "admin"} {
			r := g.Get(t, who, "metadata").Want(t, 200)
			if r.JSON("resourceType").String() != "CapabilityStatement" || r.JSON("fhirVersion").String() != "4.0.1" || r.JSON("implementation.url").String() != g.Base {
				t.Errorf("%.300s", r.Body)
			}
			if !r.JSON(`rest.0.resource.#(type=="Observation").interaction.#(code=="search-type")`).Exists() {
				t.Error("no search of Observation")
			}
			for _, not := range []string{"HAPI", `"operation":`, `"patch"`, `"transaction"`, strings.TrimPrefix(behind.URL, "http://")} {
				if strings.Contains(string(r.Body), not) {
					t.Errorf("the statement has %q", not)
				}
			}
			for _, leak := range []string{"Server", "X-Powered-By", "X-Request-ID "} {
				if r.Header.Get(leak) != "" {
					t.Errorf("header %s: %s", leak, r.Header.Get(leak))
				}
			}
		}
		for _, path := range []string{"/healthz", "/readyz"} {
			reply, err := harness.Send(t.Context(), http.DefaultClient, g.URL, harness.Request{Path: g.URL + path})
			if err != nil || reply.Status != 200 {
				t.Errorf("%s: %d, %v", path, reply.Status, err)
			}
		}
	})
}
