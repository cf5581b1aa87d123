package access

import (
	"context"

	"github.com/fhirgate/fhirgate/internal/mask"
)

// Effect is a verdict. The zero value denies.
type Effect uint8

// The effects.
const (
	Deny Effect = iota
	Allow
)

// Reason is why policy decided as it did. Code is stable and kebab-case; Text is
// a sentence for the caller that names no stored data.
type Reason struct {
	Code string
	Text string
}

// AuditLevel is how a request must be audited.
type AuditLevel uint8

const (
	// AuditStandard records without holding up the answer.
	AuditStandard AuditLevel = iota
	// AuditFull refuses the request when it can't be recorded.
	AuditFull
)

// Limit is a rate limit or a daily volume quota. Its counters are shared by all
// replicas.
type Limit struct {
	Key               string // what is counted, such as "client:app-1"
	RequestsPerMinute int64  // 0: no limit
	RowsPerDay        int64  // 0: no limit
}

// Obligations are what policy asks of the gateway besides the decision itself.
type Obligations struct {
	Audit          AuditLevel
	Review         string // code of a review event to write; empty for none
	WithheldNotice bool   // every search says that results may be withheld
	OmitTotal      bool   // never give a total
	Limits         []Limit
}

// Decision is the answer of the request policy.
type Decision struct {
	Effect      Effect
	Reasons     []Reason
	Obligations Obligations
}

// Judgement is the answer of the read policy for one resource.
type Judgement struct {
	Effect  Effect
	Reasons []Reason
	// Mask is applied to the resource before it is sent; nil hides nothing.
	Mask *mask.Mask
}

// WriteJudgement is the answer of the write policy for one change.
type WriteJudgement struct {
	Effect  Effect
	Reasons []Reason
}

// Rule judges resources for one request. It holds the revision of policy that
// was active when the request began. A Rule is for one goroutine at a time.
type Rule interface {
	// Read judges a resource on its way to the caller. An error is neither an
	// allow nor a deny: the whole answer must fail.
	Read(ctx context.Context, resource []byte) (Judgement, error)
	// Write judges a change: what would be stored (nil for a delete) and what is
	// stored (nil for a create).
	Write(ctx context.Context, resource, stored []byte) (WriteJudgement, error)
	// Possible is the union of all masks that could apply to a resource of the
	// type for this caller, conditional ones too.
	Possible(resourceType string) (*mask.Mask, error)
	// Keys are the keys of this class of caller for hashes and pseudonyms.
	Keys() *mask.Keys
}

// Plan is what policy says about one request. The zero value denies and has no
// Rule.
type Plan struct {
	Decision Decision
	// Rule judges the resources of the request; nil on a deny.
	Rule Rule
	// Revision names the revision of policy that made the plan.
	Revision string
}
