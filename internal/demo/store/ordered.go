package store

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unique"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// span is a stretch of time: a FHIR date stands for all of its precision, a Period from start to end.
type span struct{ low, high int64 } // Unix milliseconds, both inside

var errDate = errors.New("not a FHIR date")

const (
	minTime = math.MinInt64
	maxTime = math.MaxInt64
)

// parseSpan reads date, dateTime and instant; without a time zone it's UTC.
func parseSpan(s string) (span, error) {
	switch len(s) {
	case len("2006"):
		return spanOf("2006", s, func(t time.Time) time.Time { return t.AddDate(1, 0, 0) })
	case len("2006-01"):
		return spanOf("2006-01", s, func(t time.Time) time.Time { return t.AddDate(0, 1, 0) })
	case len(time.DateOnly):
		return spanOf(time.DateOnly, s, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) })
	}
	precision := time.Second
	if strings.Contains(s, ".") {
		precision = time.Millisecond
	}
	for i, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"} {
		if i >= 2 {
			precision = time.Minute
		}
		if out, err := spanOf(layout, s, func(t time.Time) time.Time { return t.Add(precision) }); err == nil {
			return out, nil
		}
	}
	return span{}, errDate
}

func spanOf(layout, s string, end func(time.Time) time.Time) (span, error) {
	t, err := time.Parse(layout, s)
	if err != nil {
		return span{}, errDate
	}
	return span{t.UnixMilli(), end(t).UnixMilli() - 1}, nil
}

// spans returns the values of a date parameter in an object.
func (p *param) spans(object []byte) []span {
	if object == nil {
		return nil
	}
	var out []span
	p.read(object, func(typ string, value []byte) {
		switch typ {
		case "Period":
			if s, ok := periodSpan(value); ok {
				out = append(out, s)
			}
		case "Timing":
			out = append(out, timingSpans(value)...)
		default:
			out = appendSpan(out, value)
		}
	})
	return out
}

func appendSpan(out []span, value []byte) []span {
	t, ok := wire.String(value)
	if !ok {
		return out
	}
	if s, err := parseSpan(t); err == nil {
		out = append(out, s)
	}
	return out
}

func periodSpan(period []byte) (span, bool) {
	s, some := span{minTime, maxTime}, false
	if start, err := parseSpan(text(period, "start")); err == nil {
		s.low, some = start.low, true
	}
	if end, err := parseSpan(text(period, "end")); err == nil {
		s.high, some = end.high, true
	}
	return s, some
}

// timingSpans gives the span from the first event to the last, and that of the bounds.
func timingSpans(timing []byte) []span {
	var events, out []span
	list, _ := wire.Get(timing, "event")
	for e := range wire.Items(list) {
		events = appendSpan(events, e)
	}
	if len(events) > 0 {
		whole := events[0]
		for _, e := range events {
			whole.low, whole.high = min(whole.low, e.low), max(whole.high, e.high)
		}
		out = append(out, whole)
	}
	repeat, _ := wire.Get(timing, "repeat")
	bounds, _ := wire.Get(repeat, "boundsPeriod")
	if s, ok := periodSpan(bounds); ok {
		out = append(out, s)
	}
	return out
}

// quantity is a value of a number or quantity parameter: from low to high, which differ for a Range.
type quantity struct {
	low, high float64
	measure   unique.Handle[measure] // few of them are shared by very many values
}

type measure struct{ system, code string }

// quantities returns the values of a number or quantity parameter in an object.
func (p *param) quantities(object []byte) []quantity {
	if object == nil {
		return nil
	}
	var out []quantity
	p.read(object, func(typ string, value []byte) {
		switch typ {
		case "Range":
			out = append(out, rangeQuantity(value))
		case "SampledData":
			origin, _ := wire.Get(value, "origin")
			out = appendQuantity(out, origin)
		default:
			out = appendQuantity(out, value)
		}
	})
	return out
}

func appendQuantity(out []quantity, value []byte) []quantity {
	number := value
	var m measure
	if wire.KindOf(value) == wire.Object {
		number, _ = wire.Get(value, "value")
		m = measure{text(value, "system"), text(value, "code")}
		if currency := text(value, "currency"); currency != "" {
			m = measure{system: "urn:iso:std:iso:4217", code: currency}
		}
	}
	f, err := strconv.ParseFloat(string(number), 64)
	if err != nil {
		return out
	}
	return append(out, quantity{f, f, unique.Make(m)})
}

func rangeQuantity(value []byte) quantity {
	q := quantity{math.Inf(-1), math.Inf(1), unique.Make(measure{})}
	low, _ := wire.Get(value, "low")
	for _, l := range appendQuantity(nil, low) {
		q = l
		q.high = math.Inf(1)
	}
	high, _ := wire.Get(value, "high")
	for _, h := range appendQuantity(nil, high) {
		h.low = q.low
		q = h
	}
	return q
}

// cutPrefix takes the prefix of an ordered value off (FHIR R4 search.html#prefix).
func cutPrefix(value string) (prefix, rest string) {
	if len(value) > 2 {
		switch value[:2] {
		case "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap":
			return value[:2], value[2:]
		}
	}
	return "eq", value
}

// dateTest makes the test of one value of a date parameter.
func dateTest(value string, now time.Time) (func(span) bool, error) {
	prefix, rest := cutPrefix(unescape(value))
	want, err := parseSpan(rest)
	if err != nil {
		return nil, invalid("Invalid date/time format: %q", rest)
	}
	if prefix == "ap" {
		// A tenth of the distance to now, as the specification recommends.
		slack := max(now.UnixMilli()-want.low, want.low-now.UnixMilli()) / 10
		want.low, want.high = want.low-slack, want.high+slack
	}
	return func(s span) bool { return compare(prefix, s.low, s.high, want.low, want.high) }, nil
}

// compare evaluates a prefix between the range of a stored value and that of the value searched for.
func compare[N int64 | float64](prefix string, low, high, wantLow, wantHigh N) bool {
	switch prefix {
	case "eq":
		return low >= wantLow && high <= wantHigh
	case "ne":
		return low < wantLow || high > wantHigh
	case "gt":
		return high > wantHigh
	case "ge":
		return high >= wantLow
	case "lt":
		return low < wantLow
	case "le":
		return low <= wantHigh
	case "sa":
		return low > wantHigh
	case "eb":
		return high < wantLow
	}
	return low <= wantHigh && high >= wantLow
}

// quantityTest makes the test of one value of a number or quantity parameter: number, number|system|code or number||code.
// Equal means the very number, as in HAPI, whatever precision it's written with; and a unit is its code.
func quantityTest(value string) (func(quantity) bool, error) {
	parts := splitEscaped(value, '|')
	for i := range parts {
		parts[i] = unescape(parts[i])
	}
	prefix, number := cutPrefix(parts[0])
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || len(parts) > 3 {
		return nil, invalid("Invalid number: %q", value)
	}
	wantLow, wantHigh := f, f
	if prefix == "ap" {
		wantLow, wantHigh = f-math.Abs(f)/10, f+math.Abs(f)/10
	}
	return func(q quantity) bool {
		return sameUnit(q, parts[1:]) && compare(prefix, q.low, q.high, wantLow, wantHigh)
	}, nil
}

func sameUnit(q quantity, want []string) bool {
	if len(want) == 0 {
		return true
	}
	m := q.measure.Value()
	system, unit := want[0], want[len(want)-1]
	if len(want) == 1 {
		system = ""
	}
	if system != "" && system != m.system {
		return false
	}
	return unit == "" || unit == m.code
}
