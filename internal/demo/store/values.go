package store

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// token is a value of a token parameter.
type token struct{ system, code string }

// enumerated is the system of the codes of primitive type code: which one it is stands in the definitions' bindings, all
// of them below this URL.
const enumerated = "http://hl7.org/fhir/"

// tokens returns the values of a token parameter in an object.
func (p *param) tokens(object []byte) []token {
	var out []token
	if object == nil {
		return nil
	}
	p.read(object, func(typ string, value []byte) { out = appendTokens(out, typ, value) })
	return distinct(out)
}

func appendTokens(out []token, typ string, value []byte) []token {
	switch typ {
	case "CodeableConcept":
		codings, _ := wire.Get(value, "coding")
		for c := range wire.Items(codings) {
			out = append(out, token{text(c, "system"), text(c, "code")})
		}
		return out
	case "Coding":
		return append(out, token{text(value, "system"), text(value, "code")})
	case "Identifier", "ContactPoint":
		return append(out, token{text(value, "system"), text(value, "value")})
	case "code":
		if s, ok := wire.String(value); ok {
			return append(out, token{enumerated, s})
		}
	}
	switch wire.KindOf(value) {
	case wire.Text:
		s, _ := wire.String(value)
		return append(out, token{code: s})
	case wire.True, wire.False, wire.Number:
		return append(out, token{code: string(value)})
	}
	return out
}

// displays returns the texts that :text searches in the values of a token parameter.
func (p *param) displays(object []byte) []string {
	var out []string
	add := func(s string) {
		if s != "" {
			out = append(out, s)
		}
	}
	p.read(object, func(typ string, value []byte) {
		switch typ {
		case "CodeableConcept":
			add(text(value, "text"))
			codings, _ := wire.Get(value, "coding")
			for c := range wire.Items(codings) {
				add(text(c, "display"))
			}
		case "Coding", "Reference":
			add(text(value, "display"))
		}
	})
	return out
}

// strings returns the values of a string or uri parameter in an object.
func (p *param) strings(object []byte) []string {
	var out []string
	if object == nil {
		return nil
	}
	p.read(object, func(typ string, value []byte) { out = appendStrings(out, typ, value) })
	return distinct(out)
}

// appendStrings takes every text of a HumanName or Address: any part of it may match.
func appendStrings(out []string, typ string, value []byte) []string {
	switch wire.KindOf(value) {
	case wire.Text:
		s, _ := wire.String(value)
		return append(out, s)
	case wire.Object:
		for key, member := range wire.Members(value) {
			if typ == "CodeableConcept" && !wire.KeyIs(key, "text") {
				continue
			}
			switch string(key) {
			case "use", "type", "period", "id", "extension":
				continue
			}
			if len(key) == 0 || key[0] == '_' {
				continue
			}
			out = appendStrings(out, typ, member)
		}
	case wire.Array:
		for item := range wire.Items(value) {
			out = appendStrings(out, typ, item)
		}
	}
	return out
}

// references returns the values of a reference parameter in an object: relative references for what is on this server,
// without a version, other references and canonicals as they are.
func (p *param) references(s *Store, object []byte) []string {
	var out []string
	if object == nil {
		return nil
	}
	p.read(object, func(typ string, value []byte) {
		ref := text(value, "reference")
		if typ != "Reference" {
			ref, _ = wire.String(value)
		}
		if ref == "" {
			return
		}
		if typ == "Reference" {
			if target := s.local(ref); target != "" {
				ref = target
			}
		}
		out = append(out, ref)
	})
	return distinct(out)
}

// distinct removes repeats, which few values have.
func distinct[T comparable](list []T) []T {
	for i := 1; i < len(list); i++ {
		if slices.Contains(list[:i], list[i]) {
			list = slices.Delete(list, i, i+1)
			i--
		}
	}
	return list
}

// fold makes strings comparable without case and accents (FHIR R4 search.html#string).
func fold(s string) string {
	ascii := true
	for i := range len(s) {
		if s[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(s)
	}
	out := make([]rune, 0, len(s))
	for _, r := range norm.NFD.String(s) {
		if !unicode.Is(unicode.Mn, r) {
			out = append(out, unicode.ToLower(r))
		}
	}
	return string(out)
}
