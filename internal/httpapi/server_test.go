package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/httpapi"
)

// outcome is the code of an OperationOutcome.
func outcome(t *testing.T, body []byte) string {
	t.Helper()
	var o struct {
		ResourceType string
		Issue        []struct {
			Details struct{ Coding []struct{ Code string } }
		}
	}
	if err := json.Unmarshal(body, &o); err != nil || o.ResourceType != "OperationOutcome" {
		t.Fatalf("%v: %s", err, body)
	}
	return o.Issue[0].Details.Coding[0].Code
}

const jsonBody = "Content-Type: application/fhir+json"

func TestRequests(t *testing.T) {
	f := newFace(t, nil)
	until := "until=" + time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
	const form, reason = "Content-Type: application/x-www-form-urlencoded", "X-Purpose-Of-Use-Reason: because of it"
	patient := `{"resourceType":"Patient"}`
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		code                     string
	}{
		{"read", "GET", "/fhir/Patient/a", "", nil, 200, ""},
		{"absent", "GET", "/fhir/Patient/b", "", nil, 404, "not-found"},
		{"metadata", "GET", "/fhir/metadata", "", nil, 200, ""},
		{"no token", "GET", "/fhir/Patient/a", "", []string{"Authorization: "}, 401, "login-required"},
		{"bad token", "GET", "/fhir/Patient/a", "", []string{"Authorization: Bearer token-expired"}, 401, "token-expired"},
		{"bad token and bad path", "GET", "/fhir/Patient//a", "", []string{"Authorization: Bearer token-expired"}, 401, "token-expired"},
		{"token that can't be checked", "GET", "/fhir/Patient/a", "", []string{"Authorization: Bearer identity-unavailable"}, 503, "identity-unavailable"},
		{"error without a code", "GET", "/fhir/Patient/a", "", []string{"Authorization: Bearer uncoded"}, 401, "token-refused"},
		{"panic", "GET", "/fhir/Patient/a", "", []string{"Authorization: Bearer panic"}, 500, "internal-error"},
		{"no base", "GET", "/", "", nil, 404, "unknown-base"},
		{"other base", "GET", "/fhir2/Patient/a", "", nil, 404, "unknown-base"},
		{"base in capitals", "GET", "/FHIR/Patient/a", "", nil, 404, "unknown-base"},
		{"escaped base", "GET", "/%66hir/Patient/a", "", nil, 404, "unknown-base"},
		{"escaped slash", "GET", "/fhir/Patient%2fa", "", nil, 400, "path-not-canonical"},
		{"escaped letter", "GET", "/fhir/Patient/%61", "", nil, 400, "path-not-canonical"},
		{"two slashes", "GET", "/fhir//Patient/a", "", nil, 400, "path-not-canonical"},
		{"slash at the end", "GET", "/fhir/Patient/a/", "", nil, 400, "path-not-canonical"},
		{"base with a slash", "GET", "/fhir/?_type=Patient", "", nil, 200, ""},
		{"method of another path", "POST", "/fhir/Patient/a", "", nil, 405, "method-not-allowed"},
		{"unknown method", "BREW", "/fhir/Patient/a", "", nil, 405, "method-not-allowed"},
		{"trace", "TRACE", "/fhir/Patient/a", "", nil, 405, "method-not-allowed"},
		{"long URL", "GET", "/fhir/Patient?name=" + strings.Repeat("a", 1<<10), "", nil, 414, "url-too-long"},
		{"XML wanted", "GET", "/fhir/Patient/a", "", []string{"Accept: application/fhir+xml"}, 406, "format-not-supported"},
		{"JSON wanted", "GET", "/fhir/Patient/a", "", []string{"Accept: application/fhir+xml;q=0.9, application/fhir+json;q=0.8"}, 200, ""},
		{"body of a GET", "GET", "/fhir/Patient/a", "x", nil, 400, "body-not-allowed"},
		{"body of a DELETE", "DELETE", "/fhir/Patient/a", "x", nil, 400, "body-not-allowed"},
		{"method override", "POST", "/fhir/Patient/_search", "", []string{"X-HTTP-Method-Override: DELETE"}, 400, "method-override"},
		{"other method override", "POST", "/fhir/Patient/_search", "", []string{"X-Method-Override: GET"}, 400, "method-override"},
		{"conditional create", "POST", "/fhir/Patient", patient, []string{jsonBody, "If-None-Exist: name=x"}, 501, "conditional-not-supported"},
		{"conditional update", "PUT", "/fhir/Patient/a", patient, []string{jsonBody, "If-None-Match: *"}, 501, "conditional-not-supported"},
		{"conditional deletion", "DELETE", "/fhir/Patient/a", "", []string{"If-Unmodified-Since: x"}, 501, "conditional-not-supported"},
		{"two If-Match", "PUT", "/fhir/Patient/a", patient, []string{jsonBody, `If-Match: "1"`, `If-Match: "2"`}, 400, "header-not-allowed"},
		{"two media types", "POST", "/fhir/Patient", patient, []string{jsonBody, form}, 400, "header-not-allowed"},
		{"two roles", "GET", "/fhir/Patient/a", "", []string{"X-Act-As: a", "X-Act-As: b"}, 400, "header-not-allowed"},
		{"list of roles", "GET", "/fhir/Patient/a", "", []string{"X-Act-As: a,b"}, 400, "bad-role"},
		{"long role", "GET", "/fhir/Patient/a", "", []string{"X-Act-As: " + strings.Repeat("a", 129)}, 400, "bad-role"},
		{"role", "GET", "/fhir/Patient/a", "", []string{"X-Act-As: nurse"}, 200, ""},
		{"purpose", "GET", "/fhir/Patient/a", "", []string{"X-Purpose-Of-Use: BTG; " + until, reason}, 200, ""},
		{"purpose without a reason", "GET", "/fhir/Patient/a", "", []string{"X-Purpose-Of-Use: BTG; " + until}, 400, "bad-purpose"},
		{"purpose without an end", "GET", "/fhir/Patient/a", "", []string{"X-Purpose-Of-Use: BTG", reason}, 400, "bad-purpose"},
		{"two purposes", "GET", "/fhir/Patient/a", "", []string{"X-Purpose-Of-Use: BTG", "X-Purpose-Of-Use: TREAT"}, 400, "header-not-allowed"},
		{"create", "POST", "/fhir/Patient", patient, []string{jsonBody + "; charset=UTF-8"}, 201, ""},
		{"create in another charset", "POST", "/fhir/Patient", patient, []string{jsonBody + "; charset=latin1"}, 415, "media-type-not-supported"},
		{"create without a media type", "POST", "/fhir/Patient", patient, nil, 415, "media-type-not-supported"},
		{"create in XML", "POST", "/fhir/Patient", "<Patient/>", []string{"Content-Type: application/fhir+xml"}, 415, "media-type-not-supported"},
		{"large", "POST", "/fhir/Patient", strings.Repeat(" ", 5<<10), []string{jsonBody}, 413, "body-too-large"},
		{"unknown encoding", "POST", "/fhir/Patient", patient, []string{jsonBody, "Content-Encoding: br"}, 415, "encoding-not-supported"},
		{"no gzip", "POST", "/fhir/Patient", patient, []string{jsonBody, "Content-Encoding: gzip"}, 400, "bad-body"},
		{"gzip", "POST", "/fhir/Patient", zipped(patient), []string{jsonBody, "Content-Encoding: gzip"}, 201, ""},
		{"gzip that grows", "POST", "/fhir/Patient", zipped(strings.Repeat(" ", 5<<10)), []string{jsonBody, "Content-Encoding: gzip"}, 413, "body-too-large"},
		{"gzip cut", "POST", "/fhir/Patient", zipped(patient)[:20], []string{jsonBody, "Content-Encoding: gzip"}, 400, "bad-body"},
		{"posted search", "POST", "/fhir/Patient/_search", "gender=male", []string{form}, 200, ""},
		{"posted search in JSON", "POST", "/fhir/Patient/_search", "{}", []string{jsonBody}, 415, "media-type-not-supported"},
		{"posted search with a query", "POST", "/fhir/Patient/_search?gender=male", "gender=female", []string{form}, 400, "query-and-body"},
		{"operation", "GET", "/fhir/Patient/a/$everything", "", nil, 501, "operation-not-supported"},
		{"batch", "POST", "/fhir", `{"resourceType":"Bundle"}`, []string{jsonBody}, 501, "batch-not-supported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(f.recorded())
			resp := f.do(f.request(c.method, c.path, c.body, c.header...))
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			if c.code != "" && outcome(t, body) != c.code {
				t.Errorf("%s", body)
			}
			if h := resp.Header; h.Get("X-Content-Type-Options") != "nosniff" && c.name != "x" || h.Get("Cache-Control") != "no-store" || h.Get("X-Request-Id") == "" ||
				len(body) > 0 && h.Get("Content-Type") != "application/fhir+json; charset=utf-8" || h.Get("Server") != "" {
				t.Errorf("%v", h)
			}
			if (c.status == 401) != (resp.Header.Get("WWW-Authenticate") != "") {
				t.Errorf("%v", resp.Header)
			}
			if (c.status == 405) != (resp.Header.Get("Allow") == "GET, PUT, DELETE") {
				t.Errorf("%v", resp.Header)
			}
			if bytes.Contains(body, []byte("secret")) || bytes.Contains(body, []byte("127.0.0.1")) {
				t.Errorf("%s", body)
			}
			if c.code != "unknown-base" && c.name != "panic" && len(f.recorded()) != before+1 {
				t.Errorf("recorded %d times", len(f.recorded())-before)
			}
		})
	}
	if log := f.log.String(); strings.Contains(log, "secret") || strings.Contains(log, "gender") || strings.Contains(log, "/fhir/Patient") {
		t.Errorf("the log tells too much: %s", log)
	}
}

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, s)
	_ = z.Close()
	return b.String()
}

func TestChallenge(t *testing.T) {
	f := newFace(t, nil)
	for token, want := range map[string]string{
		"": "Bearer", "Bearer token-expired": `Bearer error="invalid_token", error_description="The token says token-expired."`,
	} {
		resp := f.do(f.request("GET", "/fhir/Patient/a", "", "Authorization: "+token))
		if got := resp.Header.Get("WWW-Authenticate"); got != want {
			t.Errorf("%q: %s", token, got)
		}
	}
	r := f.request("GET", "/fhir/Patient/a", "")
	r.Header.Add("Authorization", "Bearer good")
	if resp := f.do(r); resp.StatusCode != 401 {
		t.Errorf("two tokens: %d", resp.StatusCode)
	}
}

func TestPurposeOff(t *testing.T) {
	f := newFace(t, func(o *httpapi.Options) { o.Purpose = httpapi.Purpose{} })
	resp := f.do(f.request("GET", "/fhir/Patient/a", "", "X-Purpose-Of-Use: BTG; until=2099-01-01T00:00:00Z", "X-Purpose-Of-Use-Reason: because"))
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || outcome(t, body) != "purpose-header-off" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestBases(t *testing.T) {
	f := newFace(t, func(o *httpapi.Options) {
		g := o.Bases[0].Gateway
		o.Bases = []httpapi.Base{
			{Upstream: "any", Path: "/fhir", Gateway: g},
			{Upstream: "deep", Path: "/fhir/deep", Gateway: g},
			{Upstream: "host", Host: "One.example", Path: "", Gateway: g},
			{Upstream: "port", Host: "two.example:8443", Path: "/fhir", Gateway: g},
		}
	})
	for _, c := range []struct{ host, path, upstream string }{
		{"x.example", "/fhir/Patient/a", "any"},
		{"x.example", "/fhir/deep/Patient/a", "deep"},
		{"x.example", "/fhir/deeper/Patient/a", "any"},
		{"x.example", "/Patient/a", ""},
		{"one.example", "/Patient/a", "host"},
		{"ONE.example:443", "/Patient/a", "host"},
		{"one.example:80", "/Patient/a", "host"},
		{"one.example:8443", "/Patient/a", ""},
		{"one.example", "/fhir/Patient/a", "host"}, // of its own host, though another path is longer
		{"one.example.evil", "/Patient/a", ""},
		{"two.example:8443", "/fhir/Patient/a", "port"},
		{"two.example", "/fhir/Patient/a", "any"},
	} {
		before := len(f.recorded())
		f.do(f.request("GET", c.path, "", "Host: "+c.host))
		got := ""
		if len(f.recorded()) > before {
			got = f.recorded()[before].Request.Upstream
		}
		if got != c.upstream {
			t.Errorf("%s%s: %q, want %q", c.host, c.path, got, c.upstream)
		}
	}
}

func TestHealth(t *testing.T) {
	f := newFace(t, nil)
	for range 2 {
		want := map[bool]int{true: 200, false: 503}[f.ready == nil]
		for path, status := range map[string]int{"/healthz": 200, "/readyz": want} {
			resp := f.do(f.request("GET", path, "", "Authorization: "))
			if body, _ := io.ReadAll(resp.Body); resp.StatusCode != status || bytes.Contains(body, []byte("secret")) {
				t.Errorf("%s: %d %s", path, resp.StatusCode, body)
			}
		}
		f.ready = errors.New("secret")
	}
}

func TestMetrics(t *testing.T) {
	f := newFace(t, nil)
	f.do(f.request("GET", "/fhir/Patient/a", ""))
	f.do(f.request("GET", "/fhir/Patient?name=secret", ""))
	f.options.Metrics.Record(f.recorded()[0])
	rec := httptest.NewRecorder()
	f.options.Metrics.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", http.NoBody))
	got := rec.Body.String()
	for _, want := range []string{
		`fhirgate_requests_total{interaction="read",status="200",upstream="main"} 1`, `fhirgate_requests_total{interaction="search-type",status="200",upstream="main"} 1`,
		`fhirgate_resources_total{outcome="visible",upstream="main"} 1`, `fhirgate_request_seconds_count{interaction="read",upstream="main"} 1`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(got, "secret") {
		t.Error("a metric holds a value of a request")
	}
}

// TestWholeAnswers: an answer is the same with and without gzip, over HTTP/1.1
// and HTTP/2.
func TestWholeAnswers(t *testing.T) {
	f := newFace(t, nil)
	f.distort = rows(100, "") // before any request
	for _, encoding := range []string{"identity", "gzip", "gzip;q=0", "br, gzip;q=0.5"} {
		for _, client := range clients(f) {
			resp, err := client.Do(f.request("GET", "/fhir/Patient", "", "Accept-Encoding: "+encoding))
			if err != nil {
				t.Fatal(err)
			}
			var body io.Reader = resp.Body
			if zip := strings.Contains(encoding, "gzip") && !strings.Contains(encoding, "q=0") || strings.Contains(encoding, "0.5"); zip != (resp.Header.Get("Content-Encoding") == "gzip") {
				t.Errorf("%s: %v", encoding, resp.Header)
			} else if zip {
				if body, err = gzip.NewReader(resp.Body); err != nil {
					t.Fatal(err)
				}
			}
			var b struct {
				Total int
				Entry []struct{}
			}
			raw, err := io.ReadAll(body)
			if err == nil {
				err = json.Unmarshal(raw, &b)
			}
			if err != nil || b.Total != 100 || len(b.Entry) != 100 {
				t.Errorf("%s: %d entries, %v", encoding, len(b.Entry), err)
			}
			_ = resp.Body.Close()
		}
	}
}

// TestCutAnswers: an answer that can't be finished never looks whole, with and
// without gzip, over HTTP/1.1 and HTTP/2.
func TestCutAnswers(t *testing.T) {
	f := newFace(t, nil)
	for name, end := range map[string]string{
		"broken row": `,{"resource":{"resourceType":"Patient","id":"z","id":"z"}}]}`, "other type": `,{"resource":{"resourceType":"Group","id":"z"}}]}`, "cut": `,{"resource":{"resourceType":`,
	} {
		f.mu.Lock()
		f.distort = rows(100, end)
		f.mu.Unlock()
		for _, encoding := range []string{"identity", "gzip"} {
			for version, client := range clients(f) {
				resp, err := client.Do(f.request("GET", "/fhir/Patient", "", "Accept-Encoding: "+encoding))
				if err != nil {
					continue // cut before its head came
				}
				n, err := io.Copy(io.Discard, resp.Body)
				if err == nil {
					t.Errorf("%s, %s, %s: %d bytes look whole", name, encoding, version, n)
				}
				_ = resp.Body.Close()
			}
		}
	}
	if !strings.Contains(f.log.String(), "answer cut") {
		t.Error("not logged")
	}
	// The connection's end isn't the server's.
	f.mu.Lock()
	f.distort = nil
	f.mu.Unlock()
	if resp := f.do(f.request("GET", "/fhir/Patient/a", "")); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}

// rows answers searches with n large patients and the end.
func rows(n int, end string) func(http.ResponseWriter, *http.Request) bool {
	if end == "" {
		end = "]}"
	}
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/fhir/Patient" {
			return false
		}
		w.Header().Set("Content-Type", "application/fhir+json")
		_, _ = io.WriteString(w, `{"resourceType":"Bundle","type":"searchset","entry":[`)
		for i := range n {
			if i > 0 {
				_, _ = io.WriteString(w, ",")
			}
			_, _ = fmt.Fprintf(w, `{"resource":{"resourceType":"Patient","id":"p%d","name":[{"text":"%s"}]}}`, i, strings.Repeat("n", 3000))
		}
		_, _ = io.WriteString(w, end)
		return true
	}
}

func clients(f *face) map[string]*http.Client {
	two := f.server.Client()
	one := &http.Transport{
		TLSClientConfig:    two.Transport.(*http.Transport).TLSClientConfig.Clone(),
		TLSNextProto:       map[string]func(string, *tls.Conn) http.RoundTripper{},
		DisableCompression: true,
	}
	one.TLSClientConfig.NextProtos = []string{"http/1.1"}
	f.t.Cleanup(one.CloseIdleConnections)
	return map[string]*http.Client{"HTTP/1.1": {Transport: one}, "HTTP/2": two}
}

// TestAnswerHeaders: the head of a read and of a change.
func TestAnswerHeaders(t *testing.T) {
	f := newFace(t, nil)
	resp := f.do(f.request("GET", "/fhir/Patient/a", ""))
	if resp.Header.Get("ETag") != `W/"1"` || resp.Header.Get("Last-Modified") == "" || !strings.Contains(resp.Header.Get("Vary"), "Authorization") {
		t.Errorf("%v", resp.Header)
	}
	if resp := f.do(f.request("GET", "/fhir/Patient/a", "", `If-None-Match: W/"1"`)); resp.StatusCode != 304 {
		t.Error(resp.Status)
	}
	for prefer, wantBody := range map[string]string{"return=minimal": "", "return=OperationOutcome": "OperationOutcome", "respond-async; return=minimal": "", "return=representation": `"Patient"`, "x": `"Patient"`} {
		resp := f.do(f.request("POST", "/fhir/Patient", `{"resourceType":"Patient"}`, jsonBody, "Prefer: "+prefer))
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 201 || !strings.HasPrefix(resp.Header.Get("Location"), "https://gate.example/fhir/Patient/") || wantBody == "" && len(body) > 0 || !bytes.Contains(body, []byte(wantBody)) {
			t.Errorf("%s: %s %v %s", prefer, resp.Status, resp.Header, body)
		}
	}
	if resp := f.do(f.request("DELETE", "/fhir/Patient/a", "")); resp.StatusCode != 204 {
		t.Error(resp.Status)
	}
	if c := f.recorded()[0].Request.Interaction.Code; c != fhir.Read {
		t.Error(c)
	}
}
