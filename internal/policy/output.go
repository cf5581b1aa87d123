package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/mask"
)

// ErrOutput is what policy returned when it isn't what the contract says; the
// message names the place and the kind, never a value.
var ErrOutput = errors.New("policy output breaks the contract")

func wrong(path, want string) error { return fmt.Errorf("%w: %s: want %s", ErrOutput, path, want) }

// members calls read for each member of an object and refuses unknown keys,
// which read reports by false.
func members(v ast.Value, path string, read func(key string, value ast.Value) (known bool, err error)) error {
	object, ok := v.(ast.Object)
	if !ok {
		return wrong(path, "object")
	}
	return object.Iter(func(k, v *ast.Term) error {
		key, ok := k.Value.(ast.String)
		if !ok {
			return wrong(path, "string keys")
		}
		known, err := read(string(key), v.Value)
		if err == nil && !known {
			return fmt.Errorf("%w: %s: unknown key %q", ErrOutput, path, string(key))
		}
		return err
	})
}

// items gives the items of an array or a set.
func items(v ast.Value, path string) ([]ast.Value, error) {
	var list []ast.Value
	add := func(t *ast.Term) { list = append(list, t.Value) }
	switch v := v.(type) {
	case *ast.Array:
		v.Foreach(add)
	case ast.Set:
		v.Foreach(add)
	default:
		return nil, wrong(path, "array")
	}
	return list, nil
}

func asText(v ast.Value, path string) (string, error) {
	s, ok := v.(ast.String)
	if !ok {
		return "", wrong(path, "string")
	}
	return string(s), nil
}

func asBool(v ast.Value, path string) (bool, error) {
	b, ok := v.(ast.Boolean)
	if !ok {
		return false, wrong(path, "boolean")
	}
	return bool(b), nil
}

func asCount(v ast.Value, path string) (int64, error) {
	n, ok := v.(ast.Number)
	if ok {
		if i, ok := n.Int64(); ok && i >= 0 {
			return i, nil
		}
	}
	return 0, wrong(path, "whole number of 0 or more")
}

// effect reads allow: only true allows.
func effect(v ast.Value, path string) (access.Effect, error) {
	b, err := asBool(v, path)
	if err != nil || !b {
		return access.Deny, err
	}
	return access.Allow, nil
}

func reasons(v ast.Value, path string) ([]access.Reason, error) {
	list, err := items(v, path)
	if err != nil {
		return nil, err
	}
	out := make([]access.Reason, 0, len(list))
	for _, item := range list {
		var r access.Reason
		err := members(item, path, func(key string, v ast.Value) (bool, error) {
			var err error
			switch key {
			case "code":
				r.Code, err = asText(v, path+".code")
			case "text":
				r.Text, err = asText(v, path+".text")
			default:
				return false, nil
			}
			return true, err
		})
		if err != nil {
			return nil, err
		}
		if r.Code == "" {
			return nil, wrong(path+".code", "a code")
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b access.Reason) int { return compareText(a.Code+a.Text, b.Code+b.Text) })
	return out, nil
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// requestOutput is data.fhirgate.request, parsed.
type requestOutput struct {
	decision access.Decision
	masks    ast.Object // type -> rules; nil when absent
}

func parseRequest(v ast.Value) (requestOutput, error) {
	var out requestOutput
	var seen bool
	err := members(v, "request", func(key string, v ast.Value) (bool, error) {
		var err error
		switch key {
		case "allow":
			seen = true
			out.decision.Effect, err = effect(v, "request.allow")
		case "reasons":
			out.decision.Reasons, err = reasons(v, "request.reasons")
		case "obligations":
			out.decision.Obligations, err = obligations(v)
		case "masks":
			var ok bool
			if out.masks, ok = v.(ast.Object); !ok {
				err = wrong("request.masks", "object")
			}
		default:
			return false, nil
		}
		return true, err
	})
	if err == nil && !seen {
		err = wrong("request.allow", "boolean")
	}
	if err != nil {
		return requestOutput{}, err
	}
	return out, nil
}

func obligations(v ast.Value) (access.Obligations, error) {
	var o access.Obligations
	const path = "request.obligations"
	err := members(v, path, func(key string, v ast.Value) (bool, error) {
		var err error
		switch key {
		case "audit":
			var ok bool
			ok, err = choice(v, path+".audit", "standard", "full")
			if ok {
				o.Audit = access.AuditFull
			}
		case "review":
			o.Review, err = asText(v, path+".review")
		case "withheld_notice":
			o.WithheldNotice, err = asBool(v, path+".withheld_notice")
		case "total":
			o.OmitTotal, err = choice(v, path+".total", "accurate", "omit")
		case "limits":
			o.Limits, err = limits(v, path+".limits")
		default:
			return false, nil
		}
		return true, err
	})
	return o, err
}

// choice reads one of two words and reports whether it is the second.
func choice(v ast.Value, path, first, second string) (bool, error) {
	switch s, _ := v.(ast.String); string(s) {
	case first:
		return false, nil
	case second:
		return true, nil
	}
	return false, wrong(path, first+" or "+second)
}

func limits(v ast.Value, path string) ([]access.Limit, error) {
	list, err := items(v, path)
	if err != nil {
		return nil, err
	}
	out := make([]access.Limit, 0, len(list))
	for _, item := range list {
		var l access.Limit
		err := members(item, path, func(key string, v ast.Value) (bool, error) {
			var err error
			switch key {
			case "key":
				l.Key, err = asText(v, path+".key")
			case "requests_per_minute":
				l.RequestsPerMinute, err = asCount(v, path+"."+key)
			case "rows_per_day":
				l.RowsPerDay, err = asCount(v, path+"."+key)
			default:
				return false, nil
			}
			return true, err
		})
		if err == nil && l.Key == "" {
			err = wrong(path+".key", "a key")
		}
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// readOutput is data.fhirgate.read, parsed but for its masks.
type readOutput struct {
	effect  access.Effect
	reasons []access.Reason
	grants  ast.Value // nil when absent
	masks   ast.Value // nil when absent
}

func parseRead(v ast.Value) (readOutput, error) {
	var out readOutput
	var seen bool
	err := members(v, "read", func(key string, v ast.Value) (bool, error) {
		var err error
		switch key {
		case "allow":
			seen = true
			out.effect, err = effect(v, "read.allow")
		case "reasons":
			out.reasons, err = reasons(v, "read.reasons")
		case "grants":
			out.grants = v
		case "masks":
			out.masks = v
		default:
			return false, nil
		}
		return true, err
	})
	if err == nil && !seen {
		err = wrong("read.allow", "boolean")
	}
	if err != nil {
		return readOutput{}, err
	}
	return out, nil
}

func parseWrite(v ast.Value) (access.WriteJudgement, error) {
	var out access.WriteJudgement
	var seen bool
	err := members(v, "write", func(key string, v ast.Value) (bool, error) {
		var err error
		switch key {
		case "allow":
			seen = true
			out.Effect, err = effect(v, "write.allow")
		case "reasons":
			out.Reasons, err = reasons(v, "write.reasons")
		case "update_as_create":
			_, err = asBool(v, "write.update_as_create") // reserved
		default:
			return false, nil
		}
		return true, err
	})
	if err == nil && !seen {
		err = wrong("write.allow", "boolean")
	}
	if err != nil {
		return access.WriteJudgement{}, err
	}
	return out, nil
}

// maskRules parses a list of masks.
func maskRules(v ast.Value, path string) ([]mask.Rule, error) {
	if v == nil {
		return nil, nil
	}
	list, err := items(v, path)
	if err != nil {
		return nil, err
	}
	rules := make([]mask.Rule, 0, len(list))
	for _, item := range list {
		doc, err := ast.JSON(item)
		if err != nil {
			return nil, wrong(path, "JSON")
		}
		raw, err := json.Marshal(doc)
		if err != nil {
			return nil, wrong(path, "JSON")
		}
		rule, err := mask.ParseRule(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrOutput, path, err)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}
