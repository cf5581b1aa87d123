package fhirpath

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// verdict is a truth value of FHIRPath; unknown is its empty collection.
type verdict uint8

const (
	unknown verdict = iota
	yes
	no
)

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return no
}

func (v verdict) values() []Value {
	if v == unknown {
		return nil
	}
	return boolean(v == yes)
}

// truth is the singleton evaluation of collections (FHIRPath N1, 4.5): one item that isn't a boolean is true.
func truth(values []Value) (verdict, error) {
	switch {
	case len(values) == 0:
		return unknown, nil
	case len(values) > 1:
		return unknown, fmt.Errorf("%w: %d items where a boolean is needed", ErrEvaluation, len(values))
	case values[0].Type != "boolean":
		return yes, nil
	case values[0].JSON == nil:
		return unknown, nil
	}
	return verdictOf(wire.KindOf(values[0].JSON) == wire.True), nil
}

func (n logic) eval(e evaluation, focus []Value) ([]Value, error) {
	decided := no // the verdict of one side that decides
	if n.or {
		decided = yes
	}
	result := yes
	if n.or {
		result = no
	}
	for _, side := range []node{n.left, n.right} {
		values, err := side.eval(e, focus)
		if err != nil {
			return nil, err
		}
		t, err := truth(values)
		if err != nil {
			return nil, err
		}
		if t == decided {
			return decided.values(), nil
		}
		if t == unknown {
			result = unknown
		}
	}
	return result.values(), nil
}

func (n equality) eval(e evaluation, focus []Value) ([]Value, error) {
	left, err := n.left.eval(e, focus)
	if err != nil {
		return nil, err
	}
	right, err := n.right.eval(e, focus)
	if err != nil {
		return nil, err
	}
	hasValue := func(v Value) (bool, error) { return v.JSON != nil, nil }
	left, _ = keep(left, hasValue)
	right, _ = keep(right, hasValue)
	if len(left) == 0 || len(right) == 0 {
		return nil, nil
	}
	same := len(left) == len(right)
	for i := 0; same && i < len(left); i++ {
		if same, err = equal(left[i], right[i]); err != nil {
			return nil, err
		}
	}
	return boolean(same != n.negated), nil
}

// class is how values of a type compare.
type class uint8

const (
	object class = iota
	boole
	numeral
	words
	temporal
)

func classOf(typeName string, kind wire.Kind) class {
	switch typeName {
	case "date", "dateTime", "instant", "time":
		return temporal
	}
	switch kind {
	case wire.True, wire.False:
		return boole
	case wire.Number:
		return numeral
	case wire.Text:
		return words
	}
	return object
}

// canCompare says whether values of the classes can be compared: dates have precision and time zones, and objects have
// rules of their own (quantities have units), none of which the subset has.
func canCompare(a, b class) bool {
	if a == object || b == object {
		return false
	}
	return !(a == temporal && (b == temporal || b == words) || b == temporal && a == words)
}

func equal(a, b Value) (bool, error) {
	kindA, kindB := wire.KindOf(a.JSON), wire.KindOf(b.JSON)
	classA, classB := classOf(a.Type, kindA), classOf(b.Type, kindB)
	if !canCompare(classA, classB) {
		return false, incomparable(a, b)
	}
	if classA != classB {
		return false, nil
	}
	switch classA {
	case boole:
		return kindA == kindB, nil
	case numeral:
		return sameNumber(a.JSON, b.JSON), nil
	case words, temporal:
		return bytes.Equal(a.JSON, b.JSON) || sameText(a.JSON, b.JSON), nil
	case object:
	}
	return false, incomparable(a, b)
}

func incomparable(a, b Value) error {
	return fmt.Errorf("%w: a %s can't be compared with a %s", ErrEvaluation, a.Type, b.Type)
}

// sameText compares JSON strings, of which one may have escapes.
func sameText(a, b []byte) bool {
	s, _ := wire.String(a)
	t, _ := wire.String(b)
	return s == t
}

// sameNumber compares by value: 1, 1.0 and 1e0 are equal. The numbers can be too large for any type.
func sameNumber(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	signA, digitsA, exponentA := decimal(string(a))
	signB, digitsB, exponentB := decimal(string(b))
	return signA == signB && digitsA == digitsB && exponentA == exponentB
}

// decimal takes a JSON number apart into sign, digits without zeros at either end, and a power of ten. An exponent that is
// out of range leaves the number as its own digits, which equal only themselves.
func decimal(s string) (negative bool, digits string, exponent int64) {
	whole, negative := strings.CutPrefix(s, "-")
	mantissa, power, ok := whole, "", false
	if i := strings.IndexAny(whole, "eE"); i >= 0 {
		mantissa, power, ok = whole[:i], whole[i+1:], true
	}
	if ok {
		var err error
		if exponent, err = strconv.ParseInt(power, 10, 32); err != nil {
			return negative, whole, 0
		}
	}
	integer, fraction, _ := strings.Cut(mantissa, ".")
	exponent -= int64(len(fraction))
	digits = strings.TrimLeft(integer+fraction, "0")
	trimmed := strings.TrimRight(digits, "0")
	exponent += int64(len(digits) - len(trimmed))
	if trimmed == "" {
		return false, "", 0
	}
	return negative, trimmed, exponent
}
