package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestCheckAccepts(t *testing.T) {
	for _, doc := range []string{
		`{}`, " \n{ \t}\r\n", `{"a":1}`, `{"a":[],"b":{},"c":[1,2 , 3]}`,
		`{"a":-0,"b":0.10,"c":1e5,"d":-1.5E-3,"e":12E+7}`,
		`{"a":true,"b":false,"c":null}`,
		`{"a":"\u00e9\ud83d\ude00 \"\\\/\b\f\n\r\t"}`,
		`{"a":"é😀"}`, `{"a":{"a":{"a":1}}}`, `{"":1}`,
	} {
		if err := Check([]byte(doc), Limits{}); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, tc := range []struct {
		doc, reason string
		offset      int
	}{
		{``, "expected an object", 0},
		{`[]`, "expected an object", 0},
		{`"a"`, "expected an object", 0},
		{"\xef\xbb\xbf{}", "expected an object", 0},
		{`{}{}`, "bytes after the object", 2},
		{`{} x`, "bytes after the object", 3},
		{`{"a":1,}`, "expected a key", 7},
		{`{a:1}`, "expected a key", 1},
		{`{"a" 1}`, "expected a colon", 5},
		{`{"a":}`, "expected a value", 5},
		{`{"a":tru}`, "expected a value", 5},
		{`{"a":nulL}`, "expected a value", 5},
		{`{"a":NaN}`, "expected a value", 5},
		{`{"a":1 "b":2}`, "expected a comma or the end of the object", 7},
		{`{"a":[1 2]}`, "expected a comma or the end of the array", 8},
		{`{"a":[1,]}`, "expected a value", 8},
		{`{"a":01}`, "expected a comma or the end of the object", 6},
		{`{"a":-}`, "expected a digit", 6},
		{`{"a":1.}`, "expected a digit", 7},
		{`{"a":1e}`, "expected a digit", 7},
		{`{"a":+1}`, "expected a value", 5},
		{`{"a":.5}`, "expected a value", 5},
		{`{"a":"x`, "string without end", 7},
		{`{"a":"\`, "invalid escape", 6},
		{`{"a":"\x"}`, "invalid escape", 6},
		{`{"a":"\u12g4"}`, "invalid escape", 6},
		{`{"a":"\ud83d"}`, "invalid escape", 6},
		{`{"a":"\ude00\ud83d"}`, "invalid escape", 6},
		{`{"a":"\ud83d\ud83d"}`, "invalid escape", 6},
		{"{\"a\":\"\n\"}", "control character in a string", 6},
		{"{\"a\":\"\xff\"}", "invalid UTF-8", 6},
		{"{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8", 6},
		{`{"a":1,"a":2}`, "a key twice in one object", 7},
		{`{"a":1,"\u0061":2}`, "a key twice in one object", 7},
		{`{"x":[{"b":1,"b":2}]}`, "a key twice in one object", 13},
		{`{"a":1`, "expected a comma or the end of the object", 6},
		{`{"a":/**/1}`, "expected a value", 5},
	} {
		var syntax *SyntaxError
		if err := Check([]byte(tc.doc), Limits{}); !errors.As(err, &syntax) {
			t.Errorf("%q: got %v, want a *SyntaxError", tc.doc, err)
		} else if syntax.Reason != tc.reason || syntax.Offset != tc.offset {
			t.Errorf("%q: got %d %q, want %d %q", tc.doc, syntax.Offset, syntax.Reason, tc.offset, tc.reason)
		}
	}
}

func TestCheckDepth(t *testing.T) {
	nested := func(levels int) []byte {
		return []byte(`{"a":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`)
	}
	for _, tc := range []struct {
		levels, limit int
		want          bool
	}{
		{2, 2, true}, {3, 2, false}, {DefaultMaxDepth, 0, true}, {DefaultMaxDepth + 1, 0, false}, {100_000, 0, false},
	} {
		if got := Check(nested(tc.levels), Limits{MaxDepth: tc.limit}) == nil; got != tc.want {
			t.Errorf("%d levels under %d: accepted %v, want %v", tc.levels, tc.limit, got, tc.want)
		}
	}
}

// wide is an object with n members, the last of which has the key given.
func wide(n int, last string) []byte {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n - 1 {
		fmt.Fprintf(&b, `"k%d":%d,`, i, i)
	}
	fmt.Fprintf(&b, `"%s":0}`, last)
	return []byte(b.String())
}

func TestCheckWideObjects(t *testing.T) {
	for _, n := range []int{2, linearKeys, linearKeys + 1, linearKeys + 2, 5000} {
		if err := Check(wide(n, "last"), Limits{}); err != nil {
			t.Errorf("%d different keys: %v", n, err)
		}
		for _, key := range []string{"k0", fmt.Sprintf("k%d", n-2)} {
			if Check(wide(n, key), Limits{}) == nil {
				t.Errorf("%d keys with %s twice: accepted", n, key)
			}
		}
	}
}

func TestMembersAndItems(t *testing.T) {
	doc := []byte(` { "a" : [ 1 ,"two", {"x":[]} , null ] , "b\u0062":"\"}" ,"c":{} , "d":-1.50 } `)
	var got []string
	for k, v := range Members(doc) {
		got = append(got, string(k)+"="+string(v))
	}
	want := []string{`a=[ 1 ,"two", {"x":[]} , null ]`, `b\u0062="\"}"`, `c={}`, `d=-1.50`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	array, _ := Get(doc, "a")
	got = nil
	for v := range Items(array) {
		got = append(got, string(v))
	}
	if want := []string{"1", `"two"`, `{"x":[]}`, "null"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if v, ok := Get(doc, "bb"); !ok || string(v) != `"\"}"` {
		t.Errorf("escaped key: got %s %v", v, ok)
	}
	if _, ok := Get(doc, "x"); ok {
		t.Error("found a key of a deeper level")
	}
	for range Items([]byte(`{"a":1}`)) {
		t.Error("items of an object")
	}
	for range Members([]byte(`[1]`)) {
		t.Error("members of an array")
	}
}

func TestStrings(t *testing.T) {
	for _, s := range []string{"", "a", "é😀", "\"\\/\b\f\n\r\t\x00\x1f", "\u2028<>&"} {
		escaped := AppendString(nil, s)
		if err := Check(append(append([]byte(`{"a":`), escaped...), '}'), Limits{}); err != nil {
			t.Errorf("%q: %v", s, err)
		}
		if got, ok := String(escaped); !ok || got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	}
	if got := string(AppendString(nil, "a\xffb")); got != "\"a\uFFFDb\"" {
		t.Errorf("broken UTF-8: %s", got)
	}
	if got, _ := String([]byte(`"\ud83d\ude00\u00e9\/"`)); got != "😀é/" {
		t.Errorf("got %q", got)
	}
	for _, v := range []string{"", `"`, `1`, `null`, `"a`} {
		if _, ok := String([]byte(v)); ok {
			t.Errorf("%s taken for a string", v)
		}
	}
}

func TestEqual(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{`{"a":1,"b":[1,2]}`, ` { "b" : [1, 2], "a" : 1 }`, true},
		{`{"a":1}`, `{"a":1,"b":2}`, false},
		{`{"a":1,"b":2}`, `{"a":1}`, false},
		{`{"a":1}`, `{"b":1}`, false},
		{`1.0`, `1.00`, false},
		{`"\u0061"`, `"a"`, true},
		{`{"\u0061":1}`, `{"a":1}`, true},
		{`[1,2]`, `[2,1]`, false},
		{`[1]`, `[1,1]`, false},
		{`[]`, `[ ]`, true},
		{`null`, `false`, false},
		{`"1"`, `1`, false},
		{``, ``, true},
		{string(wide(100, "z")), string(wide(100, "z")) + " ", true},
		{string(wide(100, "z")), string(wide(100, "y")), false},
	} {
		if got := Equal([]byte(tc.a), []byte(tc.b)); got != tc.want {
			t.Errorf("Equal(%s, %s) = %v", tc.a, tc.b, got)
		}
		if got := Equal([]byte(tc.b), []byte(tc.a)); got != tc.want {
			t.Errorf("Equal(%s, %s) = %v", tc.b, tc.a, got)
		}
	}
}

func TestCompact(t *testing.T) {
	got := string(Compact(nil, []byte(" { \"a b\" : [ 1 ,\n\"\\\" \"\t] } ")))
	if want := `{"a b":[1,"\" "]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKindOf(t *testing.T) {
	for v, want := range map[string]Kind{
		``: Invalid, `x`: Invalid, `{}`: Object, `[]`: Array, `"a"`: Text, `-1`: Number, `7`: Number, `true`: True, `false`: False, `null`: Null,
	} {
		if got := KindOf([]byte(v)); got != want {
			t.Errorf("KindOf(%s) = %d, want %d", v, got, want)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	var doc strings.Builder
	doc.WriteString(`{"resourceType":"Patient","contact":[`)
	for i := range 20 {
		if i > 0 {
			doc.WriteByte(',')
		}
		doc.WriteString(`{"name":{"family":"du Marché","given":["Bénédicte"]},"telecom":[{"system":"phone","value":"+33 (237) 998327"}]}`)
	}
	doc.WriteString(`]}`)
	bytes := []byte(doc.String())
	b.SetBytes(int64(len(bytes)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(bytes, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
