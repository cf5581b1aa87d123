package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fhirgate/fhirgate/internal/demo/idp"
)

// TestDemoProvider takes tokens of the demo's provider, through its rotations,
// and none of the ID token's kind.
func TestDemoProvider(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newClock()
	provider, err := idp.New(idp.Options{
		Issuer: "http://" + listener.Addr().String() + "/idp", Audiences: []string{base}, Clock: c.Now, Algorithm: "ES256",
		People: []idp.Person{{Name: "anna", Claims: map[string]any{"roles": []string{"practitioner"}, "fhirUser": base + "/Practitioner/p1"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(provider.Handler())
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()
	no := false
	a := newAuth(t, c, Issuer{URL: "http://" + listener.Addr().String() + "/idp", Preset: "smart", ScopesRequired: &no})
	if err := a.Warm(context.Background()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		token, err := provider.Token(idp.TokenRequest{Person: "anna", Client: "app"})
		if err != nil {
			t.Fatal(err)
		}
		principal, err := a.Authenticate(context.Background(), "a", "Bearer "+token)
		if err != nil || principal.Subject != "anna" || principal.FHIRUser != "Practitioner/p1" || principal.Roles[0] != "practitioner" || principal.ScopesRequired {
			t.Fatalf("principal = %+v, %v", principal, err)
		}
		idToken, err := provider.Token(idp.TokenRequest{Person: "anna", Client: "app", Claims: map[string]any{"nonce": "n"}, Header: map[string]any{"typ": "JWT"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := authenticate(a, idToken); !errors.Is(err, ErrTokenType) {
			t.Fatalf("ID token: %v, want %v", err, ErrTokenType)
		}
		if err := provider.Rotate(); err != nil {
			t.Fatal(err)
		}
		c.Advance(fetchInterval)
	}
}

// TestRedirects: keys behind a redirect are fetched, but never over plain http
// when discovery was https.
func TestRedirects(t *testing.T) {
	c := newClock()
	p := newPeer(t, c)
	for _, tt := range []struct {
		name string
		want error
	}{{"to http", ErrUnavailable}, {"to https", nil}} {
		t.Run(tt.name, func(t *testing.T) {
			plain := httptest.NewServer(http.HandlerFunc(p.serve))
			defer plain.Close()
			secure := httptest.NewTLSServer(http.HandlerFunc(p.serve))
			defer secure.Close()
			target := map[string]string{"to http": plain.URL, "to https": secure.URL}[tt.name]
			front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, target+r.URL.Path, http.StatusFound)
			}))
			defer front.Close()
			roots := x509.NewCertPool()
			roots.AddCert(front.Certificate())
			client := &http.Client{
				Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
				CheckRedirect: newClient(nil).CheckRedirect,
			}
			iss := "https://issuer.invalid"
			a, err := New([]Upstream{{Name: "a", Audiences: []string{base}, Issuers: []Issuer{{URL: iss, Preset: "custom", JWKSURL: front.URL + "/keys"}}}},
				Options{Clock: c.Now, HTTPClient: client})
			if err != nil {
				t.Fatal(err)
			}
			if err := authenticate(a, p.token(map[string]any{"iss": iss})); !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
		})
	}
}
