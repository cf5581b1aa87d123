package mask

import (
	"encoding/hex"
	"strings"
)

// maxShort and maxLong are how many characters of 6 bits fit behind a length.
const (
	maxShort = (smallBytes - 1) * 8 / 6
	maxLong  = (largeBytes - 1) * 8 / 6
)

// pack puts an id into 16 or 32 bytes; ok is false when it doesn't fit. Only two
// sizes, so that the length of a pseudonym says little about the id.
func pack(id string) (packed []byte, f form, ok bool) {
	if b, ok := packUUID(id); ok {
		return b, formUUID, true
	}
	if b, err := hex.DecodeString(id); err == nil && len(b) == largeBytes && id == strings.ToLower(id) {
		return b, formHex, true
	}
	length := len(id)
	if length > maxLong {
		return nil, 0, false
	}
	size, f := smallBytes, formShort
	if length > maxShort {
		size, f = largeBytes, formLong
	}
	packed = make([]byte, size)
	packed[0] = byte(length)
	copy(packed[1:], packBits(id))
	return packed, f, true
}

func packUUID(id string) ([]byte, bool) {
	if len(id) != 36 || id != strings.ToLower(id) {
		return nil, false
	}
	for _, i := range [...]int{8, 13, 18, 23} { // RFC 9562 section 4
		if id[i] != '-' {
			return nil, false
		}
	}
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	return b, err == nil && len(b) == smallBytes
}

func packBits(id string) []byte {
	out := make([]byte, (6*len(id)+7)/8)
	for i := range len(id) {
		v := strings.IndexByte(idAlphabet, id[i])
		for bit := range 6 {
			if v&(1<<bit) != 0 {
				at := 6*i + bit
				out[at/8] |= 1 << (at % 8)
			}
		}
	}
	return out
}

func unpack(packed []byte, f form) (string, error) {
	switch f {
	case formUUID:
		h := hex.EncodeToString(packed)
		return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
	case formHex:
		return hex.EncodeToString(packed), nil
	case formShort, formLong:
		n, bits := int(packed[0]), packed[1:]
		if 6*n > 8*len(bits) {
			return "", ErrPseudonym
		}
		id := make([]byte, n)
		for i := range id {
			v := 0
			for bit := range 6 {
				at := 6*i + bit
				v |= int(bits[at/8]>>(at%8)&1) << bit
			}
			id[i] = idAlphabet[v]
		}
		return string(id), nil
	case formDigest:
	}
	return "", ErrPseudonym
}
