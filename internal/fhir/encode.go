package fhir

import (
	"net/url"
	"strconv"
	"strings"
)

// Encode writes the query for a client: as it was understood, in the order in
// which it came, control parameters last.
func (q Query) Encode() string {
	var b queryBuilder
	for _, p := range q.Params {
		b.add(p.Key(), p.Value)
	}
	q.encodeScope(&b)
	if len(q.Elements) > 0 {
		b.add("_elements", strings.Join(q.Elements, ","))
	}
	if q.Summary != SummaryFalse {
		b.add("_summary", string(q.Summary))
	}
	if q.Total != TotalUnset {
		b.add("_total", string(q.Total))
	}
	if q.Count != CountUnset {
		b.add("_count", strconv.Itoa(q.Count))
	}
	return b.String()
}

// EncodeUpstream writes the query for the server behind: rows and their order
// only, never anything that shapes the resources, and count rows a page.
func (q Query) EncodeUpstream(count int) string {
	var b queryBuilder
	for _, p := range q.Params {
		b.add(p.Key(), p.Value)
	}
	q.encodeScope(&b)
	b.add("_count", strconv.Itoa(count))
	return b.String()
}

// encodeScope writes what chooses and orders rows besides Params.
func (q Query) encodeScope(b *queryBuilder) {
	if len(q.Types) > 0 {
		b.add("_type", strings.Join(q.Types, ","))
	}
	if q.Since != "" {
		b.add("_since", q.Since)
	}
	if len(q.Sort) > 0 {
		keys := make([]string, len(q.Sort))
		for i, k := range q.Sort {
			keys[i] = k.Definition.Code
			if k.Descending {
				keys[i] = "-" + keys[i]
			}
		}
		b.add("_sort", strings.Join(keys, ","))
	}
}

type queryBuilder struct{ strings.Builder }

func (b *queryBuilder) add(name, value string) {
	if b.Len() > 0 {
		b.WriteByte('&')
	}
	b.WriteString(url.QueryEscape(name))
	b.WriteByte('=')
	b.WriteString(url.QueryEscape(value))
}
