package gateway

import (
	"context"
	"net/http"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/fhir"
)

// read answers read and vread. What the caller may not see is answered as what
// isn't there.
func (x *exchange) read(ctx context.Context) error {
	in, err := x.realIDs(x.in)
	if err != nil {
		return err
	}
	resource, ok, err := x.fetch(ctx, in)
	if err != nil {
		return err
	}
	if !ok {
		return errAbsent
	}
	seen, allowed, err := x.judge(ctx, nil, resource)
	if err != nil {
		return err
	}
	if allowed && in.Code == fhir.VRead {
		allowed, err = x.visibleNow(ctx, in.Type, in.ID)
	}
	if err != nil {
		return err
	}
	if !allowed {
		return errAbsent
	}
	// After judging: a used-up volume must not tell what is hidden from what is absent.
	if err := x.spend(ctx, 1); err != nil {
		return err
	}
	x.touched = append(x.touched, in.Type+"/"+in.ID)
	head := versioned(http.StatusOK, headOf(resource))
	if x.call.notModified(head) {
		head.Status = http.StatusNotModified
		x.stage.open(head)
		return nil
	}
	x.stage.open(head)
	x.stage.buf, err = x.shape(x.stage.buf, seen)
	return err
}

// visibleNow reports whether the caller may see the resource as it is now. Old
// versions of what was withdrawn from them since, by a label or another subject,
// are withdrawn too; those of a deleted resource are judged by themselves alone.
func (x *exchange) visibleNow(ctx context.Context, typ, id string) (bool, error) {
	resource, ok, err := x.fetch(ctx, fhir.Interaction{Code: fhir.Read, Type: typ, ID: id})
	if err != nil || !ok {
		return err == nil, err
	}
	j, err := x.plan.Rule.Read(ctx, resource)
	if err != nil {
		return false, judgementFailed(ctx, err)
	}
	return j.Effect == access.Allow, nil
}

// spend counts rows against the caller's daily volume.
func (x *exchange) spend(ctx context.Context, rows int64) error {
	ok, retry, err := x.Quota.Rows(ctx, x.plan.Decision.Obligations.Limits, rows)
	switch {
	case err != nil:
		return errState.Because(err)
	case !ok:
		return tooMany(errVolume, retry)
	}
	return nil
}

// realIDs puts the ids of the server behind in the place of pseudonyms. A
// pseudonym that wasn't made for this class of caller names nothing.
func (x *exchange) realIDs(in fhir.Interaction) (fhir.Interaction, error) {
	var err error
	if in.ID != "" {
		if in.ID, err = x.realID(in.Type, in.ID); err != nil {
			return in, err
		}
	}
	if in.Compartment.ID != "" {
		if in.Compartment.ID, err = x.realID(in.Compartment.Type, in.Compartment.ID); err != nil {
			return in, err
		}
	}
	return in, nil
}

func (x *exchange) realID(typ, id string) (string, error) {
	m, err := x.plan.Rule.Possible(typ)
	if err != nil {
		return "", errPolicy.Because(err)
	}
	if !m.PseudonymizesID() {
		return id, nil
	}
	id, err = x.plan.Rule.Keys().Pseudonym.Resolve(typ, id)
	if err != nil {
		return "", errAbsent
	}
	return id, nil
}

// publicID is the id by which this caller knows a resource.
func (x *exchange) publicID(typ, id string) (string, error) {
	m, err := x.plan.Rule.Possible(typ)
	if err != nil || !m.PseudonymizesID() {
		return id, err
	}
	return x.plan.Rule.Keys().Pseudonym.ID(typ, id)
}
