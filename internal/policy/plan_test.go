package policy_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/policy"
)

// server is a FHIR server in memory: one Patient, which counts who looks.
type server struct {
	asked atomic.Int32
	fails error
	hangs bool
}

// FetchRead implements policy.Fetcher.
func (s *server) FetchRead(ctx context.Context, ref fhir.Reference) ([]byte, bool, error) {
	s.asked.Add(1)
	if s.hangs {
		<-ctx.Done() // never: look-ups outlive their callers
	}
	if s.fails != nil || ref.ID != "1" {
		return nil, false, s.fails
	}
	return []byte(`{"resourceType":"Patient","id":"1","gender":"male"}`), true, nil
}

// FetchSearch implements policy.Fetcher.
func (s *server) FetchSearch(context.Context, fhir.Interaction, int) ([][]byte, error) {
	s.asked.Add(1)
	return [][]byte{[]byte(`{"resourceType":"Patient","id":"1"}`), []byte(`{"resourceType":"Patient","id":"2"}`)}, s.fails
}

const rest = `
write := {"allow": true}
`

// bind binds a policy to a server.
func bind(t *testing.T, text string, s *server, timeout time.Duration) (*policy.Policy, *policy.Lookups) {
	t.Helper()
	head := "package fhirgate\n\n"
	if strings.Contains(text, "fhir.") {
		head += "import data.fhirgate.fhir\n\n"
	}
	revision, err := policy.LoadFS(fstest.MapFS{"p.rego": &fstest.MapFile{Data: []byte(head + text)}})
	if err != nil {
		t.Fatal(err)
	}
	lookups, err := policy.NewLookups(s, definitions.R4(), policy.LookupOptions{TTL: time.Hour, MaxRows: 10, MaxBytes: 1 << 20, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	p, err := revision.Bind(t.Context(), policy.Options{Definitions: definitions.R4(), Timeout: timeout, ContextTimeout: timeout, Lookups: lookups, MaskKey: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return p, lookups
}

func request(subject string) access.Request {
	return access.Request{
		Upstream: "u", Principal: access.Principal{Issuer: "i", Subject: subject, Client: "c"}, Time: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC),
		Interaction: fhir.Interaction{Code: fhir.Read, Type: "Patient", ID: "1"},
	}
}

const resource = `{"resourceType":"Patient","id":"1","gender":"male","birthDate":"1980-01-01","contained":[{"resourceType":"Observation","id":"o"}]}`

// TestReadIsStrict: what read returns beyond the contract fails, and never allows.
func TestReadIsStrict(t *testing.T) {
	const birth, code = `{"path": "Patient.birthDate", "action": "remove"}`, `{"path": "Observation.code", "action": "remove"}`
	for _, c := range []struct{ name, masks, read, want string }{
		{"allow", ``, `{"allow": true}`, "allow"},
		{"deny", ``, `{"allow": false, "masks": ["not looked at"]}`, "deny"},
		{"listed", `"Patient": [` + birth + `]`, `{"allow": true, "masks": [` + birth + `]}`, "allow, masked"},
		{"listed for all", `"*": [` + birth + `]`, `{"allow": true, "masks": [` + birth + `]}`, "allow, masked"},
		{"listed for what it contains", `"Observation": [` + code + `]`, `{"allow": true, "masks": [` + code + `]}`, "allow, masked"},
		{"listed for what contains it", `"Patient": [` + code + `]`, `{"allow": true, "masks": [` + code + `]}`, "allow, masked"},
		{"in a set", `"Patient": {` + birth + `}`, `{"allow": true, "masks": {` + birth + `}}`, "allow, masked"},
		{"one grant masks", `"Patient": [` + birth + `]`, `{"allow": true, "grants": [[` + birth + `], []]}`, "allow"},
		{"every grant masks", `"Patient": [` + birth + `]`, `{"allow": true, "grants": [[` + birth + `]]}`, "allow, masked"},
		{"not listed", ``, `{"allow": true, "masks": [` + birth + `]}`, "error"},
		{"listed with another action", `"Patient": [{"path": "Patient.birthDate", "action": "truncate", "to": "year"}]`, `{"allow": true, "masks": [` + birth + `]}`, "error"},
		{"listed for another type", `"Observation": [` + birth + `]`, `{"allow": true, "masks": [` + birth + `]}`, "error"},
		{"grant not listed", ``, `{"allow": true, "grants": [[` + birth + `]]}`, "error"},
		{"no grant", ``, `{"allow": true, "grants": []}`, "error"},
		{"grants of the wrong kind", ``, `{"allow": true, "grants": [1]}`, "error"},
		{"masks of the wrong kind", ``, `{"allow": true, "masks": {"a": 1}}`, "error"},
		{"null masks", ``, `{"allow": true, "masks": null}`, "error"},
		{"mask of the wrong kind", ``, `{"allow": true, "masks": ["x"]}`, "error"},
		{"unknown key", ``, `{"allow": true, "mask": []}`, "error"},
		{"undefined", ``, `{"allow": true} if input.resource.nothing`, "error"},
		{"allow undefined", ``, `{"allow": input.resource.nothing}`, "error"},
		{"error", ``, `{"allow": fhir.in_compartment(input.resource, "Foo", "1")}`, "error"},
		{"division", ``, `{"allow": 1 / count([])}`, "error"},
		{"conflict", ``, "{\"allow\": true}\n\nread := {\"allow\": false}", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _ := bind(t, "request := {\"allow\": true, \"masks\": {"+c.masks+"}}\n\nread := "+c.read+"\n"+rest, &server{}, 5*time.Second)
			plan, err := p.Plan(t.Context(), request("s"))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time from the cache
				j, err := plan.Rule.Read(t.Context(), []byte(resource))
				got := "deny"
				switch {
				case err != nil:
					got = "error"
					if j.Effect != access.Deny {
						t.Error("an error allows")
					}
				case j.Effect == access.Allow && j.Mask != nil && !j.Mask.Empty():
					out, err := j.Mask.Apply(nil, []byte(resource), plan.Rule.Keys())
					if got = "allow, masked"; err != nil || bytes.Equal(out, []byte(resource)) && !strings.Contains(c.read, "Observation") {
						got = "allow"
					}
				case j.Effect == access.Allow:
					got = "allow"
				}
				if got != c.want {
					t.Errorf("%s, %v, want %s", got, err, c.want)
				}
			}
		})
	}
}

func TestPossibleMasksAreStrict(t *testing.T) {
	for masks, fails := range map[string]bool{
		`{}`: false, `{"Patient": []}`: false, `{"*": []}`: false, `{"Pateint": []}`: true, `{"patient": []}`: true, `{"Resource": []}`: true, `{1: []}`: true, `{"HumanName": []}`: true,
		`{"Patient": [{"path": "Patient.nothing", "action": "remove"}]}`: true, `{"Observation": [{"path": "Observation.code"}]}`: true, `{"*": ["x"]}`: true,
	} {
		p, _ := bind(t, "request := {\"allow\": true, \"masks\": "+masks+"}\n\nread := {\"allow\": true}\n"+rest, &server{}, 5*time.Second)
		if plan, err := p.Plan(t.Context(), request("s")); (err != nil) != fails || err != nil && plan.Rule != nil {
			t.Errorf("%s: %v", masks, err)
		}
	}
}

// TestContextIsEvaluatedOnce: for a caller, a minute, and what was looked up.
func TestContextIsEvaluatedOnce(t *testing.T) {
	s := &server{}
	p, lookups := bind(t, `context := {"n": count(fhir.search(sprintf("Patient?name=%s", [input.principal.subject]))), "t": input.request.time}

request := {"allow": true, "reasons": [{"code": sprintf("n-%d", [input.context.n])}]}

read := {"allow": input.context.n == 2}
`+rest, s, 5*time.Second)
	plan := func(r access.Request) access.Plan {
		t.Helper()
		plan, err := p.Plan(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	asked := func(want int32, why string) {
		t.Helper()
		if got := s.asked.Load(); got != want {
			t.Errorf("%s: asked %d times, want %d", why, got, want)
		}
	}
	r := request("a")
	if got := plan(r).Decision.Reasons[0].Code; got != "n-2" {
		t.Error(got)
	}
	plan(r)
	r.Time = r.Time.Add(30 * time.Second)
	plan(r)
	asked(1, "in the same minute")
	if j, err := plan(r).Rule.Read(t.Context(), []byte(resource)); err != nil || j.Effect != access.Allow {
		t.Errorf("%v %v", j, err)
	}
	plan(request("b"))
	asked(2, "for another caller")
	lookups.Written("Observation")
	plan(r)
	asked(2, "after another type's write")
	lookups.Written("Patient")
	plan(r)
	asked(3, "after a write")
	plan(r)
	asked(3, "after that")
}

// TestFailedLookups: a look-up that fails fails the evaluation, also where
// policy would go on without it.
func TestFailedLookups(t *testing.T) {
	for _, text := range []string{
		`request := {"allow": true} if not denied

denied if fhir.read("Patient/1").gender == "female"

read := {"allow": true}`,
		`context := {"x": [r | some r in fhir.search("Patient?name=x")]}

request := {"allow": true}

read := {"allow": true}`,
		`request := {"allow": true} if not fhir.read("nonsense")

read := {"allow": true}`,
		`request := {"allow": true} if not fhir.search("Patient?nonsense=x")

read := {"allow": true}`,
	} {
		s := &server{fails: fhir.ErrUnavailable}
		p, _ := bind(t, text+"\n"+rest, s, 5*time.Second)
		plan, err := p.Plan(t.Context(), request("s"))
		if err == nil || plan.Decision.Effect != access.Deny || plan.Rule != nil {
			t.Errorf("%s: %+v", text, plan)
		}
		if s.asked.Load() > 0 && !errors.Is(err, fhir.ErrUnavailable) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestTimeLimits: an evaluation that takes too long ends, also in a look-up.
func TestTimeLimits(t *testing.T) {
	const heavy = `count([1 | some a in numbers.range(1, 2000); some b in numbers.range(1, 2000); a * b == 0]) == 0`
	for name, text := range map[string]string{
		"evaluation": "request := {\"allow\": true} if " + heavy + "\n\nread := {\"allow\": true}\n",
		"context":    "context := {\"x\": true} if " + heavy + "\n\nrequest := {\"allow\": true}\n\nread := {\"allow\": true}\n",
		"look-up":    "request := {\"allow\": fhir.read(\"Patient/1\").gender == \"male\"}\n\nread := {\"allow\": true}\n",
	} {
		s := &server{hangs: name == "look-up"}
		p, _ := bind(t, text+rest, s, 50*time.Millisecond)
		plan, err := p.Plan(t.Context(), request("s"))
		if !errors.Is(err, policy.ErrTimeout) || plan.Rule != nil {
			t.Errorf("%s: %+v, %v", name, plan, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.Plan(ctx, request("s")); !errors.Is(err, context.Canceled) || errors.Is(err, policy.ErrTimeout) {
			t.Errorf("%s of a caller who is gone: %v", name, err)
		}
	}
}

// TestErrorsQuoteNothing: what an evaluation tripped over may be a patient's.
func TestErrorsQuoteNothing(t *testing.T) {
	p, _ := bind(t, `request := {"allow": true}

read := {"allow": to_number(input.resource.name[0].family) > 1}
`+rest, &server{}, 5*time.Second)
	plan, err := p.Plan(t.Context(), request("s"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = plan.Rule.Read(t.Context(), []byte(`{"resourceType":"Patient","id":"1","name":[{"family":"Secret"}]}`))
	if err == nil || strings.Contains(err.Error(), "Secret") || !strings.Contains(err.Error(), "p.rego") {
		t.Error(err)
	}
}

func TestWriteInput(t *testing.T) {
	p, _ := bind(t, `request := {"allow": true}

read := {"allow": true}

write := {"allow": true, "reasons": [{"code": object.get(object.get(input, "resource", {}), "gender", "none")}, {"code": object.get(object.get(input, "stored", {}), "gender", "none")}]}
`, &server{}, 5*time.Second)
	plan, err := p.Plan(t.Context(), request("s"))
	if err != nil {
		t.Fatal(err)
	}
	male, female := []byte(`{"resourceType":"Patient","gender":"male"}`), []byte(`{"resourceType":"Patient","gender":"female"}`)
	for _, c := range []struct {
		resource, stored []byte
		want             string
	}{{male, female, "female male"}, {male, nil, "male none"}, {nil, female, "female none"}} {
		j, err := plan.Rule.Write(t.Context(), c.resource, c.stored)
		if err != nil || j.Effect != access.Allow || j.Reasons[0].Code+" "+j.Reasons[1].Code != c.want {
			t.Errorf("%+v %v, want %s", j, err, c.want)
		}
	}
	for _, bad := range []string{`{}`, `[]`, `{"resourceType":"Foo"}`, `{"resourceType":1}`, `x`, ``} {
		if j, err := plan.Rule.Write(t.Context(), []byte(bad), nil); err == nil || j.Effect != access.Deny {
			t.Errorf("%s: %+v", bad, j)
		}
		if j, err := plan.Rule.Read(t.Context(), []byte(bad)); err == nil || j.Effect != access.Deny {
			t.Errorf("%s: %+v", bad, j)
		}
	}
}

// TestKeysOfClasses: callers of one class share keys, classes don't.
func TestKeysOfClasses(t *testing.T) {
	p, _ := bind(t, "request := {\"allow\": true}\n\nread := {\"allow\": true}\n"+rest, &server{}, 5*time.Second)
	pseudonym := func(change func(*access.Request)) string {
		t.Helper()
		r := request("s")
		change(&r)
		plan, err := p.Plan(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		id, err := plan.Rule.Keys().Pseudonym.ID("Patient", "1")
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	base := pseudonym(func(*access.Request) {})
	if other := pseudonym(func(r *access.Request) { r.Principal.Subject = "t" }); other != base {
		t.Error("a class is more than one caller")
	}
	if a, b := pseudonym(func(r *access.Request) { r.Principal.Roles = []string{"x", "y"} }), pseudonym(func(r *access.Request) { r.Principal.Roles = []string{"y", "x"} }); a != b || a == base {
		t.Error("roles are a set")
	}
	for name, change := range map[string]func(*access.Request){
		"upstream": func(r *access.Request) { r.Upstream = "v" }, "issuer": func(r *access.Request) { r.Principal.Issuer = "j" }, "client": func(r *access.Request) { r.Principal.Client = "d" },
		"role": func(r *access.Request) { r.Principal.Roles = []string{"x"} }, "act as": func(r *access.Request) { r.ActAs = "x" },
	} {
		if pseudonym(change) == base {
			t.Errorf("another %s is another class", name)
		}
	}
}

func TestPathBuiltin(t *testing.T) {
	for expression, want := range map[string]string{
		`Patient.gender`: `["male"]`, `Patient.contained.id`: `["o"]`, `Patient.name.family`: `[]`, `Patient.gender.exists()`: `[true]`, `nonsense(`: "", `Patient.nothing`: "",
	} {
		p, _ := bind(t, "request := {\"allow\": true}\n\nread := {\"allow\": true, \"reasons\": [{\"code\": json.marshal(fhir.path(input.resource, \""+expression+"\"))}]}\n"+rest, &server{}, 5*time.Second)
		plan, err := p.Plan(t.Context(), request("s"))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			j, err := plan.Rule.Read(t.Context(), []byte(resource))
			if want == "" && err != nil {
				continue
			}
			if err != nil || j.Reasons[0].Code != want {
				t.Errorf("%s: %+v %v", expression, j, err)
			}
		}
	}
}

const whole = "package fhirgate\n\nrequest := {\"allow\": true}\n\nread := {\"allow\": true}\n\nwrite := {\"allow\": true}\n"

func TestLoadRefuses(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"nothing":            {},
		"no read":            {"p.rego": "package fhirgate\n\nrequest := {}\n\nwrite := {}\n"},
		"syntax":             {"p.rego": "package fhirgate\n\nrequest := {"},
		"http.send":          {"p.rego": whole + "\nx := http.send({\"url\": \"http://x\", \"method\": \"get\"})\n"},
		"the clock":          {"p.rego": whole + "\nx := time.now_ns()\n"},
		"the environment":    {"p.rego": whole + "\nx := opa.runtime()\n"},
		"random numbers":     {"p.rego": whole + "\nx := rand.intn(\"a\", 5)\n"},
		"unused variable":    {"p.rego": whole + "\nx if y := 1\n"},
		"below the builtins": {"p.rego": whole, "q.rego": "package fhirgate.fhir.more\n\nx := 1\n"},
		"over the builtins":  {"p.rego": whole + "\nfhir := {\"read\": 1}\n"},
		"only tests":         {"p_test.rego": whole},
		"only stand-ins":     {"p.rego": "package fhirgate.fhir\n\nread(_) := 1\n"},
	} {
		fsys := fstest.MapFS{}
		for path, text := range files {
			fsys[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if r, err := policy.LoadFS(fsys); err == nil {
			t.Errorf("%s: %s", name, r.ID())
		}
	}
}

// TestLoad: a bundle is the same from a file system, a directory and a tarball,
// and another when anything in it changes.
func TestLoad(t *testing.T) {
	files := map[string]string{
		"a/p.rego": whole, "stand_ins.rego": "package fhirgate.fhir\n\nread(_) := \"stand-in\"\n", "a/p_test.rego": "package fhirgate_test\n\ntest_x if broken(", "data.json": `{"t": 1}`,
		".hidden/x.rego": "package broken {", ".manifest": `{"revision": "v1"}`,
	}
	fsys, dir := fstest.MapFS{}, t.TempDir()
	var tarball bytes.Buffer
	z := gzip.NewWriter(&tarball)
	archive := tar.NewWriter(z)
	for path, text := range files {
		fsys[path] = &fstest.MapFile{Data: []byte(text)}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(path, ".hidden") {
			continue
		}
		if err := archive.WriteHeader(&tar.Header{Name: path, Mode: 0o600, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		_, _ = archive.Write([]byte(text))
	}
	if err := errors.Join(archive.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	if err := os.WriteFile(file, tarball.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := policy.LoadFS(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(first.ID(), "v1-") {
		t.Error(first.ID())
	}
	for _, path := range []string{dir, file} {
		if r, err := policy.Load(path); err != nil || r.ID() != first.ID() {
			t.Errorf("%s: %v %v", path, r, err)
		}
	}
	fsys["data.json"] = &fstest.MapFile{Data: []byte(`{"t": 2}`)}
	if r, err := policy.LoadFS(fsys); err != nil || r.ID() == first.ID() {
		t.Errorf("other data: %v", err)
	}
	if _, err := policy.Load(filepath.Join(dir, "none")); err == nil {
		t.Error("a bundle that isn't there")
	}
}

// TestRequestInput: policy sees the whole request, and of what is absent nothing.
func TestRequestInput(t *testing.T) {
	p, _ := bind(t, `request := {"allow": false, "reasons": [{"code": json.marshal(input)}]}

read := {"allow": true}
`+rest, &server{}, 5*time.Second)
	in, err := fhir.Parse(definitions.R4(), "GET", "/Patient/1/Observation", "code:not=a|b&_sort=date", "")
	if err != nil {
		t.Fatal(err)
	}
	r := request("s")
	r.Interaction, r.ActAs = in, "nurse"
	r.Purpose = &access.Purpose{Code: "BTG", Reason: "why", Until: r.Time}
	r.Principal.FHIRUser, r.Principal.Participants = "Practitioner/p", []string{"Practitioner/p", "nonsense"}
	for want, r := range map[string]access.Request{
		`{"principal":{"anonymous":true,"groups":[],"launch":{},"participants":[],"purpose_of_use":[],"roles":[],"scopes":{"granted":[],"required":false}},"request":{"interaction":"capabilities","params":[],"time":"0001-01-01T00:00:00Z"}}`: {Interaction: fhir.Interaction{Code: fhir.Capabilities}},
		`{"principal":{"anonymous":false,"client":"c","fhir_user":{"id":"p","reference":"Practitioner/p","type":"Practitioner"},"groups":[],"issuer":"i","launch":{},"participants":[{"id":"p","reference":"Practitioner/p","type":"Practitioner"}],"purpose_of_use":[],"roles":[],"scopes":{"granted":[],"required":false},"subject":"s"},` +
			`"request":{"act_as":"nurse","compartment":{"id":"1","reference":"Patient/1","type":"Patient"},"interaction":"search-compartment","params":[{"modifier":"not","name":"code","value":"a|b"}],` +
			`"purpose":{"code":"BTG","reason":"why","source":"header","until":"2024-05-06T07:08:09Z"},"time":"2024-05-06T07:08:09Z","type":"Observation","upstream":"u"}}`: r,
	} {
		plan, err := p.Plan(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := plan.Decision.Reasons[0].Code; got != want || plan.Rule != nil {
			t.Errorf("%s, want\n%s", got, want)
		}
	}
}
