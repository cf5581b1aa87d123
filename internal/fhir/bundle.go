package fhir

import (
	"errors"
	"fmt"
	"io"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// Errors of a BundleReader. Each means that what came isn't a whole Bundle: no
// part of the answer made from it may look whole.
var (
	ErrNotBundle = errors.New("not a Bundle")
	ErrTruncated = errors.New("bundle ends early")
	ErrTooLarge  = errors.New("one value of the bundle is larger than the limit")
)

// BundleLimits bound what a BundleReader holds at a time, in bytes.
type BundleLimits struct {
	MaxEntry int // one entry
	MaxDepth int // levels of nesting
}

// maxHead bounds one member of a Bundle besides entry, in bytes, and maxMembers
// how many a Bundle may have; R4 knows about ten.
const (
	maxHead    = 1 << 20
	maxMembers = 64
)

// Entry is one entry of a Bundle. Its slices are valid until the next call.
type Entry struct {
	FullURL  string
	Resource []byte // raw JSON, checked by wire.Check; nil when absent
	Mode     string // search.mode
	Method   string // request.method, in a history
	URL      string // request.url
	Status   string // response.status
	ETag     string // response.etag
}

// BundleReader reads a Bundle entry by entry and holds one entry at a time.
type BundleReader struct {
	scan   valueScanner
	limits BundleLimits
	state  bundleState
	next   string
	typ    string
	seen   map[string]bool
	first  bool // at the first entry of the array
}

type bundleState uint8

const (
	bundleStart bundleState = iota
	bundleEntries
	bundleDone
)

// NewBundleReader reads from r. It takes one JSON object whose resourceType is
// Bundle, wherever in the object that member stands.
func NewBundleReader(r io.Reader, limits BundleLimits) *BundleReader {
	return &BundleReader{scan: valueScanner{r: r, maxDepth: limits.MaxDepth}, limits: limits, seen: map[string]bool{}}
}

// Next gives the next entry; io.EOF after the last one, when the whole Bundle
// has been read and was well-formed.
func (b *BundleReader) Next() (Entry, error) {
	for {
		switch b.state {
		case bundleStart:
			if err := b.open(); err != nil {
				return Entry{}, err
			}
		case bundleEntries:
			raw, more, err := b.item()
			if err != nil {
				return Entry{}, err
			}
			if more {
				return b.entry(raw)
			}
			if err := b.members(); err != nil {
				return Entry{}, err
			}
		case bundleDone:
			return Entry{}, io.EOF
		}
	}
}

// NextLink is the URL of the link with relation next, after io.EOF.
func (b *BundleReader) NextLink() string { return b.next }

// Type is the Bundle's type, after io.EOF.
func (b *BundleReader) Type() string { return b.typ }

func (b *BundleReader) open() error {
	c, err := b.scan.nonSpace()
	if err != nil {
		return err
	}
	if c != '{' {
		return ErrNotBundle
	}
	b.scan.advance()
	return b.members()
}

// members reads members up to the entry array or the end of the object.
func (b *BundleReader) members() error {
	for {
		c, err := b.scan.nonSpace()
		if err != nil {
			return err
		}
		switch {
		case c == '}':
			b.scan.advance()
			return b.finish()
		case c == ',' && len(b.seen) > 0:
			b.scan.advance()
		case len(b.seen) > 0:
			return ErrNotBundle
		}
		key, err := b.key()
		if err != nil {
			return err
		}
		if key == "entry" {
			return b.openEntries()
		}
		value, err := b.scan.value(maxHead)
		if err != nil {
			return err
		}
		if err := b.member(key, value); err != nil {
			return err
		}
	}
}

// key reads a member's name and its colon, and refuses a second one of a name.
func (b *BundleReader) key() (string, error) {
	if c, err := b.scan.nonSpace(); err != nil || c != '"' {
		return "", errors.Join(ErrNotBundle, err)
	}
	raw, err := b.scan.value(1 << 10)
	if err != nil {
		return "", err
	}
	if err := b.check(raw); err != nil {
		return "", err
	}
	key, ok := wire.String(raw)
	if !ok || b.seen[key] || len(b.seen) == maxMembers {
		return "", ErrNotBundle
	}
	b.seen[key] = true
	c, err := b.scan.nonSpace()
	if err != nil {
		return "", err
	}
	if c != ':' {
		return "", ErrNotBundle
	}
	b.scan.advance()
	return key, nil
}

func (b *BundleReader) openEntries() error {
	c, err := b.scan.nonSpace()
	if err != nil {
		return err
	}
	if c != '[' {
		return ErrNotBundle
	}
	b.scan.advance()
	b.state, b.first = bundleEntries, true
	return nil
}

// item reads one item of the entry array; more is false at its end.
func (b *BundleReader) item() (raw []byte, more bool, err error) {
	c, err := b.scan.nonSpace()
	if err != nil {
		return nil, false, err
	}
	if c == ']' {
		b.scan.advance()
		return nil, false, nil
	}
	if !b.first {
		if c != ',' {
			return nil, false, ErrNotBundle
		}
		b.scan.advance()
	}
	b.first = false
	raw, err = b.scan.value(b.limits.MaxEntry)
	if err != nil {
		return nil, false, err
	}
	return raw, true, nil
}

func (b *BundleReader) member(key string, value []byte) error {
	if err := b.check(value); err != nil {
		return err
	}
	switch key {
	case "resourceType":
		if s, ok := wire.String(value); !ok || s != "Bundle" {
			return ErrNotBundle
		}
	case "type":
		b.typ, _ = wire.String(value)
	case "link":
		return b.links(value)
	}
	return nil
}

// check holds a value outside the entries to be strict JSON: wrapped, since
// wire.Check wants an object.
func (b *BundleReader) check(value []byte) error {
	if err := wire.Check(append(append([]byte(`{"v":`), value...), '}'), wire.Limits{MaxDepth: b.limits.MaxDepth}); err != nil {
		return fmt.Errorf("%w: %w", ErrNotBundle, err)
	}
	return nil
}

func (b *BundleReader) links(value []byte) error {
	if wire.KindOf(value) != wire.Array {
		return ErrNotBundle
	}
	for link := range wire.Items(value) {
		if wire.KindOf(link) != wire.Object {
			return ErrNotBundle
		}
		if stringMember(link, "relation") == "next" {
			b.next = stringMember(link, "url")
		}
	}
	return nil
}

// finish holds the Bundle to have been one, with nothing after it.
func (b *BundleReader) finish() error {
	if !b.seen["resourceType"] {
		return ErrNotBundle
	}
	if err := b.scan.end(); err != nil {
		return err
	}
	b.state = bundleDone
	return nil
}

func (b *BundleReader) entry(raw []byte) (Entry, error) {
	if err := wire.Check(raw, wire.Limits{MaxDepth: b.limits.MaxDepth}); err != nil {
		return Entry{}, fmt.Errorf("%w: entry: %w", ErrNotBundle, err)
	}
	var e Entry
	for key, value := range wire.Members(raw) {
		switch string(key) {
		case "fullUrl":
			e.FullURL, _ = wire.String(value)
		case "resource":
			if wire.KindOf(value) != wire.Object {
				return Entry{}, ErrNotBundle
			}
			e.Resource = value
		case "search":
			e.Mode = stringMember(value, "mode")
		case "request":
			e.Method, e.URL = stringMember(value, "method"), stringMember(value, "url")
		case "response":
			e.Status, e.ETag = stringMember(value, "status"), stringMember(value, "etag")
		}
	}
	return e, nil
}

// stringMember is the string member of an object, or "".
func stringMember(object []byte, key string) string {
	if wire.KindOf(object) != wire.Object {
		return ""
	}
	value, ok := wire.Get(object, key)
	if !ok {
		return ""
	}
	s, _ := wire.String(value)
	return s
}
