package wire

import "bytes"

// Compact appends src without the white space between its tokens. Strings and
// numbers stay as they are.
func Compact(dst, src []byte) []byte {
	for i := 0; i < len(src); {
		switch src[i] {
		case ' ', '\n', '\r', '\t':
			i++
		case '"':
			end := SkipString(src, i)
			dst = append(dst, src[i:end]...)
			i = end
		default:
			dst = append(dst, src[i])
			i++
		}
	}
	return dst
}

// Equal says whether two values are the same to FHIR: the order of members
// doesn't matter, strings are compared unescaped, and numbers by their exact
// text, for 1.0 and 1.00 differ in precision (R4 datatypes.html#decimal).
func Equal(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	a, b = a[SkipSpace(a, 0):], b[SkipSpace(b, 0):]
	kind := KindOf(a)
	if kind != KindOf(b) {
		return false
	}
	switch kind {
	case Object:
		return equalObjects(a, b)
	case Array:
		return equalArrays(a, b)
	case Text:
		s, _ := String(a[:SkipValue(a, 0)])
		t, _ := String(b[:SkipValue(b, 0)])
		return s == t
	case Number, True, False, Null:
		return bytes.Equal(a[:SkipValue(a, 0)], b[:SkipValue(b, 0)])
	case Invalid:
	}
	return false
}

func equalArrays(a, b []byte) bool {
	i, moreA := Open(a, 0, '[')
	j, moreB := Open(b, 0, '[')
	for moreA && moreB {
		endA, endB := SkipValue(a, i), SkipValue(b, j)
		if !Equal(a[i:endA], b[j:endB]) {
			return false
		}
		i, moreA = Next(a, endA)
		j, moreB = Next(b, endB)
	}
	return moreA == moreB
}

// equalObjects needs a set once an object is wide, so that comparing stays
// linear.
func equalObjects(a, b []byte) bool {
	sizeB := 0
	for range Members(b) {
		sizeB++
	}
	lookUp := func(key string) ([]byte, bool) { return Get(b, key) }
	if sizeB > linearKeys {
		members := make(map[string][]byte, sizeB)
		for k, v := range Members(b) {
			members[Key(k)] = v
		}
		lookUp = func(key string) ([]byte, bool) {
			v, ok := members[key]
			return v, ok
		}
	}
	sizeA := 0
	for k, v := range Members(a) {
		other, ok := lookUp(Key(k))
		if !ok || !Equal(v, other) {
			return false
		}
		sizeA++
	}
	return sizeA == sizeB
}
