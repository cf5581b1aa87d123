package wire

import (
	"bytes"
	"fmt"
	"sync"
	"unicode/utf8"
)

// DefaultMaxDepth is how many levels of nesting Check allows when its limits
// name none. The deepest R4 example has about 20.
const DefaultMaxDepth = 64

// Limits bound what Check accepts.
type Limits struct {
	// MaxDepth is the number of levels of nested objects and arrays, the document
	// itself counted; 0 means DefaultMaxDepth.
	MaxDepth int
}

// SyntaxError says why and where a document is refused. It never quotes content,
// so it may be logged and answered.
type SyntaxError struct {
	// Offset is the index of the byte at which the check stopped.
	Offset int
	// Reason is one of a fixed set of texts.
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Reason)
}

// Check accepts doc exactly when it is one JSON object as RFC 8259 has it, with
// white space around it at most, in valid UTF-8 with no escape that is half a
// surrogate pair, with no key twice in one object (keys compared unescaped), and
// not deeper than the limits allow. What it refuses is a *SyntaxError.
func Check(doc []byte, limits Limits) error {
	c, ok := checkers.Get().(*checker)
	if !ok {
		c = new(checker)
	}
	c.reset(doc, limits)
	err := c.document()
	c.release()
	if err != nil {
		return err
	}
	return nil
}

var checkers = sync.Pool{New: func() any { return new(checker) }} //nolint:gochecknoglobals // a pool; release keeps documents out of it

// maxKeysKept bounds what a pooled checker may hold on to after a wide document.
const maxKeysKept = 4 << 10

// linearKeys is up to how many keys of one object are compared one by one;
// beyond, a set takes over, so that a wide object costs linear time.
const linearKeys = 24

type checker struct {
	doc      []byte
	pos      int
	maxDepth int
	// keys are those of all open objects, innermost last.
	keys [][]byte
}

func (c *checker) reset(doc []byte, limits Limits) {
	c.doc, c.pos, c.maxDepth = doc, 0, limits.MaxDepth
	if c.maxDepth <= 0 {
		c.maxDepth = DefaultMaxDepth
	}
}

// release gives c back without anything of the document in it.
func (c *checker) release() {
	c.doc = nil
	if cap(c.keys) > maxKeysKept {
		c.keys = nil
	}
	clear(c.keys[:cap(c.keys)])
	c.keys = c.keys[:0]
	checkers.Put(c)
}

func (c *checker) fail(reason string) *SyntaxError {
	return &SyntaxError{Offset: c.pos, Reason: reason}
}

func (c *checker) space() {
	c.pos = SkipSpace(c.doc, c.pos)
}

// peek is the next byte, 0 at the end: no token starts with 0.
func (c *checker) peek() byte {
	if c.pos < len(c.doc) {
		return c.doc[c.pos]
	}
	return 0
}

func (c *checker) document() *SyntaxError {
	c.space()
	if c.peek() != '{' {
		return c.fail("expected an object")
	}
	if err := c.object(1); err != nil {
		return err
	}
	c.space()
	if c.pos != len(c.doc) {
		return c.fail("bytes after the object")
	}
	return nil
}

func (c *checker) value(depth int) *SyntaxError {
	switch b := c.peek(); {
	case b == '"':
		_, err := c.string()
		return err
	case b == '{':
		return c.object(depth + 1)
	case b == '[':
		return c.array(depth + 1)
	case b == 't':
		return c.literal("true")
	case b == 'f':
		return c.literal("false")
	case b == 'n':
		return c.literal("null")
	case b == '-' || isDigit(b):
		return c.number()
	}
	return c.fail("expected a value")
}

func (c *checker) object(depth int) *SyntaxError {
	if depth > c.maxDepth {
		return c.fail("too many levels of nesting")
	}
	first := len(c.keys)
	var seen map[string]struct{}
	c.pos++
	c.space()
	if c.peek() == '}' {
		c.pos++
		return nil
	}
	for {
		if err := c.key(first, &seen); err != nil {
			return err
		}
		c.space()
		if err := c.value(depth); err != nil {
			return err
		}
		c.space()
		switch c.peek() {
		case ',':
			c.pos++
			c.space()
		case '}':
			c.pos++
			c.keys = c.keys[:first]
			return nil
		default:
			return c.fail("expected a comma or the end of the object")
		}
	}
}

// key reads a key and its colon, and refuses it when the object, whose keys
// start at c.keys[first], had it before.
func (c *checker) key(first int, seen *map[string]struct{}) *SyntaxError {
	start := c.pos
	if c.peek() != '"' {
		return c.fail("expected a key")
	}
	escaped, err := c.string()
	if err != nil {
		return err
	}
	key := c.doc[start+1 : c.pos-1]
	if escaped {
		key = unescape(nil, key)
	}
	if c.repeated(key, first, seen) {
		c.pos = start
		return c.fail("a key twice in one object")
	}
	c.space()
	if c.peek() != ':' {
		return c.fail("expected a colon")
	}
	c.pos++
	return nil
}

func (c *checker) repeated(key []byte, first int, seen *map[string]struct{}) bool {
	if *seen == nil {
		for _, k := range c.keys[first:] {
			if bytes.Equal(k, key) {
				return true
			}
		}
		c.keys = append(c.keys, key)
		if len(c.keys)-first > linearKeys {
			*seen = make(map[string]struct{}, 4*linearKeys)
			for _, k := range c.keys[first:] {
				(*seen)[string(k)] = struct{}{}
			}
		}
		return false
	}
	if _, twice := (*seen)[string(key)]; twice {
		return true
	}
	(*seen)[string(key)] = struct{}{}
	return false
}

func (c *checker) array(depth int) *SyntaxError {
	if depth > c.maxDepth {
		return c.fail("too many levels of nesting")
	}
	c.pos++
	c.space()
	if c.peek() == ']' {
		c.pos++
		return nil
	}
	for {
		if err := c.value(depth); err != nil {
			return err
		}
		c.space()
		switch c.peek() {
		case ',':
			c.pos++
			c.space()
		case ']':
			c.pos++
			return nil
		default:
			return c.fail("expected a comma or the end of the array")
		}
	}
}

func (c *checker) literal(word string) *SyntaxError {
	if len(c.doc)-c.pos < len(word) || string(c.doc[c.pos:c.pos+len(word)]) != word {
		return c.fail("expected a value")
	}
	c.pos += len(word)
	return nil
}

// A number has at most so many bytes, and its exponent so many digits. FHIR has
// 18 digits (R4 datatypes.html#decimal); parsers differ, or fail, on what is far
// beyond that.
const (
	maxNumber   = 256
	maxExponent = 4
)

// number is RFC 8259 section 6: no leading zeros, no bare point, no plus sign.
func (c *checker) number() *SyntaxError {
	start := c.pos
	if c.peek() == '-' {
		c.pos++
	}
	switch {
	case c.peek() == '0':
		c.pos++
	case !c.digits():
		return c.fail("expected a digit")
	}
	if c.peek() == '.' {
		c.pos++
		if !c.digits() {
			return c.fail("expected a digit")
		}
	}
	if b := c.peek(); b == 'e' || b == 'E' {
		c.pos++
		if b := c.peek(); b == '+' || b == '-' {
			c.pos++
		}
		exponent := c.pos
		if !c.digits() {
			return c.fail("expected a digit")
		}
		if c.pos-exponent > maxExponent {
			return c.fail("a number out of range")
		}
	}
	if c.pos-start > maxNumber {
		return c.fail("a number out of range")
	}
	return nil
}

// digits skips a run of digits and says whether there was one.
func (c *checker) digits() bool {
	start := c.pos
	for c.pos < len(c.doc) && isDigit(c.doc[c.pos]) {
		c.pos++
	}
	return c.pos > start
}

// string skips a string, from quote to quote, and says whether it has escapes.
func (c *checker) string() (escaped bool, err *SyntaxError) {
	doc, i := c.doc, c.pos+1
	for i < len(doc) {
		b := doc[i]
		switch {
		case b == '"':
			c.pos = i + 1
			return escaped, nil
		case b == '\\':
			escaped = true
			n := escapeLength(doc[i:])
			if n == 0 {
				c.pos = i
				return false, c.fail("invalid escape")
			}
			i += n
		case b < ' ':
			c.pos = i
			return false, c.fail("control character in a string")
		case b < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(doc[i:])
			if r == utf8.RuneError && n == 1 {
				c.pos = i
				return false, c.fail("invalid UTF-8")
			}
			i += n
		}
	}
	c.pos = len(doc)
	return false, c.fail("string without end")
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }
