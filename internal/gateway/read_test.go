package gateway_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/internal/gateway"
)

func TestRead(t *testing.T) {
	w := newWorld(t, patient("a", `"birthDate":"1980-02-03"`, `"link":[{"other":{"reference":"Patient/b"},"type":"seealso"}]`))
	a := w.get("all", "Patient/a")
	if a.err != nil || a.Status != http.StatusOK || a.ETag != `W/"1"` || !a.LastModified.Equal(w.now) || !bytes.Contains(a.body.Bytes(), []byte("1980-02-03")) {
		t.Errorf("%+v %v %s", a.Head, a.err, a.body.Bytes())
	}
	if a := w.get("masked", "Patient/a"); a.err != nil || bytes.Contains(a.body.Bytes(), []byte("1980")) {
		t.Errorf("%v %s", a.err, a.body.Bytes())
	}
	if a := w.get("all", "Patient/a?_elements=link"); a.err != nil || bytes.Contains(a.body.Bytes(), []byte("1980")) || !bytes.Contains(a.body.Bytes(), []byte("SUBSETTED")) {
		t.Errorf("%v %s", a.err, a.body.Bytes())
	}
	if r := w.records[0]; r.Status != 200 || !reflect.DeepEqual(r.Touched, []string{"Patient/a"}) || r.Counts.Seen != 1 || r.Revision == "" {
		t.Errorf("%+v", r)
	}
}

// TestHiddenIsAbsent: whatever is asked of what may not be seen is answered by
// the same bytes as of what isn't there, or was deleted; also when a quota is
// used up.
func TestHiddenIsAbsent(t *testing.T) {
	for _, quota := range []int64{-1, 0} {
		w := newWorld(t, patient("hidden", restricted), patient("gone"))
		w.quotaRows = quota
		if a := w.do(call{method: "DELETE", path: "Patient/gone", who: "half"}); a.err != nil {
			t.Fatal(a.err)
		}
		for _, path := range []string{
			"Patient/%", "Patient/%/_history/1", "Patient/%/_history", "Patient/%/_history?_count=0", "Patient/%/_history?_count=1", "Patient/%/_history/7",
		} {
			absent := w.get("half", strings.ReplaceAll(path, "%", "absent"))
			if absent.refusal(t).Code != "not-found" {
				t.Errorf("%s: %v", path, absent.err)
			}
			hidden := w.get("half", strings.ReplaceAll(path, "%", "hidden"))
			if !reflect.DeepEqual(hidden.refusal(t).AppendOutcome(nil), absent.refusal(t).AppendOutcome(nil)) || hidden.refusal(t).Status != 404 {
				t.Errorf("%s, %d rows left: hidden: %v, absent: %v", path, quota, hidden.err, absent.err)
			}
		}
		for _, c := range []call{
			{method: "PUT", body: `{"resourceType":"Patient","id":"%"}`},
			{method: "PUT", body: `{"resourceType":"Patient","id":"%"}`, Call: gateway.Call{IfMatch: `W/"1"`}},
			{method: "PUT", body: `{"resourceType":"Patient","id":"%"}`, Call: gateway.Call{IfMatch: `W/"9"`}},
			{method: "DELETE"},
			{method: "DELETE", Call: gateway.Call{IfMatch: `*`}},
		} {
			c.who = "half"
			for _, id := range []string{"absent", "hidden", "gone"} {
				d := c
				d.path, d.body = "Patient/"+id, strings.ReplaceAll(c.body, "%", id)
				if r := w.do(d).refusal(t); r.Code != "not-found" {
					t.Errorf("%s %s: %v", c.method, id, r)
				}
			}
		}
	}
}

// TestOldVersionsOfWhatWasWithdrawn: a label that comes later hides the versions
// before it, too.
func TestOldVersionsOfWhatWasWithdrawn(t *testing.T) {
	w := newWorld(t, patient("a", `"gender":"male"`), patient("b"))
	if a := w.do(call{method: "PUT", path: "Patient/a", body: patient("a", restricted)}); a.err != nil {
		t.Fatal(a.err)
	}
	if r := w.get("half", "Patient/a/_history/1").refusal(t); r.Code != "not-found" {
		t.Error(r)
	}
	if r := w.get("half", "Patient/a/_history").refusal(t); r.Code != "not-found" {
		t.Error(r)
	}
	for _, path := range []string{"Patient/_history", "_history"} {
		if got := w.get("half", path).bundle(t).ids(); got != "b" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if a := w.get("all", "Patient/a/_history/1"); a.err != nil {
		t.Error(a.err)
	}
	if got := w.get("all", "Patient/a/_history").bundle(t).ids(); got != "a a" {
		t.Error(got)
	}
}

func TestConditionalRead(t *testing.T) {
	w := newWorld(t, patient("a"), patient("hidden", restricted))
	for _, c := range []struct {
		call gateway.Call
		want int
	}{
		{gateway.Call{IfNoneMatch: `W/"1"`}, 304},
		{gateway.Call{IfNoneMatch: `"1"`}, 304},
		{gateway.Call{IfNoneMatch: `W/"7", W/"1"`}, 304},
		{gateway.Call{IfNoneMatch: `*`}, 304},
		{gateway.Call{IfNoneMatch: `W/"2"`}, 200},
		{gateway.Call{IfNoneMatch: `1`}, 200},
		{gateway.Call{IfModifiedSince: w.now.Format(http.TimeFormat)}, 304},
		{gateway.Call{IfModifiedSince: w.now.Add(-1e9).Format(http.TimeFormat)}, 200},
		{gateway.Call{IfModifiedSince: "yesterday"}, 200},
		{gateway.Call{IfModifiedSince: w.now.Format(http.TimeFormat), IfNoneMatch: `W/"2"`}, 200},
	} {
		a := w.do(call{path: "Patient/a", who: "half", Call: c.call})
		if a.err != nil || a.Status != c.want || a.HasBody != (c.want == 200) || a.HasBody != (a.body.Len() > 0) {
			t.Errorf("%+v: %d, %v", c.call, a.Status, a.err)
		}
		if r := w.do(call{path: "Patient/hidden", who: "half", Call: c.call}).refusal(t); r.Status != 404 {
			t.Errorf("%+v of what is hidden: %v", c.call, r)
		}
	}
}

func TestRequestDecisions(t *testing.T) {
	w := newWorld(t, patients(4)...)
	for who, want := range map[string]string{
		"nobody": "login-required", "refused": "not-you", "unusable": "policy-unusable", "broken": "",
	} {
		a := w.get(who, "Patient/p01")
		if want == "" {
			if a.err != nil {
				t.Errorf("%s: %v", who, a.err)
			}
			continue
		}
		if r := a.refusal(t); r.Code != want {
			t.Errorf("%s: %v", who, r)
		}
	}
	if r := w.get("broken", "Patient/p03").refusal(t); r.Code != "judgement-failed" || r.Status != 500 {
		t.Error(r)
	}
	if r := w.get("broken", "Patient").refusal(t); r.Code != "judgement-failed" {
		t.Error("one resource that can't be judged must fail the whole answer: ", r)
	}
	if len(w.requests) == 0 || len(w.records) != 6 {
		t.Errorf("%d requests, %d records", len(w.requests), len(w.records))
	}
}

func TestObligations(t *testing.T) {
	w := newWorld(t, patient("a"))
	if a := w.get("reviewed", "Patient/a"); a.err != nil || len(w.reviews) != 1 || w.reviews[0].Code != "look" {
		t.Errorf("%v %+v", a.err, w.reviews)
	}
	w.stateFails = errors.New("no state")
	if r := w.get("reviewed", "Patient/a").refusal(t); r.Code != "state-unavailable" {
		t.Error(r)
	}
	w.stateFails = nil
	w.recordFails = errors.New("no journal")
	if r := w.get("audited", "Patient/a").refusal(t); r.Code != "audit-unavailable" {
		t.Error(r)
	}
	if a := w.get("all", "Patient/a"); a.err != nil {
		t.Error("standard audit holds the answer up: ", a.err)
	}
	w.recordFails = nil
	w.refuseRate = true
	if r := w.get("all", "Patient/a").refusal(t); r.Code != "rate-limited" || r.RetryAfter != 90 {
		t.Error(r)
	}
	w.refuseRate, w.quotaRows = false, 0
	if r := w.get("all", "Patient/a").refusal(t); r.Code != "quota-exhausted" {
		t.Error(r)
	}
}

// TestBadAnswers: what the server behind answers wrongly never gets through.
func TestBadAnswers(t *testing.T) {
	for _, c := range []struct {
		name, body, kind string
		status           int
		want             string
	}{
		{"other id", patient("b"), "application/fhir+json", 200, "upstream-answer"},
		{"other type", `{"resourceType":"Group","id":"a"}`, "application/fhir+json", 200, "upstream-answer"},
		{"no JSON", patient("a"), "text/html", 200, "upstream-answer"},
		{"two resources", patient("a") + patient("b"), "application/json", 200, "upstream-answer"},
		{"repeated key", `{"resourceType":"Patient","id":"a","id":"a"}`, "application/json", 200, "upstream-answer"},
		{"array", `[]`, "application/json", 200, "upstream-answer"},
		{"empty", ``, "application/json", 200, "upstream-answer"},
		{"large", patient("a", `"x":"`+strings.Repeat("x", 1<<20)+`"`), "application/json", 200, "upstream-answer"},
		{"credentials", `{}`, "application/json", 401, "upstream-refused"},
		{"forbidden", `{}`, "application/json", 403, "upstream-refused"},
		{"failure", `{}`, "application/json", 500, "upstream-unavailable"},
		{"redirect", `{}`, "application/json", 302, "upstream-answer"},
		{"no content", ``, "", 204, "upstream-answer"},
		{"gone", `{}`, "application/json", 410, "not-found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.distort = func(rw http.ResponseWriter, _ *http.Request) bool {
				rw.Header().Set("Content-Type", c.kind)
				rw.Header().Set("Location", "http://elsewhere/")
				rw.WriteHeader(c.status)
				_, _ = io.WriteString(rw, c.body)
				return true
			}
			if r := w.get("all", "Patient/a").refusal(t); r.Code != c.want {
				t.Error(r)
			}
		})
	}
}

// TestCutAnswer: an answer that ends early isn't an answer.
func TestCutAnswer(t *testing.T) {
	w := newWorld(t)
	w.distort = func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.Header().Set("Content-Type", "application/fhir+json")
		rw.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(rw, patient("a"))
		return true
	}
	if r := w.get("all", "Patient/a").refusal(t); r.Code != "upstream-unavailable" {
		t.Error(r)
	}
}

func TestStatement(t *testing.T) {
	w := newWorld(t)
	a := w.get("all", "metadata")
	if a.err != nil || !bytes.Contains(a.body.Bytes(), []byte(`"url":"`+publicBase+`"`)) || bytes.Contains(a.body.Bytes(), []byte("127.0.0.1")) {
		t.Fatalf("%v %.500s", a.err, a.body.Bytes())
	}
	for _, name := range []string{`"_text"`, `"_content"`, `"_has"`, `"_filter"`} {
		if bytes.Contains(a.body.Bytes(), []byte(name)) {
			t.Errorf("says that it takes %s", name)
		}
	}
	w.distort = func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(500); return true }
	if b := w.get("all", "metadata"); b.err != nil || !bytes.Equal(b.body.Bytes(), a.body.Bytes()) {
		t.Error("isn't kept: ", b.err)
	}
	w.now = w.now.Add(6 * 60e9)
	if r := w.get("all", "metadata").refusal(t); r.Code != "upstream-unavailable" {
		t.Error(r)
	}
	w.distort = nil
	if b := w.get("all", "metadata"); b.err != nil {
		t.Error(b.err)
	}
}
