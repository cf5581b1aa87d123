package credential

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time that tests move by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// callers is the Authorization of a caller, which must never go on.
const callers = "Bearer callers-token"

// authorized sends a request that carries a caller's token over HTTP, and
// returns the Authorization headers that arrived.
func authorized(t *testing.T, c Credential) ([]string, error) {
	t.Helper()
	var arrived []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived = r.Header.Values("Authorization")
	}))
	defer server.Close()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Add("Authorization", callers)
	request.Header.Add("Authorization", callers)
	if err := c.Authorize(context.Background(), request); err != nil {
		if got := request.Header.Values("Authorization"); len(got) != 0 {
			t.Fatalf("after an error the request carries %q", got)
		}
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return arrived, response.Body.Close()
}

func wantHeader(t *testing.T, c Credential, want ...string) {
	t.Helper()
	got, err := authorized(t, c)
	if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("Authorization = %q, %v; want %q", got, err, want)
	}
}

func secretFile(t *testing.T, path string) Secret {
	t.Helper()
	return func() (string, error) {
		text, err := os.ReadFile(path)
		return strings.TrimSpace(string(text)), err
	}
}

func TestNone(t *testing.T) { wantHeader(t, None{}) }

func TestBearerTakesUpChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if _, err := NewBearer(secretFile(t, path)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("a missing file at start: %v, want %v", err, ErrUnavailable)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	s, err := NewBearer(secretFile(t, path))
	if err != nil {
		t.Fatal(err)
	}
	c := newClock()
	s.clock = c.Now
	wantHeader(t, s, "Bearer first")
	write("second\n")
	c.Advance(secretMaxAge)
	wantHeader(t, s, "Bearer second")
	for _, bad := range []string{"", "a b", "a\r\nX-Evil: 1", "naïve"} {
		write(bad)
		c.Advance(secretMaxAge)
		if _, err := authorized(t, s); !errors.Is(err, ErrUnavailable) || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("secret %q: %v, want %v without the secret", bad, err, ErrUnavailable)
		}
	}
	write("third")
	wantHeader(t, s, "Bearer third")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c.Advance(secretMaxAge)
	if _, err := authorized(t, s); !errors.Is(err, ErrUnavailable) {
		t.Errorf("file gone: %v, want %v", err, ErrUnavailable)
	}
}

func TestBasic(t *testing.T) {
	password := Secret(func() (string, error) { return "pass:wörd", nil })
	s, err := NewBasic("gate", password)
	if err != nil {
		t.Fatal(err)
	}
	wantHeader(t, s, "Basic "+base64.StdEncoding.EncodeToString([]byte("gate:pass:wörd")))
	for _, user := range []string{"", "a:b"} {
		if _, err := NewBasic(user, password); err == nil {
			t.Errorf("user %q was accepted", user)
		}
	}
}
