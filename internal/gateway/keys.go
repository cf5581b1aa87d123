package gateway

import (
	"errors"
	"slices"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

var errUnmapped = errors.New("the elements of a search parameter can't be told")

// checkKeys refuses to search or sort by an element that a mask could hide from
// this caller: rows and their order would tell its value.
func (x *exchange) checkKeys() error {
	types := x.searchedTypes()
	for _, p := range x.in.Query.Params {
		if err := x.checkKey(types, p.Definition, p.Modifier); err != nil {
			return err
		}
	}
	for _, k := range x.in.Query.Sort {
		if err := x.checkKey(types, k.Definition, ""); err != nil {
			return err
		}
	}
	return x.checkCompartment(types)
}

// checkCompartment holds the references by which a compartment search finds its
// rows to the same: Patient/1/Observation asks for the subject.
func (x *exchange) checkCompartment(types []string) error {
	if x.in.Code != fhir.SearchCompartment {
		return nil
	}
	for _, typ := range types {
		params, _ := x.Definitions.CompartmentParams(x.in.Compartment.Type, typ)
		for _, code := range params {
			def, ok := x.Definitions.SearchParameter(typ, code)
			if !ok {
				return errMaskedKey.Because(errUnmapped)
			}
			if err := x.checkKey([]string{typ}, def, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// searchedTypes are the types that rows can be of.
func (x *exchange) searchedTypes() []string {
	switch q := x.in.Query; {
	case x.in.Type != "":
		return []string{x.in.Type}
	case len(q.Types) > 0:
		return q.Types
	}
	return x.Definitions.ResourceTypes()
}

func (x *exchange) checkKey(types []string, def *definitions.SearchParameter, modifier string) error {
	for _, typ := range types {
		of, ok := x.Definitions.SearchParameter(typ, def.Code)
		if !ok {
			continue
		}
		m, err := x.plan.Rule.Possible(typ)
		if err != nil {
			return errPolicy.Because(err)
		}
		if !of.Mapped && !m.Empty() {
			return errMaskedKey.Because(errUnmapped)
		}
		for _, path := range of.Paths {
			if m.Touches(refine(x.Definitions, of, path, modifier)) {
				return errMaskedKey
			}
		}
	}
	return nil
}

// refine goes down to the part of a Reference that a search reads, so that
// masking its display doesn't stop searches by it.
func refine(defs *definitions.Definitions, def *definitions.SearchParameter, path definitions.Path, modifier string) definitions.Path {
	if def.Type != "reference" || modifier == "missing" || !endsInReference(defs, path) {
		return path
	}
	part := "reference"
	if modifier == "identifier" {
		part = "identifier"
	}
	path.Segments = append(slices.Clone(path.Segments), part)
	path.Where, path.As = "", ""
	return path
}

// endsInReference reports whether the last element of the path is a Reference.
func endsInReference(defs *definitions.Definitions, path definitions.Path) bool {
	typ := path.Segments[0]
	for i, name := range path.Segments[1:] {
		t, ok := defs.Type(typ)
		if !ok {
			return false
		}
		el, ok := t.Element(name)
		if !ok {
			return false
		}
		if i == len(path.Segments)-2 {
			return slices.Contains(el.Types, "Reference") && (!el.Choice || path.As == "Reference" || path.As == "")
		}
		typ = el.Types[0]
	}
	return false
}

// upstreamQuery is the query with the ids of the server behind, and without the
// gateway's own address.
func (x *exchange) upstreamQuery(in fhir.Interaction) fhir.Query {
	q := in.Query
	q.Params = slices.Clone(q.Params)
	for i, p := range q.Params {
		q.Params[i].Value = x.upstreamValue(in, p)
	}
	return q
}

func (x *exchange) upstreamValue(in fhir.Interaction, p fhir.Param) string {
	isID := p.Name == "_id"
	if !isID && p.Definition.Type != "reference" || p.Modifier == "missing" || p.Modifier == "identifier" {
		return p.Value
	}
	alternatives := strings.Split(p.Value, ",")
	for i, a := range alternatives {
		a = strings.TrimPrefix(a, x.PublicBase+"/")
		ref, ok := fhir.ParseReference(a)
		switch {
		case ok:
		case !fhir.IsID(a):
			continue
		case isID && in.Type == "":
			alternatives[i] = a
			continue
		case isID:
			ref = fhir.Reference{Type: in.Type, ID: a}
		case p.Modifier != "":
			ref = fhir.Reference{Type: p.Modifier, ID: a}
		case len(p.Definition.Targets) == 1:
			ref = fhir.Reference{Type: p.Definition.Targets[0], ID: a}
		default:
			alternatives[i] = a
			continue
		}
		id, err := x.realID(ref.Type, ref.ID)
		if err != nil {
			id = "-" // names nothing, and is answered as what finds nothing
		}
		if alternatives[i] = id; strings.Contains(a, "/") {
			alternatives[i] = ref.Type + "/" + id
		}
	}
	return strings.Join(alternatives, ",")
}
