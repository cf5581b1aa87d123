package store

import (
	"net/url"
	"slices"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// shape is which part of a resource is sent: _summary and _elements (FHIR R4 search.html#summary, #elements). The zero
// value is all of it.
type shape struct {
	defs     *definitions.Definitions
	summary  string   // "true", "text", "data" or ""
	elements []string // names of elements, as Type.name or name
	count    bool     // no resources at all
}

const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED","display":"Resource encoded in summary mode"}`

func (s *Store) shapeOf(params url.Values) (shape, error) {
	sh := shape{defs: s.defs}
	switch summary := params.Get("_summary"); summary {
	case "", "false":
	case "true", "text", "data":
		sh.summary = summary
	case "count":
		sh.count = true
	default:
		return shape{}, invalid("Invalid value of _summary: %q", summary)
	}
	for _, list := range params["_elements"] {
		sh.elements = slices.AppendSeq(sh.elements, strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' }))
	}
	return sh, nil
}

// apply appends the part of a stored resource that is to be sent.
func (sh shape) apply(dst, raw []byte) []byte {
	if sh.summary == "" && len(sh.elements) == 0 {
		return append(dst, raw...)
	}
	d := split(raw)
	typ, _ := sh.defs.Type(d.typ)
	dst = append(dst, '{')
	for key, value := range wire.Members(raw) {
		name := string(key)
		switch {
		case name == "resourceType" || name == "id":
		case name == "meta":
			value = tagged(value, d.meta)
		case !sh.keeps(typ, strings.TrimPrefix(name, "_")):
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(append(append(append(dst, '"'), key...), `":`...), value...)
	}
	return append(dst, '}')
}

func (sh shape) keeps(typ *definitions.Type, name string) bool {
	if typ == nil {
		return false
	}
	el, _, ok := typ.Property(name)
	if !ok {
		return false
	}
	if len(sh.elements) > 0 {
		return slices.Contains(sh.elements, el.Name) || slices.Contains(sh.elements, typ.Name+"."+el.Name) || slices.Contains(sh.elements, name)
	}
	switch sh.summary {
	case "text":
		return el.Min > 0 || name == "text"
	case "data":
		return name != "text"
	}
	return el.Summary
}

// tagged adds the tag SUBSETTED to a stored meta, of which members are those beside the stamp.
func tagged(meta, members []byte) []byte {
	tags, _ := mergeCodings([]byte("["+subsetted+"]"), memberOf(members, "tag"))
	var out []byte
	for key, value := range wire.Members(meta) {
		if !wire.KeyIs(key, "tag") {
			out = join(out, append(append(append([]byte{'"'}, key...), `":`...), value...))
		}
	}
	return braced(join(out, append([]byte(`"tag":`), tags...)))
}
