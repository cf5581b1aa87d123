package fhir

import (
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

// value consumes one value of at most max bytes. The slice is valid until the
// next call of any method.
func (s *valueScanner) value(limit int) ([]byte, error) {
	if _, err := s.nonSpace(); err != nil {
		return nil, err
	}
	start, i := s.pos, s.pos
	var state valueState
	for {
		end := min(len(s.buf), start+limit+1)
		for ; i < end; i++ {
			done, consumed, err := state.step(s.buf[i], s.maxDepth)
			if err != nil {
				return nil, err
			}
			if done {
				if consumed {
					i++
				}
				s.pos = i
				return s.buf[start:i], nil
			}
		}
		if i-start > limit {
			return nil, ErrTooLarge
		}
		shift, err := s.fill(start)
		if err != nil {
			return nil, err
		}
		start, i = start-shift, i-shift
	}
}

// valueState follows one JSON value byte by byte.
type valueState struct {
	depth            int
	inString, escape bool
	scalar           bool
}

// step takes one byte. done says that the value is complete; consumed whether c
// belongs to it.
func (v *valueState) step(c byte, maxDepth int) (done, consumed bool, err error) {
	if v.inString {
		switch {
		case v.escape:
			v.escape = false
		case c == '\\':
			v.escape = true
		case c == '"':
			v.inString = false
			return v.depth == 0, true, nil
		}
		return false, false, nil
	}
	switch c {
	case '"':
		if v.scalar {
			return false, false, ErrNotBundle
		}
		v.inString = true
	case '{', '[':
		v.depth++
		if maxDepth > 0 && v.depth > maxDepth || v.scalar {
			return false, false, ErrNotBundle
		}
	case '}', ']':
		if v.scalar && v.depth == 0 {
			return true, false, nil
		}
		v.depth--
		if v.depth < 0 {
			return false, false, ErrNotBundle
		}
		return v.depth == 0, true, nil
	case ',', ' ', '\t', '\r', '\n', ':':
		if v.depth > 0 {
			return false, false, nil
		}
		if !v.scalar {
			return false, false, ErrNotBundle
		}
		return true, false, nil
	default:
		v.scalar = v.scalar || v.depth == 0
	}
	return false, false, nil
}
