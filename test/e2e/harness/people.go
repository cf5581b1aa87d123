package harness

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/fhirgate/fhirgate/internal/demo/data"
	"github.com/fhirgate/fhirgate/internal/demo/idp"
)

// Client is the application that tokens of the harness name.
const Client = "fhirgate-demo"

// startProvider starts the demo's identity provider with the demo's people.
func startProvider(t testing.TB, g *Gateway, audiences []string) (issuer string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer = "http://" + listener.Addr().String()
	var people []idp.Person
	for _, p := range data.People() {
		people = append(people, idp.Person{Name: p.Name, Claims: p.Claims()})
	}
	g.Provider, err = idp.New(idp.Options{Issuer: issuer, Audiences: audiences, People: people, Algorithm: jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: g.Provider.Handler()}}
	server.Start()
	t.Cleanup(server.Close)
	return issuer
}

// Issuer is the identity provider's URL.
func (g *Gateway) Issuer() string { return g.issuer }

// Token is a bearer token of one of the demo's people for the gateway's base.
func (g *Gateway) Token(t testing.TB, person string) string {
	t.Helper()
	if token, ok := g.tokens.Load(person); ok {
		return token.(string) //nolint:forcetypeassert // nothing else is kept
	}
	token := g.TokenFor(t, idp.TokenRequest{Person: person})
	g.tokens.Store(person, token)
	return token
}

// TokenFor is a token with details; the client is the harness's unless named.
func (g *Gateway) TokenFor(t testing.TB, r idp.TokenRequest) string {
	t.Helper()
	if r.Client == "" {
		r.Client = Client
	}
	token, err := g.Provider.Token(r)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
