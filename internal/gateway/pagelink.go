package gateway

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/fhir"
)

// pageLink is what a next link carries, sealed: where to go on, and the search
// that it goes on with, so that policy is asked again about the same request.
type pageLink struct {
	At        position `json:"a"`
	Delivered int      `json:"n"`
	Total     *int     `json:"t,omitempty"`
	Split     bool     `json:"s,omitempty"` // the search is made of several
	Path      string   `json:"p"`           // the interaction
	Query     string   `json:"q"`
	Expires   int64    `json:"e"` // Unix seconds
}

// pageSealer encrypts page links: what they hold could identify patients, and
// nobody may change it.
type pageSealer struct{ aead cipher.AEAD }

func newPageSealer(key []byte) (*pageSealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("page link key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("page link key: %w", err)
	}
	return &pageSealer{aead: aead}, nil
}

var errSeal = errors.New("page link can't be opened")

// sealBlock is what the length of a link is rounded up to: how many digits a
// position has would tell of hidden rows.
const sealBlock = 256

func (s *pageSealer) seal(plain, bound []byte) string {
	for len(plain)%sealBlock != 0 {
		plain = append(plain, ' ') // white space means nothing in JSON
	}
	nonce := make([]byte, s.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, bound))
}

func (s *pageSealer) open(token string, bound []byte) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < s.aead.NonceSize() {
		return nil, errSeal
	}
	plain, err := s.aead.Open(nil, raw[:s.aead.NonceSize()], raw[s.aead.NonceSize():], bound)
	if err != nil {
		return nil, errSeal
	}
	return plain, nil
}

// bound is what a page link is bound to: this base, and the caller as who and
// through which application and in which role they came.
func (x *exchange) bound() []byte {
	p := x.call.Request.Principal
	sum := sha256.Sum256([]byte(strings.Join([]string{x.Name, x.PublicBase, callerKey(p), x.call.Request.ActAs}, "\x00")))
	return sum[:]
}

func callerKey(p access.Principal) string {
	return strings.Join([]string{p.Issuer, p.Subject, p.Client}, "\x00")
}

// nextLink seals a link to what comes after this page.
func (x *exchange) nextLink(l pageLink) (string, error) {
	l.Path, l.Query = x.in.Path(), x.in.Query.Encode()
	l.Expires = x.Clock().Add(x.Limits.PageLinkTTL).Unix()
	plain, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("page link: %w", err)
	}
	link := x.PublicBase
	if l.Path != "" {
		link += "/" + l.Path
	}
	return link + "?_page=" + x.pages.seal(plain, x.bound()), nil
}

// openPage puts the search that a page link goes on with in the place of the
// request.
func (x *exchange) openPage() error {
	plain, err := x.pages.open(x.in.Query.Page, x.bound())
	if err != nil {
		return errPage
	}
	if err := json.Unmarshal(plain, &x.link); err != nil {
		return errPage
	}
	if x.Clock().After(time.Unix(x.link.Expires, 0)) {
		return errPageGone
	}
	in, err := fhir.Parse(x.Definitions, http.MethodGet, x.link.Path, x.link.Query, "")
	if err != nil || in.Code != x.in.Code || in.Path() != x.in.Path() {
		return errPage
	}
	x.in, x.paged = in, true
	x.call.Request.Interaction = in
	return nil
}

// callers bounds how many searches of one caller run at a time.
type callers struct {
	limit int
	mu    sync.Mutex
	busy  map[string]int
}

// enter takes a place; leave gives it back.
func (c *callers) enter(key string) (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy == nil {
		c.busy = map[string]int{}
	}
	if c.busy[key] >= c.limit {
		return nil, false
	}
	c.busy[key]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.busy[key]--; c.busy[key] <= 0 {
			delete(c.busy, key)
		}
	}, true
}
