package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/tidwall/gjson"
	"golang.org/x/sync/singleflight"

	"github.com/fhirgate/fhirgate/internal/fhir"
)

// IfMatchOptions say what is known of a server's handling of If-Match.
type IfMatchOptions struct {
	// Stated says that the server honours If-Match where Ignored doesn't say
	// otherwise; else it is asked with a resource made for it.
	Stated bool
	// Ignored and AcceptsRace tell, by type and "update" or "delete", where the
	// server is stated not to honour it, and where that is accepted.
	Ignored, AcceptsRace func(resourceType, interaction string) bool
}

// IfMatch knows whether a server makes a change safe against concurrent ones.
type IfMatch struct {
	client  *Client
	options IfMatchOptions
	known   sync.Map // fhir.Code -> bool
	flight  singleflight.Group
}

// NewIfMatch makes an IfMatch for the client's server.
func NewIfMatch(client *Client, o IfMatchOptions) *IfMatch {
	return &IfMatch{client: client, options: o}
}

// Safe reports whether a change of that type may be sent: the server honours
// If-Match for it, or the race is accepted by name. A probe that can't be made
// is an error, and is tried again when next needed.
func (m *IfMatch) Safe(ctx context.Context, resourceType string, code fhir.Code) (bool, error) {
	interaction := code.String()
	switch {
	case m.options.AcceptsRace(resourceType, interaction):
		return true, nil
	case m.options.Ignored(resourceType, interaction):
		return false, nil
	case m.options.Stated:
		return true, nil
	}
	if known, ok := m.known.Load(code); ok {
		honours, _ := known.(bool)
		return honours, nil
	}
	return m.ask(ctx, code)
}

// ask probes the server once for all who ask at the same time. One of them going
// away doesn't end it, so that what it made is removed again.
func (m *IfMatch) ask(ctx context.Context, code fhir.Code) (bool, error) {
	done := m.flight.DoChan(code.String(), func() (any, error) {
		honours, err := m.probe(context.WithoutCancel(ctx), code)
		if err == nil {
			m.known.Store(code, honours)
		}
		return honours, err
	})
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case r := <-done:
		if r.Err != nil {
			return false, fmt.Errorf("probe If-Match: %w", r.Err)
		}
		honours, _ := r.Val.(bool)
		return honours, nil
	}
}

// probeBody is a resource that says what it is for, should it ever be found.
const probeBody = `{"resourceType":"Basic","code":{"text":"fhirgate If-Match probe"}}`

var errProbe = errors.New("the server behind doesn't let the gateway make a Basic resource to try it with; state writes.if_match in the configuration")

// probe makes a Basic resource, changes it under a version that it never had,
// and removes it.
func (m *IfMatch) probe(ctx context.Context, code fhir.Code) (bool, error) {
	status, created, err := m.do(ctx, fhir.Exchange{Method: http.MethodPost, Path: "Basic", Body: []byte(probeBody)})
	if err != nil {
		return false, err
	}
	id := gjson.GetBytes(created, "id").String()
	if status != http.StatusCreated || !fhir.IsID(id) {
		return false, errProbe
	}
	path := "Basic/" + id
	e := fhir.Exchange{Method: http.MethodDelete, Path: path, IfMatch: fhir.ETag("4711")}
	if code == fhir.Update {
		e.Method, e.Body = http.MethodPut, []byte(strings.Replace(probeBody, `{`, `{"id":"`+id+`",`, 1))
	}
	status, _, err = m.do(ctx, e)
	if _, _, cleanup := m.do(ctx, fhir.Exchange{Method: http.MethodDelete, Path: path}); err == nil {
		err = cleanup
	}
	switch {
	case err != nil:
		return false, err
	case status == http.StatusPreconditionFailed || status == http.StatusConflict:
		return true, nil
	case status >= 200 && status < 300:
		return false, nil
	}
	return false, errProbe // neither obeyed nor refused for its version: nothing is known
}

const maxProbe = 1 << 20

func (m *IfMatch) do(ctx context.Context, e fhir.Exchange) (int, []byte, error) {
	answer, err := m.client.Do(ctx, e)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxProbe))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", fhir.ErrUnavailable, withoutURL(err))
	}
	return answer.Status, body, nil
}
