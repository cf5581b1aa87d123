package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
	"github.com/fhirgate/fhirgate/internal/mask"
)

// create judges what would be stored and stores it.
func (x *exchange) create(ctx context.Context) error {
	resource, err := x.incoming()
	if err != nil {
		return err
	}
	resource, err = dropMembers(resource, "id")
	if err != nil {
		return errBody.Because(err)
	}
	if err := x.checkPlaceholders(resource, nil); err != nil {
		return err
	}
	if err := x.judgeWrite(ctx, resource, nil); err != nil {
		return err
	}
	answer, err := x.send(ctx, fhir.Exchange{Method: "POST", Path: x.in.Path(), Body: resource})
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	return x.answerWrite(context.WithoutCancel(ctx), answer, "", http.StatusCreated)
}

// update judges the change against the version that the caller read, and stores
// it only if that is still the version on the server.
func (x *exchange) update(ctx context.Context) error {
	incoming, err := x.incoming()
	if err != nil {
		return err
	}
	if stringAt(incoming, "id") != x.in.ID {
		return errBodyID
	}
	before, err := x.current(ctx)
	if err != nil {
		return err
	}
	incoming, err = x.merge(before.mask, before.stored, incoming)
	if err != nil {
		return err
	}
	if stringAt(incoming, "id") != before.in.ID {
		return errBodyID
	}
	if err := x.judgeWrite(ctx, incoming, before.stored); err != nil {
		return err
	}
	if err := x.safe(ctx); err != nil {
		return err
	}
	answer, err := x.send(ctx, fhir.Exchange{Method: "PUT", Path: before.in.Path(), Body: incoming, IfMatch: fhir.ETag(before.version)})
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	return x.answerWrite(context.WithoutCancel(ctx), answer, before.in.ID, http.StatusOK)
}

// delete judges the deletion of the version that is there.
func (x *exchange) delete(ctx context.Context) error {
	before, err := x.current(ctx)
	if err != nil {
		return err
	}
	if err := x.judgeWrite(ctx, nil, before.stored); err != nil {
		return err
	}
	if err := x.safe(ctx); err != nil {
		return err
	}
	answer, err := x.send(ctx, fhir.Exchange{Method: "DELETE", Path: before.in.Path(), IfMatch: fhir.ETag(before.version)})
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	x.stage.open(Head{Status: http.StatusNoContent})
	return nil
}

// incoming checks the body of a create or update.
func (x *exchange) incoming() ([]byte, error) {
	if x.in.Type == "Subscription" {
		return nil, errSubscribe
	}
	body := x.call.Body
	if err := wire.Check(body, wire.Limits{MaxDepth: x.Limits.MaxDepth}); err != nil {
		return nil, errBody.Because(err)
	}
	if stringAt(body, "resourceType") != x.in.Type {
		return nil, errBodyType
	}
	return fhir.RelativeLinks(body, x.PublicBase), nil
}

// present is what is stored before a change, as far as the caller may see it.
type present struct {
	in      fhir.Interaction // with the id of the server behind
	stored  []byte
	version string
	mask    *mask.Mask // what hides parts of it from the caller; may be nil
}

// current reads what is stored, as far as the caller may see it: what may not be
// seen is as absent as what isn't there. It also holds the caller's If-Match.
func (x *exchange) current(ctx context.Context) (present, error) {
	in, err := x.realIDs(x.in)
	if err != nil {
		return present{}, err
	}
	read := in
	read.Code = fhir.Read
	stored, ok, err := x.fetch(ctx, read)
	if err != nil {
		return present{}, err
	}
	if !ok {
		return present{}, errAbsent
	}
	j, err := x.plan.Rule.Read(ctx, stored)
	if err != nil {
		return present{}, judgementFailed(ctx, err)
	}
	x.counts.Seen++
	if j.Effect != access.Allow {
		x.counts.Withheld++
		return present{}, errAbsent
	}
	x.touch(in.Type, in.ID)
	version := headOf(stored).version
	if version == "" {
		return present{}, errUpstreamAnswer.Because(errShape)
	}
	return present{in: in, stored: stored, version: version, mask: j.Mask}, x.checkIfMatch(version)
}

// checkIfMatch compares the caller's If-Match with the version that is stored.
func (x *exchange) checkIfMatch(version string) error {
	tag := strings.TrimSpace(x.call.IfMatch)
	switch {
	case tag == "":
		return nil
	case strings.ContainsAny(tag, ",*"):
		return errIfMatch
	case !matchesTag(tag, fhir.ETag(version)):
		return errStale
	}
	return nil
}

// checkPlaceholders keeps what masks put in the place of data out of the server
// behind, unless it is stored there already.
func (x *exchange) checkPlaceholders(resource, stored []byte) error {
	possible, err := x.plan.Rule.Possible(x.in.Type)
	if err != nil {
		return errPolicy.Because(err)
	}
	err = possible.CheckNew(resource, x.plan.Rule.Keys())
	if err == nil || stored != nil && possible.CheckNew(stored, x.plan.Rule.Keys()) != nil {
		return nil //nolint:nilerr // what is stored has a placeholder of its own
	}
	return errPlaceholder.Because(err)
}

// merge keeps the stored value of what is masked for the caller. Where nothing
// is, a masked view of something else may not be stored in its place.
func (x *exchange) merge(m *mask.Mask, stored, incoming []byte) ([]byte, error) {
	if m == nil || m.Empty() {
		return incoming, x.checkPlaceholders(incoming, stored)
	}
	if x.call.IfMatch == "" {
		return nil, errNeedMatch
	}
	merged, err := m.Merge(stored, incoming, x.plan.Rule.Keys())
	switch {
	case err == nil:
		return merged, nil
	case errors.Is(err, mask.ErrHidden):
		return nil, errHidden.Because(err)
	case errors.Is(err, mask.ErrAmbiguous):
		return nil, errAmbiguous.Because(err)
	}
	return nil, errMask.Because(err)
}

// judgeWrite asks the write policy. What is stored has been found visible, so a
// refusal may say why.
func (x *exchange) judgeWrite(ctx context.Context, resource, stored []byte) error {
	j, err := x.plan.Rule.Write(ctx, resource, stored)
	if err != nil {
		return judgementFailed(ctx, err)
	}
	if j.Effect != access.Allow {
		return forbidden(j.Reasons)
	}
	return nil
}

// safe holds the server behind to honour If-Match for this change.
func (x *exchange) safe(ctx context.Context) error {
	ok, err := x.IfMatch.Safe(ctx, x.in.Type, x.in.Code)
	if err != nil {
		return x.upstreamFailed(ctx, err)
	}
	if !ok {
		return errRace
	}
	return nil
}

// send makes the change. Once it is under way the caller's going away doesn't
// end it: the outcome must be known for audit and caches.
func (x *exchange) send(ctx context.Context, e fhir.Exchange) (fhir.Answer, error) {
	defer x.Written(x.in.Type)
	answer, err := x.Upstream.Do(context.WithoutCancel(ctx), e)
	if err != nil {
		return fhir.Answer{}, errUnknownOutcome.Because(err)
	}
	if answer.Status >= 200 && answer.Status < 300 {
		return answer, nil
	}
	_ = answer.Body.Close()
	cause := fmt.Errorf("status %d", answer.Status) //nolint:err113 // only logged
	switch answer.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return fhir.Answer{}, errRejected.Because(cause)
	case http.StatusPreconditionFailed:
		return fhir.Answer{}, errStale.Because(cause)
	case http.StatusConflict:
		if e.Method == "PUT" {
			return fhir.Answer{}, errStale.Because(cause)
		}
		return fhir.Answer{}, errConflict.Because(cause)
	case http.StatusNotFound, http.StatusGone:
		if e.Method == "POST" {
			return fhir.Answer{}, errRejected.Because(cause)
		}
		return fhir.Answer{}, errStale.Because(cause)
	}
	if answer.Status >= http.StatusInternalServerError {
		return fhir.Answer{}, errUnknownOutcome.Because(cause)
	}
	return fhir.Answer{}, badStatus(answer.Status)
}

// answerWrite answers with what is stored now, as far as the caller may see it.
// id is that of an update, empty for a create. The change has been made: that the
// caller goes away must not keep it out of the audit.
func (x *exchange) answerWrite(ctx context.Context, answer fhir.Answer, id string, status int) error {
	stored, err := x.storedNow(ctx, answer, id)
	if err != nil {
		return err
	}
	h := headOf(stored)
	if h.typ != x.in.Type || !fhir.IsID(h.id) || id != "" && h.id != id {
		return errUpstreamAnswer.Because(errShape)
	}
	x.touch(h.typ, h.id)
	public, err := x.publicID(h.typ, h.id)
	if err != nil {
		return errMask.Because(err)
	}
	head := versioned(status, h)
	head.Location = x.PublicBase + "/" + h.typ + "/" + public
	if h.version != "" {
		head.Location += "/_history/" + h.version
	}
	x.stage.open(head)
	switch x.call.Return {
	case ReturnMinimal:
		return nil
	case ReturnOutcome:
		x.stage.buf = fhir.AppendOutcome(x.stage.buf, fhir.SeverityInformation, "informational", "stored", "The resource is stored.")
		return nil
	case ReturnRepresentation:
	}
	// What the caller may not see of their own change isn't sent back.
	x.stage.buf, _, err = x.judge(ctx, x.stage.buf, stored)
	return err
}

// storedNow is the resource in the answer to a write, or else that with the id,
// or else what Location names.
func (x *exchange) storedNow(ctx context.Context, answer fhir.Answer, id string) ([]byte, error) {
	if answer.IsJSON {
		stored, err := x.receive(ctx, answer)
		if err == nil && stringAt(stored, "resourceType") == x.in.Type {
			return stored, nil
		}
	}
	ref := fhir.Reference{Type: x.in.Type, ID: id}
	if id == "" {
		path, _, err := x.Upstream.Relative(answer.Location)
		if err != nil {
			return nil, errUpstreamAnswer.Because(err)
		}
		var ok bool
		if ref, ok = fhir.ParseReference(path); !ok || ref.Type != x.in.Type {
			return nil, errUpstreamAnswer.Because(errShape)
		}
	}
	stored, found, err := x.fetch(ctx, fhir.Interaction{Code: fhir.Read, Type: ref.Type, ID: ref.ID})
	if err == nil && !found {
		err = errUpstreamAnswer.Because(errShape)
	}
	return stored, err
}
