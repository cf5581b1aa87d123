package credential

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/internal/demo/idp"
)

// tokenServer is the demo's identity provider with a counter before it.
func tokenServer(t *testing.T, c *clock, lifetime time.Duration) (url string, hits *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url = "http://" + listener.Addr().String()
	provider, err := idp.New(idp.Options{
		Issuer: url, Audiences: []string{"https://upstream.example", "https://other.example"}, Lifetime: lifetime, Clock: c.Now, Algorithm: "ES256",
		Clients: []idp.Client{{ID: "gate", Secret: "s3cret"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	hits = &atomic.Int32{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		provider.Handler().ServeHTTP(w, r)
	}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return url + "/token", hits
}

func constant(value string) Secret { return func() (string, error) { return value, nil } }

func TestClientCredentials(t *testing.T) {
	c := newClock()
	url, hits := tokenServer(t, c, 10*time.Minute)
	for _, inBody := range []bool{false, true} {
		t.Run(fmt.Sprintf("secret in body %v", inBody), func(t *testing.T) {
			hits.Store(0)
			token, err := NewClientCredentials(ClientCredentials{
				TokenURL: url, ClientID: "gate", Secret: constant("s3cret"), SecretInBody: inBody, Scopes: []string{"system/*.cruds"},
				Params: map[string]string{"audience": "https://other.example"},
			})
			if err != nil {
				t.Fatal(err)
			}
			token.clock = c.Now
			first, err := authorized(t, token)
			if err != nil || len(first) != 1 || !strings.HasPrefix(first[0], "Bearer eyJ") {
				t.Fatalf("Authorization = %q, %v", first, err)
			}
			wantHeader(t, token, first[0])
			if n := hits.Load(); n != 1 {
				t.Errorf("%d token requests for two requests, want 1", n)
			}
		})
	}
}

// TestTokenLife goes through a token's life: kept, replaced before its end, used
// while the endpoint is down, never after its end.
func TestTokenLife(t *testing.T) {
	c := newClock()
	var fetched int
	var failure error
	token := newToken(func(context.Context) (issued, error) {
		fetched++
		return issued{value: fmt.Sprint("t", fetched), expires: c.Now().Add(10 * time.Minute)}, failure
	})
	token.clock = c.Now
	wantHeader(t, token, "Bearer t1")
	c.Advance(9*time.Minute - time.Second)
	wantHeader(t, token, "Bearer t1")
	c.Advance(time.Second)
	wantHeader(t, token, "Bearer t2")

	c.Advance(9 * time.Minute)
	failure = errors.New("endpoint is down")
	wantHeader(t, token, "Bearer t2")
	wantHeader(t, token, "Bearer t2")
	if fetched != 3 {
		t.Errorf("%d token requests, want 3: a failure is remembered for a while", fetched)
	}
	c.Advance(time.Minute - lastMoments)
	if _, err := authorized(t, token); !errors.Is(err, ErrUnavailable) || !errors.Is(err, failure) {
		t.Fatalf("after the end: %v, want %v", err, ErrUnavailable)
	}
	failure = nil
	c.Advance(retryAfter)
	wantHeader(t, token, "Bearer t5")
}

func TestTokenRefused(t *testing.T) {
	c := newClock()
	var fetched int
	token := newToken(func(context.Context) (issued, error) {
		fetched++
		return issued{value: fmt.Sprint("t", fetched)}, nil
	})
	token.clock = c.Now
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://127.0.0.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	try := func(want string) {
		t.Helper()
		if err := token.Authorize(context.Background(), request); err != nil || request.Header.Get("Authorization") != want {
			t.Fatalf("Authorization = %q, %v; want %q", request.Header.Get("Authorization"), err, want)
		}
	}
	try("Bearer t1")
	if token.Refused(request) {
		t.Error("a brand new token that is refused is worth no second try")
	}
	try("Bearer t1")
	c.Advance(refusedMinAge)
	old := request.Clone(context.Background())
	if !token.Refused(request) {
		t.Error("an old token that is refused is worth a second try")
	}
	try("Bearer t2")
	if !token.Refused(old) {
		t.Error("a token that is gone already is worth a second try")
	}
	try("Bearer t2")
	c.Advance(unknownLifetime)
	try("Bearer t3")
}

func TestTokenSingleFlight(t *testing.T) {
	release := make(chan struct{})
	var fetched atomic.Int32
	token := newToken(func(ctx context.Context) (issued, error) {
		fetched.Add(1)
		<-release
		return issued{value: "t"}, ctx.Err()
	})
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	go func() {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1", nil)
		if err == nil {
			err = token.Authorize(ctx, request)
		}
		gone <- err
	}()
	cancel()
	if err := <-gone; !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("the request that ended: %v", err)
	}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := token.get(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	group.Wait()
	// The request that ended may have done so before its fetch began.
	if n := fetched.Load(); n > 2 {
		t.Errorf("%d token requests for 51 requests at once", n)
	}
}

func TestClientCredentialsRefused(t *testing.T) {
	c := newClock()
	url, _ := tokenServer(t, c, time.Hour)
	answer := func(status int, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	redirect := httptest.NewServer(http.RedirectHandler(url, http.StatusTemporaryRedirect))
	defer redirect.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for _, tt := range []struct {
		name, url, secret, want string
	}{
		{"wrong secret", url, "wr0ng", "invalid_client"},
		{"error text that quotes", answer(400, `{"error":"s3cret","error_description":"s3cret"}`), "s3cret", "HTTP status 400"},
		{"HTML", answer(200, `<html>s3cret</html>`), "s3cret", "no token"},
		{"no token", answer(200, `{"token_type":"Bearer"}`), "s3cret", "no token"},
		{"another type", answer(200, `{"access_token":"s3cret","token_type":"mac"}`), "s3cret", "another type"},
		{"redirect", redirect.URL, "s3cret", "HTTP status 307"},
		{"nobody there", closed.URL, "s3cret", "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, err := NewClientCredentials(ClientCredentials{TokenURL: tt.url, ClientID: "gate", Secret: constant(tt.secret)})
			if err != nil {
				t.Fatal(err)
			}
			_, err = authorized(t, token)
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), tt.secret) {
				t.Fatalf("got %v, want %q and no secret", err, tt.want)
			}
		})
	}
	for name, config := range map[string]ClientCredentials{
		"no URL":    {ClientID: "a", Secret: constant("b")},
		"no client": {TokenURL: url, Secret: constant("b")},
		"no secret": {TokenURL: url, ClientID: "a"},
		"file URL":  {TokenURL: "file:///etc/passwd", ClientID: "a", Secret: constant("b")},
	} {
		if _, err := NewClientCredentials(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
