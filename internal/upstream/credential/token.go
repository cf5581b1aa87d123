package credential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// fetchTimeout bounds one request for a token, retries of its client included.
	fetchTimeout = 30 * time.Second
	// retryAfter is how long a failure to get a token is repeated to callers
	// before the token endpoint is asked again.
	retryAfter = time.Second
	// refreshAhead is how long before its end a token is replaced; for short ones
	// it is a fifth of their life.
	refreshAhead = time.Minute
	// lastMoments is the end of a token's life in which it is not sent any more,
	// as it could end on its way.
	lastMoments = 5 * time.Second
	// refusedMinAge is the least age of a token that a 401 throws away. A server
	// that refuses every token must not make a token request of each request.
	refusedMinAge = 10 * time.Second
	// unknownLifetime is that of a token whose answer does not say (RFC 6749
	// section 5.1 only recommends expires_in).
	unknownLifetime = 5 * time.Minute
)

// Token is a credential of access tokens that end: each is kept until shortly
// before its end, and however many requests need a new one, one is fetched.
type Token struct {
	fetch   func(context.Context) (issued, error)
	clock   func() time.Time
	flight  singleflight.Group
	current atomic.Pointer[issued]

	mu       sync.Mutex
	failure  error
	failedAt time.Time
}

// issued is one access token.
type issued struct {
	value             string
	obtained, expires time.Time
}

func newToken(fetch func(context.Context) (issued, error)) *Token {
	return &Token{fetch: fetch, clock: time.Now} //nolint:forbidigo // the default, tests set their own
}

// Authorize sets the request's Authorization to a token that is valid now.
func (t *Token) Authorize(ctx context.Context, request *http.Request) error {
	request.Header.Del(authorization)
	token, err := t.get(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	request.Header.Set(authorization, "Bearer "+token.value)
	return nil
}

// Refused drops the token that the request carried, unless it is brand new.
func (t *Token) Refused(request *http.Request) bool {
	held := t.current.Load()
	if held == nil || request.Header.Get(authorization) != "Bearer "+held.value {
		return true // there is, or will be, another one already
	}
	if t.clock().Sub(held.obtained) < refusedMinAge {
		return false
	}
	t.current.CompareAndSwap(held, nil)
	return true
}

// get returns the token held, or a new one when it is about to end.
func (t *Token) get(ctx context.Context) (*issued, error) {
	held := t.current.Load()
	now := t.clock()
	if held != nil && now.Before(held.refresh()) {
		return held, nil
	}
	fresh, err := t.renew(ctx)
	if err == nil {
		return fresh, nil
	}
	if held != nil && now.Before(held.expires.Add(-lastMoments)) {
		return held, nil
	}
	return nil, err
}

// refresh is when the token should be replaced.
func (i *issued) refresh() time.Time {
	return i.expires.Add(-min(refreshAhead, i.expires.Sub(i.obtained)/5))
}

// renew fetches a token, or joins the fetch under way.
func (t *Token) renew(ctx context.Context) (*issued, error) {
	result := t.flight.DoChan("", func() (any, error) {
		if err := t.recentFailure(); err != nil {
			return nil, err
		}
		// The token serves every request that waits, so its fetch outlives the first one's.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		token, err := t.fetch(ctx)
		now := t.clock()
		if err == nil && token.value == "" {
			err = errors.New("the token endpoint answered without a token")
		}
		if err != nil {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.failure, t.failedAt = err, now
			return nil, err
		}
		token.obtained = now
		if token.expires.IsZero() {
			token.expires = now.Add(unknownLifetime)
		}
		t.current.Store(&token)
		return &token, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-result:
		token, _ := r.Val.(*issued)
		return token, r.Err
	}
}

// recentFailure returns the last failure while it is too early to try again.
func (t *Token) recentFailure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failure != nil && t.clock().Sub(t.failedAt) < retryAfter {
		return t.failure
	}
	return nil
}
