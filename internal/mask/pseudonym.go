package mask

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// ErrPseudonym is a text that isn't a pseudonym made with this key for this type,
// or one that can't be resolved.
var ErrPseudonym = errors.New("not a pseudonym of this caller class")

// Pseudonymizer turns ids into pseudonyms and back. The same key, type and id
// always give the same pseudonym; without the key a pseudonym tells nothing, not
// even the length of the id, and none can be made. One key per caller class keeps
// the classes from comparing what they see. It is safe for concurrent use.
//
// A pseudonym is a legal FHIR id (R4 datatypes.html#id) of letters and digits: the
// id under AES-CTR with a synthetic IV (as in RFC 5297, with HMAC-SHA-256), in
// base 62.
type Pseudonymizer struct {
	mac   []byte
	block cipher.Block
	// digest is the key of one-way pseudonyms.
	digest []byte
}

// minKeyBytes is the least length of a key.
const minKeyBytes = 32

// NewPseudonymizer needs a random key of at least 32 bytes.
func NewPseudonymizer(key []byte) (*Pseudonymizer, error) {
	if len(key) < minKeyBytes {
		return nil, fmt.Errorf("%w: a pseudonymizer's key has at least %d bytes", ErrKeys, minKeyBytes)
	}
	block, err := aes.NewCipher(keyed(key, "fhirgate pseudonym cipher"))
	if err != nil {
		return nil, fmt.Errorf("pseudonymizer: %w", err)
	}
	return &Pseudonymizer{
		mac: keyed(key, "fhirgate pseudonym iv"), block: block, digest: keyed(key, "fhirgate pseudonym digest"),
	}, nil
}

// keyed is HMAC-SHA-256 of the parts, each with its end marked.
func keyed(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return h.Sum(nil)
}

// form is how a text is packed into the bytes that are encrypted.
type form byte

const (
	formUUID   form = 'u' // 16 bytes
	formHex    form = 'h' // 32 bytes: ids that are SHA-256 digests
	formShort  form = 's' // length and up to 15 bytes
	formLong   form = 'l' // length and up to 31 bytes
	formDigest form = 'd' // one way
)

const (
	ivBytes    = 15
	smallBytes = 16
	largeBytes = 32
	// smallText and largeText are the lengths, in digits of base 62, of 31 and 47
	// bytes.
	smallText = 42
	largeText = 64
)

// ID is the pseudonym of a resource's id. An id too long to fit together with its
// authentication gets one that Resolve doesn't take back.
func (p *Pseudonymizer) ID(resourceType, id string) (string, error) {
	if !IsID(id) {
		return "", fmt.Errorf("%w: not an id", ErrResource)
	}
	if p.Is(resourceType, id) {
		return id, nil
	}
	packed, f, ok := pack(id)
	if !ok {
		packed, f = keyed(p.digest, resourceType, id)[:smallBytes], formDigest
	}
	return p.seal(resourceType, f, packed), nil
}

// Value is the pseudonym of any text, such as an identifier's value. It can't be
// resolved.
func (p *Pseudonymizer) Value(text string) string {
	if p.Is(valueType, text) {
		return text
	}
	return p.seal(valueType, formDigest, keyed(p.digest, valueType, text)[:smallBytes])
}

// valueType stands for the type in pseudonyms of what isn't an id.
const valueType = "#value"

// Is says whether text is a pseudonym made with this key for the type.
func (p *Pseudonymizer) Is(resourceType, text string) bool {
	_, _, ok := p.unseal(resourceType, text)
	return ok
}

// Resolve is the id of a pseudonym; ErrPseudonym when it isn't one for the type.
func (p *Pseudonymizer) Resolve(resourceType, pseudonym string) (string, error) {
	packed, f, ok := p.unseal(resourceType, pseudonym)
	if !ok || f == formDigest {
		return "", ErrPseudonym
	}
	return unpack(packed, f)
}

func (p *Pseudonymizer) iv(resourceType string, f form, packed []byte) []byte {
	return keyed(p.mac, resourceType, string(f), string(packed))[:ivBytes]
}

func (p *Pseudonymizer) crypt(iv, text []byte) []byte {
	var counter [aes.BlockSize]byte
	copy(counter[:], iv)
	out := make([]byte, len(text))
	cipher.NewCTR(p.block, counter[:]).XORKeyStream(out, text)
	return out
}

func (p *Pseudonymizer) seal(resourceType string, f form, packed []byte) string {
	iv := p.iv(resourceType, f, packed)
	return base62(append(iv[:ivBytes:ivBytes], p.crypt(iv, packed)...))
}

// unseal tries each form, for which one it is isn't told to outsiders.
func (p *Pseudonymizer) unseal(resourceType, text string) (packed []byte, f form, ok bool) {
	sealed, ok := fromBase62(text)
	if !ok {
		return nil, 0, false
	}
	packed = p.crypt(sealed[:ivBytes], sealed[ivBytes:])
	for _, f := range []form{formUUID, formShort, formDigest, formHex, formLong} {
		if subtle.ConstantTimeCompare(p.iv(resourceType, f, packed), sealed[:ivBytes]) == 1 {
			return packed, f, true
		}
	}
	return nil, 0, false
}

func base62(b []byte) string {
	width := smallText
	if len(b) > ivBytes+smallBytes {
		width = largeText
	}
	text := new(big.Int).SetBytes(b).Text(62)
	return strings.Repeat("0", width-len(text)) + text
}

func fromBase62(text string) ([]byte, bool) {
	size := ivBytes + smallBytes
	switch len(text) {
	case smallText:
	case largeText:
		size = ivBytes + largeBytes
	default:
		return nil, false
	}
	for i := range len(text) {
		if !isNameByte(text[i], false) {
			return nil, false
		}
	}
	n, ok := new(big.Int).SetString(text, 62)
	if !ok || n.BitLen() > 8*size {
		return nil, false
	}
	return n.FillBytes(make([]byte, size)), true
}

const maxIDBytes = 64

// IsID says whether s is a legal id (R4 datatypes.html#id).
func IsID(s string) bool {
	if s == "" || len(s) > maxIDBytes {
		return false
	}
	for i := range len(s) {
		if strings.IndexByte(idAlphabet, s[i]) < 0 {
			return false
		}
	}
	return true
}

// idAlphabet has 64 characters, so that an id packs into 6 bits each.
const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."
