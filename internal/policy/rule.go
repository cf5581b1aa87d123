package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/mask"
)

// rule is the access.Rule of one request: the seam behind which a faster
// evaluation of the same policy can stand.
type rule struct {
	policy   *Policy
	base     [][2]*ast.Term
	possible *possible
	keys     *mask.Keys
}

// Keys are the keys of the caller's class.
func (r *rule) Keys() *mask.Keys { return r.keys }

// Read implements access.Rule.
func (r *rule) Read(ctx context.Context, resource []byte) (access.Judgement, error) {
	doc, err := parseInput(resource, r.policy.keyTerms)
	if err != nil {
		return access.Judgement{}, fmt.Errorf("judge resource: %w", err)
	}
	_, typ, err := resourceType(r.policy.defs, doc)
	if err != nil {
		return access.Judgement{}, fmt.Errorf("judge resource: %w", err)
	}
	value, err := r.policy.evaluate(ctx, r.policy.read, r.input(doc, nil), r.policy.timeout, nil)
	if err != nil {
		return access.Judgement{}, fmt.Errorf("judge resource: %w", err)
	}
	out, err := parseRead(value)
	if err != nil {
		return access.Judgement{}, err
	}
	if out.effect != access.Allow {
		return access.Judgement{Reasons: out.reasons}, nil
	}
	m, err := r.mask(typ, out)
	if err != nil {
		return access.Judgement{}, err
	}
	return access.Judgement{Effect: access.Allow, Reasons: out.reasons, Mask: m}, nil
}

// Write implements access.Rule.
func (r *rule) Write(ctx context.Context, resource, stored []byte) (access.WriteJudgement, error) {
	var docs [2]ast.Value
	for i, raw := range [][]byte{resource, stored} {
		if raw == nil {
			continue
		}
		doc, err := parseInput(raw, r.policy.keyTerms)
		if err == nil {
			_, _, err = resourceType(r.policy.defs, doc)
		}
		if err != nil {
			return access.WriteJudgement{}, fmt.Errorf("judge change: %w", err)
		}
		docs[i] = doc
	}
	value, err := r.policy.evaluate(ctx, r.policy.write, r.input(docs[0], docs[1]), r.policy.timeout, nil)
	if err != nil {
		return access.WriteJudgement{}, fmt.Errorf("judge change: %w", err)
	}
	return parseWrite(value)
}

// input adds the resources to the base input.
func (r *rule) input(resource, stored ast.Value) ast.Value {
	pairs := make([][2]*ast.Term, len(r.base), len(r.base)+2)
	copy(pairs, r.base)
	if resource != nil {
		pairs = append(pairs, [2]*ast.Term{ast.InternedTerm("resource"), ast.NewTerm(resource)})
	}
	if stored != nil {
		pairs = append(pairs, [2]*ast.Term{ast.InternedTerm("stored"), ast.NewTerm(stored)})
	}
	return ast.NewObject(pairs...)
}

// mask compiles what read returned, once for all resources that get the same.
func (r *rule) mask(typ string, out readOutput) (*mask.Mask, error) {
	if out.grants == nil && out.masks == nil {
		return nil, nil //nolint:nilnil // nil hides nothing
	}
	key := maskKey{possible: r.possible, typ: typ, grants: hashOf(out.grants), masks: hashOf(out.masks)}
	if hit, ok := r.policy.masks.Get(key); ok && same(hit.grants, out.grants) && same(hit.masks, out.masks) {
		return hit.mask, nil
	}
	always, err := r.rules(typ, out.masks, "read.masks")
	if err != nil {
		return nil, err
	}
	var grants [][]mask.Rule
	if out.grants != nil {
		lists, err := items(out.grants, "read.grants")
		if err != nil {
			return nil, err
		}
		if len(lists) == 0 {
			return nil, wrong("read.grants", "a list for each grant that makes the resource visible")
		}
		for _, list := range lists {
			rules, err := r.rules(typ, list, "read.grants")
			if err != nil {
				return nil, err
			}
			grants = append(grants, rules)
		}
	}
	m, err := mask.Compile(r.policy.defs, typ, always, grants)
	if err != nil {
		return nil, fmt.Errorf("compile masks: %w", err)
	}
	r.policy.masks.Add(key, cachedMask{grants: out.grants, masks: out.masks, mask: m})
	return m, nil
}

// maskKey is where a compiled mask lies: by who could get which masks at all, and
// by the hashes of what policy returned for a resource.
type maskKey struct {
	possible      *possible
	typ           string
	grants, masks int
}

// cachedMask is a mask and what it was compiled from.
type cachedMask struct {
	grants, masks ast.Value
	mask          *mask.Mask
}

func hashOf(v ast.Value) int {
	if v == nil {
		return 0
	}
	return v.Hash()
}

// same reports whether two values, which may be absent, are equal.
func same(a, b ast.Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return ast.ValueEqual(a, b)
}

// rules parses masks and holds each to be listed by the request policy.
func (r *rule) rules(typ string, v ast.Value, path string) ([]mask.Rule, error) {
	if v == nil {
		return nil, nil
	}
	list, err := items(v, path)
	if err != nil {
		return nil, err
	}
	for _, item := range list {
		if !r.possible.lists(typ, item) {
			return nil, fmt.Errorf("%w: %w", ErrOutput, errNotListed)
		}
	}
	return maskRules(v, path)
}

// lists reports whether the request policy listed the mask where searches are
// held to it: for any type, for that of the resource, or, since a resource may
// contain others, for the type that its path begins with.
func (p *possible) lists(typ string, rule ast.Value) bool {
	object, ok := rule.(ast.Object)
	if !ok {
		return false
	}
	path, _ := member(object, "path").(ast.String)
	root, _, _ := strings.Cut(string(path), ".")
	for _, key := range []string{"*", typ, root} {
		listed, ok := p.byType[key]
		if !ok {
			continue
		}
		list, err := items(listed, "request.masks")
		if err != nil {
			return false
		}
		if slices.ContainsFunc(list, func(l ast.Value) bool { return l.Compare(rule) == 0 }) {
			return true
		}
	}
	return false
}

// Possible implements access.Rule.
func (r *rule) Possible(typ string) (*mask.Mask, error) {
	r.possible.mu.Lock()
	defer r.possible.mu.Unlock()
	if m, ok := r.possible.union[typ]; ok {
		return m, nil
	}
	var all []mask.Rule
	for _, listed := range []string{typ, "*"} {
		rules, err := maskRules(r.possible.byType[listed], "request.masks")
		if err != nil {
			return nil, err
		}
		all = append(all, rules...)
	}
	m, err := mask.Compile(r.policy.defs, typ, all, nil)
	if err != nil {
		return nil, fmt.Errorf("compile possible masks: %w", err)
	}
	r.possible.union[typ] = m
	return m, nil
}
