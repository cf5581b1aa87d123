package fhir

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
)

// Query is the query of a search or a history, taken apart. Parameters that
// choose rows are Params; those that shape the answer are fields: the gateway
// shapes the answer itself and never lets them hide from policy what it reads.
type Query struct {
	Params   []Param
	Sort     []SortKey
	Types    []string // _type of a system or compartment search, sorted as sent
	Elements []string // _elements
	Summary  Summary
	Total    TotalMode
	Count    int    // _count; CountUnset when not sent
	Page     string // the gateway's own page token; nothing else is set with it
	Since    string // history: _since, an instant as sent
}

// CountUnset says that no _count was sent.
const CountUnset = -1

// Param is one search parameter as sent; repeats mean AND, commas in the value
// OR (R4 search.html#combining).
type Param struct {
	Name     string // code of the search parameter
	Modifier string // without the colon; may be a resource type
	Value    string // decoded from the URL, still with FHIR's own escapes
	// Definition is never nil in a parsed Query.
	Definition *definitions.SearchParameter
}

// Key is the name with its modifier.
func (p Param) Key() string {
	if p.Modifier == "" {
		return p.Name
	}
	return p.Name + ":" + p.Modifier
}

// SortKey is one key of _sort.
type SortKey struct {
	Definition *definitions.SearchParameter
	Descending bool
}

// Summary is a _summary value.
type Summary string

// The values of _summary.
const (
	SummaryFalse Summary = ""
	SummaryTrue  Summary = "true"
	SummaryText  Summary = "text"
	SummaryData  Summary = "data"
	SummaryCount Summary = "count"
)

// TotalMode is a _total value.
type TotalMode string

// The values of _total.
const (
	TotalUnset    TotalMode = ""
	TotalNone     TotalMode = "none"
	TotalEstimate TotalMode = "estimate"
	TotalAccurate TotalMode = "accurate"
)

func badParam(code, text string) *Refusal {
	return Refuse(statusBadRequest, code, IssueInvalid, text)
}

var (
	errQuery       = badParam("bad-query", "The query can't be decoded.")
	errQueryHere   = badParam("query-not-allowed", "This interaction takes no query parameters besides _format and _pretty.")
	errTwice       = badParam("duplicate-parameter", "A parameter that may be given once is given more than once.")
	errEmptyParam  = badParam("empty-parameter", "A search parameter has no value.")
	errMixed       = badParam("query-and-body", "A POST search takes its parameters from the body alone.")
	errUnknownName = badParam("unknown-parameter", "A parameter of the query isn't a search parameter of this resource type.")
	errUnsupported = badParam("parameter-not-supported", "A parameter of the query isn't supported by this gateway.")
	errModifier    = badParam("modifier-not-supported", "A modifier in the query isn't supported for this parameter.")
	errMissing     = badParam("bad-missing", "The modifier :missing takes true or false.")
	errChain       = badParam("chain-not-supported", "Chained parameters aren't supported by this gateway.")
	errControl     = badParam("bad-control-parameter", "One of _count, _sort, _summary, _elements, _total, _type, _since or _pretty has a value it can't have.")
	errFormat      = Refuse(statusNotAcceptable, "format-not-supported", IssueNotSupported, "Answers are given as application/fhir+json only.")
)

const maxParams = 100

// parseQuery reads the query, or the form body of a POST search.
func parseQuery(defs *definitions.Definitions, in Interaction, rawQuery, form string) (Query, error) {
	q := Query{Count: CountUnset}
	pairs, err := queryPairs(in, rawQuery, form)
	if err != nil {
		return q, err
	}
	seen := map[string]bool{}
	for _, pair := range pairs {
		name, value := pair[0], pair[1]
		switch {
		case isControl(name) && seen[name]:
			return q, errTwice
		case isControl(name):
			seen[name] = true
			err = q.control(defs, in, name, value)
		case !in.Code.IsSearch():
			return q, errQueryHere
		default:
			err = q.param(defs, in, name, value)
		}
		if err != nil {
			return q, err
		}
	}
	return q, q.finish(defs, in)
}

// queryPairs are the parameters of the query, and of the form of a POST search,
// which has no others in its query.
func queryPairs(in Interaction, rawQuery, form string) ([][2]string, error) {
	pairs, err := splitQuery(rawQuery)
	if err != nil || !in.Posted {
		return pairs, err
	}
	for _, p := range pairs {
		if p[0] != "_format" && p[0] != "_pretty" {
			return nil, errMixed
		}
	}
	posted, err := splitQuery(form)
	return append(pairs, posted...), err
}

// splitQuery decodes a query strictly: no ';', no stray '%', no empty names.
func splitQuery(raw string) ([][2]string, error) {
	if raw == "" {
		return nil, nil
	}
	if strings.Count(raw, "&") >= maxParams { // before splitting: the body of a search may be large
		return nil, errQuery
	}
	parts := strings.Split(raw, "&")
	pairs := make([][2]string, 0, len(parts))
	for _, part := range parts {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(k)
		if err != nil || name == "" || strings.Contains(part, ";") {
			return nil, errQuery
		}
		value, err := url.QueryUnescape(v)
		if err != nil || !isPlainText(name) || !isPlainText(value) {
			return nil, errQuery
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, nil
}

// isPlainText refuses control characters and broken UTF-8: two servers could
// read them differently.
func isPlainText(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return false
		}
	}
	return true
}

func isControl(name string) bool {
	switch name {
	case "_format", "_pretty", "_count", "_sort", "_summary", "_elements", "_total", "_type", "_since", "_page":
		return true
	}
	return false
}

// control reads one parameter that shapes the answer.
func (q *Query) control(defs *definitions.Definitions, in Interaction, name, value string) error {
	switch name {
	case "_format":
		return checkFormat(value)
	case "_pretty":
		return oneOf(value, "true", "false")
	}
	if !shapes(in.Code, name, value) {
		return errQueryHere
	}
	switch name {
	case "_count":
		return q.count(value)
	case "_page":
		if value == "" {
			return errControl
		}
		q.Page = value
		return nil
	case "_since":
		if !in.Code.IsHistory() {
			return errUnsupported
		}
		q.Since = value
		if _, err := time.Parse(time.RFC3339Nano, value); err != nil {
			return errControl
		}
		return nil
	case "_summary":
		return q.summary(value)
	case "_total":
		q.Total = TotalMode(value)
		return oneOf(value, "none", "estimate", "accurate")
	case "_elements":
		q.Elements = strings.Split(value, ",")
		return nil
	case "_type":
		return q.types(defs, in, value)
	case "_sort":
		return q.sort(defs, in, value)
	}
	return errUnsupported
}

// shapes says which parameters an interaction takes: a read can be cut to a part
// of the resource (R4 search.html#summary), a history be paged.
func shapes(code Code, name, value string) bool {
	switch {
	case code.IsSearch():
		return true
	case code.IsHistory():
		return name == "_count" || name == "_since" || name == "_page"
	case code == Read || code == VRead:
		return name == "_elements" || name == "_summary" && value != "count"
	}
	return false
}

func oneOf(value string, allowed ...string) error {
	if !slices.Contains(allowed, value) {
		return errControl
	}
	return nil
}

// checkFormat takes the spellings of JSON (R4 http.html#mime-type).
func checkFormat(value string) error {
	kind, _, _ := strings.Cut(value, ";")
	switch strings.TrimSpace(kind) {
	case "json", "application/json", "application/fhir+json", "text/json", "application/fhir json":
		return nil
	}
	return errFormat
}

func (q *Query) count(value string) error {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return errControl
	}
	q.Count = int(n)
	return nil
}

func (q *Query) summary(value string) error {
	if value != "false" {
		q.Summary = Summary(value)
	}
	return oneOf(value, "true", "false", "text", "data", "count")
}

func (q *Query) types(defs *definitions.Definitions, in Interaction, value string) error {
	if in.Type != "" {
		return errUnsupported
	}
	q.Types = strings.Split(value, ",")
	for _, t := range q.Types {
		if !defs.IsResource(t) {
			return errControl
		}
	}
	return nil
}

func (q *Query) sort(defs *definitions.Definitions, in Interaction, value string) error {
	for key := range strings.SplitSeq(value, ",") {
		code, descending := strings.CutPrefix(key, "-")
		def, ok := lookup(defs, in, code)
		if !ok || len(def.Components) > 0 || def.Type == "composite" || def.Type == "special" {
			return errUnknownName
		}
		q.Sort = append(q.Sort, SortKey{Definition: def, Descending: descending})
	}
	return nil
}

// lookup finds a search parameter; at system level only those of every type.
func lookup(defs *definitions.Definitions, in Interaction, code string) (*definitions.SearchParameter, bool) {
	typ := in.Type
	if typ == "" {
		typ = "Resource"
	}
	return defs.SearchParameter(typ, code)
}

// param reads one parameter that chooses rows.
func (q *Query) param(defs *definitions.Definitions, in Interaction, name, value string) error {
	code, modifier, modified := strings.Cut(name, ":")
	if strings.Contains(name, ".") {
		return errChain
	}
	if !IsSupported(code) {
		return errUnsupported
	}
	def, ok := lookup(defs, in, code)
	if !ok {
		return errUnknownName
	}
	if value == "" {
		return errEmptyParam
	}
	if modified && !modifierAllowed(defs, def, modifier) {
		return errModifier
	}
	if modifier == "missing" && value != "true" && value != "false" {
		return errMissing
	}
	q.Params = append(q.Params, Param{Name: code, Modifier: modifier, Value: value, Definition: def})
	return nil
}

// IsSupported reports whether the gateway takes the search parameter, if the
// type has it: not what reads other resources, or elements that can't be told.
func IsSupported(code string) bool {
	switch code {
	case "_include", "_revinclude", "_has", "_filter", "_text", "_content", "_list", "_query", "_contained", "_containedType", "_graph":
		return false
	}
	return true
}

// modifierAllowed follows R4 search.html#modifiers, less :text, :in, :not-in,
// :above and :below, whose meaning differs between servers.
func modifierAllowed(defs *definitions.Definitions, def *definitions.SearchParameter, modifier string) bool {
	switch modifier {
	case "missing":
		return def.Type != "composite" && def.Type != "special"
	case "exact", "contains":
		return def.Type == "string"
	case "not":
		return def.Type == "token"
	case "identifier":
		return def.Type == "reference"
	}
	return def.Type == "reference" && defs.IsResource(modifier) &&
		(len(def.Targets) == 0 || slices.Contains(def.Targets, modifier))
}

// finish holds rules between parameters.
func (q *Query) finish(defs *definitions.Definitions, in Interaction) error {
	if q.Page != "" {
		if len(q.Params) > 0 || len(q.Sort) > 0 || len(q.Types) > 0 || len(q.Elements) > 0 ||
			q.Summary != "" || q.Total != "" || q.Count != CountUnset || q.Since != "" {
			return errTwice
		}
		return nil
	}
	if len(q.Elements) > 0 && q.Summary != SummaryFalse {
		return errControl
	}
	for _, e := range q.Elements {
		if !isElementName(defs, in, e) {
			return errControl
		}
	}
	return nil
}

// isElementName checks one name of _elements: a top-level element of the type,
// or Type.element.
func isElementName(defs *definitions.Definitions, in Interaction, name string) bool {
	typ := in.Type
	if t, rest, ok := strings.Cut(name, "."); ok {
		typ, name = t, rest
	}
	if typ == "" {
		typ = "DomainResource"
	}
	t, ok := defs.Type(typ)
	if !ok {
		return false
	}
	_, ok = t.Element(name)
	return ok
}
