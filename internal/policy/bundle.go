package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// MaxBundleBytes bounds one file of a bundle.
const MaxBundleBytes = 64 << 20

// Revision is one bundle, compiled. It is immutable.
type Revision struct {
	id       string
	compiler *ast.Compiler
	store    storage.Store
}

// ID names the revision: the manifest's revision and the first 12 hex digits of
// the SHA-256 of its contents.
func (r *Revision) ID() string { return r.id }

// nativePackage is the package whose functions the library calls for what only
// the gateway can do. A bundle carries pure-Rego stand-ins for `opa test`; the
// gateway puts the real ones in their place.
const nativePackage = "data.fhirgate.fhir"

// nativeModule forwards to the builtins.
const nativeModule = `package fhirgate.fhir

read(ref) := fhir.read(ref)

search(query) := fhir.search(query)

in_compartment(resource, type, id) := fhir.in_compartment(resource, type, id)

compartment_refs(resource, type) := fhir.compartment_refs(resource, type)

path(resource, expression) := fhir.path(resource, expression)

search_matches(resource, param, values) := fhir.search_matches(resource, param, values)
`

// Load reads a bundle from a directory or a .tar.gz file and compiles it.
func Load(path string) (*Revision, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("policy bundle: %w", err)
	}
	if info.IsDir() {
		return load(bundle.NewDirectoryLoader(path).WithFilter(notPolicy), path)
	}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("policy bundle: %w", err)
	}
	defer func() { _ = f.Close() }()
	return load(bundle.NewTarballLoaderWithBaseURL(f, path).WithFilter(notPolicy), path)
}

// LoadFS reads a bundle from a file system, such as an embedded one.
func LoadFS(fsys fs.FS) (*Revision, error) {
	loader, err := bundle.NewFSLoader(fsys)
	if err != nil {
		return nil, fmt.Errorf("policy bundle: %w", err)
	}
	return load(loader.WithFilter(notPolicy), "")
}

// notPolicy keeps tests and hidden folders out of a revision.
func notPolicy(path string, info os.FileInfo, _ int) bool {
	name := filepath.Base(path)
	return strings.HasSuffix(name, "_test.rego") || info != nil && info.IsDir() && len(name) > 1 && strings.HasPrefix(name, ".")
}

func load(loader bundle.DirectoryLoader, path string) (*Revision, error) {
	b, err := bundle.NewCustomReader(loader).
		WithSkipBundleVerification(true).
		WithSizeLimitBytes(MaxBundleBytes).
		WithProcessAnnotations(true).
		WithCapabilities(capabilities()).
		WithBaseDir(path).
		Read()
	if err != nil {
		return nil, fmt.Errorf("read policy bundle: %w", err)
	}
	return compile(b)
}

// compile makes a revision of a bundle's modules and data.
func compile(b bundle.Bundle) (*Revision, error) {
	modules := map[string]*ast.Module{}
	digest := sha256.New()
	for _, m := range b.Modules {
		name := m.Parsed.Package.Path.String()
		if name == nativePackage || strings.HasSuffix(m.Path, "_test.rego") {
			continue
		}
		if rest, below := strings.CutPrefix(name, nativePackage); below && strings.ContainsAny(rest[:1], ".[") {
			return nil, fmt.Errorf("compile policy bundle: package %s: only the gateway defines what is below %s", name, nativePackage)
		}
		modules[m.Path] = m.Parsed
	}
	if len(modules) == 0 {
		return nil, errors.New("compile policy bundle: it holds no Rego modules")
	}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		digest.Write([]byte(modules[path].String()))
	}
	data, err := json.Marshal(b.Data)
	if err != nil {
		return nil, fmt.Errorf("compile policy bundle: data: %w", err)
	}
	digest.Write(data)

	caps := capabilities()
	native, err := ast.ParseModuleWithOpts("fhirgate/native.rego", nativeModule, ast.ParserOptions{Capabilities: caps})
	if err != nil {
		return nil, fmt.Errorf("compile policy bundle: %w", err)
	}
	modules["fhirgate/native.rego"] = native
	compiler := ast.NewCompiler().WithCapabilities(caps).WithStrict(true).WithEnablePrintStatements(false)
	if compiler.Compile(modules); compiler.Failed() {
		return nil, fmt.Errorf("compile policy bundle: %w", compiler.Errors)
	}
	for _, entry := range []string{"request", "read", "write"} {
		if len(compiler.GetRules(entryRef(entry))) == 0 {
			return nil, fmt.Errorf("compile policy bundle: rule data.fhirgate.%s is missing; the contract needs request, read and write", entry)
		}
	}
	store := inmem.NewFromObjectWithOpts(b.Data, inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true))
	id := hex.EncodeToString(digest.Sum(nil))[:12]
	if b.Manifest.Revision != "" {
		id = b.Manifest.Revision + "-" + id
	}
	return &Revision{id: id, compiler: compiler, store: store}, nil
}

func entryRef(entry string) ast.Ref {
	return ast.Ref{ast.DefaultRootDocument, ast.InternedTerm("fhirgate"), ast.InternedTerm(entry)}
}
