package mask

import (
	"fmt"
	"slices"
	"sync"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// checkPath says whether the path names elements, and the action may change
// every one of them.
func checkPath(defs *definitions.Definitions, p path, act *action) error {
	types, err := rootTypes(defs, p.root)
	if err != nil {
		return err
	}
	if err := checkWhere(defs, types, p.where); err != nil {
		return err
	}
	modifier := false
	for i, s := range p.segments {
		if s.deep {
			types, modifier = allTypes(defs), false
		}
		found := findElements(defs, types, s)
		if len(found) == 0 {
			return elementError(s)
		}
		if i == len(p.segments)-1 {
			if err := checkTargets(defs, found, act, modifier); err != nil {
				return err
			}
		}
		types = typesOf(found)
		modifier = modifier || !s.deep && slices.ContainsFunc(found, isModifier)
		if err := checkWhere(defs, types, s.where); err != nil {
			return err
		}
	}
	return nil
}

// rootTypes are the resource types that the root of a path names.
func rootTypes(defs *definitions.Definitions, root string) ([]string, error) {
	switch {
	case root == anyType:
		return defs.ResourceTypes(), nil
	case defs.IsResource(root):
		return []string{root}, nil
	}
	return nil, fmt.Errorf("%w: %q is no resource type", ErrPath, root)
}

func elementError(s segment) error {
	if s.name == "resourceType" {
		return fmt.Errorf("%w: resourceType", ErrUnmaskable)
	}
	return fmt.Errorf("%w: %s", ErrPath, s.name)
}

// found is an element with one of its types.
type found struct {
	parent   *definitions.Type
	element  *definitions.Element
	typeName string
}

func isModifier(f found) bool { return f.element.Modifier }

// typesOf are the types of the elements, each once.
func typesOf(elements []found) []string {
	var out []string
	for _, f := range elements {
		if !slices.Contains(out, f.typeName) {
			out = append(out, f.typeName)
		}
	}
	return out
}

// findElements are the elements that a segment names in the types.
func findElements(defs *definitions.Definitions, types []string, s segment) []found {
	var out []found
	for _, name := range types {
		t, ok := defs.Type(name)
		if !ok {
			continue
		}
		if el, ok := t.Element(s.name); ok {
			for _, typeName := range el.Types {
				out = append(out, found{t, el, typeName})
			}
		} else if el, typeName, ok := t.Property(s.name); ok {
			out = append(out, found{t, el, typeName})
		}
	}
	return out
}

// r4Types are the names of all types that a resource of R4 can have in it.
//
//nolint:gochecknoglobals // found once and read only
var r4Types = sync.OnceValue(func() []string { return reachable(definitions.R4(), definitions.R4().ResourceTypes(), false) })

func allTypes(defs *definitions.Definitions) []string {
	if defs == definitions.R4() {
		return r4Types()
	}
	return reachable(defs, defs.ResourceTypes(), false)
}

// reachable are the types and those of all elements below; of values only, when
// asked so, which leaves out extensions and contained resources.
func reachable(defs *definitions.Definitions, types []string, valuesOnly bool) []string {
	seen := map[string]bool{}
	out := slices.Clone(types)
	for i := 0; i < len(out); i++ {
		t, ok := defs.Type(out[i])
		if !ok {
			continue
		}
		for _, el := range t.Elements {
			if valuesOnly && (el.Name == "extension" || el.Name == "modifierExtension" || el.Name == "contained") {
				continue
			}
			for _, name := range el.Types {
				if !seen[name] {
					seen[name] = true
					out = append(out, name)
				}
			}
		}
	}
	return out
}

// checkWhere says whether a condition can be asked of one of the types.
func checkWhere(defs *definitions.Definitions, types []string, where []term) error {
	if where == nil {
		return nil
	}
	for _, name := range types {
		if _, ok := resolve(defs, where, name); ok {
			return nil
		}
	}
	return fmt.Errorf("%w: a condition names no primitive element of %v", ErrPath, types[:min(len(types), 1)])
}

// checkTargets says whether the action may be applied to the elements at the end
// of a path.
func checkTargets(defs *definitions.Definitions, targets []found, act *action, inModifier bool) error {
	if inModifier && act.kind != Pseudonymize {
		return fmt.Errorf("%w: the path leads through one", ErrModifier)
	}
	fits := false
	for _, f := range targets {
		isID := f.parent.Kind == definitions.Resource && f.element.Name == "id"
		switch {
		case f.element.Modifier:
			return fmt.Errorf("%w: %s.%s", ErrModifier, f.parent.Name, f.element.Name)
		case isID && act.kind != Pseudonymize:
			return fmt.Errorf("%w: an id can only be pseudonymized", ErrUnmaskable)
		case f.typeName == "Meta" && f.parent.Kind == definitions.Resource, f.parent.Name == "Meta" && f.element.Name == "versionId":
			return fmt.Errorf("%w: meta.versionId", ErrUnmaskable)
		case f.parent.Name == "Extension" && f.element.Name == "url":
			return fmt.Errorf("%w: an extension's url", ErrUnmaskable)
		}
		fits = fits || act.fits(defs, f)
	}
	if !fits {
		return fmt.Errorf("%w: %s on %s.%s", ErrAction, act.kind, targets[0].parent.Name, targets[0].element.Name)
	}
	return nil
}

// fits says whether the action can do its work on an element. Where a path names
// several it must on one; it removes the others.
func (a *action) fits(defs *definitions.Definitions, f found) bool {
	changed, _ := partsOf(a.kind, f.typeName)
	hasParts := len(changed) > 0
	switch a.kind {
	case Remove:
		return true
	case Replace:
		return fitsType(defs, a.value, f.typeName)
	case Hash:
		return hasParts || isHashable(f.typeName) && !isReferenceText(f)
	case Truncate:
		if a.extent.date == 0 {
			return isText(f.typeName) && !isReferenceText(f)
		}
		return hasParts || isDate(f.typeName)
	case Generalize:
		t, ok := defs.Type(f.typeName)
		return ok && t.Kind == definitions.Primitive && !isReferenceText(f) &&
			!slices.ContainsFunc(a.outputs(), func(v []byte) bool { return !fitsType(defs, v, f.typeName) })
	case Pseudonymize:
		isID := f.parent.Kind == definitions.Resource && f.element.Name == "id"
		return hasParts || isID || isReferenceText(f) || isIdentifierValue(f)
	}
	return false
}

func isReferenceText(f found) bool {
	return f.parent.Name == "Reference" && f.element.Name == "reference"
}

func isIdentifierValue(f found) bool {
	return f.parent.Name == "Identifier" && f.element.Name == "value"
}

func isText(typeName string) bool {
	return typeName == "string" || typeName == "markdown"
}

func isHashable(typeName string) bool {
	switch typeName {
	case "string", "markdown", "uri", "url", "canonical", "code":
		return true
	}
	return false
}

func isDate(typeName string) bool {
	return typeName == "date" || typeName == "dateTime" || typeName == "instant"
}

// fitsType says whether a value has the JSON form of a type.
func fitsType(defs *definitions.Definitions, value []byte, typeName string) bool {
	t, ok := defs.Type(typeName)
	if !ok || typeName == "Resource" {
		return false
	}
	kind := wire.KindOf(value)
	if t.Kind != definitions.Primitive {
		return kind == wire.Object && t.Kind != definitions.Resource
	}
	switch typeName {
	case "boolean":
		return kind == wire.True || kind == wire.False
	case "integer", "unsignedInt", "positiveInt", "decimal":
		return kind == wire.Number
	}
	return kind == wire.Text
}
