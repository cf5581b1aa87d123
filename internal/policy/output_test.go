package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/fhirgate/fhirgate/internal/access"
)

func TestParseRequest(t *testing.T) {
	out, err := parseRequest(ast.MustParseTerm(`{"allow": true, "reasons": [{"code": "b", "text": "t"}, {"code": "a"}],
		"obligations": {"audit": "full", "review": "r", "withheld_notice": true, "total": "omit", "limits": [{"key": "k", "requests_per_minute": 1, "rows_per_day": 2}]},
		"masks": {"Patient": []}}`).Value)
	if err != nil {
		t.Fatal(err)
	}
	d := out.decision
	if d.Effect != access.Allow || len(d.Reasons) != 2 || d.Reasons[0].Code != "a" || d.Obligations.Audit != access.AuditFull || d.Obligations.Review != "r" ||
		!d.Obligations.WithheldNotice || !d.Obligations.OmitTotal || len(d.Obligations.Limits) != 1 || d.Obligations.Limits[0] != (access.Limit{Key: "k", RequestsPerMinute: 1, RowsPerDay: 2}) ||
		out.masks == nil {
		t.Errorf("%+v", out)
	}
	out, err = parseRequest(ast.MustParseTerm(`{"allow": false}`).Value)
	if err != nil || out.decision.Effect != access.Deny {
		t.Errorf("%+v %v", out, err)
	}
	sets, err := parseRequest(ast.MustParseTerm(`{"allow": true, "reasons": {{"code": "a"}}, "obligations": {"audit": "standard", "total": "accurate", "limits": set()}}`).Value)
	if err != nil || len(sets.decision.Reasons) != 1 || sets.decision.Obligations.OmitTotal {
		t.Errorf("sets are lists, too: %+v %v", sets, err)
	}
}

// TestOutputIsStrict: every place takes values of its own kind alone, and what
// isn't understood never allows.
func TestOutputIsStrict(t *testing.T) {
	kinds := []string{`null`, `true`, `false`, `0`, `-1`, `1.5`, `"text"`, `""`, `[]`, `[1]`, `["x"]`, `{}`, `{"a": 1}`, `set()`, `{1}`, `[{}]`, `[{"a": 1}]`}
	parse := map[string]func(ast.Value) (access.Effect, error){
		"request": func(v ast.Value) (access.Effect, error) {
			out, err := parseRequest(v)
			return out.decision.Effect, err
		},
		"read": func(v ast.Value) (access.Effect, error) {
			out, err := parseRead(v)
			return out.effect, err
		},
		"write": func(v ast.Value) (access.Effect, error) {
			out, err := parseWrite(v)
			return out.Effect, err
		},
	}
	for _, c := range []struct {
		entry, doc string // with % where kinds go
		takes      []string
	}{
		{"request", `%`, nil},
		{"read", `%`, nil},
		{"write", `%`, nil},
		{"request", `{"allow": %}`, []string{`true`, `false`}},
		{"read", `{"allow": %}`, []string{`true`, `false`}},
		{"write", `{"allow": %}`, []string{`true`, `false`}},
		{"request", `{"allow": true, "unknown": %}`, nil},
		{"read", `{"allow": true, "obligations": %}`, nil},
		{"write", `{"allow": true, "masks": %}`, nil},
		{"request", `{"reasons": %}`, nil},
		{"request", `{"allow": true, 1: %}`, nil},
		{"request", `{"allow": true, "reasons": %}`, []string{`[]`, `set()`}},
		{"read", `{"allow": true, "reasons": %}`, []string{`[]`, `set()`}},
		{"write", `{"allow": true, "reasons": %}`, []string{`[]`, `set()`}},
		{"request", `{"allow": true, "reasons": [{"code": %}]}`, []string{`"text"`}},
		{"request", `{"allow": true, "reasons": [{"code": "x", "text": %}]}`, []string{`"text"`, `""`}},
		{"request", `{"allow": true, "reasons": [{"code": "x", "more": %}]}`, nil},
		{"request", `{"allow": true, "obligations": %}`, []string{`{}`}},
		{"request", `{"allow": true, "obligations": {"audit": %}}`, nil},
		{"request", `{"allow": true, "obligations": {"total": %}}`, nil},
		{"request", `{"allow": true, "obligations": {"review": %}}`, []string{`"text"`, `""`}},
		{"request", `{"allow": true, "obligations": {"withheld_notice": %}}`, []string{`true`, `false`}},
		{"request", `{"allow": true, "obligations": {"unknown": %}}`, nil},
		{"request", `{"allow": true, "obligations": {"limits": %}}`, []string{`[]`, `set()`}},
		{"request", `{"allow": true, "obligations": {"limits": [{"key": %}]}}`, []string{`"text"`}},
		{"request", `{"allow": true, "obligations": {"limits": [{"key": "k", "requests_per_minute": %}]}}`, []string{`0`}},
		{"request", `{"allow": true, "obligations": {"limits": [{"key": "k", "rows_per_day": %}]}}`, []string{`0`}},
		{"request", `{"allow": true, "obligations": {"limits": [{"key": "k", "unknown": %}]}}`, nil},
		{"request", `{"allow": true, "masks": %}`, []string{`{}`, `{"a": 1}`}}, // the types are held to the definitions later
		{"write", `{"allow": true, "update_as_create": %}`, []string{`true`, `false`}},
	} {
		for _, kind := range kinds {
			doc := strings.ReplaceAll(c.doc, "%", kind)
			effect, err := parse[c.entry](ast.MustParseTerm(doc).Value)
			taken := false
			for _, k := range c.takes {
				taken = taken || k == kind
			}
			if taken != (err == nil) {
				t.Errorf("%s %s: %v", c.entry, doc, err)
			}
			if err != nil && (effect != access.Deny || !errors.Is(err, ErrOutput)) {
				t.Errorf("%s %s: effect %v, %v", c.entry, doc, effect, err)
			}
		}
	}
}

func TestMaskRulesAreStrict(t *testing.T) {
	if rules, err := maskRules(ast.MustParseTerm(`[{"path": "Patient.birthDate", "action": "remove"}]`).Value, "p"); err != nil || len(rules) != 1 {
		t.Errorf("%v %v", rules, err)
	}
	for _, doc := range []string{
		`{}`, `"x"`, `null`, `[1]`, `[{}]`, `[{"path": "Patient.birthDate"}]`, `[{"path": "Patient.birthDate", "action": "hide"}]`, `[{"path": "Patient.birthDate", "action": "remove", "more": 1}]`,
		`[{"path": 1, "action": "remove"}]`, `[{"path": "Patient.birthDate", "action": "truncate"}]`, `[{"path": "", "action": "remove"}]`,
	} {
		if rules, err := maskRules(ast.MustParseTerm(doc).Value, "p"); err == nil {
			t.Errorf("%s: %v", doc, rules)
		}
	}
}
