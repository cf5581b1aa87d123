package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

// FuzzCheck: Check accepts exactly what an independent reading, by
// encoding/json's tokens, accepts; the iterators give the document back; and no
// function panics on what was refused.
func FuzzCheck(f *testing.F) {
	for _, doc := range []string{
		`{}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, ` {"a":[{"b":"\ud83d\ude00"},null,-1.50e+3,true]} `,
		`{"a":"\ud83d"}`, "{\"a\":\"\xff\"}", `{"a":[[[[[[]]]]]]}`, `{"a":01}`, `{"a":1e99999}`, `{"a":1e-0999}`, `{}{}`, `[1]`, `{"a":"\\\""}`, string(wide(40, "k1")), string(wide(40, "k99")),
	} {
		f.Add([]byte(doc))
	}
	const depth = 8
	f.Fuzz(func(t *testing.T, doc []byte) {
		got := Check(doc, Limits{MaxDepth: depth}) == nil
		if want := oracle(doc, depth) == nil; got != want {
			t.Fatalf("Check accepts: %v, the oracle: %v (%v)", got, want, oracle(doc, depth))
		}
		rebuilt := rebuild(nil, doc)
		if !got {
			return
		}
		if want := Compact(nil, doc); !bytes.Equal(rebuilt, want) {
			t.Fatalf("walked to %s, want %s", rebuilt, want)
		}
		if !Equal(doc, rebuilt) {
			t.Fatal("not equal to itself without white space")
		}
		a, b := decoded(t, doc), decoded(t, respell(nil, doc))
		if ja, jb := mustMarshal(t, a), mustMarshal(t, b); !bytes.Equal(ja, jb) {
			t.Fatalf("unescaped and escaped to another text: %s, %s", ja, jb)
		}
	})
}

// decoded reads JSON with its numbers as they are written.
func decoded(t *testing.T, doc []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("respelled document isn't JSON: %v", err)
	}
	return v
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rebuild writes the document anew from what the iterators give.
func rebuild(dst, value []byte) []byte {
	value = value[SkipSpace(value, 0):]
	start := len(dst)
	switch KindOf(value) {
	case Object:
		for k, v := range Members(value) {
			dst = append(append(append(dst, `,"`...), k...), `":`...)
			dst = rebuild(dst, v)
		}
		return enclose(dst, start, '{', '}')
	case Array:
		for v := range Items(value) {
			dst = append(dst, ',')
			dst = rebuild(dst, v)
		}
		return enclose(dst, start, '[', ']')
	default:
		return append(dst, value...)
	}
}

func enclose(dst []byte, start int, open, end byte) []byte {
	if len(dst) == start {
		dst = append(dst, open)
	}
	dst[start] = open
	return append(dst, end)
}

// respell unescapes and escapes each string.
func respell(dst, value []byte) []byte {
	for i := 0; i < len(value); {
		if value[i] != '"' {
			dst = append(dst, value[i])
			i++
			continue
		}
		end := SkipString(value, i)
		s, _ := String(value[i:end])
		dst = AppendString(dst, s)
		i = end
	}
	return dst
}

var errOracle = errors.New("refused")

// oracle is slow and shares nothing with Check.
func oracle(doc []byte, maxDepth int) error {
	if !utf8.Valid(doc) || !json.Valid(doc) || loneSurrogate(doc) {
		return errOracle
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	token, err := d.Token()
	if err != nil || token != json.Delim('{') {
		return errOracle
	}
	if err := oracleObject(d, 1, maxDepth); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errOracle
	}
	return nil
}

var numberTooFar = regexp.MustCompile(`[eE][+-]?[0-9]{5,}$`)

func oracleObject(d *json.Decoder, depth, maxDepth int) error {
	if depth > maxDepth {
		return errOracle
	}
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := key.(string)
		if !ok || seen[name] {
			return errOracle
		}
		seen[name] = true
		if err := oracleValue(d, depth, maxDepth); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func oracleValue(d *json.Decoder, depth, maxDepth int) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if n, ok := token.(json.Number); ok && (len(n) > maxNumber || numberTooFar.MatchString(string(n))) {
		return errOracle
	}
	switch token {
	case json.Delim('{'):
		return oracleObject(d, depth+1, maxDepth)
	case json.Delim('['):
		if depth+1 > maxDepth {
			return errOracle
		}
		for d.More() {
			if err := oracleValue(d, depth+1, maxDepth); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return err
	}
	return nil
}

// loneSurrogate looks, in valid JSON, for an escape that is half a pair.
func loneSurrogate(doc []byte) bool {
	for i := 0; i+1 < len(doc); i++ {
		if doc[i] != '\\' {
			continue
		}
		if doc[i+1] != 'u' {
			i++
			continue
		}
		high, _ := strconv.ParseUint(string(doc[i+2:i+6]), 16, 32)
		i += 5
		if !utf16.IsSurrogate(rune(high)) {
			continue
		}
		if i+6 >= len(doc) || doc[i+1] != '\\' || doc[i+2] != 'u' {
			return true
		}
		low, err := strconv.ParseUint(string(doc[i+3:i+7]), 16, 32)
		if err != nil || utf16.DecodeRune(rune(high), rune(low)) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}
