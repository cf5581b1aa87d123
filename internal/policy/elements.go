package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

var (
	errNoResource  = errors.New("not a resource of a known type")
	errCompartment = errors.New("no such compartment")
	errParameter   = errors.New("no such search parameter, or one whose elements can't be told")
)

// resourceType is the type of a resource value.
func resourceType(defs *definitions.Definitions, resource ast.Value) (ast.Object, string, error) {
	object, ok := resource.(ast.Object)
	if !ok {
		return nil, "", errNoResource
	}
	name, ok := member(object, "resourceType").(ast.String)
	if !ok || !defs.IsResource(string(name)) {
		return nil, "", errNoResource
	}
	return object, string(name), nil
}

// member is the member of an object, or nil.
func member(object ast.Object, key string) ast.Value {
	if t := object.Get(ast.InternedTerm(key)); t != nil {
		return t.Value
	}
	return nil
}

// compartmentRefs are the ids of the compartments of that kind in which the
// resource is (R4 compartmentdefinition.html), without repeats. References by
// other forms than Type/id put a resource into no compartment.
func compartmentRefs(defs *definitions.Definitions, resource ast.Value, compartment string) ([]string, error) {
	object, typ, err := resourceType(defs, resource)
	if err != nil {
		return nil, err
	}
	if _, known := defs.CompartmentParams(compartment, compartment); !known {
		return nil, errCompartment
	}
	params, inside := defs.CompartmentParams(compartment, typ)
	if !inside {
		return nil, nil
	}
	ids := idSet{}
	if id, ok := member(object, "id").(ast.String); ok && typ == compartment {
		ids.add(string(id))
	}
	for _, code := range params {
		def, ok := defs.SearchParameter(typ, code)
		if !ok || !def.Mapped {
			return nil, fmt.Errorf("%w: %s.%s", errParameter, typ, code)
		}
		for _, path := range def.Paths {
			err := elements(defs, object, path, func(v ast.Value) bool {
				if ref, ok := literalReference(v); ok && ref.Type == compartment {
					ids.add(ref.ID)
				}
				return false
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}

// idSet is a few ids without repeats.
type idSet []string

func (s *idSet) add(id string) {
	if !slices.Contains(*s, id) {
		*s = append(*s, id)
	}
}

// literalReference reads Reference.reference, or a canonical or uri.
func literalReference(v ast.Value) (fhir.Reference, bool) {
	switch v := v.(type) {
	case ast.Object:
		if s, ok := member(v, "reference").(ast.String); ok {
			return fhir.ParseReference(string(s))
		}
	case ast.String:
		return fhir.ParseReference(string(v))
	}
	return fhir.Reference{}, false
}

// elements calls visit for every element at the path until it returns true.
func elements(defs *definitions.Definitions, resource ast.Object, path definitions.Path, visit func(ast.Value) bool) error {
	want := ""
	if path.Where != "" {
		target, ok := strings.CutPrefix(path.Where, "resolve() is ")
		if !ok || path.WhereAt != len(path.Segments)-1 {
			return fmt.Errorf("%w: condition %q", errParameter, path.Where)
		}
		want = strings.TrimSpace(target)
	}
	if path.ExtensionURL != "" || len(path.Segments) < 2 {
		return fmt.Errorf("%w: %s", errParameter, path)
	}
	descend(defs, resource, path.Segments[0], path.Segments[1:], path.As, func(v ast.Value) bool {
		if want != "" {
			if ref, ok := literalReference(v); !ok || ref.Type != want {
				return false
			}
		}
		return visit(v)
	})
	return nil
}

// descend follows segments through objects and arrays, and choices to the
// properties that they have.
func descend(defs *definitions.Definitions, v ast.Value, typ string, segments []string, as string, visit func(ast.Value) bool) bool {
	if list, ok := v.(*ast.Array); ok {
		for i := range list.Len() {
			if descend(defs, list.Elem(i).Value, typ, segments, as, visit) {
				return true
			}
		}
		return false
	}
	if len(segments) == 0 {
		return visit(v)
	}
	object, ok := v.(ast.Object)
	if !ok {
		return false
	}
	t, ok := defs.Type(typ)
	if !ok {
		return false
	}
	el, ok := t.Element(segments[0])
	if !ok {
		return false
	}
	for _, next := range el.Types {
		if as != "" && el.Choice && next != as {
			continue
		}
		name := el.Name
		if el.Choice {
			name += strings.ToUpper(next[:1]) + next[1:]
		}
		if child := member(object, name); child != nil && descend(defs, child, next, segments[1:], as, visit) {
			return true
		}
	}
	return false
}
