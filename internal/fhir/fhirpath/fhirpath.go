// Package fhirpath evaluates a small subset of FHIRPath (N1) on the bytes of FHIR JSON: what the search parameters of FHIR
// R4 need, and what policies ask of a resource. It does no I/O: resolve() looks at the text of a reference only.
//
// The subset:
//
//	Patient.name.family            a path, from the name of the resource's type or from the resource itself
//	name[0]  name.first()          one item
//	a | b                          union; values that are the same JSON but for white space come once
//	.where(criteria)               items for which the criteria are true
//	.exists()  .exists(criteria)
//	x as Quantity  .as(Quantity)  .ofType(Quantity)    items of that type or one that specialises it
//	x is Quantity  .is(Quantity)   of one item
//	.extension('url')              extensions with that URL, of primitives too
//	.hasExtension('url')           the same as extension('url').exists(); not FHIRPath, but R4 uses it
//	.resolve() is Patient          references to a resource of that type, going by their text (see below)
//	=  !=  and  or                 with the three-valued logic of FHIRPath
//	'text'  true  false  12.5      literals
//	$this  %resource
//
// Everything else is an error of [Compile], and so is an element that the types at hand don't have; a policy with a slip of
// the pen doesn't quietly find nothing.
//
// It differs from FHIRPath in this: as, like ofType, is a filter and takes any number of items, which R4's search parameters
// count on. The type names of FHIRPath's System model without prefix (DateTime) mean the FHIR type. Comparing dates with
// strings or dates, and comparing objects, is refused. resolve() is X holds for a Reference whose reference is relative or
// absolute with the type in it (Patient/1, https://server/fhir/Patient/1/_history/2, Patient?identifier=1), the fragment of
// a contained resource, or, when the text has no type (urn:uuid:…), whose type element says so.
package fhirpath

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// maxLength is how long an expression may be, in bytes; the longest of R4 has about 2,100. maxDepth is how deeply its
// parentheses may nest.
const (
	maxLength = 8 << 10
	maxDepth  = 32
)

// One evaluation may read the resource as often as workFactor says, and minWork bytes more: an expression with many steps and
// branches reads it some dozen times, nested criteria more often than anyone can wait.
const (
	workFactor = 256
	minWork    = 1 << 20
)

// ErrEvaluation is the error of an expression that can't be evaluated on a resource: its JSON isn't what FHIR says, several
// items are where one is needed, or values are compared that can't be.
var ErrEvaluation = errors.New("FHIRPath evaluation")

// SyntaxError says where and why an expression isn't one of the subset.
type SyntaxError struct {
	Offset int // in bytes
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("FHIRPath at offset %d: %s", e.Offset, e.Reason)
}

// Expr is a compiled expression; it is safe for concurrent use.
type Expr struct {
	text string
	root node
	defs *definitions.Definitions
}

// Value is one item of a result.
type Value struct {
	// JSON is the value as it stands in the resource, whose memory it shares; true or false for what was computed.
	JSON []byte
	// Type is the FHIR type, such as "CodeableConcept", "Patient" or "Patient.contact".
	Type string

	// sibling is the object beside a primitive ("_birthDate"), with its id and extensions.
	sibling []byte
}

// Compile reads an expression on resources of FHIR R4. The error is a *[SyntaxError].
func Compile(expr string) (*Expr, error) { return CompileFor(definitions.R4(), expr) }

// CompileFor reads an expression on resources of the FHIR version of the definitions.
func CompileFor(defs *definitions.Definitions, expr string) (*Expr, error) {
	if len(expr) > maxLength {
		return nil, &SyntaxError{Offset: maxLength, Reason: fmt.Sprintf("longer than %d bytes", maxLength)}
	}
	if !utf8.ValidString(expr) {
		return nil, &SyntaxError{Reason: "not UTF-8"}
	}
	root, err := parse(expr, defs)
	if err != nil {
		return nil, err
	}
	if _, err := root.check(scope{defs: defs, types: []string{anyResource}}); err != nil {
		return nil, err
	}
	return &Expr{text: expr, root: root, defs: defs}, nil
}

// String is the expression as it was given.
func (e *Expr) String() string { return e.text }

// Eval returns the values of the expression in a resource, which must have passed [wire.Check]. Elements that have only
// extensions and no value count for exists(), but aren't returned. An error is an [ErrEvaluation].
func (e *Expr) Eval(resource []byte) ([]Value, error) {
	name, ok := resourceType(e.defs, resource)
	if !ok {
		return nil, fmt.Errorf("%w: no resourceType of FHIR %s", ErrEvaluation, e.defs.Version())
	}
	focus := []Value{{JSON: resource, Type: name}}
	values, err := e.root.eval(evaluation{defs: e.defs, resource: focus[0], progress: &progress{budget: minWork + workFactor*len(resource)}}, focus)
	if err != nil {
		return nil, err
	}
	result := values[:0:0]
	for _, v := range values {
		if v.JSON != nil {
			result = append(result, v)
		}
	}
	return result, nil
}

// resourceType is the type that an object says it is.
func resourceType(defs *definitions.Definitions, object []byte) (string, bool) {
	value, _ := wire.Get(object, "resourceType")
	name, _ := wire.String(value)
	return name, defs.IsResource(name)
}

// isA says whether a type is another or specialises it.
func isA(defs *definitions.Definitions, name, other string) bool {
	for name != "" {
		if name == other {
			return true
		}
		t, ok := defs.Type(name)
		if !ok {
			return false
		}
		name = t.Base
	}
	return false
}
