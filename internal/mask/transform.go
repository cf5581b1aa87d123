package mask

import (
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// transform is what an action shows for a primitive value; ok is false when that
// is nothing.
func (w *walker) transform(e *edge, act *action, value []byte) (out []byte, ok bool, err error) {
	text, isText := wire.String(value)
	if e.parent == nil || !act.fits(w.mask.defs, found{parent: e.parent, element: e.element, typeName: e.typeName}) {
		return nil, false, nil
	}
	switch act.kind {
	case Remove:
		return nil, false, nil
	case Replace:
		return act.value, true, nil
	case Generalize:
		out, ok = act.generalize(value)
		return out, ok, nil
	case Truncate, Hash, Pseudonymize:
	}
	if !isText {
		return nil, false, nil
	}
	switch act.kind {
	case Truncate:
		text, ok = act.extent.truncate(text, e.typeName)
	case Hash:
		text, ok, err = w.hash(text)
	case Pseudonymize:
		text, ok, err = w.pseudonym(e, text)
	case Remove, Replace, Generalize:
	}
	if !ok || err != nil {
		return nil, false, err
	}
	if old, _ := wire.String(value); old == text {
		return value, true, nil
	}
	return wire.AppendString(nil, text), true, nil
}

func (a *action) generalize(value []byte) (out []byte, ok bool) {
	if out, ok = a.values[scalarText(value)]; ok {
		return out, true
	}
	for _, v := range a.outputs() {
		if wire.Equal(v, value) {
			return value, true
		}
	}
	return a.other, a.other != nil
}

// truncate shortens a text; ok is false when it isn't what is to be shortened.
func (x extent) truncate(text, typeName string) (string, bool) {
	if x.date == 0 {
		points := 0
		for i := range text {
			if points == x.points {
				return text[:i], true
			}
			points++
		}
		return text, true
	}
	if !startsAsDate(text) {
		return "", false
	}
	if typeName == "instant" {
		// An instant is always exact to the second (R4 datatypes.html#instant).
		if len(text) < dayBytes {
			return "", false
		}
		const first = "0001-01-01"
		return text[:x.date] + first[x.date:] + "T00:00:00Z", true
	}
	return text[:min(len(text), x.date)], true
}

// startsAsDate says whether the text is YYYY, YYYY-MM or YYYY-MM-DD, with a time
// behind the last at most.
func startsAsDate(text string) bool {
	const form = "0000-00-00T"
	for i := range min(len(text), len(form)) {
		switch c := form[i]; {
		case c == '0' && (text[i] < '0' || text[i] > '9'), c != '0' && text[i] != c:
			return false
		}
	}
	return len(text) == yearBytes || len(text) == monthBytes || len(text) == dayBytes || len(text) > len(form)
}

const (
	hashPrefix = "hash:"
	hashBytes  = 18
	proofBytes = 12
	// hashText is the length of a hash: the digest and its proof in base64url.
	hashText = len(hashPrefix) + hashBytes/3*4 + proofBytes/3*4
)

// hash is the keyed hash of a text. It ends in a proof that it was made with the
// key: a text that carries one is a hash already, and none other passes for it.
func (w *walker) hash(text string) (string, bool, error) {
	if w.keys == nil || len(w.keys.Hash) < minKeyBytes {
		return "", false, fmt.Errorf("hash: %w", ErrKeys)
	}
	if w.keys.isHash(text) {
		return text, true, nil
	}
	digest := keyed(w.keys.Hash, "fhirgate hash", text)[:hashBytes]
	proof := keyed(w.keys.Hash, "fhirgate hash proof", string(digest))[:proofBytes]
	return hashPrefix + base64.RawURLEncoding.EncodeToString(append(digest, proof...)), true, nil
}

// isHash says whether the text is a hash made with the key.
func (k *Keys) isHash(text string) bool {
	if len(text) != hashText || !strings.HasPrefix(text, hashPrefix) {
		return false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text[len(hashPrefix):])
	if err != nil {
		return false
	}
	return hmac.Equal(b[hashBytes:], keyed(k.Hash, "fhirgate hash proof", string(b[:hashBytes]))[:proofBytes])
}

// pseudonym is that of a reference, an id or an identifier's value; ok is false
// where there is none that is safe.
func (w *walker) pseudonym(e *edge, text string) (string, bool, error) {
	if w.keys == nil || w.keys.Pseudonym == nil {
		return "", false, fmt.Errorf("pseudonymize: %w", ErrKeys)
	}
	p := w.keys.Pseudonym
	f := found{parent: e.parent, element: e.element, typeName: e.typeName}
	switch {
	case isReferenceText(f):
		return pseudonymousReference(w.mask.defs, p, text)
	case isIdentifierValue(f):
		return p.Value(text), true, nil
	case e.parent.Kind == definitions.Resource && e.element.Name == "id":
		if !IsID(text) {
			return "", false, nil
		}
		id, err := p.ID(w.resourceType, text)
		return id, err == nil, err
	}
	return "", false, nil
}

// pseudonymousReference rewrites `Type/id` and `Type/id/_history/version`. One to
// a contained resource tells nothing and stays. Absolute, conditional and other
// references name what they refer to in ways that can't be rewritten and resolved
// again: they have no pseudonym.
func pseudonymousReference(defs *definitions.Definitions, p *Pseudonymizer, text string) (string, bool, error) {
	if id, ok := strings.CutPrefix(text, "#"); ok {
		return text, id == "" || IsID(id), nil
	}
	typeName, rest, _ := strings.Cut(text, "/")
	id, version, versioned := strings.Cut(rest, "/_history/")
	if !defs.IsResource(typeName) || !IsID(id) || versioned && !IsID(version) {
		return "", false, nil
	}
	pseudonym, err := p.ID(typeName, id)
	if err != nil {
		return "", false, err
	}
	out := typeName + "/" + pseudonym
	if versioned {
		out += "/_history/" + version
	}
	return out, true, nil
}
