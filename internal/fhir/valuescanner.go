package fhir

import (
	"bytes"
	"errors"
	"io"
)

// valueScanner cuts JSON values out of a stream. It finds where a value ends
// and no more: what it returns goes through wire.Check before use.
type valueScanner struct {
	r        io.Reader
	buf      []byte // buf[pos:] is not consumed yet
	pos      int
	eof      bool
	maxDepth int
}

const readChunk = 32 << 10

// fill reads more bytes behind buf, dropping what lies before keep and moving
// the rest to the front. It gives by how much positions moved.
func (s *valueScanner) fill(keep int) (shift int, err error) {
	if s.eof {
		return 0, ErrTruncated
	}
	if keep > 0 {
		n := copy(s.buf, s.buf[keep:])
		s.buf = s.buf[:n]
		s.pos -= keep
	}
	if cap(s.buf)-len(s.buf) < readChunk {
		grown := make([]byte, len(s.buf), 2*cap(s.buf)+readChunk)
		copy(grown, s.buf)
		s.buf = grown
	}
	for range 100 {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		switch {
		case n > 0:
			s.eof = errors.Is(err, io.EOF)
			if err != nil && !s.eof {
				return keep, err
			}
			return keep, nil
		case errors.Is(err, io.EOF):
			s.eof = true
			return keep, ErrTruncated
		case err != nil:
			return keep, err
		}
	}
	return keep, io.ErrNoProgress
}

// nonSpace gives the next byte that isn't white space, without consuming it.
func (s *valueScanner) nonSpace() (byte, error) {
	for {
		for s.pos < len(s.buf) {
			switch c := s.buf[s.pos]; c {
			case ' ', '\t', '\r', '\n':
				s.pos++
			default:
				return c, nil
			}
		}
		if _, err := s.fill(s.pos); err != nil {
			return 0, err
		}
	}
}

// advance consumes one byte.
func (s *valueScanner) advance() { s.pos++ }

// end holds the stream to have nothing but white space left.
func (s *valueScanner) end() error {
	_, err := s.nonSpace()
	switch {
	case err == nil:
		return ErrNotBundle
	case errors.Is(err, ErrTruncated):
		return nil
	}
	return err
}

// value consumes one value of at most limit bytes. The slice is valid until the
// next call of any method.
func (s *valueScanner) value(limit int) ([]byte, error) {
	if _, err := s.nonSpace(); err != nil {
		return nil, err
	}
	start, i := s.pos, s.pos
	state := valueState{maxDepth: s.maxDepth}
	for {
		n, done, err := state.run(s.buf[i:min(len(s.buf), start+limit+1)])
		i += n
		switch {
		case err != nil:
			return nil, err
		case i-start > limit:
			return nil, ErrTooLarge
		case done:
			s.pos = i
			return s.buf[start:i], nil
		}
		shift, err := s.fill(start)
		if err != nil {
			return nil, err
		}
		start, i = start-shift, i-shift
	}
}

// valueState follows one JSON value through the pieces in which it comes.
type valueState struct {
	maxDepth, depth          int
	text, escape, scalarByte bool
}

// run goes on through b: n bytes of it belong to the value, and done says that
// it is complete.
func (v *valueState) run(b []byte) (n int, done bool, err error) {
	for n < len(b) {
		switch {
		case v.text:
			n += v.string(b[n:])
			if !v.text && v.depth == 0 {
				return n, true, nil
			}
			continue
		case v.depth > 0:
			if n += beforeStructural(b[n:]); n == len(b) {
				return n, false, nil
			}
		case v.scalarByte:
			if !isScalar(b[n]) {
				return n, true, nil
			}
			n++
			continue
		}
		if err := v.open(b[n]); err != nil {
			return n, false, err
		}
		n++
		if v.depth == 0 && !v.text && !v.scalarByte {
			return n, true, nil
		}
	}
	return n, false, nil
}

// structural marks the bytes that matter between strings.
var structural = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true} //nolint:gochecknoglobals // a constant table

// beforeStructural is how many bytes come before the first that matters.
func beforeStructural(b []byte) int {
	for n, c := range b {
		if structural[c] {
			return n
		}
	}
	return len(b)
}

// open takes a byte that begins or ends something.
func (v *valueState) open(c byte) error {
	switch {
	case c == '"':
		v.text = true
	case c == '{' || c == '[':
		if v.depth++; v.maxDepth > 0 && v.depth > v.maxDepth {
			return ErrNotBundle
		}
	case v.depth > 0: // '}' or ']'
		v.depth--
	case isScalar(c):
		v.scalarByte = true
	default:
		return ErrNotBundle
	}
	return nil
}

// shortText is how many bytes of a string are looked at one by one before a
// search that is faster for long ones takes over.
const shortText = 32

// textWindow bounds that search, so that a text full of escapes isn't looked
// through to its end for each of them.
const textWindow = 256

// plainLength is how many bytes come before the first quote or escape.
func plainLength(b []byte) int {
	if n := bytes.IndexByte(b, '"'); n >= 0 {
		b = b[:n]
	}
	if n := bytes.IndexByte(b, '\\'); n >= 0 {
		return n
	}
	return len(b)
}

// string goes on through a string and gives how many bytes of b belong to it.
func (v *valueState) string(b []byte) int {
	i := 0
	if v.escape && len(b) > 0 {
		v.escape = false
		i++
	}
	for i < len(b) {
		for end := min(i+shortText, len(b)); i < end && b[i] != '"' && b[i] != '\\'; {
			i++
		}
		if i < len(b) && b[i] != '"' && b[i] != '\\' {
			i += plainLength(b[i:min(i+textWindow, len(b))])
			if i < len(b) && b[i] != '"' && b[i] != '\\' {
				continue
			}
		}
		switch {
		case i == len(b):
			return i
		case b[i] == '"':
			v.text = false
			return i + 1
		}
		if i += 2; i > len(b) { // the escaped byte comes with the next piece
			v.escape = true
			return len(b)
		}
	}
	return i
}

// isScalar reports whether c can be part of a number or a literal.
func isScalar(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '+' || c == '.'
}
