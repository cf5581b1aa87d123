package peers_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/fhirgate/fhirgate/test/peers"
)

// What these tests assert of HAPI is what the gateway has to live with: where it surprises, the gateway has to cope.

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) get(path string) gjson.Result { return gjson.Get(a.body, path) }

// server is a FHIR base under test.
type server struct {
	base   string
	client *http.Client
}

func hapi(t *testing.T) server {
	t.Helper()
	return server{base: peers.HAPI(t), client: &http.Client{Timeout: time.Minute}}
}

// do sends one request; headers come as name, value, name, value.
func (s server) do(t *testing.T, method, url, body string, headers ...string) answer {
	t.Helper()
	if !strings.HasPrefix(url, "http") {
		url = s.base + "/" + url
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/fhir+json")
	if body != "" {
		request.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(content)}
}

// must is do with the status that it has to have.
func (s server) must(t *testing.T, status int, method, url, body string, headers ...string) answer {
	t.Helper()
	got := s.do(t, method, url, body, headers...)
	if got.status != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, url, got.status, status, got.body)
	}
	return got
}

// newID is an id that no other test uses: lower-case letters, and digits.
func newID() string { return strings.ToLower(rand.Text()) }

func patient(id, family string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"name":[{"family":%q}]}`, id, family)
}

func observation(subject string) string {
	return fmt.Sprintf(`{"resourceType":"Observation","status":"final","code":{"text":"pulse"},"subject":{"reference":%q}}`, subject)
}

// transaction is a Bundle of entries that are already JSON.
func transaction(entries ...string) string {
	return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + `]}`
}

func post(fullURL, kind, resource string) string {
	return fmt.Sprintf(`{"fullUrl":%q,"resource":%s,"request":{"method":"POST","url":%q}}`, fullURL, resource, kind)
}

func TestHAPIReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	s, id := hapi(t), newID()
	url := "Patient/" + id

	created := s.must(t, http.StatusCreated, http.MethodPut, url, patient(id, "First"))
	if got := created.header.Get("ETag"); got != `W/"1"` {
		t.Errorf("ETag of a new resource is %q, want W/\"1\"", got)
	}
	s.must(t, http.StatusOK, http.MethodPut, url, patient(id, "Second"))
	for path, want := range map[string]string{url: "Second", url + "/_history/1": "First"} {
		if got := s.must(t, http.StatusOK, http.MethodGet, path, "").get("name.0.family").String(); got != want {
			t.Errorf("%s: family is %q, want %q", path, got, want)
		}
	}
	s.must(t, http.StatusOK, http.MethodDelete, url, "")
	s.must(t, http.StatusGone, http.MethodGet, url, "")
	s.must(t, http.StatusNotFound, http.MethodGet, "Patient/"+newID(), "")

	history := s.must(t, http.StatusOK, http.MethodGet, url+"/_history", "")
	if got := history.get("entry.#.request.method").String(); got != `["DELETE","PUT","POST"]` {
		t.Errorf("history is %s, want the delete, the update and (HAPI says POST also of a PUT that creates) the create", got)
	}
}

func TestHAPITakesTheClientsIDs(t *testing.T) {
	t.Parallel()
	s := hapi(t)
	letters := strings.Map(func(r rune) rune { return 'a' + r%26 }, newID())
	digits := strings.Map(func(r rune) rune { return '0' + r%10 }, newID())
	for _, id := range []string{letters, digits, "a.b-" + letters} {
		s.must(t, http.StatusCreated, http.MethodPut, "Patient/"+id, patient(id, "Any"))
		binary := fmt.Sprintf(`{"resourceType":"Binary","id":%q,"contentType":"text/plain","data":"aGVsbG8="}`, id)
		s.must(t, http.StatusCreated, http.MethodPut, "Binary/"+id, binary)
		if got := s.must(t, http.StatusOK, http.MethodGet, "Binary/"+id, "").get("data").String(); got != "aGVsbG8=" {
			t.Errorf("Binary as JSON has data %q", got)
		}
		if got := s.must(t, http.StatusOK, http.MethodGet, "Binary/"+id, "", "Accept", "text/plain").body; got != "hello" {
			t.Errorf("Binary as itself is %q", got)
		}
	}
}

func TestHAPIHonoursIfMatchOnUpdateOnly(t *testing.T) {
	t.Parallel()
	s, id := hapi(t), newID()
	url := "Patient/" + id
	s.must(t, http.StatusCreated, http.MethodPut, url, patient(id, "First"))
	s.must(t, http.StatusOK, http.MethodPut, url, patient(id, "Second"), "If-Match", `W/"1"`)

	// FHIR R4 http.html, 3.1.0.1.5 asks for 412; HAPI says 409.
	s.must(t, http.StatusConflict, http.MethodPut, url, patient(id, "Lost"), "If-Match", `W/"1"`)
	s.must(t, http.StatusConflict, http.MethodPut, url, patient(id, "Lost"), "If-Match", `W/"9"`)
	if got := s.must(t, http.StatusOK, http.MethodGet, url, "").get("name.0.family").String(); got != "Second" {
		t.Errorf("a refused update left family %q", got)
	}

	// A stale If-Match does not hold a delete back.
	s.must(t, http.StatusOK, http.MethodDelete, url, "", "If-Match", `W/"1"`)
	s.must(t, http.StatusGone, http.MethodGet, url, "")
}

func TestHAPIWritesConditionally(t *testing.T) {
	t.Parallel()
	s, value := hapi(t), newID()
	resource := fmt.Sprintf(`{"resourceType":"Patient","identifier":[{"system":"urn:peers","value":%q}]}`, value)
	query := "identifier=urn:peers|" + value

	first := s.must(t, http.StatusCreated, http.MethodPost, "Patient", resource, "If-None-Exist", query)
	again := s.must(t, http.StatusOK, http.MethodPost, "Patient", resource, "If-None-Exist", query)
	updated := s.must(t, http.StatusOK, http.MethodPut, "Patient?"+query, strings.Replace(resource, `{`, `{"active":true,`, 1))
	for name, a := range map[string]answer{"conditional create": again, "conditional update": updated} {
		if got, want := a.get("id").String(), first.get("id").String(); got != want || want == "" {
			t.Errorf("%s met %q, want the first one, %q", name, got, want)
		}
	}
	s.must(t, http.StatusOK, http.MethodDelete, "Patient?"+query, "")
	s.must(t, http.StatusGone, http.MethodGet, "Patient/"+first.get("id").String(), "")
}

func TestHAPITransactionIsAtomic(t *testing.T) {
	t.Parallel()
	s, family := hapi(t), newID()
	urn := "urn:uuid:6f3a1a4e-2c1b-4f7e-9a51-0d7f3a0c1b11"

	done := s.must(t, http.StatusOK, http.MethodPost, "", transaction(post(urn, "Patient", patient("", family)), post("", "Observation", observation(urn))))
	patientURL, _, _ := strings.Cut(done.get("entry.0.response.location").String(), "/_history")
	stored := s.must(t, http.StatusOK, http.MethodGet, done.get("entry.1.response.location").String(), "")
	if got := stored.get("subject.reference").String(); got != patientURL || got == "" {
		t.Errorf("the reference inside the transaction became %q, want %q", got, patientURL)
	}

	lost := newID()
	s.must(t, http.StatusBadRequest, http.MethodPost, "", transaction(
		post(urn, "Patient", patient("", lost)), post("", "Observation", observation("Patient/"+newID()))))
	if got := s.must(t, http.StatusOK, http.MethodGet, "Patient?_total=accurate&family="+lost, "").get("total").Int(); got != 0 {
		t.Errorf("a failed transaction stored %d of its resources", got)
	}
}

func TestHAPIKeepsReferencesWhole(t *testing.T) {
	t.Parallel()
	s, id := hapi(t), newID()
	s.must(t, http.StatusBadRequest, http.MethodPost, "Observation", observation("Patient/"+id))
	s.must(t, http.StatusCreated, http.MethodPut, "Patient/"+id, patient(id, "Referred"))
	s.must(t, http.StatusCreated, http.MethodPost, "Observation", observation("Patient/"+id))
	s.must(t, http.StatusConflict, http.MethodDelete, "Patient/"+id, "")
	s.must(t, http.StatusCreated, http.MethodPost, "Observation", observation("http://elsewhere.example/fhir/Patient/1"))
}

// pages follows the next links and returns the number of rows of each page and the ids of all.
func (s server) pages(t *testing.T, url string) (rows []int, ids map[string]bool) {
	t.Helper()
	ids = map[string]bool{}
	for url != "" {
		page := s.must(t, http.StatusOK, http.MethodGet, url, "")
		found := page.get("entry.#.resource.id").Array()
		for _, id := range found {
			ids[id.String()] = true
		}
		rows = append(rows, len(found))
		url = page.get(`link.#(relation=="next").url`).String()
	}
	return rows, ids
}

func TestHAPIPagesSearches(t *testing.T) {
	t.Parallel()
	const total = 1100
	s, id := hapi(t), newID()
	s.must(t, http.StatusCreated, http.MethodPut, "Patient/"+id, patient(id, "Paged"))
	entries := make([]string, total)
	for i := range entries {
		entries[i] = post("", "Observation", observation("Patient/"+id))
	}
	s.must(t, http.StatusOK, http.MethodPost, "", transaction(entries...))

	for _, test := range []struct {
		name, query string
		first       int
	}{
		{"default page", "", 20},
		{"chosen page", "&_count=250", 250},
		{"large page", "&_count=1000", 1000},
		{"all in one", "&_count=2000", total},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rows, ids := s.pages(t, "Observation?subject=Patient/"+id+test.query)
			if rows[0] != test.first {
				t.Errorf("the first page has %d rows, want %d", rows[0], test.first)
			}
			if len(ids) != total {
				t.Errorf("all pages together have %d different resources, want %d", len(ids), total)
			}
		})
	}
	counted := s.must(t, http.StatusOK, http.MethodGet, "Observation?_count=1&_total=accurate&subject=Patient/"+id, "")
	if got := counted.get("total").Int(); got != total {
		t.Errorf("_total=accurate is %d, want %d", got, total)
	}
}

func TestHAPIJoinsResources(t *testing.T) {
	t.Parallel()
	s, id, family := hapi(t), newID(), newID()
	s.must(t, http.StatusCreated, http.MethodPut, "Patient/"+id, patient(id, family))
	s.must(t, http.StatusCreated, http.MethodPost, "Observation", observation("Patient/"+id))

	for _, test := range []struct{ name, query, want string }{
		{"include", "Observation?_include=Observation:subject&subject=Patient/" + id, `["match","include"]`},
		{"revinclude", "Patient?_revinclude=Observation:subject&_id=" + id, `["match","include"]`},
		{"chain", "Observation?subject:Patient.family=" + family, `["match"]`},
		{"reverse chain", "Patient?_has:Observation:subject:status=final&_id=" + id, `["match"]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := s.must(t, http.StatusOK, http.MethodGet, test.query, "")
			if modes := got.get("entry.#.search.mode").String(); modes != test.want {
				t.Errorf("modes of the entries are %s, want %s", modes, test.want)
			}
		})
	}
	// The JPA server has no compartment searches by path: a gateway asks it for Observation?patient=... instead.
	s.must(t, http.StatusBadRequest, http.MethodGet, "Patient/"+id+"/Observation", "")
	posted := s.must(t, http.StatusOK, http.MethodPost, "Observation/_search", "subject=Patient%2F"+id, "Content-Type", "application/x-www-form-urlencoded")
	if got := posted.get("entry.#").Int(); got != 1 {
		t.Errorf("search by POST found %d, want 1", got)
	}
}
