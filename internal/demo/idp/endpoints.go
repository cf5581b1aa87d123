package idp

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// GrantPerson is the demo's own grant type: a token for the person named by the
// parameter person, without any proof.
const GrantPerson = "urn:fhirgate:demo:person"

const (
	codeLifetime = time.Minute
	maxForm      = 64 << 10
)

// grant is what an authorization code stands for.
type grant struct {
	person, client, redirectURI, audience, scope, nonce, challenge string

	expires time.Time
}

// Handler returns the provider's endpoints, below the path of its issuer.
func (p *Provider) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+p.path+"/.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET "+p.path+"/jwks", p.jwks)
	mux.HandleFunc("GET "+p.path+"/authorize", p.authorize)
	mux.HandleFunc("POST "+p.path+"/token", p.token)
	return p.onLoopback(mux)
}

// discovery answers OpenID Connect Discovery 1.0 section 4.2.
func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                p.options.Issuer,
		"authorization_endpoint":                p.options.Issuer + "/authorize",
		"token_endpoint":                        p.options.Issuer + "/token",
		"jwks_uri":                              p.options.Issuer + "/jwks",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{string(p.options.Algorithm)},
		"grant_types_supported":                 []string{"authorization_code", "client_credentials", GrantPerson},
		"code_challenge_methods_supported":      []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
	})
}

func (p *Provider) jwks(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	set := jose.JSONWebKeySet{}
	for _, key := range p.keys {
		set.Keys = append(set.Keys, key.public())
	}
	p.mu.Unlock()
	writeJSON(w, http.StatusOK, set)
}

// choosePerson is shown when an authorization request names nobody.
//
//nolint:gochecknoglobals // parsed once, and only executed
var choosePerson = template.Must(template.New("people").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Demo sign-in</title><h1>Who are you?</h1>
<ul>{{range .}}<li><a href="{{.Link}}">{{.Name}}</a></li>{{end}}</ul></html>
`))

// authorize answers an authorization request (RFC 6749 section 4.1.1 with RFC
// 7636). The person is login_hint's; without one a page lets the user choose.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	client, known := p.client(query.Get("client_id"))
	redirect, err := url.Parse(query.Get("redirect_uri"))
	if !known || err != nil || !slices.ContainsFunc(client.RedirectURIs, func(uri string) bool { return sameRedirect(uri, redirect) }) {
		http.Error(w, "unknown client or redirect_uri", http.StatusBadRequest) // never redirected: RFC 6749 section 4.1.2.1
		return
	}
	answer := url.Values{}
	if state := query.Get("state"); state != "" {
		answer.Set("state", state)
	}
	audience, audienceOK := p.audience(query)
	hint := query.Get("login_hint")
	_, personKnown := p.person(hint)
	switch {
	case query.Get("response_type") != "code":
		answer.Set("error", "unsupported_response_type")
	case query.Get("code_challenge") == "" || query.Get("code_challenge_method") != "S256" || !audienceOK:
		answer.Set("error", "invalid_request")
	case hint == "":
		p.choose(w, r)
		return
	case !personKnown:
		answer.Set("error", "access_denied")
	default:
		answer.Set("code", p.newCode(grant{
			person: hint, client: client.ID, redirectURI: query.Get("redirect_uri"), audience: audience,
			scope: query.Get("scope"), nonce: query.Get("nonce"), challenge: query.Get("code_challenge"),
		}))
	}
	back := redirect.Query()
	for name, values := range answer {
		back[name] = values
	}
	redirect.RawQuery = back.Encode()
	http.Redirect(w, r, redirect.String(), http.StatusFound)
}

// choose shows every person as a link to the same request with a login_hint.
func (p *Provider) choose(w http.ResponseWriter, r *http.Request) {
	type choice struct{ Name, Link string }
	var choices []choice
	for _, person := range p.options.People {
		query := r.URL.Query()
		query.Set("login_hint", person.Name)
		choices = append(choices, choice{person.Name, "?" + query.Encode()})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	_ = choosePerson.Execute(w, choices) // the browser has gone, nobody is left to tell
}

// newCode keeps a grant under a new code and drops codes that have expired.
func (p *Provider) newCode(g grant) string {
	code := rand.Text()
	now := p.options.Clock()
	g.expires = now.Add(codeLifetime)
	p.mu.Lock()
	defer p.mu.Unlock()
	for old, kept := range p.codes {
		if now.After(kept.expires) {
			delete(p.codes, old)
		}
	}
	p.codes[code] = g
	return code
}

// token answers a token request (RFC 6749 section 3.2).
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		p.tokenForCode(w, r)
	case "client_credentials":
		client, ok := p.authenticate(r)
		if !ok || client.Secret == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
			refuse(w, http.StatusUnauthorized, "invalid_client")
			return
		}
		p.answer(w, r, TokenRequest{Client: client.ID, Claims: client.Claims}, "")
	case GrantPerson:
		name := r.PostForm.Get("person")
		if _, ok := p.person(name); !ok {
			refuse(w, http.StatusBadRequest, "invalid_grant")
			return
		}
		p.answer(w, r, TokenRequest{Person: name, Client: r.PostForm.Get("client_id")}, "")
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type")
	}
}

// tokenForCode redeems an authorization code, once.
func (p *Provider) tokenForCode(w http.ResponseWriter, r *http.Request) {
	client, ok := p.authenticate(r)
	if !ok {
		refuse(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	code := r.PostForm.Get("code")
	p.mu.Lock()
	g, found := p.codes[code]
	delete(p.codes, code)
	p.mu.Unlock()
	digest := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	challenge := base64.RawURLEncoding.EncodeToString(digest[:])
	if !found || p.options.Clock().After(g.expires) || g.client != client.ID ||
		g.redirectURI != r.PostForm.Get("redirect_uri") || !equal(g.challenge, challenge) {
		refuse(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	r.PostForm.Set("audience", g.audience)
	r.PostForm.Set("scope", g.scope)
	var idToken string
	if slices.Contains(strings.Fields(g.scope), "openid") {
		var err error
		if idToken, err = p.idToken(g); err != nil {
			refuse(w, http.StatusInternalServerError, "server_error")
			return
		}
	}
	p.answer(w, r, TokenRequest{Person: g.person, Client: client.ID}, idToken)
}

// answer issues the token with the form's audience and scope.
func (p *Provider) answer(w http.ResponseWriter, r *http.Request, request TokenRequest, idToken string) {
	audience, ok := p.audience(r.PostForm)
	if !ok {
		refuse(w, http.StatusBadRequest, "invalid_target")
		return
	}
	request.Audience, request.Scope = audience, r.PostForm.Get("scope")
	access, err := p.Token(request)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "server_error")
		return
	}
	body := map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int64(p.options.Lifetime.Seconds()), "scope": request.Scope,
	}
	if idToken != "" {
		body["id_token"] = idToken
	}
	if person, ok := p.person(request.Person); ok && person.Claims["patient"] != nil {
		body["patient"] = person.Claims["patient"] // SMART 2.2, launch context parameters
	}
	writeJSON(w, http.StatusOK, body)
}

// audience returns what the request asks for by aud (SMART), audience or
// resource (RFC 8707), if it is one of the provider's.
func (p *Provider) audience(form url.Values) (string, bool) {
	for _, name := range []string{"aud", "audience", "resource"} {
		if asked := form.Get(name); asked != "" {
			return asked, slices.Contains(p.options.Audiences, asked)
		}
	}
	return p.options.Audiences[0], true
}

// authenticate returns the client of a token request: a confidential one with
// its secret, or a public one by its id.
func (p *Provider) authenticate(r *http.Request) (Client, bool) {
	id, secret, basic := r.BasicAuth()
	if basic {
		// RFC 6749 section 2.3.1: both are form-encoded first.
		id, secret = unescape(id), unescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	client, ok := p.client(id)
	return client, ok && equal(client.Secret, secret)
}

func unescape(text string) string {
	plain, err := url.QueryUnescape(text)
	if err != nil {
		return ""
	}
	return plain
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// sameRedirect compares a registered redirect URI with an asked one.
func sameRedirect(registered string, asked *url.URL) bool {
	if registered == asked.String() {
		return true
	}
	want, err := url.Parse(registered)
	ip := net.ParseIP(asked.Hostname())
	return err == nil && ip != nil && ip.IsLoopback() && want.Hostname() == asked.Hostname() &&
		want.Scheme == asked.Scheme && want.Path == asked.Path && asked.RawQuery == "" && asked.Fragment == "" && asked.User == nil
}

// refuse answers with an error of RFC 6749 section 5.2.
func refuse(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, map[string]any{"error": code})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone, nobody is left to tell
}
