package wire

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// escapeLength is the number of bytes of the escape at the start of b, both
// halves of a surrogate pair together; 0 when it isn't a legal one.
func escapeLength(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
	default:
		return 0
	}
	r, ok := hexRune(b)
	switch {
	case !ok:
		return 0
	case !utf16.IsSurrogate(r):
		return 6
	}
	low, ok := hexRune(b[6:])
	if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
		return 0
	}
	return 12
}

// hexRune reads \uXXXX at the start of b.
func hexRune(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		r <<= 4
		switch {
		case isDigit(c):
			r |= rune(c - '0')
		case 'a' <= c && c <= 'f':
			r |= rune(c - 'a' + 10)
		case 'A' <= c && c <= 'F':
			r |= rune(c - 'A' + 10)
		default:
			return 0, false
		}
	}
	return r, true
}

// unescape appends to dst what the inside of a JSON string stands for. An
// illegal escape ends it.
func unescape(dst, inside []byte) []byte {
	for len(inside) > 0 {
		i := bytes.IndexByte(inside, '\\')
		if i < 0 {
			return append(dst, inside...)
		}
		dst = append(dst, inside[:i]...)
		inside = inside[i:]
		n := escapeLength(inside)
		switch n {
		case 0:
			return dst
		case 2:
			dst = append(dst, simpleEscape(inside[1]))
		case 6:
			r, _ := hexRune(inside)
			dst = utf8.AppendRune(dst, r)
		default:
			high, _ := hexRune(inside)
			low, _ := hexRune(inside[6:])
			dst = utf8.AppendRune(dst, utf16.DecodeRune(high, low))
		}
		inside = inside[n:]
	}
	return dst
}

func simpleEscape(b byte) byte {
	switch b {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return b
}

// String is the text that a JSON string stands for; ok is false when value isn't
// a string.
func String(value []byte) (text string, ok bool) {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return "", false
	}
	return Key(value[1 : len(value)-1]), true
}

// Key is the text that the inside of a JSON string stands for: a key as Members
// gives it.
func Key(inside []byte) string {
	if bytes.IndexByte(inside, '\\') < 0 {
		return string(inside)
	}
	return string(unescape(nil, inside))
}

// KeyIs says whether a key as Members gives it stands for name, without
// allocating when it has no escapes.
func KeyIs(inside []byte, name string) bool {
	if bytes.IndexByte(inside, '\\') < 0 {
		return string(inside) == name
	}
	return string(unescape(nil, inside)) == name
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Only what must be escaped is; bytes
// that aren't UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, s[start:i]...)
				dst = utf8.AppendRune(dst, utf8.RuneError)
				start = i + n
			}
			i += n
			continue
		}
		if b >= ' ' && b != '"' && b != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, b)
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
}
