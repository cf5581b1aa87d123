package gateway

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/fhirpath"
)

// part is one of the type searches whose rows together are those of a
// compartment or system search. Not every server has these (HAPI has neither);
// the gateway then makes them of type searches, one after another.
type part struct {
	at position
	// param puts rows of this part into the compartment; nil for the compartment's
	// own resource, and in a system search.
	param *definitions.SearchParameter
}

// partial remembers that a server lacks compartment or system searches.
type partial struct{ compartment, system atomic.Bool }

func (p *partial) of(code fhir.Code) *atomic.Bool {
	if code == fhir.SearchCompartment {
		return &p.compartment
	}
	return &p.system
}

// parts are the type searches for a compartment or system search; none when it
// can't be made of them: over all types, or in an order.
func (x *exchange) parts(in fhir.Interaction, count int) []part {
	var parts []part
	add := func(typ string, q fhir.Query, param *definitions.SearchParameter) {
		at := position{Path: typ, Query: q.EncodeUpstream(count), Form: in.Posted, Part: len(parts)}
		parts = append(parts, part{at: at, param: param})
	}
	query := x.upstreamQuery(in)
	switch {
	case in.Code == fhir.SearchSystem:
		types := query.Types
		query.Types = nil
		for _, typ := range types {
			add(typ, query, nil)
		}
	case in.Code == fhir.SearchCompartment && in.Type != "":
		for _, p := range x.compartmentParams(in) {
			q := query
			q.Params = append(slices.Clone(query.Params), p)
			param := p.Definition
			if p.Name == "_id" {
				param = nil
			}
			add(in.Type, q, param)
		}
	}
	if len(parts) > 1 && len(query.Sort) > 0 {
		return nil
	}
	return parts
}

// compartmentParams are the conditions of which one puts a resource into the
// compartment (R4 compartmentdefinition.html).
func (x *exchange) compartmentParams(in fhir.Interaction) []fhir.Param {
	var params []fhir.Param
	if in.Type == in.Compartment.Type {
		def, _ := x.Definitions.SearchParameter(in.Type, "_id")
		params = append(params, fhir.Param{Name: "_id", Value: in.Compartment.ID, Definition: def})
	}
	codes, _ := x.Definitions.CompartmentParams(in.Compartment.Type, in.Type)
	for _, code := range codes {
		if def, ok := x.Definitions.SearchParameter(in.Type, code); ok {
			params = append(params, fhir.Param{Name: code, Value: in.Compartment.String(), Definition: def})
		}
	}
	return params
}

// split goes over from the search as it is to its parts, if it has any.
func (s *scan) split() bool {
	if s.parts != nil || s.pages != 1 || s.x.paged {
		return false
	}
	if s.parts = s.x.partsOf; len(s.parts) == 0 {
		return false
	}
	s.page = s.parts[0].at
	return true
}

// given reports whether an earlier part has the row as well.
func (s *scan) given(head resourceHead, resource []byte) (bool, error) {
	if s.x.in.Code != fhir.SearchCompartment {
		return false, nil
	}
	for _, before := range s.parts[:s.page.Part] {
		if before.param == nil {
			if head.id == s.x.compartment.ID {
				return true, nil
			}
			continue
		}
		refers, err := s.x.expressions.refers(before.param.Expression, resource, s.x.compartment)
		if err != nil || refers {
			return refers, err
		}
	}
	return false, nil
}

// expressions are the compiled expressions of search parameters. Safe for
// concurrent use.
type expressions struct{ compiled sync.Map }

// refers reports whether one of the references at the expression is to target.
func (e *expressions) refers(expression string, resource []byte, target fhir.Reference) (bool, error) {
	held, ok := e.compiled.Load(expression)
	if !ok {
		compiled, err := fhirpath.Compile(expression)
		if err != nil {
			return false, errUpstreamAnswer.Because(err)
		}
		held, _ = e.compiled.LoadOrStore(expression, compiled)
	}
	values, err := held.(*fhirpath.Expr).Eval(resource) //nolint:forcetypeassert // the map holds nothing else
	if err != nil {
		return false, errUpstreamAnswer.Because(err)
	}
	return slices.ContainsFunc(values, func(v fhirpath.Value) bool {
		ref, ok := fhir.ParseReference(stringAt(v.JSON, "reference"))
		return ok && ref == target
	}), nil
}
