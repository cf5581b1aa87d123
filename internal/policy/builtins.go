package policy

import (
	"errors"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"
)

// forbidden builtins reach out of the process, or read it. A policy has the
// look-ups of the contract instead.
var forbidden = []string{ //nolint:gochecknoglobals // a constant list
	"http.send", "net.lookup_ip_addr", "opa.runtime", "rego.parse_module", "trace", "print",
	"rand.intn", "uuid.rfc4122", "time.now_ns", "io.jwt.encode_sign", "io.jwt.encode_sign_raw",
}

// capabilities are what policies may use: OPA's builtins without forbidden, and
// the gateway's own.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return slices.Contains(forbidden, b.Name) })
	c.AllowNet = []string{}
	for _, f := range functions() {
		c.Builtins = append(c.Builtins, &ast.Builtin{Name: f.Name, Decl: f.Decl, Nondeterministic: f.Nondeterministic})
	}
	return c
}

func declare(name string, nondeterministic bool, result types.Type, args ...types.Type) *rego.Function {
	return &rego.Function{Name: name, Nondeterministic: nondeterministic, Decl: types.NewFunction(args, result)}
}

// functions declares the builtins of docs/contract.md.
func functions() []*rego.Function {
	resource := types.NewObject(nil, types.NewDynamicProperty(types.A, types.A))
	return []*rego.Function{
		declare("fhir.read", true, resource, types.S),
		declare("fhir.search", true, types.NewArray(nil, resource), types.S),
		declare("fhir.in_compartment", false, types.B, types.A, types.S, types.S),
		declare("fhir.compartment_refs", false, types.NewSet(types.S), types.A, types.S),
		declare("fhir.path", false, types.NewArray(nil, types.A), types.A, types.S),
		declare("fhir.search_matches", false, types.B, types.A, types.S, types.NewArray(nil, types.S)),
	}
}

var errArguments = errors.New("arguments are of the wrong type")

// implementations binds the builtins to one upstream.
func (p *Policy) implementations() []func(*rego.Rego) {
	impl := map[string]rego.BuiltinDyn{
		"fhir.read":             p.builtinRead,
		"fhir.search":           p.builtinSearch,
		"fhir.in_compartment":   p.builtinInCompartment,
		"fhir.compartment_refs": p.builtinCompartmentRefs,
		"fhir.path":             p.builtinPath,
		"fhir.search_matches":   p.builtinSearchMatches,
	}
	options := make([]func(*rego.Rego), 0, len(impl))
	for _, f := range functions() {
		options = append(options, rego.FunctionDyn(f, impl[f.Name]))
	}
	return options
}

func (p *Policy) builtinRead(b rego.BuiltinContext, args []*ast.Term) (*ast.Term, error) {
	ref, ok := text(args[0])
	if !ok {
		return nil, errArguments
	}
	found, err := p.lookups.read(b.Context, ref)
	if err != nil {
		return nil, haltOn(b, err)
	}
	recordUse(b, found)
	if found.value == nil {
		return nil, nil //nolint:nilnil // how a builtin says undefined
	}
	return ast.NewTerm(found.value), nil
}

func (p *Policy) builtinSearch(b rego.BuiltinContext, args []*ast.Term) (*ast.Term, error) {
	query, ok := text(args[0])
	if !ok {
		return nil, errArguments
	}
	found, err := p.lookups.search(b.Context, query)
	if err != nil {
		return nil, haltOn(b, err)
	}
	recordUse(b, found)
	return ast.NewTerm(found.value), nil
}

// haltOn ends the evaluation: a look-up that failed is never merely undefined.
func haltOn(b rego.BuiltinContext, err error) error {
	if u, ok := b.RequestMetadata[metadataKey].(*uses); ok {
		u.failed = err
	}
	return rego.NewHaltError(err)
}

func (p *Policy) builtinInCompartment(_ rego.BuiltinContext, args []*ast.Term) (*ast.Term, error) {
	compartment, ok1 := text(args[1])
	id, ok2 := text(args[2])
	if !ok1 || !ok2 {
		return nil, errArguments
	}
	refs, err := compartmentRefs(p.defs, args[0].Value, compartment)
	if err != nil {
		return nil, err
	}
	return ast.InternedTerm(slices.Contains(refs, id)), nil
}

func (p *Policy) builtinCompartmentRefs(_ rego.BuiltinContext, args []*ast.Term) (*ast.Term, error) {
	compartment, ok := text(args[1])
	if !ok {
		return nil, errArguments
	}
	refs, err := compartmentRefs(p.defs, args[0].Value, compartment)
	if err != nil {
		return nil, err
	}
	terms := make([]*ast.Term, len(refs))
	for i, r := range refs {
		terms[i] = ast.StringTerm(r)
	}
	return ast.SetTerm(terms...), nil
}

func text(t *ast.Term) (string, bool) {
	s, ok := t.Value.(ast.String)
	return string(s), ok
}
