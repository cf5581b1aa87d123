package harness

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/demo/data"
	"github.com/fhirgate/fhirgate/internal/demo/store"
	"github.com/fhirgate/fhirgate/test/peers"
)

// upstreamToken is what the demo store wants of the gateway.
const upstreamToken = "e2e-upstream-secret"

// FHIR is a FHIR server to put a gateway before.
type FHIR struct {
	// Kind is "demo", "hapi", or what a test calls its own.
	Kind string
	// URL is the FHIR base, without a slash at its end.
	URL string
	// Token is the bearer token that it wants; empty: none.
	Token string
}

// Demo starts an embedded store of this test's own with the twenty stories.
func Demo(t testing.TB) FHIR {
	t.Helper()
	return DemoWith(t, store.Options{})
}

// DemoWith is Demo with settings of the store.
func DemoWith(t testing.TB, o store.Options) FHIR {
	t.Helper()
	o.BasePath, o.Token = "/fhir", upstreamToken
	s, err := store.Open("", o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Load(data.Stories()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return FHIR{Kind: "demo", URL: server.URL + "/fhir", Token: upstreamToken}
}

// HAPI is the HAPI server of this test process with the twenty stories. Tests
// share it: what they write must have ids of their own, and a story may have
// more resources than those that it began with.
func HAPI(t testing.TB) FHIR {
	t.Helper()
	f := FHIR{Kind: "hapi", URL: peers.HAPI(t)}
	if err := loadHAPI(f.URL); err != nil {
		t.Fatal(err)
	}
	return f
}

//nolint:gochecknoglobals // once for all tests of a process
var hapiLoaded struct {
	once sync.Once
	err  error
}

// loadHAPI stores the stories in one transaction, unless they are there: another
// process may have done it.
func loadHAPI(base string) error {
	hapiLoaded.once.Do(func() {
		if !hasStories(base) {
			hapiLoaded.err = storeStories(base)
		}
		if hapiLoaded.err != nil && hasStories(base) {
			hapiLoaded.err = nil // two processes at the same time
		}
	})
	return hapiLoaded.err
}

func hasStories(base string) bool {
	response, err := http.Get(base + "/Group/research-cohort") //nolint:noctx // loopback
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func storeStories(base string) error {
	bundle := bytes.NewBufferString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	lines := bufio.NewScanner(data.Stories())
	lines.Buffer(nil, 16<<20)
	for first := true; lines.Scan(); first = false {
		var r struct {
			ResourceType string `json:"resourceType"`
			ID           string `json:"id"`
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("stories: %w", err)
		}
		if !first {
			bundle.WriteByte(',')
		}
		fmt.Fprintf(bundle, `{"resource":%s,"request":{"method":"PUT","url":"%s/%s"}}`, lines.Bytes(), r.ResourceType, r.ID)
	}
	bundle.WriteString(`]}`)
	client := &http.Client{Timeout: 5 * time.Minute}
	response, err := client.Post(base, "application/fhir+json", bundle) //nolint:noctx // bounded by the client
	if err != nil {
		return fmt.Errorf("load the stories: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("load the stories: status %d", response.StatusCode) //nolint:err113 // for a person
	}
	return nil
}

// EachUpstream runs the test before the demo store and before HAPI.
func EachUpstream(t *testing.T, test func(t *testing.T, behind FHIR)) {
	t.Helper()
	for _, kind := range []struct {
		name  string
		start func(testing.TB) FHIR
	}{{"demo", Demo}, {"hapi", HAPI}} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			test(t, kind.start(t))
		})
	}
}
