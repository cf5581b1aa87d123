package e2e_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

const bp = "code=http://loinc.org%7C85354-9"

func TestSearches(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		annaBP := []string{"Observation/anna-berg-bp-1", "Observation/anna-berg-bp-2", "Observation/anna-berg-bp-3"}
		conditions := []string{"Condition/anna-berg-cond-hypertension", "Condition/anna-berg-cond-hypothyroidism"}
		all := append(slices.Clone(conditions), "Condition/anna-berg-cond-depression")
		checkLooks(t, g, []look{
			// Types: rows filtered, totals of what is seen.
			{who: "practitioner", path: "Condition?patient=Patient/anna-berg", status: 200, ids: conditions, total: 2},
			{who: "patient", path: "Condition?patient=Patient/anna-berg", status: 200, ids: all, total: 3},
			{who: "admin", path: "Condition?patient=Patient/anna-berg", status: 200, ids: all, total: 3},
			{who: "practitioner2", path: "Condition?patient=Patient/anna-berg", status: 200, ids: []string{}, zero: true},
			{who: "relatedperson", path: "Condition?patient=Patient/anna-berg", status: 200, ids: []string{}, zero: true},
			{who: "researcher", path: "Condition?patient=Patient/anna-berg", status: 200, ids: conditions, total: 2, text: []string{"Berg", "Okafor"}},
			{who: "registrar", path: "Condition?patient=Patient/anna-berg", status: 403, code: "type-not-granted"},
			{who: "stranger", path: "Condition?patient=Patient/anna-berg", status: 403, code: "no-known-role"},
			{path: "Condition?patient=Patient/anna-berg", status: 401, code: "login-required"},
			{who: "relatedperson", path: "Patient", status: 200, ids: []string{"Patient/leo-lind"}, total: 1},
			{who: "patient", path: "Patient", status: 200, ids: []string{"Patient/anna-berg"}, total: 1},
			{
				who: "practitioner", path: "Patient?_id=anna-berg,marcus-reid,elena-petrova,henry-novak,daniel-cohen,sofia-marchetti,george-whitfield", status: 200,
				ids: []string{"Patient/anna-berg", "Patient/george-whitfield", "Patient/marcus-reid", "Patient/daniel-cohen"},
			},
			{who: "registrar", path: "Patient?family=Berg&birthdate=1984-03-17&_id=anna-berg,sofia-marchetti", status: 200, ids: []string{"Patient/anna-berg"}},
			{who: "practitioner", path: "Observation?patient=anna-berg&" + bp, status: 200, ids: annaBP, total: 3},
			{who: "practitioner", path: "Observation?subject:Patient=anna-berg&" + bp, status: 200, ids: annaBP},
			{who: "practitioner", path: "Observation?patient=" + url.QueryEscape(g.Base+"/Patient/anna-berg") + "&" + bp, status: 200, ids: annaBP},
			{who: "practitioner", path: "Observation?patient=Patient/anna-berg&" + bp + "&date=ge2024", status: 200},
			{who: "practitioner", path: "Condition?patient=Patient/anna-berg&clinical-status=active", status: 200, ids: conditions},

			// POST.
			{who: "practitioner", path: "Condition/_search", post: "patient=Patient%2Fanna-berg", status: 200, ids: conditions, total: 2},
			{who: "practitioner2", path: "Condition/_search", post: "patient=Patient%2Fanna-berg", status: 200, ids: []string{}, zero: true},
			{who: "practitioner", path: "Condition/_search?patient=Patient/anna-berg", post: "patient=Patient%2Fanna-berg", status: 400, code: "query-and-body"},

			// Shapes.
			{who: "practitioner", path: "Condition?patient=Patient/anna-berg&_summary=count", status: 200, total: 2, no: []string{"entry.0.resource.id"}},
			{who: "practitioner", path: "Condition?patient=Patient/anna-berg&_count=0", status: 200, total: 2, no: []string{"entry.0.resource.id"}},
			{who: "practitioner2", path: "Condition?patient=Patient/anna-berg&_summary=count", status: 200, zero: true},
			{who: "practitioner", path: "Condition?patient=Patient/anna-berg&_total=none", status: 200, ids: conditions, total: -1},
			{who: "practitioner", path: "Observation?patient=Patient/anna-berg&" + bp + "&_count=1&_total=accurate&_sort=date", status: 200, ids: annaBP[:1], total: 3},
			{who: "practitioner", path: "Observation?patient=Patient/anna-berg&" + bp + "&_count=1", status: 200, total: -1},
			{
				who: "practitioner", path: "Patient?_id=anna-berg&_summary=true", status: 200, has: []string{`entry.#(search.mode=="match").resource.name`, `entry.#(search.mode=="match").resource.meta.tag.#(code=="SUBSETTED")`},
				no: []string{`entry.#(search.mode=="match").resource.photo`, `entry.#(search.mode=="match").resource.text`, `entry.#(search.mode=="match").resource.contact`},
			},
			{who: "patient", path: "Patient?_id=anna-berg&_summary=text", status: 200, has: []string{`entry.#(search.mode=="match").resource.text`}, no: []string{`entry.#(search.mode=="match").resource.name`}},
			{who: "practitioner", path: "Patient?_id=anna-berg&_summary=data", status: 200, has: []string{`entry.#(search.mode=="match").resource.name`}, no: []string{`entry.#(search.mode=="match").resource.text`}},
			{who: "practitioner", path: "Patient?_id=anna-berg&_elements=gender", status: 200, has: []string{`entry.#(search.mode=="match").resource.gender`}, no: []string{`entry.#(search.mode=="match").resource.name`}},
			{who: "researcher", path: "Patient?_id=anna-berg&_elements=name,gender,birthDate", status: 200, has: []string{`entry.#(search.mode=="match").resource.gender`}, text: []string{"Berg", "1984-03"}},
			{who: "researcher", path: "Patient?_id=anna-berg&_summary=text", status: 200, text: []string{"Berg", annaStreet}},
			{who: "practitioner", path: "Condition?patient=Patient/anna-berg&_elements=code", status: 200, ids: conditions, has: []string{"entry.1.resource.subject", "entry.1.resource.code"}},

			// Orders.
			{who: "practitioner", path: "Observation?patient=Patient/anna-berg&" + bp + "&_sort=date", status: 200, exact: true, ids: annaBP},
			{who: "practitioner", path: "Observation?patient=Patient/anna-berg&" + bp + "&_sort=-date", status: 200, exact: true, ids: []string{annaBP[2], annaBP[1], annaBP[0]}},

			// Masked elements answer no question.
			{who: "researcher", path: "Patient?name=Berg", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Patient?family=Berg", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Patient?birthdate=1984-03-17", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Patient?identifier=NH-100001", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Patient?address-city=Harwick", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Patient?address=Alder", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Patient?phonetic=Berg", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Patient?general-practitioner=Practitioner/dr-okafor", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Patient?birthdate:missing=true", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Patient?_sort=birthdate", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Patient?_sort=gender,-family", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Observation?date=2023-05-09", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Observation?performer=Practitioner/nurse-jensen", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Patient/_search", post: "name=Berg", status: 403, code: "search-on-masked-element"},
			{who: "relatedperson", path: "Patient?identifier=NH-100001", status: 403, code: "search-on-masked-element"},
			{who: "relatedperson", path: "Patient?address=Alder", status: 403, code: "search-on-masked-element"},
			{who: "researcher", path: "Patient?gender=female&_id=anna-berg", status: 200, ids: []string{"Patient/anna-berg"}},
			{who: "researcher", path: "Observation?patient=Patient/anna-berg&" + bp, status: 200, ids: annaBP},
			{who: "practitioner", path: "Patient?family=Berg&_id=anna-berg", status: 200, ids: []string{"Patient/anna-berg"}},

			// What isn't understood isn't forwarded.
			{who: "admin", path: "Patient?nosuch=1", status: 400, code: "unknown-parameter"},
			{who: "admin", path: "Patient?_include=Patient:organization", status: 400, code: "parameter-not-supported"},
			{who: "admin", path: "Patient?_has:Observation:patient:code=1", status: 400, code: "parameter-not-supported"},
			{who: "admin", path: "Observation?patient.name=Berg", status: 400, code: "chain-not-supported"},
			{who: "admin", path: "Patient?_count=x", status: 400, code: "bad-control-parameter"},
			{who: "admin", path: "Patient?_count=1&_count=2", status: 400, code: "duplicate-parameter"},
			{who: "admin", path: "Patient?name=%zz", status: 400, code: "bad-query"},
		})
	})
}

func TestCompartmentAndSystemSearches(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		annaBP := []string{"Observation/anna-berg-bp-1", "Observation/anna-berg-bp-2", "Observation/anna-berg-bp-3"}
		conditions := []string{"Condition/anna-berg-cond-hypertension", "Condition/anna-berg-cond-hypothyroidism"}
		all := append(slices.Clone(conditions), "Condition/anna-berg-cond-depression")
		checkLooks(t, g, []look{
			// Compartments.
			{who: "practitioner", path: "Patient/anna-berg/Condition", status: 200, ids: conditions, total: 2},
			{who: "patient", path: "Patient/anna-berg/Condition", status: 200, ids: all, total: 3},
			{who: "practitioner2", path: "Patient/anna-berg/Condition", status: 200, ids: []string{}, zero: true},
			{who: "practitioner", path: "Patient/never-was/Condition", status: 200, ids: []string{}, zero: true},
			{who: "practitioner", path: "Patient/anna-berg/Observation?" + bp, status: 200, ids: annaBP, total: 3},
			{who: "practitioner", path: "Patient/anna-berg/Condition/_search", post: "clinical-status=active", status: 200, ids: conditions},
			{who: "practitioner", path: "Patient/anna-berg/Location", status: 404, code: "unknown-path"},

			// System.
			{who: "practitioner", path: "?_id=anna-berg", status: 403, code: "type-not-granted"},
			{who: "admin", path: "?_type=Patient,Condition&_id=anna-berg,anna-berg-cond-hypertension", status: 200, ids: []string{"Patient/anna-berg", "Condition/anna-berg-cond-hypertension"}, total: 2},
			{who: "admin", path: "_search", post: "_type=Patient&_id=anna-berg", status: 200, ids: []string{"Patient/anna-berg"}},
		})
	})
}

// TestCompartmentIsWholeAndOnce: a row that is in a compartment by two references
// comes once, whichever way the server behind is asked.
func TestCompartmentIsWholeAndOnce(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		tag := newID()
		var want []string
		for i, more := range []string{``, `,"performer":[{"reference":"Patient/anna-berg"}]`, `,"performer":[{"reference":"Practitioner/dr-okafor"},{"reference":"Patient/anna-berg"}]`} {
			id := fmt.Sprint(tag, "-", i)
			behind.Put(t, strings.Replace(observation(id, "anna-berg", more), `"status"`, `"meta":{"tag":[{"system":"urn:e2e","code":"`+tag+`"}]},"status"`, 1))
			want = append(want, "Observation/"+id)
		}
		// By performer alone.
		id := tag + "-performed"
		behind.Put(t, strings.Replace(observation(id, "marcus-reid", `,"performer":[{"reference":"Patient/anna-berg"}]`), `"status"`, `"meta":{"tag":[{"system":"urn:e2e","code":"`+tag+`"}]},"status"`, 1))
		all := append(slices.Clone(want), "Observation/"+id)
		path := "Patient/anna-berg/Observation?_tag=urn:e2e%7C" + tag
		for _, c := range []struct {
			who  string
			want []string
		}{{"patient", want}, {"practitioner", all}, {"admin", all}, {"practitioner2", []string{}}} {
			for _, size := range []int{1, 2, 50} {
				got, _ := walk(t, g, c.who, fmt.Sprint(path, "&_count=", size), size)
				slices.Sort(got)
				if slices.Sort(c.want); !slices.Equal(got, c.want) {
					t.Errorf("%s, pages of %d: %q, want %q", c.who, size, got, c.want)
				}
			}
			if n := g.Get(t, c.who, path+"&_summary=count").Want(t, 200).JSON("total").Int(); n != int64(len(c.want)) {
				t.Errorf("%s: total %d, want %d", c.who, n, len(c.want))
			}
		}
		// The performer is masked for the researcher, and it is a way into the compartment.
		g.Get(t, "researcher", path).Refused(t, 403, "search-on-masked-element")
	})
}

func TestHistories(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind})
		since := url.QueryEscape(time.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
		tag := newID()
		seen, hidden, secret := tag+"-seen", tag+"-hidden", tag+"-secret"
		behind.Put(t, observation(seen, "anna-berg", ""))
		behind.Put(t, observation(hidden, "sofia-marchetti", ""))
		behind.Put(t, observation(seen, "anna-berg", `,"valueString":"2"`))
		behind.Put(t, strings.Replace(observation(secret, "anna-berg", ""), `"status"`, `"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]},"status"`, 1))
		// Others write, too: only those of this test count.
		versions := func(who, path string) map[string]int {
			found := map[string]int{}
			for path != "" {
				r := g.Get(t, who, path).Want(t, 200)
				if r.JSON("type").String() != "history" {
					t.Errorf("type %s", r.JSON("type"))
				}
				for _, id := range r.IDs() {
					if strings.Contains(id, tag) {
						found[strings.TrimPrefix(id, "Observation/"+tag+"-")]++
					}
				}
				path = r.Next()
			}
			return found
		}
		for _, c := range []struct {
			who, path string
			want      string
		}{
			{"practitioner", "Observation/_history?_since=" + since, "map[seen:2]"},
			{"patient", "Observation/_history?_since=" + since + "&_count=1", "map[secret:1 seen:2]"},
			{"practitioner2", "Observation/_history?_since=" + since, "map[hidden:1]"},
			{"admin", "Observation/_history?_since=" + since, "map[hidden:1 secret:1 seen:2]"},
			{"admin", "_history?_since=" + since, "map[hidden:1 secret:1 seen:2]"},
			{"admin", "Observation/" + seen + "/_history?_count=1", "map[seen:2]"},
		} {
			if got := fmt.Sprint(versions(c.who, c.path)); got != c.want {
				t.Errorf("%s %s: %s, want %s", c.who, c.path, got, c.want)
			}
		}
		g.Get(t, "practitioner", "_history").Refused(t, 403, "type-not-granted")
		g.Get(t, "researcher", "Observation/_history").Refused(t, 403, "type-not-granted")
		g.Get(t, "relatedperson", "Observation/_history").Refused(t, 403, "type-not-granted")
		g.Get(t, "", "Observation/_history").Refused(t, 401, "login-required")
		g.Get(t, "practitioner", "Observation/"+seen+"/_history?_sort=date").Refused(t, 400, "query-not-allowed")
		// A label withdraws the versions before it.
		behind.Put(t, strings.Replace(observation(seen, "anna-berg", ""), `"status"`, `"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]},"status"`, 1))
		g.Get(t, "practitioner", "Observation/"+seen+"/_history").Refused(t, 404, "not-found")
		g.Get(t, "practitioner", "Observation/"+seen+"/_history/1").Refused(t, 404, "not-found")
		g.Get(t, "patient", "Observation/"+seen+"/_history/1").Want(t, 200)
	})
}

// walk reads all pages and gives their ids.
func walk(t *testing.T, g *harness.Gateway, who, path string, size int) (ids []string, pages int) {
	t.Helper()
	for path != "" {
		page := g.Get(t, who, path).Want(t, 200)
		got := page.IDs()
		if next := page.Next(); next != "" && len(got) != size {
			t.Errorf("page %d has %d rows and a next link; asked for %d", pages, len(got), size)
		}
		ids = append(ids, got...)
		pages++
		if path = page.Next(); path != "" && !strings.HasPrefix(path, g.Base+"/") {
			t.Fatalf("the next link leads to %s", path)
		}
		if pages > 500 {
			t.Fatal("no end of pages")
		}
	}
	return ids, pages
}

func TestPaging(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind, Limits: map[string]any{"upstream_page": 20}})
		// Dr. Okafor sees a part of all: pages refill.
		whole := g.Get(t, "practitioner", "Observation?_count=500&date=lt2026-01-01").Want(t, 200)
		want := whole.IDs()
		if whole.Next() != "" || len(want) < 20 {
			t.Fatalf("%d rows, next %q: the story changed", len(want), whole.Next())
		}
		for _, size := range []int{7, 20, len(want) - 1, len(want), len(want) + 1} {
			got, pages := walk(t, g, "practitioner", fmt.Sprintf("Observation?date=lt2026-01-01&_count=%d", size), size)
			if wantPages := (len(want) + size - 1) / size; pages != wantPages {
				t.Errorf("pages of %d: %d, want %d", size, pages, wantPages)
			}
			slices.Sort(got)
			sorted := slices.Sorted(slices.Values(want))
			if !slices.Equal(got, sorted) {
				t.Errorf("pages of %d: %d rows, want %d\n%q\n%q", size, len(got), len(sorted), got, sorted)
			}
		}
		// The same by POST, in order.
		first := g.Do(t, harness.Request{Who: "practitioner", Method: "POST", Path: "Observation/_search", Body: "date=lt2026-01-01&_count=5&_sort=-date"}).Want(t, 200)
		got := first.IDs()
		for next := first.Next(); next != ""; {
			page := g.Get(t, "practitioner", next).Want(t, 200)
			got, next = append(got, page.IDs()...), page.Next()
		}
		inOrder := g.Get(t, "practitioner", "Observation?_count=500&date=lt2026-01-01&_sort=-date").Want(t, 200).IDs()
		slices.Sort(got)
		slices.Sort(inOrder)
		if !slices.Equal(got, inOrder) {
			t.Errorf("a posted search gave %d rows page by page, %d at once", len(got), len(inOrder))
		}
	})
}

func TestPageLinks(t *testing.T) {
	t.Parallel()
	harness.EachUpstream(t, func(t *testing.T, behind harness.FHIR) {
		g := harness.Start(t, harness.Options{Upstream: behind, Limits: map[string]any{"page_link_ttl": "1s"}})
		page := g.Get(t, "practitioner", "Observation?patient=Patient/anna-berg&_count=2").Want(t, 200)
		next := page.Next()
		base, token, ok := strings.Cut(next, "?_page=")
		if !ok || base != g.Base+"/Observation" {
			t.Fatalf("next link is %q", next)
		}
		for _, secret := range []string{"anna", "Patient", "_getpages", strings.TrimPrefix(behind.URL, "http://")} {
			if strings.Contains(next, secret) {
				t.Errorf("the next link shows %q: %s", secret, next)
			}
		}
		flip := func(i int) string {
			b := []byte(token)
			if b[i] == 'A' {
				b[i] = 'B'
			} else {
				b[i] = 'A'
			}
			return string(b)
		}
		for name, c := range map[string]struct {
			who, path string
			status    int
			code      string
		}{
			"first byte changed":  {"practitioner", "Observation?_page=" + flip(0), 400, "bad-page-link"},
			"middle changed":      {"practitioner", "Observation?_page=" + flip(len(token)/2), 400, "bad-page-link"},
			"cut":                 {"practitioner", "Observation?_page=" + token[:len(token)-4], 400, "bad-page-link"},
			"longer":              {"practitioner", "Observation?_page=" + token + "AAAA", 400, "bad-page-link"},
			"empty":               {"practitioner", "Observation?_page=x", 400, "bad-page-link"},
			"of another caller":   {"practitioner2", "Observation?_page=" + token, 400, "bad-page-link"},
			"of a mighty caller":  {"admin", "Observation?_page=" + token, 400, "bad-page-link"},
			"nobody's":            {"", "Observation?_page=" + token, 400, "bad-page-link"},
			"of another type":     {"practitioner", "Condition?_page=" + token, 400, "bad-page-link"},
			"of a compartment":    {"practitioner", "Patient/anna-berg/Observation?_page=" + token, 400, "bad-page-link"},
			"of a history":        {"practitioner", "Observation/_history?_page=" + token, 400, "bad-page-link"},
			"with more":           {"practitioner", "Observation?_page=" + token + "&_count=100", 400, "duplicate-parameter"},
			"with another filter": {"practitioner", "Observation?_page=" + token + "&patient=x", 400, "duplicate-parameter"},
			"at a read":           {"practitioner", "Observation/anna-berg-bp-1?_page=" + token, 400, "query-not-allowed"},
		} {
			t.Run(name, func(t *testing.T) { g.Get(t, c.who, c.path).Refused(t, c.status, c.code) })
		}
		harness.Eventually(t, "the page link to expire", func() bool {
			r := g.Get(t, "practitioner", next)
			if r.Status == 200 {
				return false
			}
			r.Refused(t, 410, "page-link-expired")
			return true
		})
	})
}
