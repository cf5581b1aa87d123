package wire

import (
	"bytes"
	"iter"
)

// Kind is what sort of JSON value something is; its zero value is none.
type Kind uint8

// The kinds of JSON values. Text is a JSON string; String is the function that
// reads one.
const (
	Invalid Kind = iota
	Object
	Array
	Text
	Number
	True
	False
	Null
)

// KindOf tells the kind of a value by its first byte.
func KindOf(value []byte) Kind {
	if len(value) == 0 {
		return Invalid
	}
	switch b := value[0]; b {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return Text
	case 't':
		return True
	case 'f':
		return False
	case 'n':
		return Null
	default:
		if b == '-' || isDigit(b) {
			return Number
		}
	}
	return Invalid
}

// Members gives each member of an object in order: the key without its quotes,
// escapes still in it (see Key and KeyIs), and the raw value. White space before
// the object is skipped. It gives nothing when object isn't one.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		i, more := Open(object, 0, '{')
		for more {
			keyEnd := SkipString(object, i)
			valueStart := SkipColon(object, keyEnd)
			valueEnd := SkipValue(object, valueStart)
			if keyEnd-i < 2 || valueStart >= valueEnd {
				return
			}
			if !yield(object[i+1:keyEnd-1], object[valueStart:valueEnd:valueEnd]) {
				return
			}
			i, more = Next(object, valueEnd)
		}
	}
}

// Items gives each item of an array in order, raw. White space before the array
// is skipped. It gives nothing when array isn't one.
func Items(array []byte) iter.Seq[[]byte] {
	return func(yield func(item []byte) bool) {
		i, more := Open(array, 0, '[')
		for more {
			end := SkipValue(array, i)
			if end <= i || !yield(array[i:end:end]) {
				return
			}
			i, more = Next(array, end)
		}
	}
}

// Get is the raw value of the member of object with that key, itself without
// escapes; ok is false when there is none.
func Get(object []byte, key string) (value []byte, ok bool) {
	for k, v := range Members(object) {
		if KeyIs(k, key) {
			return v, true
		}
	}
	return nil, false
}

// Open goes, from white space before an object ('{') or array ('['), to its
// first key or item; more is false when it is empty or isn't one, and next is
// then the index after it.
func Open(b []byte, i int, bracket byte) (next int, more bool) {
	i = SkipSpace(b, i)
	if i >= len(b) || b[i] != bracket {
		return i, false
	}
	i = SkipSpace(b, i+1)
	if i >= len(b) {
		return len(b), false
	}
	if b[i] == bracket+2 { // '}' is '{'+2, and ']' is '['+2
		return i + 1, false
	}
	return i, true
}

// Next goes from the end of a value to the next key or item of the same object
// or array; more is false at its end, and next is then the index after it.
func Next(b []byte, i int) (next int, more bool) {
	i = SkipSpace(b, i)
	if i >= len(b) {
		return len(b), false
	}
	if b[i] != ',' {
		return i + 1, false
	}
	return SkipSpace(b, i+1), true
}

// SkipSpace is the index of the first byte from i on that isn't white space.
func SkipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// SkipColon goes from the end of a key to the start of its value.
func SkipColon(b []byte, i int) int {
	i = SkipSpace(b, i)
	if i < len(b) && b[i] == ':' {
		i++
	}
	return SkipSpace(b, i)
}

// shortString is up to how many bytes of a string are looked at one by one
// before a search that is faster for long ones takes over.
const shortString = 32

// SkipString is the index after the string that starts, with its quote, at i.
func SkipString(b []byte, i int) int {
	i++
	for end := min(i+shortString, len(b)); i < end; i++ {
		if b[i] == '"' {
			return i + 1
		}
		if b[i] == '\\' {
			break
		}
	}
	for i < len(b) {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		// The quote is looked for once, however many escapes stand before it.
		for quote := i + n; i <= quote; {
			escape := bytes.IndexByte(b[i:quote], '\\')
			if escape < 0 {
				return quote + 1
			}
			i += escape + 2
		}
	}
	return len(b)
}

// SkipValue is the index after the value that starts at i; i itself when none
// does.
func SkipValue(b []byte, i int) int {
	if i >= len(b) {
		return len(b)
	}
	switch b[i] {
	case '"':
		return SkipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	}
	for i < len(b) && !endsScalar(b[i]) {
		i++
	}
	return i
}

func endsScalar(c byte) bool {
	switch c {
	case ',', '}', ']', ':', '"', '{', '[', ' ', '\n', '\r', '\t':
		return true
	}
	return false
}

// structural marks the bytes that skipNested must look at.
var structural = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true} //nolint:gochecknoglobals // a constant table

func skipNested(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		if !structural[b[i]] {
			continue
		}
		switch b[i] {
		case '"':
			i = SkipString(b, i) - 1
		case '{', '[':
			depth++
		default:
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}
