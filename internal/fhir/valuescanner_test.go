package fhir

import (
	"bytes"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// cut gives the values of a white-space separated stream.
func cut(doc string, limit int) (values []string, err error) {
	s := valueScanner{r: strings.NewReader(doc)}
	for {
		v, err := s.value(limit)
		if errors.Is(err, ErrTruncated) && len(v) == 0 {
			return values, nil
		}
		if err != nil {
			return values, err
		}
		values = append(values, string(v))
	}
}

func TestValueScannerLimit(t *testing.T) {
	for _, c := range []struct {
		value string
	}{{`"abcdefgh"`}, {`{"a":[1]}`}, {`1234567890`}, {`"` + strings.Repeat(`\"`, 100) + `"`}, {`"` + strings.Repeat("x", 5000) + `\n` + strings.Repeat("y", 5000) + `"`}} {
		doc := " " + c.value + " 1 "
		if got, err := cut(doc, len(c.value)); err != nil || len(got) != 2 || got[0] != c.value {
			t.Errorf("%.20s: %q, %v", c.value, got, err)
		}
		if _, err := cut(doc, len(c.value)-1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%.20s with a limit below its length: %v", c.value, err)
		}
	}
}

// TestValueScannerEscapes: strings full of escapes take time in proportion to
// their length; the slow way takes minutes here.
func TestValueScannerEscapes(t *testing.T) {
	doc := append(append([]byte{'"'}, bytes.Repeat([]byte(strings.Repeat("x", 60)+`\n`), 1<<18)...), '"', ' ')
	s := valueScanner{r: bytes.NewReader(doc)}
	v, err := s.value(len(doc))
	if err != nil || len(v) != len(doc)-1 {
		t.Fatal(len(v), err)
	}
}

func BenchmarkValueScanner(b *testing.B) {
	for name, doc := range map[string]string{
		"objects":  `{"a":[` + strings.Repeat(`{"system":"http://loinc.org","code":"8480-6","value":120.5,"ok":true},`, 4000) + `1]} `,
		"long":     `["` + strings.Repeat("x", 300_000) + `"] `,
		"escapes":  `["` + strings.Repeat(`<a href=\"x\">`, 20_000) + `"] `,
		"newlines": `["` + strings.Repeat(strings.Repeat("x", 70)+`\n`, 4000) + `"] `,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			buf := make([]byte, 0, len(doc)+readChunk)
			for b.Loop() {
				s := valueScanner{r: strings.NewReader(doc), buf: buf}
				if _, err := s.value(len(doc)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzSplitQuery: what is taken apart is what net/url takes apart, written again
// it gives the same, and nothing in it can end a line or a parameter.
func FuzzSplitQuery(f *testing.F) {
	f.Add("a=b&c=%20+&d")
	f.Add("a;b=c")
	f.Add("%zz=1")
	f.Fuzz(func(t *testing.T, raw string) {
		pairs, err := splitQuery(raw)
		if err != nil {
			return
		}
		want, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("%q isn't taken by net/url: %v", raw, err)
		}
		got := url.Values{}
		var b queryBuilder
		for _, p := range pairs {
			if p[0] == "" || strings.ContainsFunc(p[0]+p[1], unicode.IsControl) {
				t.Fatalf("%q gives %q", raw, p)
			}
			got.Add(p[0], p[1])
			b.add(p[0], p[1])
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %v, want %v", raw, got, want)
		}
		if again, err := splitQuery(b.String()); err != nil || !slices.Equal(again, pairs) {
			t.Fatalf("%q: %v again, %v, want %v", raw, again, err, pairs)
		}
	})
}
