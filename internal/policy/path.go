package policy

import (
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/fhirgate/fhirgate/internal/fhir/fhirpath"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// builtinPath is fhir.path(resource, expression). Expressions are compiled once;
// one that isn't understood is an error, never an empty result.
func (p *Policy) builtinPath(_ rego.BuiltinContext, args []*ast.Term) (*ast.Term, error) {
	text, ok := text(args[1])
	if !ok {
		return nil, errArguments
	}
	expression, ok := p.paths.Get(text)
	if !ok {
		var err error
		if expression, err = fhirpath.CompileFor(p.defs, text); err != nil {
			return nil, fmt.Errorf("fhir.path: %w", err)
		}
		p.paths.Add(text, expression)
	}
	doc, err := ast.JSON(args[0].Value)
	if err != nil {
		return nil, errArguments
	}
	raw, err := json.Marshal(doc)
	if err != nil || wire.Check(raw, wire.Limits{}) != nil {
		return nil, errArguments
	}
	values, err := expression.Eval(raw)
	if err != nil {
		return nil, fmt.Errorf("fhir.path: %w", err)
	}
	terms := make([]*ast.Term, len(values))
	for i, v := range values {
		if terms[i], err = parseTerm(v.JSON); err != nil {
			return nil, err
		}
	}
	return ast.ArrayTerm(terms...), nil
}
