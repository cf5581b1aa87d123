// Package credential authenticates the gateway towards an upstream FHIR server:
// with nothing, a static bearer token, HTTP Basic, OAuth 2.0 client credentials
// or an Azure identity. Whatever Authorization a request carries is replaced, so
// a caller's token can never reach the server.
//
// It may import no other package of the gateway.
package credential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Credential puts the gateway's own authentication on a request. Implementations
// are safe for concurrent use. When Authorize fails, the request carries no
// Authorization and must not be sent.
type Credential interface {
	Authorize(ctx context.Context, request *http.Request) error
}

// Renewer is a Credential whose tokens a server may refuse before they end.
type Renewer interface {
	Credential
	// Refused tells that the server answered the request with 401. It reports
	// whether the request is worth one more try after another Authorize.
	Refused(request *http.Request) bool
}

// ErrUnavailable is the error of every credential that cannot be had now.
var ErrUnavailable = errors.New("no credential for the upstream")

// Secret reads a secret from where it is kept. It is called again and again, so
// that a changed secret is taken up without a restart.
type Secret func() (string, error)

// secretMaxAge is how long a secret that was read is used.
const secretMaxAge = time.Second

const authorization = "Authorization"

// None sends requests without any Authorization.
type None struct{}

// Authorize removes the request's Authorization.
func (None) Authorize(_ context.Context, request *http.Request) error {
	request.Header.Del(authorization)
	return nil
}

// Static is a bearer token or a password that is kept in a file or the environment.
type Static struct {
	read   Secret
	header func(secret string) (string, error)
	clock  func() time.Time

	mu     sync.Mutex
	value  string // of the header
	readAt time.Time
}

// NewBearer returns a credential that sends the secret as a bearer token (RFC
// 6750). It reads it once at the start, so that a missing one is noticed.
func NewBearer(token Secret) (*Static, error) {
	return newStatic(token, func(secret string) (string, error) {
		if strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return "", errors.New("the token has characters that a header cannot carry")
		}
		return "Bearer " + secret, nil
	})
}

// NewBasic returns a credential for HTTP Basic (RFC 7617). It reads the password
// once at the start, so that a missing one is noticed.
func NewBasic(user string, password Secret) (*Static, error) {
	if user == "" || strings.Contains(user, ":") {
		return nil, errors.New("the user name is empty or has a colon")
	}
	return newStatic(password, func(secret string) (string, error) {
		request := http.Request{Header: http.Header{}}
		request.SetBasicAuth(user, secret)
		return request.Header.Get(authorization), nil
	})
}

func newStatic(read Secret, header func(string) (string, error)) (*Static, error) {
	s := &Static{read: read, header: header, clock: time.Now} //nolint:forbidigo // the default, tests set their own
	_, err := s.current()
	return s, err
}

// Authorize sets the request's Authorization. A secret that can no longer be
// read is an error: it may have been withdrawn.
func (s *Static) Authorize(_ context.Context, request *http.Request) error {
	request.Header.Del(authorization)
	value, err := s.current()
	if err != nil {
		return err
	}
	request.Header.Set(authorization, value)
	return nil
}

// current returns the header's value, from the secret as it was at most
// secretMaxAge ago.
func (s *Static) current() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	if s.value != "" && now.Sub(s.readAt) < secretMaxAge {
		return s.value, nil
	}
	s.value = ""
	secret, err := s.read()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if secret == "" {
		return "", fmt.Errorf("%w: the secret is empty", ErrUnavailable)
	}
	value, err := s.header(secret)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	s.value, s.readAt = value, now
	return value, nil
}
