package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// set is what a test has read of an NDJSON stream: which resources came, and how much of each kind.
type set struct {
	seen      map[string]bool
	codes     map[[2]string]string // code system and code to what is wrong with it
	kinds     map[string]int
	resources int
	bytes     int
}

// readSet reads a stream and reports everything about it that isn't right: a line that isn't strict JSON, a structure that
// isn't R4's, an id that comes twice, a reference to what hasn't come yet. more is called with each resource.
func readSet(t *testing.T, r io.Reader, more func(resource map[string]any, line []byte)) set {
	t.Helper()
	s := set{seen: map[string]bool{}, codes: map[[2]string]string{}, kinds: map[string]int{}}
	check := validator{defs: definitions.R4()}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 1<<20), 1<<24)
	for lines.Scan() {
		line := lines.Bytes()
		s.resources++
		s.bytes += len(line) + 1
		if err := wire.Check(line, wire.Limits{}); err != nil {
			t.Fatalf("resource %d: %v", s.resources, err)
		}
		resource := decode(t, line)
		name, _ := resource["resourceType"].(string)
		id, _ := resource["id"].(string)
		self := name + "/" + id
		if s.seen[self] {
			t.Errorf("%s comes twice", self)
		}
		for _, problem := range check.resource(resource) {
			t.Errorf("%s: %s", self, problem)
		}
		codings(resource, func(system, code string) {
			if problem := s.checkCode(system, code); problem != "" {
				t.Errorf("%s: %s %s: %s", self, system, code, problem)
			}
		})
		for _, reference := range check.references {
			if !s.seen[reference] {
				t.Errorf("%s: refers to %s, which hasn't come before", self, reference)
			}
		}
		s.seen[self] = true
		s.kinds[name]++
		if more != nil {
			more(resource, line)
		}
		if t.Failed() && s.resources > 2000 {
			t.Fatal("too many errors")
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return s
}

// checkCode checks each code once.
func (s set) checkCode(system, code string) string {
	problem, known := s.codes[[2]string{system, code}]
	if !known {
		problem = checkCode(system, code)
		s.codes[[2]string{system, code}] = problem
	}
	return problem
}

// decode keeps numbers as they are written.
func decode(t *testing.T, line []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var resource map[string]any
	if err := d.Decode(&resource); err != nil {
		t.Fatal(err)
	}
	return resource
}

// validator holds resources against the R4 definitions: known elements, cardinalities, JSON types, formats of primitives,
// allowed targets of references.
type validator struct {
	defs       *definitions.Definitions
	problems   []string
	references []string
}

func (v *validator) resource(resource map[string]any) []string {
	v.problems, v.references = nil, nil
	name, _ := resource["resourceType"].(string)
	if !v.defs.IsResource(name) {
		return []string{fmt.Sprintf("%q is no resource type", name)}
	}
	v.object(name, name, resource)
	return v.problems
}

func (v *validator) bad(path, format string, args ...any) {
	v.problems = append(v.problems, path+": "+fmt.Sprintf(format, args...))
}

func (v *validator) object(path, typeName string, object map[string]any) {
	def, ok := v.defs.Type(typeName)
	if !ok {
		v.bad(path, "no type %s", typeName)
		return
	}
	if len(object) == 0 {
		v.bad(path, "empty object")
	}
	count := map[string]int{}
	for key, value := range object {
		if key == "resourceType" && def.Kind == definitions.Resource {
			continue
		}
		element, elementType, ok := def.Property(strings.TrimPrefix(key, "_"))
		if !ok {
			v.bad(path, "unknown element %q", key)
			continue
		}
		if strings.HasPrefix(key, "_") {
			v.bad(path, "%s: the data have no sibling properties", key)
			continue
		}
		count[element.Name]++
		v.element(path+"."+key, element, elementType, value)
		if elementType == "code" {
			v.codes(path+"."+key, typeName, element.Name, value)
		}
	}
	for i := range def.Elements {
		element := &def.Elements[i]
		if element.Min > 0 && count[element.Name] == 0 {
			v.bad(path, "required element %s is missing", element.Name)
		}
		if count[element.Name] > 1 {
			v.bad(path, "more than one %s[x]", element.Name)
		}
	}
}

func (v *validator) element(path string, element *definitions.Element, typeName string, value any) {
	if !element.Repeats() {
		v.value(path, element, typeName, value)
		return
	}
	items, ok := value.([]any)
	if !ok || len(items) == 0 || element.Max > 0 && len(items) > element.Max {
		v.bad(path, "not an array of 1 to %d items", element.Max)
		return
	}
	for i, item := range items {
		v.value(fmt.Sprintf("%s[%d]", path, i), element, typeName, item)
	}
}

func (v *validator) value(path string, element *definitions.Element, typeName string, value any) {
	def, ok := v.defs.Type(typeName)
	if ok && def.Kind == definitions.Primitive {
		if !validPrimitive(typeName, value) {
			v.bad(path, "%v is no %s", value, typeName)
		}
		if url, _ := value.(string); typeName == "url" && strings.HasPrefix(url, "Binary/") {
			v.references = append(v.references, url)
		}
		return
	}
	object, ok := value.(map[string]any)
	if !ok {
		v.bad(path, "not an object")
		return
	}
	switch typeName {
	case "Reference":
		v.reference(path, element, object)
	case "Period":
		start, _ := object["start"].(string)
		if end, ok := object["end"].(string); ok && end < start {
			v.bad(path, "ends %s, before its start %s", end, start) // per-1
		}
	}
	v.object(path, typeName, object)
}

// codes holds a code, or each of several, against the required binding.
func (v *validator) codes(path, typeName, element string, value any) {
	items, ok := value.([]any)
	if !ok {
		items = []any{value}
	}
	for _, item := range items {
		if problem := checkRequired(typeName, element, item); problem != "" {
			v.bad(path, "%s", problem)
		}
	}
}

// reference demands a literal relative reference to an allowed type.
func (v *validator) reference(path string, element *definitions.Element, object map[string]any) {
	reference, _ := object["reference"].(string)
	name, id, ok := strings.Cut(reference, "/")
	if !ok || !v.defs.IsResource(name) || !validPrimitive("id", id) {
		v.bad(path, "%q is no relative reference", reference)
		return
	}
	v.references = append(v.references, reference)
	for _, target := range element.Targets {
		if target == name || target == "Resource" {
			return
		}
	}
	v.bad(path, "may not refer to %s, only to %v", name, element.Targets)
}
