package e2e_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/demo/idp"
	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

// recorder is a server behind that answers nothing useful and counts what comes.
type recorder struct {
	harness.FHIR

	requests atomic.Int64
}

func TestNothingUnknownIsForwarded(t *testing.T) {
	t.Parallel()
	behind := record(t)
	g := harness.Start(t, harness.Options{Upstream: behind.FHIR})
	patient := `{"resourceType":"Patient","id":"x"}`
	for _, c := range []struct {
		method, path, body string
		header             []string
		status             int
		code               string
	}{
		// Not FHIR, or not passed.
		{"GET", "Nothing", "", nil, 404, "unknown-resource-type"},
		{"GET", "patient/x", "", nil, 404, "unknown-resource-type"},
		{"GET", "Patient/x/y/z/w", "", nil, 404, "unknown-path"},
		{"GET", "_nothing", "", nil, 404, "unknown-path"},
		{"GET", "metadata/x", "", nil, 404, "unknown-path"},
		{"GET", "Patient/x/_history/1/2", "", nil, 404, "unknown-path"},
		{"GET", "Patient/$everything", "", nil, 501, "operation-not-supported"},
		{"GET", "Patient/x/$everything", "", nil, 501, "operation-not-supported"},
		{"POST", "$export", patient, nil, 501, "operation-not-supported"},
		{"POST", "", `{"resourceType":"Bundle","type":"transaction"}`, nil, 501, "batch-not-supported"},
		{"PATCH", "Patient/x", `[]`, []string{"Content-Type", "application/json-patch+json"}, 501, "patch-not-supported"},
		{"PUT", "Patient?identifier=1", patient, nil, 501, "conditional-not-supported"},
		{"DELETE", "Patient?identifier=1", "", nil, 501, "conditional-not-supported"},
		{"POST", "Patient", patient, []string{"If-None-Exist", "identifier=1"}, 501, "conditional-not-supported"},
		{"PUT", "Patient/x", patient, []string{"If-None-Match", "*"}, 501, "conditional-not-supported"},
		{"PUT", "Patient", patient, nil, 405, "method-not-allowed"},
		{"DELETE", "Patient", "", nil, 405, "method-not-allowed"},
		{"POST", "Patient/x", patient, nil, 405, "method-not-allowed"},
		{"POST", "metadata", "{}", nil, 405, "method-not-allowed"},
		{"DELETE", "", "", nil, 405, "method-not-allowed"},
		{"DELETE", "Patient/x/_history/1", "", nil, 405, "method-not-allowed"},
		{"TRACE", "Patient/x", "", nil, 405, "method-not-allowed"},
		{"BREW", "Patient/x", "", nil, 405, "method-not-allowed"},
		{"POST", "Subscription", `{"resourceType":"Subscription"}`, nil, 501, "subscription-not-supported"},
		// Tricks.
		{"GET", "Patient//x", "", nil, 400, "path-not-canonical"},
		{"GET", "Patient/x/", "", nil, 400, "path-not-canonical"},
		{"GET", "Patient/%2e%2e/Observation", "", nil, 400, "path-not-canonical"},
		{"GET", "Patient/x%2fy", "", nil, 400, "path-not-canonical"},
		{"GET", "Patient/a;b", "", nil, 400, "path-not-canonical"},
		{"GET", "Patient/" + strings.Repeat("x", 65), "", nil, 400, "bad-id"},
		{"GET", "Patient/x_y", "", nil, 400, "bad-id"},
		{"POST", "Patient/x", "{}", []string{"X-HTTP-Method-Override", "PUT"}, 400, "method-override"},
		{"GET", "Patient/x?_format=xml", "", nil, 406, "format-not-supported"},
		{"GET", "Patient/x?nosuch=1", "", nil, 400, "query-not-allowed"},
		{"GET", "Patient?name=" + strings.Repeat("x", 9000), "", nil, 414, "url-too-long"},
		{"GET", "Patient/x", "body", nil, 400, "body-not-allowed"},
		{"GET", "Patient/x", "", []string{"X-Act-As", "a, b"}, 400, "bad-role"},
		{"GET", "Patient/x", "", []string{"X-Act-As", "admin", "X-Act-As", "patient"}, 400, "header-not-allowed"},
		// JSON only.
		{"GET", "Patient/x", "", []string{"Accept", "application/fhir+xml"}, 406, "format-not-supported"},
		{"GET", "Patient/x", "", []string{"Accept", "text/html"}, 406, "format-not-supported"},
		{"GET", "Patient/x", "", []string{"Accept", "application/fhir+json;q=0, application/fhir+xml"}, 406, "format-not-supported"},
		{"POST", "Patient", `<Patient xmlns="http://hl7.org/fhir"/>`, []string{"Content-Type", "application/fhir+xml"}, 415, "media-type-not-supported"},
		{"POST", "Patient", patient, []string{"Content-Type", "text/plain"}, 415, "media-type-not-supported"},
		{"POST", "Patient", patient, []string{"Content-Type", "application/fhir+json; charset=latin1"}, 415, "media-type-not-supported"},
		{"POST", "Patient", patient, []string{"Content-Encoding", "br"}, 415, "encoding-not-supported"},
		{"POST", "Patient", patient, []string{"Content-Encoding", "gzip"}, 400, "bad-body"},
		{"POST", "Patient/_search", `{"name":"x"}`, []string{"Content-Type", "application/json"}, 415, "media-type-not-supported"},
		// Bodies.
		{"POST", "Patient", `{"resourceType":"Patient"`, nil, 400, "bad-resource"},
		{"POST", "Patient", `{"resourceType":"Patient"}}`, nil, 400, "bad-resource"},
		{"POST", "Patient", `[]`, nil, 400, "bad-resource"},
		{"POST", "Patient", ``, nil, 415, "media-type-not-supported"},
		{"POST", "Patient", ` `, nil, 400, "bad-resource"},
		{"POST", "Patient", `{"resourceType":"Patient","active":true,"active":false}`, nil, 400, "bad-resource"},
		{"POST", "Patient", `{"resourceType":"Patient","\u0061ctive":true,"active":false}`, nil, 400, "bad-resource"},
		{"POST", "Patient", `{"resourceType":"Patient","name":[{"family":"` + "\xff\xfe" + `"}]}`, nil, 400, "bad-resource"},
		{"POST", "Patient", `{"resourceType":"Patient","name":[{"family":"\ud800"}]}`, nil, 400, "bad-resource"},
		{"POST", "Patient", `{"resourceType":"Patient","x":` + strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000) + `}`, nil, 400, "bad-resource"},
		{"POST", "Patient", `{"resourceType":"Patient","x":NaN}`, nil, 400, "bad-resource"},
		{"POST", "Patient", `{"resourceType":"Observation"}`, nil, 400, "wrong-resource-type"},
		{"POST", "Patient", `{"id":"x"}`, nil, 400, "wrong-resource-type"},
		{"PUT", "Patient/x", `{"resourceType":"Patient","id":"y"}`, nil, 400, "wrong-id"},
		{"PUT", "Patient/x", `{"resourceType":"Patient"}`, nil, 400, "wrong-id"},
	} {
		name := fmt.Sprintf("%s %.60s %.60q %.80s", c.method, c.path, c.body, c.header)
		t.Run(name, func(t *testing.T) {
			g.Do(t, harness.Request{Who: "admin", Method: c.method, Path: c.path, Body: c.body, Header: c.header}).Refused(t, c.status, c.code)
		})
	}
	if n := behind.requests.Load(); n != 0 {
		t.Errorf("%d requests reached the server behind", n)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	behind := record(t)
	g := harness.Start(t, harness.Options{Upstream: behind.FHIR})
	good := g.Token(t, "patient")
	parts := strings.Split(good, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	other := harness.Start(t, harness.Options{Upstream: behind.FHIR})
	for name, c := range map[string]struct{ header, code string }{
		"none":                 {"", "login-required"},
		"expired":              {"Bearer " + g.TokenFor(t, idp.TokenRequest{Person: "patient", Lifetime: -time.Hour}), "token-expired"},
		"another audience":     {"Bearer " + g.TokenFor(t, idp.TokenRequest{Person: "patient", Audience: "https://other.example/fhir"}), "token-audience"},
		"unknown issuer":       {"Bearer " + other.Token(t, "patient"), "token-issuer"},
		"alg none":             {"Bearer " + encode(`{"alg":"none","typ":"at+jwt"}`) + "." + parts[1] + ".", "token-malformed"},
		"alg HS256":            {"Bearer " + encode(`{"alg":"HS256","typ":"at+jwt"}`) + "." + parts[1] + "." + parts[2], "token-algorithm"},
		"changed claims":       {"Bearer " + parts[0] + "." + encode(strings.Replace(string(claims), "user-anna-berg", "user-marcus-reid", 1)) + "." + parts[2], "token-signature"},
		"an ID token":          {"Bearer " + g.TokenFor(t, idp.TokenRequest{Person: "patient", Header: map[string]any{"typ": "JWT"}, Claims: map[string]any{"nonce": "n"}}), "token-type"},
		"no token at all":      {"Bearer garbage", "token-malformed"},
		"basic":                {"Basic dXNlcjpwYXNz", "token-malformed"},
		"not yet valid":        {"Bearer " + g.TokenFor(t, idp.TokenRequest{Person: "patient", Claims: map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}}), "token-not-yet-valid"},
		"for another instance": {"Bearer " + g.TokenFor(t, idp.TokenRequest{Person: "patient", Audience: g.URL}), "token-audience"},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.Do(t, harness.Request{Path: "Patient/anna-berg", Header: []string{"Authorization", c.header}}).Refused(t, 401, c.code)
			want := "Bearer"
			if name != "none" {
				want = `Bearer error="invalid_token"`
			}
			if got := r.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, want) {
				t.Errorf("WWW-Authenticate is %q, want %q", got, want)
			}
		})
	}
	g.Do(t, harness.Request{Path: "Patient/anna-berg", Header: []string{"Authorization", "Bearer " + good, "authorization", "Bearer " + good}}).Refused(t, 401, "token-malformed")
	if n := behind.requests.Load(); n != 0 {
		t.Errorf("%d requests reached the server behind", n)
	}
	// The signing key changes: new tokens are good at once, old ones still.
	if err := g.Provider.Rotate(); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{good, g.TokenFor(t, idp.TokenRequest{Person: "patient"})} {
		if r := g.Do(t, harness.Request{Token: token, Path: "Patient/anna-berg"}); r.Status == 401 {
			t.Errorf("after a rotation of keys: %s", r.Code())
		}
	}
}

// record starts a server behind that answers 404 to everything.
func record(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{}
	r.FHIR = serveBehind(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r.requests.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}))
	return r
}

func TestHugeBodyIsNotRead(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, harness.Options{Upstream: record(t).FHIR})
	const size = 100 << 20
	t.Run("announced", func(t *testing.T) {
		body := &counted{Reader: io.LimitReader(spaces{}, size)}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.Base+"/Patient", body)
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = size
		request.Header.Set("Content-Type", "application/fhir+json")
		request.Header.Set("Authorization", "Bearer "+g.Token(t, "admin"))
		checkTooLarge(t, request, body)
	})
	t.Run("chunked", func(t *testing.T) {
		body := &counted{Reader: io.LimitReader(spaces{}, size)}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.Base+"/Patient", body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/fhir+json")
		request.Header.Set("Authorization", "Bearer "+g.Token(t, "admin"))
		checkTooLarge(t, request, body)
	})
	t.Run("gzip bomb", func(t *testing.T) {
		var bomb bytes.Buffer
		z := gzip.NewWriter(&bomb)
		if _, err := io.Copy(z, io.LimitReader(spaces{}, size)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		g.Do(t, harness.Request{Who: "admin", Method: "POST", Path: "Patient", Reader: &bomb, Header: []string{"Content-Encoding", "gzip"}}).Refused(t, 413, "body-too-large")
	})
}

// checkTooLarge sends the request by hand, reading while it writes: not every
// client of net/http's reads the answer of a server that closes while it is sent to.
func checkTooLarge(t *testing.T, request *http.Request, body *counted) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", request.URL.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	go func() { _ = request.Write(conn) }()
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		t.Fatalf("no answer: %v (%d bytes sent)", err, body.n.Load())
	}
	defer func() { _ = response.Body.Close() }()
	raw, _ := io.ReadAll(response.Body)
	(harness.Reply{Status: response.StatusCode, Header: response.Header, Body: raw}).Refused(t, 413, "body-too-large")
	if n := body.n.Load(); n > 32<<20 {
		t.Errorf("%d bytes were read of a body that is too large", n)
	}
}

type counted struct {
	io.Reader

	n atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// spaces is an endless document that isn't wrong yet.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestGzipBothWays(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		for _, path := range []string{"Patient/anna-berg", "Observation?patient=Patient/anna-berg&_count=500", "metadata"} {
			plain := g.Get(t, "practitioner", path).Want(t, 200)
			small := g.Do(t, harness.Request{Who: "practitioner", Path: path, Gzip: true}).Want(t, 200)
			if small.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("%s: Content-Encoding is %q", path, small.Header.Get("Content-Encoding"))
			}
			if string(plain.Body) != string(small.Body) {
				t.Errorf("%s: the compressed answer differs", path)
			}
			if !slices.Contains(strings.Split(plain.Header.Get("Vary"), ", "), "Accept-Encoding") {
				t.Errorf("%s: Vary is %q", path, plain.Header.Get("Vary"))
			}
		}
		var body bytes.Buffer
		z := gzip.NewWriter(&body)
		_, _ = fmt.Fprint(z, `{"resourceType":"Observation","status":"final","code":{"text":"e2e gzip"},"subject":{"reference":"Patient/anna-berg"}}`)
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		g.Do(t, harness.Request{Who: "practitioner", Method: "POST", Path: "Observation", Reader: &body, Header: []string{"Content-Encoding", "gzip"}}).Want(t, 201)
	})
}
