package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func observation(id string, members ...string) string {
	return `{"resourceType":"Observation","id":"` + id + `","status":"final","code":{},` + strings.Join(members, ",") + `}`
}

// newPartsWorld is before a server without compartment and system searches.
func newPartsWorld(t *testing.T) *world {
	t.Helper()
	const subject, performer = `"subject":{"reference":"Patient/a"}`, `"performer":[{"reference":"Patient/a"}]`
	w := newWorld(t,
		patient("a"), patient("b", `"link":[{"other":{"reference":"Patient/a"},"type":"seealso"}]`), patient("hidden", restricted),
		observation("o1", subject), observation("o2", subject, performer), observation("o3", subject, restricted), observation("o4", performer, restricted),
		observation("o5", performer, `"subject":{"reference":"Patient/b"}`), observation("o6", `"subject":{"reference":"Patient/b"}`),
		observation("o7", `"performer":[{"reference":"Patient/b"},{"reference":"BASE/Patient/a/_history/1"}]`), observation("o8", subject),
		observation("h1", `"subject":{"reference":"Patient/hidden"}`, restricted),
	)
	w.distort = func(rw http.ResponseWriter, r *http.Request) bool {
		path := strings.TrimPrefix(r.URL.Path, "/fhir")
		if path == "" || path == "/_search" || strings.Count(path, "/") == 3 && !strings.Contains(path, "_history") || strings.HasSuffix(path, "/Observation/_search") && strings.Count(path, "/") == 4 {
			rw.WriteHeader(http.StatusNotFound)
			return true
		}
		return false
	}
	return w
}

func TestCompartmentOfParts(t *testing.T) {
	for _, size := range []int{1, 2, 3, 50} {
		w := newPartsWorld(t)
		for who, want := range map[string]string{"all": "o1 o2 o3 o4 o5 o8", "half": "o1 o2 o5 o8"} {
			for _, posted := range []bool{false, true, false} { // the last time it is known what the server lacks
				c := call{path: "Patient/a/Observation", query: fmt.Sprintf("_count=%d", size), who: who}
				if posted {
					c = call{method: "POST", path: "Patient/a/Observation/_search", form: c.query, who: who}
				}
				var got []string
				b := w.do(c).bundle(t)
				for {
					got = append(got, strings.Fields(b.ids())...)
					next := b.link("next")
					if next == "" {
						break
					}
					b = w.follow(who, next).bundle(t)
				}
				// The parts come one after another: subject, then performer.
				if text := strings.Join(sorted(got), " "); text != want {
					t.Errorf("%s, %d a page, posted %v: %s, want %s", who, size, posted, text, want)
				}
				if *b.Total != len(got) {
					t.Errorf("total %d of %d", *b.Total, len(got))
				}
			}
		}
	}
}

func sorted(ids []string) []string {
	out := append([]string(nil), ids...)
	for i := range out {
		for j := i; j > 0 && out[j] < out[j-1]; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

func TestPartsTellNothing(t *testing.T) {
	w := newPartsWorld(t)
	for _, query := range []string{"", "?_count=0", "?_total=accurate", "?status=final", "?_sort=date", "?_sort=date&_count=1"} {
		hidden, absent := w.get("half", "Patient/hidden/Observation"+query), w.get("half", "Patient/absent/Observation"+query)
		if (hidden.err == nil) != (absent.err == nil) || hidden.err != nil && hidden.refusal(t).Code != absent.refusal(t).Code ||
			strings.ReplaceAll(hidden.body.String(), "hidden", "absent") != absent.body.String() {
			t.Errorf("%s: hidden %v %s, absent %v %s", query, hidden.err, hidden.body.Bytes(), absent.err, absent.body.Bytes())
		}
	}
	if r := w.get("masked", "Patient/a/Observation").refusal(t); r.Code != "search-on-masked-element" {
		t.Error(r)
	}
	if got := w.get("all", "Patient/a/Patient").bundle(t).ids(); got != "a b" {
		t.Errorf("%s: a patient is in its own compartment, and so is who links to it", got)
	}
	if got := w.get("all", "?_type=Patient,Observation&_id=a,o1,h1").bundle(t).ids(); got != "a h1 o1" && got != "a o1 h1" {
		t.Error(got)
	}
	if r := w.get("all", "?_id=a").refusal(t); r.Code != "search-rejected" {
		t.Error(r)
	}
}
