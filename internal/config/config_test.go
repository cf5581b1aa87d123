package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestExampleLoads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fhirgate.yaml")
	if err := os.WriteFile(path, []byte(Example()), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Policy.Bundle, filepath.Join(filepath.Dir(path), "policies"); got != want {
		t.Errorf("policy.bundle is %q, want %q beside the file", got, want)
	}
	if got, want := c.PublicBase(c.Upstreams[0]), "https://fhir.example.org/fhir"; got != want {
		t.Errorf("public base is %q, want %q", got, want)
	}
	if got := c.Issuers[0].ScopesRequired; got == nil || *got {
		t.Errorf("issuers[0].scopes_required is not false")
	}
}

// Every line that is commented out in the example is right too: it shows the
// default, or a value that is legal where it stands.
func TestExampleNamesEveryKey(t *testing.T) {
	var all func(rt reflect.Type) []string
	all = func(rt reflect.Type) (out []string) {
		for i := range rt.NumField() {
			f := rt.Field(i)
			if f.Tag.Get("yaml") == "" {
				continue
			}
			out = append(out, f.Tag.Get("yaml"))
			ft := f.Type
			if ft.Kind() == reflect.Slice {
				ft = ft.Elem()
			}
			if ft.Kind() == reflect.Struct && ft != reflect.TypeFor[Claims]() && ft != reflect.TypeFor[Credentials]() {
				out = append(out, all(ft)...)
			}
		}
		return out
	}
	for _, key := range all(reflect.TypeFor[Config]()) {
		if !regexp.MustCompile(`(?m)^[ #-]*` + key + `:`).MatchString(Example()) {
			t.Errorf("example.yaml does not show the key %s", key)
		}
	}
}

func TestExampleShowsTheDefaults(t *testing.T) {
	want := map[string]string{}
	var all func(rt reflect.Type)
	all = func(rt reflect.Type) {
		for i := range rt.NumField() {
			f := rt.Field(i)
			if d, ok := f.Tag.Lookup("default"); ok && f.Type.Kind() != reflect.Slice {
				want[f.Tag.Get("yaml")] += "|" + d
			}
			ft := f.Type
			if ft.Kind() == reflect.Slice {
				ft = ft.Elem()
			}
			if ft.Kind() == reflect.Struct {
				all(ft)
			}
		}
	}
	all(reflect.TypeFor[Config]())
	for _, m := range regexp.MustCompile(`(?m)^ +# +([a-z_0-9]+): ([^\[{\s]+)`).FindAllStringSubmatch(Example(), -1) {
		if d, ok := want[m[1]]; ok && !strings.Contains(d+"|", "|"+strings.Trim(m[2], `"`)+"|") && !slices.Contains([]string{"path", "kind", "preset"}, m[1]) {
			t.Errorf("example.yaml shows %s: %s, the default is %s", m[1], m[2], d[1:])
		}
	}
}

func TestDefaults(t *testing.T) {
	c, err := Parse("f.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	u := c.Upstreams[0]
	for _, tc := range []struct{ name, got, want any }{
		{"listen.address", c.Listen.Address, "127.0.0.1:8080"},
		{"listen.max_body", c.Listen.MaxBody, Size(10 << 20)},
		{"listen.http2", c.Listen.HTTP2, true},
		{"upstreams[0].timeouts.connect", u.Timeouts.Connect, 5 * time.Second},
		{"upstreams[0].limits.scan_rows", u.Limits.ScanRows, 10000},
		{"upstreams[0].writes.if_match", u.Writes.IfMatch, "probe"},
		{"upstreams[0].credentials.kind", u.Credentials.Kind, "none"},
		{"issuers[0].scopes_required", c.Issuers[0].ScopesRequired == nil, true},
		{"issuers[0].algorithms", strings.Join(c.Issuers[0].Algorithms, " "), "RS256 RS384 RS512 ES256 ES384 PS256 EdDSA"},
		{"store.driver", c.Store.Driver, "sqlite"},
		{"audit.log", c.Audit.Log, true},
		{"tracing.sample_ratio", c.Tracing.SampleRatio, 0.1},
		{"audiences", strings.Join(c.Audiences(u), " "), "https://gw.example/fhir"},
	} {
		if tc.got != tc.want {
			t.Errorf("%v is %v, want %v", tc.name, tc.got, tc.want)
		}
	}
}

func TestWrites(t *testing.T) {
	w := Writes{IfMatch: "honoured", IgnoredFor: []string{"Group.delete", "*.update"}, AcceptRaceFor: []string{"Basic"}}
	for _, tc := range []struct {
		resource, interaction string
		ignored, race         bool
	}{
		{"Group", "delete", true, false},
		{"Group", "update", true, false},
		{"Patient", "delete", false, false},
		{"Basic", "delete", false, true},
		{"Basic", "update", true, true},
	} {
		if got := w.Ignored(tc.resource, tc.interaction); got != tc.ignored {
			t.Errorf("Ignored(%s, %s) = %v", tc.resource, tc.interaction, got)
		}
		if got := w.AcceptsRace(tc.resource, tc.interaction); got != tc.race {
			t.Errorf("AcceptsRace(%s, %s) = %v", tc.resource, tc.interaction, got)
		}
	}
}

func TestSecretRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) Secret {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Secret("file:" + p)
	}
	t.Setenv("FHIRGATE_TEST_SECRET", "s3cret")
	for _, tc := range []struct {
		name string
		ref  Secret
		want string
	}{
		{"variable", "env:FHIRGATE_TEST_SECRET", "s3cret"},
		{"file", write("a", "s3cret"), "s3cret"},
		{"line end is dropped", write("b", "s3cret\r\n"), "s3cret"},
		{"inner line ends stay", write("c", "a\nb\n"), "a\nb"},
		{"variable not set", "env:FHIRGATE_TEST_UNSET", ""},
		{"empty file", write("d", "\n"), ""},
		{"too large", write("e", strings.Repeat("x", maxSecret+1)), ""},
		{"no file", Secret("file:" + filepath.Join(dir, "none")), ""},
		{"folder", Secret("file:" + dir), ""},
		{"inline", "s3cret", ""},
		{"empty", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.ref.Read()
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f.yaml")
	text := minimal + "tracing: {headers: {authorization: env:FHIRGATE_TEST_UNSET}}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := path + `:9: policy.bundle: found "` + dir + `/p" (no such file or directory); expected a file or folder that is there` + "\n" +
		path + `:10: tracing.headers.authorization: found env:FHIRGATE_TEST_UNSET, which cannot be read (config: secret cannot be read: ` +
		`env:FHIRGATE_TEST_UNSET: the variable is not set or empty); expected a secret that this process may read`
	if err := c.CheckFiles(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	t.Setenv("FHIRGATE_TEST_UNSET", "x")
	if err := os.Mkdir(filepath.Join(dir, "p"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := c.CheckFiles(); err != nil {
		t.Error(err)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0B": 0, "512B": 512, "64KiB": 64 << 10, "3MiB": 3 << 20, "1GiB": 1 << 30, "2TiB": 2 << 40} {
		got, err := ParseSize(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("ParseSize(%q) = %d (%s), %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "10", "MiB", "-1MiB", "+1MiB", "1.5MiB", "10MB", "10mib", "10 MiB", "99999999999TiB", "9223372036854775807KiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
}

func TestImpossibleDefault(t *testing.T) {
	var v struct {
		Inner struct {
			Good int `yaml:"good" default:"3"`
			Bad  int `yaml:"bad" default:"three"`
		} `yaml:"inner"`
	}
	r := newReport(source{file: "f.yaml", lines: map[string]int{}})
	decoder{report: r}.setDefaults(reflect.ValueOf(&v).Elem(), "")
	if err := r.err(); err == nil || !strings.Contains(err.Error(), "inner.bad: found an impossible default") || strings.Contains(err.Error(), "good") {
		t.Errorf("%v", err)
	}
	if v.Inner.Good != 3 {
		t.Errorf("good is %d", v.Inner.Good)
	}
}
