package idp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const audience = "https://gate.example/fhir"

// serve starts a provider on loopback, and ends it with the test.
func serve(t *testing.T, options Options) *Provider {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options.Issuer = "http://" + listener.Addr().String() + "/idp"
	options.Audiences = []string{audience, "https://other.example"}
	options.People = []Person{{Name: "anna", Claims: map[string]any{"roles": []string{"practitioner"}, "fhirUser": "Practitioner/p1"}}, {Name: "<b>", Claims: map[string]any{"patient": "p9"}}}
	options.Clients = []Client{
		{ID: "app", RedirectURIs: []string{"http://127.0.0.1/back", "https://app.example/back?x=1"}},
		{ID: "service", Secret: "s3cret+/=", Claims: map[string]any{"roles": []string{"admin"}}},
	}
	p, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: p.Handler(), ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return p
}

// verify checks a token as go-oidc does for any provider, and returns its claims.
func verify(t *testing.T, p *Provider, token, clientID string) (map[string]any, error) {
	t.Helper()
	provider, err := oidc.NewProvider(context.Background(), p.options.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	verified, err := provider.Verifier(&oidc.Config{ClientID: clientID, Now: p.options.Clock}).Verify(context.Background(), token)
	if err != nil {
		return nil, err
	}
	claims := map[string]any{}
	return claims, verified.Claims(&claims)
}

func TestTokensVerify(t *testing.T) {
	for _, algorithm := range []jose.SignatureAlgorithm{"", jose.RS256, jose.ES256} {
		t.Run(string(algorithm), func(t *testing.T) {
			p := serve(t, Options{Algorithm: algorithm})
			token, err := p.Token(TokenRequest{Person: "anna", Client: "app", Scope: "user/*.rs", Claims: map[string]any{"jti": nil, "extra": 1}})
			if err != nil {
				t.Fatal(err)
			}
			claims, err := verify(t, p, token, audience)
			if err != nil {
				t.Fatal(err)
			}
			if claims["sub"] != "anna" || claims["azp"] != "app" || claims["scope"] != "user/*.rs" || claims["fhirUser"] != "Practitioner/p1" || claims["extra"] != 1.0 || claims["jti"] != nil {
				t.Errorf("claims = %v", claims)
			}
		})
	}
}

func TestTokenExpired(t *testing.T) {
	p := serve(t, Options{Algorithm: "ES256"})
	token, err := p.Token(TokenRequest{Person: "anna", Lifetime: -time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, p, token, audience); err == nil {
		t.Error("a token with a negative lifetime is good")
	}
	if _, err := p.Token(TokenRequest{Person: "nobody"}); err == nil {
		t.Error("a token for nobody was made")
	}
}

func TestRotate(t *testing.T) {
	dir := t.TempDir()
	p := serve(t, Options{Algorithm: "ES256", KeyDir: dir})
	token := func() string {
		t.Helper()
		text, err := p.Token(TokenRequest{Person: "anna"})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := func(text string, want bool) {
		t.Helper()
		if _, err := verify(t, p, text, audience); (err == nil) != want {
			t.Errorf("good = %v, want %v: %v", err == nil, want, err)
		}
	}
	rotate := func() {
		t.Helper()
		if err := p.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	first := token()
	rotate()
	second := token()
	good(first, true)
	good(second, true)
	rotate()
	good(first, false)
	good(second, true)

	again, err := New(Options{Issuer: p.options.Issuer, Audiences: p.options.Audiences, KeyDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if again.keys[0].id != p.keys[0].id || again.keys[1].id != p.keys[1].id {
		t.Error("another start has other keys")
	}
	info, err := os.Stat(filepath.Join(dir, keyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of keys: %v, %v", info.Mode(), err)
	}
}

// TestAuthorizationCode runs the flow with golang.org/x/oauth2 as the client.
func TestAuthorizationCode(t *testing.T) {
	p := serve(t, Options{Algorithm: "ES256"})
	config := oauth2.Config{
		ClientID: "app", RedirectURL: "http://127.0.0.1:5555/back", Scopes: []string{"openid", "user/*.rs"},
		Endpoint: oauth2.Endpoint{AuthURL: p.options.Issuer + "/authorize", TokenURL: p.options.Issuer + "/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	verifier := oauth2.GenerateVerifier()
	link := config.AuthCodeURL("state-1", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("login_hint", "anna"),
		oauth2.SetAuthURLParam("aud", "https://other.example"), oauth2.SetAuthURLParam("nonce", "n-1"))
	code := redirected(t, link, "state-1").Get("code")
	if _, err := config.Exchange(context.Background(), code, oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		t.Error("another code verifier was accepted")
	}
	if _, err := config.Exchange(context.Background(), code, oauth2.VerifierOption(verifier)); err == nil {
		t.Error("a code was accepted after a failed try")
	}
	code = redirected(t, link, "state-1").Get("code")
	token, err := config.Exchange(context.Background(), code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := verify(t, p, token.AccessToken, "https://other.example"); err != nil || claims["sub"] != "anna" {
		t.Errorf("access token = %v, %v", claims, err)
	}
	idToken, _ := token.Extra("id_token").(string)
	claims, err := verify(t, p, idToken, "app")
	if err != nil || claims["nonce"] != "n-1" || claims["fhirUser"] != "Practitioner/p1" {
		t.Errorf("ID token = %v, %v", claims, err)
	}
}

// redirected follows an authorization request to where it sends the browser.
func redirected(t *testing.T, link, state string) url.Values {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	location, err := response.Location()
	if err != nil || location.Query().Get("state") != state {
		t.Fatalf("status %d, location %v, %v", response.StatusCode, location, err)
	}
	return location.Query()
}

func TestAuthorizeRefuses(t *testing.T) {
	p := serve(t, Options{Algorithm: "ES256"})
	challenge := sha256.Sum256([]byte("v"))
	base := url.Values{
		"client_id": {"app"}, "redirect_uri": {"https://app.example/back?x=1"}, "response_type": {"code"}, "login_hint": {"anna"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"}, "state": {"s"},
	}
	for _, tt := range []struct {
		name, value, want string // want: the error redirected with; empty for none redirected
	}{
		{"response_type", "token", "unsupported_response_type"},
		{"code_challenge", "", "invalid_request"},
		{"code_challenge_method", "plain", "invalid_request"},
		{"aud", "https://evil.example", "invalid_request"},
		{"login_hint", "nobody", "access_denied"},
		{"client_id", "other", ""},
		{"redirect_uri", "https://evil.example/back", ""},
		{"redirect_uri", "https://app.example/back?x=2", ""},
		{"redirect_uri", "http://127.0.0.1:80/back/x", ""},
		{"redirect_uri", "http://127.0.0.1:80@evil.example/back", ""},
		{"redirect_uri", "http://127.0.0.2:80/back", ""},
	} {
		query := url.Values{}
		for name, values := range base {
			query[name] = values
		}
		query.Set(tt.name, tt.value)
		link := p.options.Issuer + "/authorize?" + query.Encode()
		if tt.want != "" {
			if got := redirected(t, link, "s"); got.Get("error") != tt.want || got.Has("code") {
				t.Errorf("%s=%q: %v, want the error %q", tt.name, tt.value, got, tt.want)
			}
			continue
		}
		response, err := http.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s=%q: status %d, want 400 and no redirect", tt.name, tt.value, response.StatusCode)
		}
	}
}

func TestChoosePerson(t *testing.T) {
	p := serve(t, Options{Algorithm: "ES256"})
	response, err := http.Get(p.options.Issuer + "/authorize?client_id=app&redirect_uri=http%3A%2F%2F127.0.0.1%2Fback&response_type=code&code_challenge=x&code_challenge_method=S256")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(page), "login_hint=anna") || strings.Contains(string(page), "<b>") {
		t.Errorf("page = %s, %v", page, err)
	}
}

func TestClientCredentials(t *testing.T) {
	p := serve(t, Options{Algorithm: "ES256"})
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		config := clientcredentials.Config{ClientID: "service", ClientSecret: "s3cret+/=", TokenURL: p.options.Issuer + "/token", AuthStyle: style, Scopes: []string{"system/*.rs"}}
		token, err := config.Token(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if claims, err := verify(t, p, token.AccessToken, audience); err != nil || claims["sub"] != "service" || claims["scope"] != "system/*.rs" {
			t.Errorf("claims = %v, %v", claims, err)
		}
		config.ClientSecret = "wrong"
		if _, err := config.Token(context.Background()); err == nil {
			t.Error("a wrong secret was accepted")
		}
		config.ClientID, config.ClientSecret = "app", ""
		if _, err := config.Token(context.Background()); err == nil {
			t.Error("a public client got a token for itself")
		}
	}
}

func TestGrantPerson(t *testing.T) {
	p := serve(t, Options{Algorithm: "ES256"})
	for _, tt := range []struct {
		form   url.Values
		status int
		want   string
	}{
		{url.Values{"grant_type": {GrantPerson}, "person": {"<b>"}, "client_id": {"app"}}, http.StatusOK, `"patient":"p9"`},
		{url.Values{"grant_type": {GrantPerson}, "person": {"nobody"}}, http.StatusBadRequest, "invalid_grant"},
		{url.Values{"grant_type": {GrantPerson}, "person": {"anna"}, "audience": {"https://evil.example"}}, http.StatusBadRequest, "invalid_target"},
		{url.Values{"grant_type": {"password"}, "username": {"anna"}}, http.StatusBadRequest, "unsupported_grant_type"},
		{url.Values{"grant_type": {"authorization_code"}, "client_id": {"app"}, "code": {""}}, http.StatusBadRequest, "invalid_grant"},
	} {
		response, err := http.PostForm(p.options.Issuer+"/token", tt.form)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != tt.status || !strings.Contains(string(body), tt.want) || !json.Valid(body) {
			t.Errorf("%v: %d %s, %v; want %d with %s", tt.form, response.StatusCode, body, err, tt.status, tt.want)
		}
	}
}

func TestLoopbackOnly(t *testing.T) {
	p := serve(t, Options{Algorithm: "ES256"})
	for _, tt := range []struct {
		peer, host string
		want       int
	}{
		{"127.0.0.1:5", p.host, http.StatusOK},
		{"[::1]:5", "localhost:8080", http.StatusOK},
		{"127.0.0.1:5", "[::1]:8080", http.StatusOK},
		{"192.0.2.7:5", p.host, http.StatusForbidden},
		{"", p.host, http.StatusForbidden},
		{"127.0.0.1:5", "evil.example", http.StatusForbidden},
		{"127.0.0.1:5", "127.0.0.1.evil.example:80", http.StatusForbidden},
		{"127.0.0.1:5", "", http.StatusForbidden},
	} {
		request := httptest.NewRequest(http.MethodGet, p.path+"/jwks", nil)
		request.RemoteAddr, request.Host = tt.peer, tt.host
		recorder := httptest.NewRecorder()
		p.Handler().ServeHTTP(recorder, request)
		if recorder.Code != tt.want {
			t.Errorf("from %q to %q: %d, want %d", tt.peer, tt.host, recorder.Code, tt.want)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	bad := t.TempDir()
	if err := os.WriteFile(filepath.Join(bad, keyFile), []byte("no keys"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string]Options{
		"no issuer":      {Audiences: []string{"a"}},
		"slash":          {Issuer: "http://127.0.0.1/", Audiences: []string{"a"}},
		"no audience":    {Issuer: "http://127.0.0.1"},
		"algorithm":      {Issuer: "http://127.0.0.1", Audiences: []string{"a"}, Algorithm: "HS256"},
		"no keys inside": {Issuer: "http://127.0.0.1", Audiences: []string{"a"}, KeyDir: bad},
	} {
		if _, err := New(options); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
