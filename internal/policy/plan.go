package policy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/fhirpath"
	"github.com/fhirgate/fhirgate/internal/mask"
)

// ErrTimeout is an evaluation that took longer than Options.Timeout.
var ErrTimeout = errors.New("policy evaluation timed out")

// Options set up the policy of one upstream.
type Options struct {
	Definitions *definitions.Definitions
	// Timeout bounds one evaluation; ContextTimeout that of the context, look-ups
	// included.
	Timeout, ContextTimeout time.Duration
	// Lookups answers fhir.read and fhir.search.
	Lookups *Lookups
	// MaskKey is the secret from which the keys of hashes and pseudonyms of each
	// class of caller are made; at least 32 bytes.
	MaskKey []byte
}

// Policy is a revision bound to one upstream. Safe for concurrent use.
type Policy struct {
	revision                *Revision
	defs                    *definitions.Definitions
	timeout, contextTimeout time.Duration
	lookups                 *Lookups
	maskKey                 []byte

	context, request, read, write rego.PreparedEvalQuery
	hasContext                    bool

	// Values are found by their hash, and are then held to be equal: to print them
	// would cost more.
	contexts  *lru.Cache[int, cachedContext]
	possibles *lru.Cache[int, *possible]
	masks     *lru.Cache[maskKey, cachedMask]
	keys      *lru.Cache[string, *mask.Keys]
	paths     *lru.Cache[string, *fhirpath.Expr]
	keyTerms  keyTerms
}

const (
	contextEntries  = 10_000
	possibleEntries = 1_000
	maskEntries     = 10_000
	keyEntries      = 10_000
	pathEntries     = 1_000
)

// Bind prepares the revision's entry points for one upstream.
func (r *Revision) Bind(ctx context.Context, o Options) (*Policy, error) {
	p := &Policy{revision: r, defs: o.Definitions, timeout: o.Timeout, contextTimeout: o.ContextTimeout, lookups: o.Lookups, maskKey: o.MaskKey, keyTerms: newKeyTerms(o.Definitions)}
	var err [5]error
	p.contexts, err[0] = lru.New[int, cachedContext](contextEntries)
	p.masks, err[1] = lru.New[maskKey, cachedMask](maskEntries)
	p.keys, err[2] = lru.New[string, *mask.Keys](keyEntries)
	p.paths, err[3] = lru.New[string, *fhirpath.Expr](pathEntries)
	p.possibles, err[4] = lru.New[int, *possible](possibleEntries)
	if e := errors.Join(err[:]...); e != nil {
		return nil, fmt.Errorf("bind policy: %w", e)
	}
	p.hasContext = len(r.compiler.GetRules(entryRef("context"))) > 0
	for entry, query := range map[string]*rego.PreparedEvalQuery{
		"context": &p.context, "request": &p.request, "read": &p.read, "write": &p.write,
	} {
		if entry == "context" && !p.hasContext {
			continue
		}
		prepared, err := p.prepare(ctx, entry)
		if err != nil {
			return nil, fmt.Errorf("bind policy: prepare data.fhirgate.%s: %w", entry, err)
		}
		*query = prepared
	}
	return p, nil
}

func (p *Policy) prepare(ctx context.Context, entry string) (rego.PreparedEvalQuery, error) {
	options := append(p.implementations(),
		rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(entryRef(entry))))),
		rego.Compiler(p.revision.compiler),
		rego.Store(p.revision.store),
		rego.StrictBuiltinErrors(true),
		rego.Capabilities(capabilities()),
		rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t.Value, nil }),
	)
	return rego.New(options...).PrepareForEval(ctx)
}

// metadataKey is where an evaluation's own record lies in OPA's request
// metadata, which is there for programs that wrap OPA.
const metadataKey = "fhirgate"

// uses are the look-ups that an evaluation made.
type uses struct {
	found  []lookedUp
	failed error // of the one that ended the evaluation; OPA keeps only its text
}

func recordUse(b rego.BuiltinContext, found lookedUp) {
	if u, ok := b.RequestMetadata[metadataKey].(*uses); ok {
		found.value = nil
		u.found = append(u.found, found)
	}
}

// evaluate runs one prepared entry point. Undefined is an error.
func (p *Policy) evaluate(ctx context.Context, query rego.PreparedEvalQuery, input ast.Value, timeout time.Duration, u *uses) (ast.Value, error) {
	// The look-ups wait on limited, the evaluation itself on cancel.
	limited, done := context.WithTimeout(ctx, timeout)
	defer done()
	cancel := topdown.NewCancel()
	stop := context.AfterFunc(limited, cancel.Cancel)
	defer stop()
	if u == nil {
		u = &uses{}
	}
	options := []rego.EvalOption{
		rego.EvalParsedInput(input), rego.EvalExternalCancel(cancel), rego.EvalMetrics(metrics.NoOp()),
		rego.EvalRequestMetadata(map[string]any{metadataKey: u}),
	}
	results, err := query.Eval(limited, options...)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil && limited.Err() != nil:
		return nil, ErrTimeout
	case err != nil && u.failed != nil:
		return nil, fmt.Errorf("evaluate policy: %w: %w", withoutValues(err), u.failed)
	case err != nil:
		return nil, fmt.Errorf("evaluate policy: %w", withoutValues(err))
	case len(results) != 1 || len(results[0].Expressions) != 1:
		return nil, wrong("result", "one value, not undefined")
	}
	value, ok := results[0].Expressions[0].Value.(ast.Value)
	if !ok {
		return nil, wrong("result", "a value")
	}
	return value, nil
}

// withoutValues keeps of an evaluation error what can be logged: its code and
// the place in the policy. OPA's messages may quote operands.
func withoutValues(err error) error {
	var e *topdown.Error
	if errors.As(err, &e) {
		place := "unknown place"
		if e.Location != nil {
			place = fmt.Sprintf("%s:%d", e.Location.File, e.Location.Row)
		}
		return fmt.Errorf("%s at %s", e.Code, place) //nolint:err113 // made of a code and a place
	}
	return err
}

// Revision names the revision of policy.
func (p *Policy) Revision() string { return p.revision.id }

// Plan evaluates the request policy. An unusable answer of policy is an error,
// which the caller must treat as a deny.
func (p *Policy) Plan(ctx context.Context, r access.Request) (access.Plan, error) {
	base, err := p.baseInput(ctx, r)
	if err != nil {
		return access.Plan{}, err
	}
	value, err := p.evaluate(ctx, p.request, ast.NewObject(base...), p.timeout, nil)
	if err != nil {
		return access.Plan{}, err
	}
	out, err := parseRequest(value)
	if err != nil {
		return access.Plan{}, err
	}
	plan := access.Plan{Decision: out.decision, Revision: p.revision.id}
	if out.decision.Effect != access.Allow {
		return plan, nil
	}
	possible, err := p.possibleMasks(out.masks)
	if err != nil {
		return access.Plan{}, err
	}
	keys, err := p.callerKeys(r)
	if err != nil {
		return access.Plan{}, err
	}
	plan.Rule = &rule{policy: p, base: base, possible: possible, keys: keys}
	return plan, nil
}

// baseInput is the part of the input that doesn't depend on a resource.
func (p *Policy) baseInput(ctx context.Context, r access.Request) ([][2]*ast.Term, error) {
	principal := principalTerm(r.Principal)
	base := object{}
	base.set("principal", principal)
	base.set("request", requestTerm(r))
	if !p.hasContext {
		return base, nil
	}
	value, err := p.callerContext(ctx, r, principal)
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	base.set("context", ast.NewTerm(value))
	return base, nil
}

type cachedContext struct {
	input ast.Value
	value ast.Value
	found []lookedUp
}

// callerContext evaluates data.fhirgate.context, or takes it from the cache: it
// is a function of its input and of the look-ups that it made.
func (p *Policy) callerContext(ctx context.Context, r access.Request, principal *ast.Term) (ast.Value, error) {
	request := circumstances(r, r.Time.Truncate(time.Minute))
	input := ast.NewObject([2]*ast.Term{ast.InternedTerm("principal"), principal}, [2]*ast.Term{ast.InternedTerm("request"), request.term()})
	// One place for each caller and role: what was for another minute goes.
	key := principal.Hash() + ast.String(r.ActAs).Hash()
	if hit, ok := p.contexts.Get(key); ok && ast.ValueEqual(hit.input, input) && p.lookups.fresh(hit.found) {
		return hit.value, nil
	}
	var u uses
	value, err := p.evaluate(ctx, p.context, input, p.contextTimeout, &u)
	if err != nil {
		return nil, err
	}
	if _, ok := value.(ast.Object); !ok {
		return nil, wrong("context", "object")
	}
	p.contexts.Add(key, cachedContext{input: input, value: value, found: u.found})
	return value, nil
}

// fresh reports whether every look-up would still be answered the same way from
// the cache.
func (l *Lookups) fresh(found []lookedUp) bool {
	now := l.options.Clock()
	for _, f := range found {
		if f.writes != l.counter(f.typ).Load() || !now.Before(f.expires) {
			return false
		}
	}
	return true
}

// callerKeys are the keys of the caller's class: those who come by the same
// issuer and client, in the same roles, to the same upstream. Hashes and
// pseudonyms of one class mean nothing to another.
func (p *Policy) callerKeys(r access.Request) (*mask.Keys, error) {
	roles := slices.Sorted(slices.Values(r.Principal.Roles))
	class := strings.Join(append([]string{r.Upstream, r.Principal.Issuer, r.Principal.Client, r.ActAs}, roles...), "\x00")
	if k, ok := p.keys.Get(class); ok {
		return k, nil
	}
	pseudonyms, err := mask.NewPseudonymizer(p.derive("pseudonym", class))
	if err != nil {
		return nil, fmt.Errorf("mask keys: %w", err)
	}
	k := &mask.Keys{Hash: p.derive("hash", class), Pseudonym: pseudonyms}
	p.keys.Add(class, k)
	return k, nil
}

func (p *Policy) derive(use, class string) []byte {
	h := hmac.New(sha256.New, p.maskKey)
	h.Write([]byte(use + "\x00" + class))
	return h.Sum(nil)
}

var errNotListed = errors.New("a mask isn't among the possible masks that the request policy listed")

// possible are the masks that the request policy says could apply. It is shared
// by all requests for which policy says the same.
type possible struct {
	masks  ast.Object // nil: none
	byType map[string]ast.Value
	mu     sync.Mutex
	union  map[string]*mask.Mask // by resource type
}

// possibleMasks makes a possible, or finds the one of an earlier request.
func (p *Policy) possibleMasks(masks ast.Object) (*possible, error) {
	if masks == nil {
		masks = ast.NewObject()
	}
	key := masks.Hash()
	if hit, ok := p.possibles.Get(key); ok && ast.ValueEqual(hit.masks, masks) {
		return hit, nil
	}
	made, err := newPossible(p.defs, masks)
	if err != nil {
		return nil, err
	}
	p.possibles.Add(key, made)
	return made, nil
}

func newPossible(defs *definitions.Definitions, masks ast.Object) (*possible, error) {
	p := &possible{masks: masks, byType: map[string]ast.Value{}, union: map[string]*mask.Mask{}}
	err := masks.Iter(func(k, v *ast.Term) error {
		typ, ok := k.Value.(ast.String)
		if !ok || typ != "*" && !defs.IsResource(string(typ)) {
			return wrong("request.masks", "resource types as keys, or *")
		}
		p.byType[string(typ)] = v.Value
		return checkMasks(defs, string(typ), v.Value)
	})
	return p, err
}

// checkMasks compiles the masks of one type, or of any: a policy whose masks
// can't all be applied gives no usable decision, whatever this request touches.
func checkMasks(defs *definitions.Definitions, typ string, masks ast.Value) error {
	rules, err := maskRules(masks, "request.masks")
	if err != nil {
		return err
	}
	if typ == "*" {
		typ = "Basic"
	}
	if _, err := mask.Compile(defs, typ, rules, nil); err != nil {
		return fmt.Errorf("%w: request.masks: %w", ErrOutput, err)
	}
	return nil
}
