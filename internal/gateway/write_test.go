package gateway_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/internal/gateway"
)

func TestCreate(t *testing.T) {
	w := newWorld(t)
	a := w.do(call{method: "POST", path: "Patient", body: `{"resourceType":"Patient","id":"mine","managingOrganization":{"reference":"` + publicBase + `/Organization/o"}}`})
	if a.err != nil || a.Status != http.StatusCreated || a.ETag != `W/"1"` || !strings.HasPrefix(a.Location, publicBase+"/Patient/") || strings.Contains(a.Location, "mine") {
		t.Fatalf("%+v %v", a.Head, a.err)
	}
	if !bytes.Contains(a.body.Bytes(), []byte(`"Organization/o"`)) || bytes.Contains(a.body.Bytes(), []byte(`"mine"`)) {
		t.Errorf("%s", a.body.Bytes())
	}
	if len(w.written) != 1 || w.written[0] != "Patient" {
		t.Errorf("told of %v", w.written)
	}
	if a := w.do(call{method: "POST", path: "Patient", body: `{"resourceType":"Patient"}`, Call: gateway.Call{Return: gateway.ReturnMinimal}}); a.err != nil || a.HasBody || a.Location == "" {
		t.Errorf("%+v %v", a.Head, a.err)
	}
	if a := w.do(call{method: "POST", path: "Patient", body: `{"resourceType":"Patient"}`, Call: gateway.Call{Return: gateway.ReturnOutcome}}); a.err != nil || !bytes.Contains(a.body.Bytes(), []byte("OperationOutcome")) {
		t.Errorf("%v %s", a.err, a.body.Bytes())
	}
	// What may not be seen of one's own change isn't sent back.
	if a := w.do(call{method: "POST", path: "Patient", who: "half", body: `{"resourceType":"Patient",` + restricted + `}`}); a.err != nil || a.HasBody || a.Status != 201 {
		t.Errorf("%+v %v", a.Head, a.err)
	}
}

func TestWriteRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		call call
		want string
	}{
		{"no body", call{method: "POST", path: "Patient"}, "bad-resource"},
		{"array", call{method: "POST", path: "Patient", body: `[]`}, "bad-resource"},
		{"repeated key", call{method: "POST", path: "Patient", body: `{"resourceType":"Patient","id":"a","id":"b"}`}, "bad-resource"},
		{"repeated type", call{method: "PUT", path: "Patient/a", body: `{"resourceType":"Patient","id":"a","\u0069d":"b"}`}, "bad-resource"},
		{"two resources", call{method: "POST", path: "Patient", body: `{"resourceType":"Patient"}{}`}, "bad-resource"},
		{"other type", call{method: "POST", path: "Patient", body: `{"resourceType":"Group"}`}, "wrong-resource-type"},
		{"no type", call{method: "POST", path: "Patient", body: `{}`}, "wrong-resource-type"},
		{"other id", call{method: "PUT", path: "Patient/a", body: patient("b")}, "wrong-id"},
		{"no id", call{method: "PUT", path: "Patient/a", body: `{"resourceType":"Patient"}`}, "wrong-id"},
		{"id of the wrong kind", call{method: "PUT", path: "Patient/1", body: `{"resourceType":"Patient","id":1}`}, "wrong-id"},
		{"update that makes one", call{method: "PUT", path: "Patient/new", body: patient("new")}, "not-found"},
		{"stale", call{method: "PUT", path: "Patient/a", body: patient("a"), Call: gateway.Call{IfMatch: `W/"7"`}}, "version-conflict"},
		{"without quotes", call{method: "PUT", path: "Patient/a", body: patient("a"), Call: gateway.Call{IfMatch: `1`}}, "version-conflict"},
		{"any version", call{method: "PUT", path: "Patient/a", body: patient("a"), Call: gateway.Call{IfMatch: `*`}}, "bad-if-match"},
		{"several versions", call{method: "PUT", path: "Patient/a", body: patient("a"), Call: gateway.Call{IfMatch: `W/"1", W/"2"`}}, "bad-if-match"},
		{"stale deletion", call{method: "DELETE", path: "Patient/a", Call: gateway.Call{IfMatch: `"7"`}}, "version-conflict"},
		{"policy", call{method: "PUT", path: "Patient/a", body: patient("a"), who: "reader"}, "read-only"},
		{"policy on a create", call{method: "POST", path: "Patient", body: patient("a"), who: "reader"}, "read-only"},
		{"policy on a deletion", call{method: "DELETE", path: "Patient/a", who: "reader"}, "read-only"},
		{"subscription", call{method: "POST", path: "Subscription", body: `{"resourceType":"Subscription"}`}, "subscription-not-supported"},
		{"masked without a version", call{method: "PUT", path: "Patient/a", body: patient("a"), who: "masked"}, "if-match-required"},
		{"masked element given", call{method: "PUT", path: "Patient/a", body: patient("a", `"birthDate":"1999-01-01"`), who: "masked", Call: gateway.Call{IfMatch: `W/"1"`}}, "masked-element-changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, patient("a", `"birthDate":"1980-02-03"`))
			if r := w.do(c.call).refusal(t); r.Code != c.want {
				t.Error(r)
			}
			for _, r := range w.requests {
				if !strings.HasPrefix(r, "GET ") {
					t.Errorf("sent %s", r)
				}
			}
			if len(w.written) != 0 {
				t.Errorf("told of %v", w.written)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	w := newWorld(t, patient("a", `"birthDate":"1980-02-03"`, `"gender":"male"`))
	for i, tag := range []string{"", `W/"2"`, `"3"`, ` W/"4" `} {
		a := w.do(call{method: "PUT", path: "Patient/a", body: patient("a", `"birthDate":"1980-02-03"`, `"multipleBirthInteger":`+string(rune('1'+i))), Call: gateway.Call{IfMatch: tag}})
		if a.err != nil || a.Status != 200 {
			t.Fatalf("%s: %v", tag, a.err)
		}
	}
	seen := w.get("masked", "Patient/a")
	changed := strings.Replace(seen.body.String(), `"multipleBirthInteger":4`, `"multipleBirthInteger":9`, 1)
	a := w.do(call{method: "PUT", path: "Patient/a", who: "masked", body: changed, Call: gateway.Call{IfMatch: seen.ETag}})
	if a.err != nil || bytes.Contains(a.body.Bytes(), []byte("1980")) {
		t.Fatalf("%v %s", a.err, a.body.Bytes())
	}
	now := w.get("all", "Patient/a").body.String()
	if !strings.Contains(now, "1980-02-03") || !strings.Contains(now, `"multipleBirthInteger":9`) || strings.Contains(now, "REDACTED") {
		t.Errorf("stored %s", now)
	}
	w.ifMatchSafe = false
	if r := w.do(call{method: "PUT", path: "Patient/a", body: patient("a")}).refusal(t); r.Code != "if-match-not-honoured" {
		t.Error(r)
	}
}

// TestPlaceholdersOfOtherViews: a masked view isn't stored by somebody for whom
// nothing of what is stored is masked; what is stored as such stays writable.
func TestPlaceholdersOfOtherViews(t *testing.T) {
	const redacted = `"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"}]}`
	w := newWorld(t, patient("a"), patient("b", redacted))
	if r := w.do(call{method: "PUT", path: "Patient/a", body: patient("a", redacted)}).refusal(t); r.Code != "masked-placeholder" {
		t.Error(r)
	}
	if a := w.do(call{method: "PUT", path: "Patient/b", body: patient("b", redacted, `"multipleBirthInteger":2`)}); a.err != nil || a.Status != 200 {
		t.Error(a.err)
	}
}

// TestWriteAnswers: what the server behind answers to a change.
func TestWriteAnswers(t *testing.T) {
	stored := strings.Replace(patient("a"), `"id"`, `"meta":{"versionId":"2"},"id"`, 1)
	for _, c := range []struct {
		name, method, body, location string
		status                       int
		want                         string // code of the refusal, or the Location
	}{
		{"representation", "PUT", stored, "", 200, publicBase + "/Patient/a/_history/2"},
		{"nothing, updated", "PUT", "", "", 200, publicBase + "/Patient/a/_history/1"},
		{"outcome, updated", "PUT", `{"resourceType":"OperationOutcome"}`, "", 200, publicBase + "/Patient/a/_history/1"},
		{"another resource, updated", "PUT", patient("b"), "", 200, "upstream-answer"},
		{"nothing, created", "POST", "", "/fhir/Patient/a/_history/1", 201, publicBase + "/Patient/a/_history/1"},
		{"nothing at all, created", "POST", "", "", 201, "upstream-answer"},
		{"location elsewhere", "POST", "", "https://evil.example/Patient/a", 201, "upstream-answer"},
		{"location of another type", "POST", "", "/fhir/Group/a", 201, "upstream-answer"},
		{"location of what isn't there", "POST", "", "/fhir/Patient/none", 201, "upstream-answer"},
		{"bad id", "POST", `{"resourceType":"Patient","id":"../x"}`, "", 201, "upstream-answer"},
		{"bad version", "PUT", strings.Replace(stored, `"2"`, `"2\r\nX: y"`, 1), "", 200, publicBase + "/Patient/a"},
		{"rejected", "POST", "", "", 422, "upstream-rejected"},
		{"bad request", "PUT", "", "", 400, "upstream-rejected"},
		{"precondition", "PUT", "", "", 412, "version-conflict"},
		{"conflict", "PUT", "", "", 409, "version-conflict"},
		{"conflict on a create", "POST", "", "", 409, "conflict"},
		{"conflict on a deletion", "DELETE", "", "", 409, "conflict"},
		{"gone", "PUT", "", "", 410, "version-conflict"},
		{"no such type", "POST", "", "", 404, "upstream-rejected"},
		{"failure", "PUT", "", "", 500, "write-outcome-unknown"},
		{"no rights", "PUT", "", "", 403, "upstream-refused"},
		{"redirect", "PUT", "", "", 307, "upstream-answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, patient("a"))
			w.distort = func(rw http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodGet {
					return false
				}
				rw.Header().Set("Content-Type", "application/fhir+json")
				if c.location != "" {
					rw.Header().Set("Location", c.location)
				}
				rw.WriteHeader(c.status)
				_, _ = io.WriteString(rw, c.body)
				return true
			}
			in := call{method: c.method, path: "Patient/a", body: patient("a")}
			if c.method == "POST" {
				in.path = "Patient"
			}
			if c.method == "DELETE" {
				in.body = ""
			}
			a := w.do(in)
			if strings.HasPrefix(c.want, "http") {
				if a.err != nil || a.Location != c.want {
					t.Errorf("%+v %v", a.Head, a.err)
				}
			} else if r := a.refusal(t); r.Code != c.want {
				t.Error(r)
			}
			if len(w.written) != 1 {
				t.Errorf("told of %v: look-ups may be stale", w.written)
			}
		})
	}
}
