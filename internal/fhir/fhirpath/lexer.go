package fhirpath

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// tokenKind is a sort of token.
type tokenKind uint8

const (
	end tokenKind = iota
	identifier
	text   // value is unescaped
	number // value is as written
	symbol // one of . ( ) [ ] | = != $this %resource
)

type token struct {
	kind   tokenKind
	value  string
	offset int
}

// is says whether the token is that symbol or keyword.
func (t token) is(value string) bool {
	return (t.kind == symbol || t.kind == identifier) && t.value == value
}

// lex takes an expression apart; the last token is the end.
func lex(s string) ([]token, error) {
	var tokens []token
	for i := 0; ; {
		for i < len(s) && strings.IndexByte(" \t\r\n", s[i]) >= 0 {
			i++
		}
		if i == len(s) {
			return append(tokens, token{kind: end, offset: i}), nil
		}
		t, n, err := first(s[i:])
		if err != nil {
			return nil, &SyntaxError{Offset: i, Reason: err.Error()}
		}
		t.offset = i
		tokens = append(tokens, t)
		i += n
	}
}

// first reads the token at the start of s, and gives its length there.
func first(s string) (t token, length int, err error) {
	switch c := s[0]; {
	case isLetter(c):
		n := span(s, isNamePart)
		return token{kind: identifier, value: s[:n]}, n, nil
	case isDigit(c):
		n := numberLength(s)
		return token{kind: number, value: s[:n]}, n, nil
	case c == '\'':
		value, n, err := quoted(s)
		return token{kind: text, value: value}, n, err
	}
	for _, sign := range []string{".", "(", ")", "[", "]", "|", "=", "!=", "$this", "%resource"} {
		n := len(sign)
		if !strings.HasPrefix(s, sign) || n > 2 && n < len(s) && isNamePart(s[n]) {
			continue
		}
		return token{kind: symbol, value: sign}, n, nil
	}
	return token{}, 0, fmt.Errorf("not part of the subset")
}

func isNamePart(c byte) bool { return isLetter(c) || isDigit(c) }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func span(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

// numberLength is that of digits, and of a fraction if a digit follows the point.
func numberLength(s string) int {
	n := span(s, isDigit)
	if n+1 < len(s) && s[n] == '.' && isDigit(s[n+1]) {
		n += 1 + span(s[n+1:], isDigit)
	}
	return n
}

// quoted reads a string literal with the escapes of FHIRPath and returns its length in the expression.
func quoted(s string) (value string, length int, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\'':
			return b.String(), i + 1, nil
		case '\\':
			r, n, err := escape(s[i+1:])
			if err != nil {
				return "", 0, err
			}
			b.WriteRune(r)
			i += n
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, fmt.Errorf("string without end")
}

// escape reads what follows a backslash.
func escape(s string) (r rune, length int, err error) {
	if s == "" {
		return 0, 0, fmt.Errorf("string without end")
	}
	if i := strings.IndexByte("nrtf", s[0]); i >= 0 {
		return rune("\n\r\t\f"[i]), 1, nil
	}
	if strings.IndexByte("'\"`\\/", s[0]) >= 0 {
		return rune(s[0]), 1, nil
	}
	if s[0] == 'u' && len(s) >= 5 {
		if code, err := strconv.ParseUint(s[1:5], 16, 16); err == nil && !utf16.IsSurrogate(rune(code)) {
			return rune(code), 5, nil
		}
	}
	return 0, 0, fmt.Errorf("unknown escape")
}
