package policy_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/demo/data"
	"github.com/fhirgate/fhirgate/internal/demo/store"
	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/policy"
	"github.com/fhirgate/fhirgate/internal/smart"
	"github.com/fhirgate/fhirgate/internal/upstream"
	"github.com/fhirgate/fhirgate/internal/upstream/credential"
	"github.com/fhirgate/fhirgate/policies"
)

// newUpstream serves the stories over HTTP.
func newUpstream(t testing.TB) *upstream.Client {
	t.Helper()
	s, err := store.Open("", store.Options{BasePath: "/fhir"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Load(data.Stories()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() { server.Close(); _ = s.Close() })
	client, err := upstream.New(upstream.Options{
		Base: server.URL + "/fhir", Credential: credential.None{}, MaxConnections: 16,
		Connect: time.Second, ResponseHeader: 10 * time.Second, Total: 10 * time.Second, Idle: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// newPolicy binds the default library to the stories.
func newPolicy(t testing.TB) (*policy.Policy, upstream.Fetcher) {
	t.Helper()
	revision, err := policy.LoadFS(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	fetcher := upstream.Fetcher{Client: newUpstream(t), Limits: fhir.BundleLimits{MaxEntry: 1 << 20, MaxDepth: 64}}
	lookups, err := policy.NewLookups(fetcher, definitions.R4(), policy.LookupOptions{TTL: time.Minute, MaxRows: 1000, MaxBytes: 1 << 24, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	p, err := revision.Bind(t.Context(), policy.Options{
		Definitions: definitions.R4(), Timeout: time.Second, ContextTimeout: 5 * time.Second, Lookups: lookups, MaskKey: make([]byte, 32),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, fetcher
}

// principal is one of the demo's people.
func principal(t testing.TB, name string) access.Principal {
	t.Helper()
	for _, p := range data.People() {
		if p.Name != name {
			continue
		}
		scopes, _ := smart.ParseScopes(join(p.Scopes))
		who := access.Principal{Issuer: "https://idp.example", Subject: p.Subject, Client: "demo", Roles: p.Roles, Scopes: scopes, ScopesRequired: true, FHIRUser: p.FHIRUser, LaunchPatient: p.LaunchPatient}
		if p.FHIRUser != "" {
			who.Participants = []string{p.FHIRUser}
		}
		return who
	}
	t.Fatalf("nobody is called %s", name)
	return access.Principal{}
}

func join(list []string) (s string) {
	for _, item := range list {
		s += item + " "
	}
	return s
}

func readRequest(who access.Principal, typ, id string) access.Request {
	return access.Request{Upstream: "demo", Principal: who, Interaction: fhir.Interaction{Code: fhir.Read, Type: typ, ID: id}, Time: time.Now()}
}

func TestDefaultLibraryOnStories(t *testing.T) {
	p, fetcher := newPolicy(t)
	for _, c := range []struct {
		person, typ, id string
		want            access.Effect
	}{
		{"patient", "Patient", "anna-berg", access.Allow},
		{"patient", "Patient", "marcus-reid", access.Deny},
		{"practitioner", "Patient", "anna-berg", access.Allow},
		{"practitioner2", "Patient", "anna-berg", access.Deny},
		{"researcher", "Patient", "anna-berg", access.Allow},
		{"admin", "Patient", "anna-berg", access.Allow},
		{"patient", "Observation", "anna-berg-bp-1", access.Allow},
		{"practitioner2", "Observation", "anna-berg-bp-1", access.Deny},
	} {
		t.Run(c.person+" "+c.typ+"/"+c.id, func(t *testing.T) {
			resource, ok, err := fetcher.FetchRead(t.Context(), fhir.Reference{Type: c.typ, ID: c.id})
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			plan, err := p.Plan(t.Context(), readRequest(principal(t, c.person), c.typ, c.id))
			if err != nil {
				t.Fatal(err)
			}
			if plan.Decision.Effect != access.Allow {
				t.Fatalf("the request is denied: %v", plan.Decision.Reasons)
			}
			j, err := plan.Rule.Read(t.Context(), resource)
			if err != nil {
				t.Fatal(err)
			}
			if j.Effect != c.want {
				t.Errorf("effect %v, want %v", j.Effect, c.want)
			}
		})
	}
}

func TestAnonymousIsDenied(t *testing.T) {
	p, _ := newPolicy(t)
	plan, err := p.Plan(t.Context(), readRequest(access.Principal{}, "Patient", "anna-berg"))
	if err != nil {
		t.Fatal(err)
	}
	if plan.Decision.Effect != access.Deny || plan.Rule != nil {
		t.Errorf("plan %+v, want a deny without a rule", plan)
	}
}

func BenchmarkPlan(b *testing.B) {
	p, _ := newPolicy(b)
	r := readRequest(principal(b, "practitioner"), "Patient", "anna-berg")
	for b.Loop() {
		if _, err := p.Plan(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	p, fetcher := newPolicy(b)
	resource, _, err := fetcher.FetchRead(b.Context(), fhir.Reference{Type: "Observation", ID: "anna-berg-bp-1"})
	if err != nil {
		b.Fatal(err)
	}
	for _, person := range []string{"patient", "practitioner", "researcher"} {
		b.Run(person, func(b *testing.B) {
			plan, err := p.Plan(b.Context(), readRequest(principal(b, person), "Observation", "anna-berg-bp-1"))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := plan.Rule.Read(context.Background(), resource); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
