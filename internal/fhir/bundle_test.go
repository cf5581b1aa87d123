package fhir_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

const sampleBundle = ` { "resourceType" : "Bundle", "id":"b","meta":{"tag":[{"code":"}\"]"}]},"type":"searchset","total":12e0,"x":true,"y":null,
"link":[{"relation":"self","url":"http://h/f/Patient"},{"relation":"next","url":"http://h/f?page=2&a=\u00e4"}],
"entry":[{"fullUrl":"http://h/f/Patient/1","resource":{"resourceType":"Patient","id":"1","name":[{"family":"\\\"[{"}]},"search":{"mode":"match"}} ,
 {"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}},
 {"fullUrl":"http://h/f/Patient/2","request":{"method":"DELETE","url":"Patient/2"},"response":{"status":"204","etag":"W/\"2\""}}]
,"signature":{"who":{}} } `

// entries reads a whole Bundle.
func entries(r io.Reader, limits fhir.BundleLimits) (list []fhir.Entry, next string, err error) {
	b := fhir.NewBundleReader(r, limits)
	for {
		e, err := b.Next()
		if errors.Is(err, io.EOF) {
			return list, b.NextLink(), nil
		}
		if err != nil {
			return nil, "", err
		}
		e.Resource = bytes.Clone(e.Resource)
		list = append(list, e)
	}
}

var readers = map[string]func(io.Reader) io.Reader{
	"whole":        func(r io.Reader) io.Reader { return r },
	"one byte":     iotest.OneByteReader,
	"half":         iotest.HalfReader,
	"data and EOF": iotest.DataErrReader,
	"both":         func(r io.Reader) io.Reader { return iotest.DataErrReader(iotest.OneByteReader(r)) },
}

func TestBundleReader(t *testing.T) {
	for name, wrap := range readers {
		t.Run(name, func(t *testing.T) {
			list, next, err := entries(wrap(strings.NewReader(sampleBundle)), fhir.BundleLimits{MaxEntry: 1 << 10})
			if err != nil {
				t.Fatal(err)
			}
			if len(list) != 3 || next != "http://h/f?page=2&a=ä" {
				t.Fatalf("%d entries, next %s", len(list), next)
			}
			if e := list[0]; e.FullURL != "http://h/f/Patient/1" || e.Mode != "match" || !json.Valid(e.Resource) || !bytes.Contains(e.Resource, []byte(`"\\\"[{"`)) {
				t.Errorf("%+v", e)
			}
			if e := list[1]; e.Mode != "outcome" {
				t.Errorf("%+v", e)
			}
			if e := list[2]; e.Resource != nil || e.Method != "DELETE" || e.URL != "Patient/2" || e.Status != "204" || e.ETag != `W/"2"` {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestBundleReaderTruncated: a Bundle that ends early, at whatever byte, is an
// error and never a shorter Bundle.
func TestBundleReaderTruncated(t *testing.T) {
	whole := len(strings.TrimRight(sampleBundle, " "))
	for n := range whole {
		for name, wrap := range readers {
			if list, _, err := entries(wrap(strings.NewReader(sampleBundle[:n])), fhir.BundleLimits{MaxEntry: 1 << 10}); err == nil {
				t.Fatalf("%s: the first %d of %d bytes are a Bundle of %d entries", name, n, whole, len(list))
			} else if !errors.Is(err, fhir.ErrTruncated) {
				t.Fatalf("%s: the first %d bytes: %v", name, n, err)
			}
		}
	}
}

// TestBundleReaderBroken: an error of the stream comes through, at whatever byte.
func TestBundleReaderBroken(t *testing.T) {
	broken := errors.New("broken")
	for n := range len(sampleBundle) + 1 {
		r := io.MultiReader(strings.NewReader(sampleBundle[:n]), iotest.ErrReader(broken))
		if _, _, err := entries(r, fhir.BundleLimits{MaxEntry: 1 << 10}); !errors.Is(err, broken) {
			t.Fatalf("broken after %d bytes: %v", n, err)
		}
	}
}

func TestBundleReaderRefuses(t *testing.T) {
	for _, c := range []struct {
		name, doc string
		want      error
	}{
		{"nothing", ``, fhir.ErrTruncated},
		{"white space", "  \n", fhir.ErrTruncated},
		{"array", `[]`, fhir.ErrNotBundle},
		{"XML", `<Bundle/>`, fhir.ErrNotBundle},
		{"byte order mark", "\ufeff" + `{"resourceType":"Bundle"}`, fhir.ErrNotBundle},
		{"no type", `{"entry":[]}`, fhir.ErrNotBundle},
		{"empty", `{}`, fhir.ErrNotBundle},
		{"other type", `{"resourceType":"Patient"}`, fhir.ErrNotBundle},
		{"type of the wrong kind", `{"resourceType":1}`, fhir.ErrNotBundle},
		{"OperationOutcome", `{"resourceType":"OperationOutcome","issue":[]}`, fhir.ErrNotBundle},
		{"two types", `{"resourceType":"Bundle","resourceType":"Bundle"}`, fhir.ErrNotBundle},
		{"two types, escaped", `{"resourceType":"Bundle","resource\u0054ype":"Bundle"}`, fhir.ErrNotBundle},
		{"two entries", `{"resourceType":"Bundle","entry":[],"entry":[{}]}`, fhir.ErrNotBundle},
		{"entry of the wrong kind", `{"resourceType":"Bundle","entry":{}}`, fhir.ErrNotBundle},
		{"null entry", `{"resourceType":"Bundle","entry":null}`, fhir.ErrNotBundle},
		{"item of the wrong kind", `{"resourceType":"Bundle","entry":[1]}`, fhir.ErrNotBundle},
		{"item of the wrong kind, nested", `{"resourceType":"Bundle","entry":[[]]}`, fhir.ErrNotBundle},
		{"null item", `{"resourceType":"Bundle","entry":[null]}`, fhir.ErrNotBundle},
		{"comma at the end", `{"resourceType":"Bundle","entry":[{},]}`, fhir.ErrNotBundle},
		{"comma at the start", `{"resourceType":"Bundle","entry":[,{}]}`, fhir.ErrNotBundle},
		{"no comma", `{"resourceType":"Bundle","entry":[{}{}]}`, fhir.ErrNotBundle},
		{"two commas", `{"resourceType":"Bundle","entry":[{},,{}]}`, fhir.ErrNotBundle},
		{"comma at the end of the object", `{"resourceType":"Bundle",}`, fhir.ErrNotBundle},
		{"comma at the start of the object", `{,"resourceType":"Bundle"}`, fhir.ErrNotBundle},
		{"no colon", `{"resourceType" "Bundle"}`, fhir.ErrNotBundle},
		{"key of the wrong kind", `{1:2}`, fhir.ErrNotBundle},
		{"brackets that don't match", `{"resourceType":"Bundle","entry":[{]}]}`, fhir.ErrNotBundle},
		{"something after it", `{"resourceType":"Bundle"}{}`, fhir.ErrNotBundle},
		{"comma after it", `{"resourceType":"Bundle"},`, fhir.ErrNotBundle},
		{"resource of the wrong kind", `{"resourceType":"Bundle","entry":[{"resource":[]}]}`, fhir.ErrNotBundle},
		{"null resource", `{"resourceType":"Bundle","entry":[{"resource":null}]}`, fhir.ErrNotBundle},
		{"repeated key in an entry", `{"resourceType":"Bundle","entry":[{"resource":{"id":"1","id":"2"}}]}`, fhir.ErrNotBundle},
		{"half a surrogate pair", `{"resourceType":"Bundle","entry":[{"fullUrl":"\ud800"}]}`, fhir.ErrNotBundle},
		{"bad UTF-8", "{\"resourceType\":\"Bundle\",\"entry\":[{\"fullUrl\":\"\xff\"}]}", fhir.ErrNotBundle},
		{"bad number", `{"resourceType":"Bundle","total":01}`, fhir.ErrNotBundle},
		{"bad literal", `{"resourceType":"Bundle","x":nul}`, fhir.ErrNotBundle},
		{"link of the wrong kind", `{"resourceType":"Bundle","link":{}}`, fhir.ErrNotBundle},
		{"link's item of the wrong kind", `{"resourceType":"Bundle","link":[1]}`, fhir.ErrNotBundle},
		{"deep", `{"resourceType":"Bundle","entry":[` + strings.Repeat(`{"a":`, 20) + `1` + strings.Repeat(`}`, 20) + `]}`, fhir.ErrNotBundle},
		{"large entry", `{"resourceType":"Bundle","entry":[{"a":"` + strings.Repeat("a", 1<<10) + `"}]}`, fhir.ErrTooLarge},
		{"large scalar", `{"resourceType":"Bundle","entry":[` + strings.Repeat("1", 1<<10+1) + `]}`, fhir.ErrTooLarge},
		{"large key", `{"` + strings.Repeat("a", 1<<10) + `":1}`, fhir.ErrTooLarge},
		{"large member", `{"a":"` + strings.Repeat("a", 1<<20) + `"}`, fhir.ErrTooLarge},
		{"many members", `{` + manyMembers(100) + `"resourceType":"Bundle"}`, fhir.ErrNotBundle},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, wrap := range readers {
				if _, _, err := entries(wrap(strings.NewReader(c.doc)), fhir.BundleLimits{MaxEntry: 1 << 10, MaxDepth: 10}); !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", name, err, c.want)
				}
			}
		})
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":1,`, i)
	}
	return b.String()
}

func TestBundleReaderNoProgress(t *testing.T) {
	if _, _, err := entries(stuck{}, fhir.BundleLimits{MaxEntry: 1}); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// FuzzBundleReader: a BundleReader gives the entries that encoding/json gives,
// or an error; in whatever pieces the bytes come.
func FuzzBundleReader(f *testing.F) {
	f.Add([]byte(sampleBundle), uint16(7))
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{"resource":{"a":"\\"}}]}`), uint16(1))
	f.Add([]byte(`{"entry":[],"resourceType":"Bundle"}`), uint16(3))
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{]}]}`), uint16(30))
	f.Fuzz(func(t *testing.T, doc []byte, cut uint16) {
		limits := fhir.BundleLimits{MaxEntry: 1 << 16, MaxDepth: 32}
		got, next, err := entries(bytes.NewReader(doc), limits)
		at := int(cut) % (len(doc) + 1)
		pieces, _, err2 := entries(io.MultiReader(bytes.NewReader(doc[:at]), iotest.OneByteReader(bytes.NewReader(doc[at:]))), limits)
		if (err == nil) != (err2 == nil) || len(got) != len(pieces) {
			t.Fatalf("whole: %d entries, %v; in pieces: %d, %v", len(got), err, len(pieces), err2)
		}
		if err != nil {
			return
		}
		if err := wire.Check(doc, wire.Limits{MaxDepth: 64}); err != nil {
			t.Fatalf("accepted what wire.Check refuses: %v", err)
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(doc, &want); err != nil {
			t.Fatal(err)
		}
		var list []map[string]json.RawMessage
		if raw, ok := want["entry"]; ok {
			if err := json.Unmarshal(raw, &list); err != nil {
				t.Fatal(err)
			}
		}
		if len(list) != len(got) {
			t.Fatalf("%d entries, want %d", len(got), len(list))
		}
		for i, e := range got {
			if !bytes.Equal(e.Resource, list[i]["resource"]) {
				t.Fatalf("entry %d: %s, want %s", i, e.Resource, list[i]["resource"])
			}
		}
		if next != "" && !bytes.Contains(doc, []byte("next")) && !bytes.Contains(doc, []byte(`\u`)) {
			t.Fatalf("next link %q out of nothing", next)
		}
	})
}

// benchBundle is a searchset of 100 entries, about 300 KB.
func benchBundle() []byte {
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"http://h/f?page=2"}],"entry":[`)
	for i := range 100 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"fullUrl":"http://h/f/Observation/%d","resource":{"resourceType":"Observation","id":"%d","meta":{"versionId":"1","lastUpdated":"2024-01-02T03:04:05.678Z"},`, i, i)
		fmt.Fprintf(&b, `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">%s</div>"},"status":"final","component":[`, strings.Repeat("Blood pressure <b>120</b>\\n", 32))
		for j := range 8 {
			if j > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6","display":"Systolic blood pressure"}],"text":"Systolic"},"valueQuantity":{"value":120.5,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}`)
		}
		b.WriteString(`],"subject":{"reference":"Patient/1"}},"search":{"mode":"match"}}`)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func BenchmarkBundleReader(b *testing.B) {
	doc := benchBundle()
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		r := fhir.NewBundleReader(bytes.NewReader(doc), fhir.BundleLimits{MaxEntry: 1 << 20, MaxDepth: 64})
		for {
			if _, err := r.Next(); err != nil {
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
				break
			}
		}
	}
}
