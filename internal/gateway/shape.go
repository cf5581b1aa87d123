package gateway

import (
	"slices"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// subsetted is the tag of a resource that isn't whole (R4 search.html#summary).
const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`

// shape appends the resource as _summary and _elements ask for it. It comes
// after judging and masking, which always see the whole resource.
func (x *exchange) shape(dst, resource []byte) ([]byte, error) {
	q := x.in.Query
	if q.Summary == fhir.SummaryFalse && len(q.Elements) == 0 {
		return append(dst, resource...), nil
	}
	typ := stringAt(resource, "resourceType")
	t, ok := x.Definitions.Type(typ)
	if !ok {
		return dst, errUpstreamAnswer.Because(errShape)
	}
	dst = append(dst, '{')
	first := len(dst)
	tagged := false
	for key, value := range wire.Members(resource) {
		name := wire.Key(key)
		if !keeps(q, t, typ, name) {
			continue
		}
		if len(dst) > first {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), key...), `":`...)
		if name == "meta" {
			dst, tagged = appendTagged(dst, value), true
		} else {
			dst = append(dst, value...)
		}
	}
	if !tagged {
		dst = append(dst, `,"meta":{"tag":[`+subsetted+`]}`...)
	}
	return append(dst, '}'), nil
}

// keeps says whether a top-level property stays.
func keeps(q fhir.Query, t *definitions.Type, typ, property string) bool {
	property = strings.TrimPrefix(property, "_")
	if property == "resourceType" || property == "id" || property == "meta" {
		return true
	}
	el, _, ok := t.Property(property)
	if !ok {
		return false
	}
	// Without a modifier the rest would mean something else.
	always := el.Min > 0 || el.Modifier
	switch q.Summary {
	case fhir.SummaryTrue:
		return el.Summary || always
	case fhir.SummaryText:
		return property == "text" || always
	case fhir.SummaryData:
		return property != "text"
	case fhir.SummaryFalse, fhir.SummaryCount:
	}
	return always || slices.Contains(q.Elements, el.Name) || slices.Contains(q.Elements, typ+"."+el.Name)
}

// appendTagged appends meta with the tag SUBSETTED.
func appendTagged(dst, meta []byte) []byte {
	dst = append(dst, '{')
	first := len(dst)
	done := false
	for key, value := range wire.Members(meta) {
		if wire.KeyIs(key, "tag") && wire.KindOf(value) != wire.Array {
			continue // broken, and a second one would break the document
		}
		if len(dst) > first {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), key...), `":`...)
		if wire.KeyIs(key, "tag") {
			done = true
			dst = append(dst, '[')
			for item := range wire.Items(value) {
				dst = append(append(dst, item...), ',')
			}
			dst = append(dst, subsetted+`]`...)
			continue
		}
		dst = append(dst, value...)
	}
	if !done {
		if len(dst) > first {
			dst = append(dst, ',')
		}
		dst = append(dst, `"tag":[`+subsetted+`]`...)
	}
	return append(dst, '}')
}

// dropMembers writes the object without the named members.
func dropMembers(object []byte, names ...string) ([]byte, error) {
	if wire.KindOf(object) != wire.Object {
		return nil, errShape
	}
	out := append(make([]byte, 0, len(object)), '{')
	for key, value := range wire.Members(object) {
		if slices.Contains(names, wire.Key(key)) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(append(out, '"'), key...), `":`...), value...)
	}
	return append(out, '}'), nil
}
