package harness

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// Request is one request to a gateway or to a server behind.
type Request struct {
	// Who is one of the demo's people; empty: nobody, without a token.
	Who string
	// Token is a bearer token in the place of Who's.
	Token  string
	Method string // empty: GET
	// Path is below the FHIR base, or a whole URL.
	Path   string
	Body   string
	Reader io.Reader // in the place of Body
	// Header has name, value, name, value …; an empty value removes.
	Header []string
	// Gzip asks for a compressed answer and takes it apart.
	Gzip bool
}

// Reply is an answer, read to its end.
type Reply struct {
	Status int
	Proto  string
	Header http.Header
	Body   []byte
	// Cut says that the answer broke off: the client got an error instead of its
	// end.
	Cut error
}

// Do sends a request to the gateway.
func (g *Gateway) Do(t testing.TB, r Request) Reply {
	t.Helper()
	reply, err := g.Try(t.Context(), t, r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.Path, err)
	}
	return reply
}

// Get reads a path as somebody.
func (g *Gateway) Get(t testing.TB, who, path string) Reply {
	t.Helper()
	return g.Do(t, Request{Who: who, Path: path})
}

// Try is Do with the error of a request that got no answer.
func (g *Gateway) Try(ctx context.Context, t testing.TB, r Request) (Reply, error) {
	t.Helper()
	if r.Who != "" && r.Token == "" {
		r.Token = g.Token(t, r.Who)
	}
	return Send(ctx, g.client, g.Base, r)
}

// Do sends a request to the server behind, as the gateway would.
func (f FHIR) Do(t testing.TB, r Request) Reply {
	t.Helper()
	r.Token = f.Token
	reply, err := Send(t.Context(), http.DefaultClient, f.URL, r)
	if err != nil {
		t.Fatalf("behind: %s %s: %v", r.Method, r.Path, err)
	}
	return reply
}

// Put stores a resource on the server behind.
func (f FHIR) Put(t testing.TB, resource string) {
	t.Helper()
	path := gjson.Get(resource, "resourceType").String() + "/" + gjson.Get(resource, "id").String()
	reply := f.Do(t, Request{Method: http.MethodPut, Path: path, Body: resource})
	if reply.Status != http.StatusOK && reply.Status != http.StatusCreated {
		t.Fatalf("behind: PUT %s: status %d: %s", path, reply.Status, reply.Body)
	}
}

// Send sends a request with a client of the caller's.
func Send(ctx context.Context, client *http.Client, base string, r Request) (Reply, error) {
	request, err := r.build(ctx, base)
	if err != nil {
		return Reply{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		return Reply{}, err //nolint:wrapcheck // names everything
	}
	defer func() { _ = response.Body.Close() }()
	reply := Reply{Status: response.StatusCode, Proto: response.Proto, Header: response.Header}
	var source io.Reader = response.Body
	if r.Gzip && response.Header.Get("Content-Encoding") == "gzip" {
		if source, err = gzip.NewReader(response.Body); err != nil {
			reply.Cut = err
			return reply, nil
		}
	}
	reply.Body, reply.Cut = io.ReadAll(source)
	return reply, nil
}

// build makes the HTTP request.
func (r Request) build(ctx context.Context, base string) (*http.Request, error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	body := r.Reader
	if r.Body != "" {
		body = strings.NewReader(r.Body)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, r.url(base), body)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	request.Header.Set("Accept", "application/fhir+json")
	if body != nil {
		request.Header.Set("Content-Type", "application/fhir+json")
		if strings.Contains(r.Path, "_search") {
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	if r.Token != "" {
		request.Header.Set("Authorization", "Bearer "+r.Token)
	}
	if r.Gzip {
		request.Header.Set("Accept-Encoding", "gzip")
	}
	for i := 0; i+1 < len(r.Header); i += 2 {
		name, value := r.Header[i], r.Header[i+1]
		switch {
		case value == "":
			request.Header.Del(name)
		case slices.Contains([]string{"Accept", "Content-Type", "Authorization"}, name):
			request.Header.Set(name, value)
		default:
			request.Header.Add(name, value)
		}
	}
	return request, nil
}

func (r Request) url(base string) string {
	switch {
	case strings.HasPrefix(r.Path, "http://"), strings.HasPrefix(r.Path, "https://"):
		return r.Path
	case r.Path == "", strings.HasPrefix(r.Path, "?"):
		return base + r.Path
	}
	return base + "/" + r.Path
}

// JSON is the value at a gjson path of the body.
func (r Reply) JSON(path string) gjson.Result { return gjson.GetBytes(r.Body, path) }

// Code is the stable code of an OperationOutcome.
func (r Reply) Code() string { return r.JSON("issue.0.details.coding.0.code").String() }

// IDs are the ids of a Bundle's matches, Type/id, in their order.
func (r Reply) IDs() []string {
	ids := []string{}
	for _, entry := range r.JSON("entry").Array() {
		if entry.Get("search.mode").String() == "outcome" {
			continue
		}
		ids = append(ids, entry.Get("resource.resourceType").String()+"/"+entry.Get("resource.id").String())
	}
	return ids
}

// Next is the next link of a Bundle; empty on its last page.
func (r Reply) Next() string { return r.JSON(`link.#(relation=="next").url`).String() }

// Want fails the test when the status isn't the one.
func (r Reply) Want(t testing.TB, status int) Reply {
	t.Helper()
	if r.Status != status || r.Cut != nil {
		t.Fatalf("status %d (%s), cut: %v; want %d\n%.2000s", r.Status, r.Code(), r.Cut, status, r.Body)
	}
	return r
}

// Refused fails the test when the answer isn't an OperationOutcome with that
// status and code.
func (r Reply) Refused(t testing.TB, status int, code string) Reply {
	t.Helper()
	if r.Status != status || r.Code() != code || r.JSON("resourceType").String() != "OperationOutcome" || r.Cut != nil {
		t.Fatalf("status %d, code %q, cut %v; want %d, %q\n%.2000s", r.Status, r.Code(), r.Cut, status, code, r.Body)
	}
	if got := r.Header.Get("Content-Type"); got != "application/fhir+json; charset=utf-8" {
		t.Errorf("Content-Type of an outcome is %q", got)
	}
	return r
}

// Eventually waits until ok holds.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("in vain waited for: %s", what)
		case <-tick.C:
		}
	}
}

// AuditEvents are the events of one request in the audit file, waiting for the
// first.
func (g *Gateway) AuditEvents(t testing.TB, requestID string) []gjson.Result {
	t.Helper()
	var found []gjson.Result
	Eventually(t, "the audit event of "+requestID, func() bool {
		found = nil
		for line := range strings.Lines(g.Audit(t)) {
			if strings.HasSuffix(line, "\n") && strings.Contains(line, requestID) {
				found = append(found, gjson.Parse(line))
			}
		}
		return len(found) > 0
	})
	return found
}

// Audit is the whole audit file.
func (g *Gateway) Audit(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile(g.auditFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.ToValidUTF8(raw, nil))
}
