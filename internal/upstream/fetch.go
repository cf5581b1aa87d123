package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// Fetcher reads whole resources for the look-ups of policy. Links below the
// server's base are made relative, as everywhere.
type Fetcher struct {
	Client *Client
	Limits fhir.BundleLimits
}

var (
	errStatus = errors.New("the FHIR server behind answered with a status that can't be used")
	errRows   = errors.New("a look-up found more resources than the limit")
	errAnswer = errors.New("the FHIR server behind gave an answer that can't be used")
)

// fetchPage is how many rows a look-up asks for at a time.
const fetchPage = 500

// FetchRead gives the resource, or ok false when it isn't there.
func (f Fetcher) FetchRead(ctx context.Context, ref fhir.Reference) (resource []byte, ok bool, err error) {
	answer, err := f.Client.Do(ctx, fhir.Exchange{Method: http.MethodGet, Path: ref.String()})
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.Status {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return nil, false, nil
	default:
		return nil, false, fmt.Errorf("%w: %w: %d", fhir.ErrUnavailable, errStatus, answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, int64(f.Limits.MaxEntry)+1))
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", fhir.ErrUnavailable, withoutURL(err))
	}
	body = bytes.TrimSpace(body)
	if len(body) > f.Limits.MaxEntry || wire.Check(body, wire.Limits{MaxDepth: f.Limits.MaxDepth}) != nil || !is(body, ref.Type, ref.ID) {
		return nil, false, fmt.Errorf("%w: %w", fhir.ErrUnavailable, errAnswer)
	}
	return f.Client.RelativeLinks(body), true, nil
}

// is tells whether a resource is of the type and, unless empty, has the id.
func is(resource []byte, typ, id string) bool {
	for key, want := range map[string]string{"resourceType": typ, "id": id} {
		value, _ := wire.Get(resource, key)
		if have, _ := wire.String(value); have != want && want != "" {
			return false
		}
	}
	return true
}

// FetchSearch gives all rows of a search, page by page, at most limit.
// All pages together may take as long as one exchange.
func (f Fetcher) FetchSearch(ctx context.Context, in fhir.Interaction, limit int) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, f.Client.total)
	defer cancel()
	path, query := in.Path(), in.Query.EncodeUpstream(min(limit+1, fetchPage))
	var rows [][]byte
	for {
		page, next, err := f.page(ctx, in.Type, path, query, limit-len(rows))
		if err != nil {
			return nil, err
		}
		rows = append(rows, page...)
		if next == "" {
			return rows, nil
		}
		if path, query, err = f.Client.Relative(next); err != nil {
			return nil, err
		}
	}
}

// page reads one page of matches.
func (f Fetcher) page(ctx context.Context, typ, path, query string, limit int) (rows [][]byte, next string, err error) {
	answer, err := f.Client.Do(ctx, fhir.Exchange{Method: http.MethodGet, Path: path, Query: query})
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.Status != http.StatusOK {
		return nil, "", fmt.Errorf("%w: %w: %d", fhir.ErrUnavailable, errStatus, answer.Status)
	}
	reader := fhir.NewBundleReader(answer.Body, f.Limits)
	for {
		entry, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return rows, reader.NextLink(), nil
		}
		if err != nil {
			return nil, "", fmt.Errorf("%w: %w", fhir.ErrUnavailable, withoutURL(err))
		}
		if entry.Resource == nil || entry.Mode != "" && entry.Mode != "match" {
			continue
		}
		if !is(entry.Resource, typ, "") {
			return nil, "", fmt.Errorf("%w: %w", fhir.ErrUnavailable, errAnswer)
		}
		if len(rows) == limit {
			return nil, "", errRows
		}
		rows = append(rows, bytes.Clone(f.Client.RelativeLinks(entry.Resource)))
	}
}

// RelativeLinks makes absolute URLs below the server's base relative; see
// fhir.RelativeLinks.
func (c *Client) RelativeLinks(doc []byte) []byte { return fhir.RelativeLinks(doc, c.Base()) }
