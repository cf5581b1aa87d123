// Package upstream is the client of the FHIR server behind the gateway. It
// speaks JSON only, under the gateway's own credentials, and takes nothing from
// the caller's request but what the gateway understood.
//
// It must not import the gateway, policy or HTTP serving.
package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/upstream/credential"
)

// Options describe one FHIR server.
type Options struct {
	// Base is the FHIR base without a trailing slash.
	Base string
	// Credential is what the gateway shows to the server.
	Credential credential.Credential
	TLS        *tls.Config
	// Timeouts towards the server; each must be above zero.
	Connect, ResponseHeader, Total, Idle time.Duration
	MaxConnections                       int
}

// Client speaks to one FHIR server. Safe for concurrent use.
type Client struct {
	base       *url.URL
	credential credential.Credential
	http       *http.Client
	total      time.Duration
}

// New makes a client. It doesn't connect.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.Base)
	if err != nil || base.Host == "" || base.RawQuery != "" || base.User != nil {
		return nil, errors.New("upstream: the base isn't an absolute URL without query and user")
	}
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: o.Connect, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       o.TLS,
		TLSHandshakeTimeout:   o.Connect,
		ResponseHeaderTimeout: o.ResponseHeader,
		IdleConnTimeout:       o.Idle,
		MaxConnsPerHost:       o.MaxConnections,
		MaxIdleConnsPerHost:   o.MaxConnections,
		MaxIdleConns:          o.MaxConnections,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
		WriteBufferSize:       32 << 10,
		ReadBufferSize:        32 << 10,
	}
	return &Client{
		base:       base,
		credential: o.Credential,
		total:      o.Total,
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a redirect could lead the credentials elsewhere
		}},
	}, nil
}

// Base is the FHIR base without a trailing slash.
func (c *Client) Base() string { return c.base.String() }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do sends a request. The error wraps fhir.ErrUnavailable, the context's error, or is
// a credential's.
func (c *Client) Do(ctx context.Context, r fhir.Exchange) (fhir.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.total)
	resp, err := c.roundTrip(ctx, r) //nolint:bodyclose // the answer's Body closes it
	if err != nil {
		cancel()
		return fhir.Answer{}, err
	}
	body := &cancelBody{ReadCloser: resp.Body, cancel: cancel}
	out := fhir.Answer{
		Status:       resp.StatusCode,
		ETag:         resp.Header.Get("ETag"),
		LastModified: resp.Header.Get("Last-Modified"),
		Location:     resp.Header.Get("Location"),
		IsJSON:       isJSON(resp.Header.Get("Content-Type")),
		Body:         body,
	}
	if out.Location == "" {
		out.Location = resp.Header.Get("Content-Location")
	}
	switch resp.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		out.Body = &gzipBody{source: body}
	default:
		_ = body.Close()
		return fhir.Answer{}, fmt.Errorf("%w: unknown content encoding", fhir.ErrUnavailable)
	}
	return out, nil
}

func (c *Client) roundTrip(ctx context.Context, r fhir.Exchange) (*http.Response, error) {
	u := *c.base
	u.Path = strings.TrimRight(u.Path, "/") + "/" + r.Path
	if r.Path == "" {
		u.Path = c.base.Path
	}
	u.RawQuery = r.Query
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("upstream request: %w", withoutURL(err))
	}
	req.Header.Set("Accept", "application/fhir+json")
	// Some servers give the result of an earlier search again for a while (HAPI: a
	// minute). Who was taken off a care team must be off it at once.
	req.Header.Set("Cache-Control", "no-cache")
	req.Header.Set("Accept-Encoding", "gzip")
	if isLoopback(c.base.Hostname()) {
		req.Header.Set("Accept-Encoding", "identity") // compressing costs more than it saves there
	}
	switch {
	case r.Form:
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case r.Body != nil:
		req.Header.Set("Content-Type", "application/fhir+json; charset=utf-8")
		req.Header.Set("Prefer", "return=representation")
	}
	if r.IfMatch != "" {
		req.Header.Set("If-Match", r.IfMatch)
	}
	if err := c.credential.Authorize(ctx, req); err != nil {
		return nil, fmt.Errorf("upstream credentials: %w", err)
	}
	resp, err := c.http.Do(req)
	if err == nil && resp.StatusCode == http.StatusUnauthorized && c.renews(req) {
		_ = resp.Body.Close()
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, fmt.Errorf("upstream request: %w", err)
			}
		}
		if err := c.credential.Authorize(ctx, req); err != nil {
			return nil, fmt.Errorf("upstream credentials: %w", err)
		}
		resp, err = c.http.Do(req)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", fhir.ErrUnavailable, withoutURL(err))
	}
	return resp, nil
}

// renews tells a credential that it was refused, and reports whether it is worth
// trying once more: nothing was done under a credential that was refused.
func (c *Client) renews(req *http.Request) bool {
	r, ok := c.credential.(credential.Renewer)
	return ok && r.Refused(req)
}

// withoutURL takes the URL out of a client error: queries may identify people.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/fhir+json" || kind == "application/json" || kind == "application/json+fhir")
}

// Relative takes a link of the server's apart into path and query below the
// base. A link that leads anywhere else is fhir.ErrForeignLink.
func (c *Client) Relative(link string) (path, query string, err error) {
	u, err := url.Parse(link)
	if err != nil || u.User != nil || u.Fragment != "" {
		return "", "", fhir.ErrForeignLink
	}
	u = c.base.ResolveReference(u)
	if !strings.EqualFold(u.Scheme, c.base.Scheme) || !strings.EqualFold(u.Host, c.base.Host) {
		return "", "", fhir.ErrForeignLink
	}
	rest, below := strings.CutPrefix(u.Path, strings.TrimRight(c.base.Path, "/"))
	if !below || rest != "" && rest[0] != '/' || strings.Contains(rest, "..") || strings.Contains(rest, "//") {
		return "", "", fhir.ErrForeignLink
	}
	return strings.Trim(rest, "/"), u.RawQuery, nil
}

// cancelBody ends the exchange's time limit with its body.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *cancelBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}

// gzipBody decompresses as it is read.
type gzipBody struct {
	source io.ReadCloser
	reader *gzip.Reader
}

func (b *gzipBody) Read(p []byte) (int, error) {
	if b.reader == nil {
		r, err := gzip.NewReader(b.source)
		if err != nil {
			return 0, fmt.Errorf("upstream body: %w", err)
		}
		b.reader = r
	}
	return b.reader.Read(p)
}

func (b *gzipBody) Close() error { return b.source.Close() }
