// Package arch holds the house to its plan: which package may import which, and
// where third-party libraries may be used. ARCHITECTURE.md tells the same as
// text.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fhirgate/fhirgate/"

// room is a package with what it may import of this module, and why no more.
type room struct {
	imports []string
	why     string
}

// house is the whole plan; a package that isn't in it may not exist.
func house() map[string]room {
	definitions, wire := "internal/fhir/definitions", "internal/fhir/wire"
	return map[string]room{
		"internal/fhir/wire":            {nil, "JSON text has no idea of FHIR"},
		definitions:                     {nil, "tables depend on nothing"},
		"internal/fhir/definitions/gen": {nil, "a generator, not part of the product"},
		"internal/fhir/fhirpath":        {[]string{definitions, wire}, "an expression reads one resource and nothing else"},
		"internal/fhir":                 {[]string{definitions, wire}, "FHIR as data knows no policy and no transport"},
		"internal/mask":                 {[]string{definitions, wire}, "masking is a function of bytes and rules"},
		"internal/smart":                {nil, "scopes are values"},
		"internal/access":               {[]string{"internal/fhir", "internal/mask", "internal/smart", definitions}, "the domain knows neither Rego nor HTTP"},
		"internal/policy":               {[]string{"internal/access", "internal/fhir", "internal/fhir/fhirpath", "internal/mask", "internal/smart", definitions, wire}, "policy decides; it reaches servers through its Fetcher port only"},
		"internal/gateway":              {[]string{"internal/access", "internal/fhir", "internal/fhir/fhirpath", "internal/mask", definitions, wire}, "the use case imports no adapter: policy, upstream, quota and journal are its ports"},
		"internal/audit":                {[]string{wire}, "records are built from codes and ids, so it needs to know nothing"},
		"internal/identity":             {[]string{"internal/access", "internal/smart", wire}, "an adapter: tokens in, principals out"},
		"internal/upstream":             {[]string{"internal/fhir", "internal/upstream/credential", wire}, "an adapter: the FHIR server's client"},
		"internal/upstream/credential":  {nil, "credentials know requests, not FHIR"},
		"internal/store":                {nil, "an adapter: durable state as plain values"},
		"internal/store/quota":          {nil, "counts against a ledger port"},
		"internal/store/storetest":      {[]string{"internal/store", "test/peers"}, "the contract suite of the store, for both databases"},
		"internal/httpapi":              {[]string{"internal/access", "internal/fhir", "internal/gateway", definitions}, "the HTTP face authenticates through a port"},
		"internal/config":               {nil, "a leaf: plain structs, so that every part can be set up without it"},
		"internal/config/gen":           {[]string{"internal/config"}, "writes docs/config.md"},
		"internal/demo/store":           {[]string{definitions, wire}, "a FHIR server like a foreign one: it shares no code with the gateway's way of a request"},
		"internal/demo/idp":             {nil, "an OpenID Connect provider like a foreign one"},
		"internal/demo/data":            {nil, "data"},
		"internal/demo":                 {[]string{"internal/demo/store", "internal/demo/idp", "internal/demo/data", "policies"}, "puts the demo's servers up; the gateway before them is app's"},
		"internal/app": {
			[]string{
				"internal/access", "internal/audit", "internal/config", "internal/fhir", definitions, "internal/gateway", "internal/httpapi",
				"internal/identity", "internal/policy", "internal/store", "internal/store/quota", "internal/upstream", "internal/upstream/credential",
			},
			"the only place where the parts meet; the demo isn't one of them",
		},
		"cmd/fhirgate":        {[]string{"internal/app", "internal/config", "internal/demo", "internal/demo/data", "internal/policy", "internal/store"}, "the command line is thin"},
		"policies":            {nil, "Rego, embedded"},
		"test/arch":           {nil, ""},
		"test/peers":          {nil, "real servers for tests"},
		"test/peers/cmd/with": {[]string{"test/peers"}, ""},
	}
}

// isTest says that a package exists for tests only; it may import anything.
func isTest(path string) bool {
	return strings.HasPrefix(path, "test/e2e") || strings.HasPrefix(path, "test/bench") || path == "test/readme"
}

// ban keeps a library where it belongs.
type ban struct {
	prefix string
	except []string
	why    string
}

func bans() []ban {
	return []ban{
		{"github.com/labstack/echo", []string{"internal/httpapi"}, "Echo is for routes only"},
		{"github.com/open-policy-agent/opa", []string{"internal/policy"}, "Rego is policy's alone"},
		{"github.com/Azure/azure-sdk-for-go", []string{"internal/upstream/credential"}, "cloud SDKs stay behind their adapter"},
		{"modernc.org/sqlite", []string{"internal/store"}, "databases are the store's"},
		{"github.com/jackc/pgx", []string{"internal/store"}, "databases are the store's"},
		{"database/sql", []string{"internal/store"}, "databases are the store's"},
		{"github.com/coreos/go-oidc", []string{"internal/identity"}, "tokens are verified in one place"},
		{"github.com/goccy/go-yaml", []string{"internal/config"}, "one file is read as YAML"},
		{"github.com/spf13/cobra", []string{"cmd/fhirgate"}, "the command line is thin"},
		{"github.com/prometheus", []string{"internal/httpapi"}, "metrics are counted where requests end"},
	}
}

// core packages have no I/O and no clock.
func core() []string {
	return []string{"internal/fhir", "internal/fhir/wire", "internal/fhir/definitions", "internal/fhir/fhirpath", "internal/mask", "internal/smart", "internal/access"}
}

type pkg struct {
	ImportPath string
	Imports    []string
	Doc        string
	Dir        string
	GoFiles    []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Doc,Dir,GoFiles", "./...")
	cmd.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []pkg
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportsFollowThePlan(t *testing.T) {
	plan := house()
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if isTest(path) {
			continue
		}
		r, ok := plan[path]
		if !ok {
			t.Errorf("%s isn't in the plan of the house: add it there and to ARCHITECTURE.md", path)
			continue
		}
		for _, imported := range p.Imports {
			if own, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(r.imports, own) {
				t.Errorf("%s imports %s, which the plan doesn't allow: %s", path, own, r.why)
			}
		}
	}
}

func TestLibrariesStayWhereTheyBelong(t *testing.T) {
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if isTest(path) || path == "test/peers" {
			continue
		}
		for _, b := range bans() {
			for _, imported := range p.Imports {
				if strings.HasPrefix(imported, b.prefix) && !slices.Contains(b.except, path) {
					t.Errorf("%s imports %s: %s", path, imported, b.why)
				}
			}
		}
	}
}

func TestCoreHasNoIO(t *testing.T) {
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if !slices.Contains(core(), path) {
			continue
		}
		for _, imported := range p.Imports {
			if imported == "os" || imported == "net" || imported == "database/sql" || imported == "log" || imported == "log/slog" {
				t.Errorf("%s imports %s: the core has no I/O", path, imported)
			}
		}
	}
}

func TestEachPackageSaysWhatItIs(t *testing.T) {
	for _, p := range list(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
