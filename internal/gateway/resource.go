package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// resourceHead is what the gateway itself reads of a resource.
type resourceHead struct {
	typ, id, version, lastUpdated string
}

// headOf reads the head of a resource that passed wire.Check.
func headOf(resource []byte) resourceHead {
	h := resourceHead{typ: stringAt(resource, "resourceType"), id: stringAt(resource, "id")}
	if meta, ok := wire.Get(resource, "meta"); ok && wire.KindOf(meta) == wire.Object {
		h.version, h.lastUpdated = stringAt(meta, "versionId"), stringAt(meta, "lastUpdated")
	}
	if !fhir.IsID(h.version) {
		h.version = "" // it goes into headers and paths
	}
	return h
}

func stringAt(object []byte, key string) string {
	value, ok := wire.Get(object, key)
	if !ok {
		return ""
	}
	s, _ := wire.String(value)
	return s
}

var (
	errLarge = errors.New("the body is larger than the limit")
	errShape = errors.New("the answer isn't the resource that was asked for")
)

// readAll reads a body of at most limit bytes.
func readAll(r io.Reader, limit int) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(8 << 10)
	n, err := b.ReadFrom(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, err
	case n > int64(limit):
		return nil, errLarge
	}
	return b.Bytes(), nil
}

// fetch reads one resource from the server behind. ok is false when it isn't
// there or was deleted. The resource is of the type and id asked for.
func (x *exchange) fetch(ctx context.Context, in fhir.Interaction) (resource []byte, ok bool, err error) {
	answer, err := x.Upstream.Do(ctx, fhir.Exchange{Method: "GET", Path: in.Path()})
	if err != nil {
		return nil, false, x.upstreamFailed(ctx, err)
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.Status {
	case 200:
	case 404, 410:
		return nil, false, nil
	default:
		return nil, false, badStatus(answer.Status)
	}
	resource, err = x.receive(ctx, answer)
	if err != nil {
		return nil, false, err
	}
	if h := headOf(resource); h.typ != in.Type || h.id != in.ID || in.VersionID != "" && h.version != in.VersionID {
		return nil, false, errUpstreamAnswer.Because(errShape)
	}
	return resource, true, nil
}

// receive reads an answer's body as one resource and makes its links relative.
func (x *exchange) receive(ctx context.Context, answer fhir.Answer) ([]byte, error) {
	if !answer.IsJSON {
		return nil, errUpstreamAnswer.Because(errShape)
	}
	body, err := readAll(answer.Body, x.Limits.MaxResource)
	if errors.Is(err, errLarge) {
		return nil, errUpstreamAnswer.Because(err)
	}
	if err != nil {
		return nil, x.upstreamFailed(ctx, err)
	}
	body = bytes.TrimSpace(body)
	if err := wire.Check(body, wire.Limits{MaxDepth: x.Limits.MaxDepth}); err != nil {
		return nil, errUpstreamAnswer.Because(err)
	}
	return fhir.RelativeLinks(body, x.Upstream.Base()), nil
}

// upstreamFailed is the refusal for an exchange that broke.
func (x *exchange) upstreamFailed(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return errUpstreamSlow.Because(err)
	}
	return errUnavailable.Because(err)
}

// badStatus is the refusal for a status of a read or search that can't be used.
func badStatus(status int) error {
	cause := fmt.Errorf("status %d", status) //nolint:err113 // only logged
	switch {
	case status == 401 || status == 403:
		return errUpstreamRefused.Because(cause)
	case status >= 500:
		return errUnavailable.Because(cause)
	}
	return errUpstreamAnswer.Because(cause)
}

// judge asks policy about a resource on its way to the caller and masks it,
// appending to dst. allowed is false for a resource that isn't to be seen.
func (x *exchange) judge(ctx context.Context, dst, resource []byte) (out []byte, allowed bool, err error) {
	j, err := x.plan.Rule.Read(ctx, resource)
	if err != nil {
		return dst, false, judgementFailed(ctx, err)
	}
	x.counts.Seen++
	if j.Effect != access.Allow {
		x.counts.Withheld++
		return dst, false, nil
	}
	if j.Mask == nil || j.Mask.Empty() {
		return append(dst, resource...), true, nil
	}
	x.counts.Masked++
	out, err = j.Mask.Apply(dst, resource, x.plan.Rule.Keys())
	if err != nil {
		return dst, false, errMask.Because(err)
	}
	return out, true, nil
}

func judgementFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if errors.Is(err, fhir.ErrUnavailable) {
		return errUnavailable.Because(err)
	}
	return errJudgement.Because(err)
}

// matchesTag reports whether one of the entity tags in header is tag, compared
// weakly (RFC 9110 section 8.8.3.2).
func matchesTag(header, tag string) bool {
	if strings.TrimSpace(header) == "*" {
		return true
	}
	for part := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(part), "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
