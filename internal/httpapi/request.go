package httpapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzip"
	"go.opentelemetry.io/otel/trace"

	"github.com/fhirgate/fhirgate/internal/access"
	"github.com/fhirgate/fhirgate/internal/fhir"
	"github.com/fhirgate/fhirgate/internal/gateway"
)

// newRequestID makes the id by which logs, audit and answer are tied together. A
// client's own is never taken over: it could hold anything.
func newRequestID() string { return uuid.NewString() }

func traceID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		return sc.TraceID().String()
	}
	return ""
}

// single are the headers that the gateway reads: a second one could be read
// differently by another parser.
func singleHeaders() []string {
	return []string{
		"If-Match", "If-None-Match", "If-Modified-Since", "If-None-Exist", "Content-Type", "Content-Encoding",
		"X-Act-As", "X-Purpose-Of-Use", "X-Purpose-Of-Use-Reason",
	}
}

// checkRequest refuses what would make this request mean something else to
// another server.
func (s *Server) checkRequest(r *http.Request) error {
	if len(r.RequestURI) > s.MaxURL {
		return errURL
	}
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		if r.Header.Get(name) != "" {
			return errOverride
		}
	}
	for _, name := range singleHeaders() {
		if len(r.Header.Values(name)) > 1 {
			return errRange
		}
	}
	if r.Header.Get("If-None-Exist") != "" ||
		r.Method != http.MethodGet && (r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != "" || r.Header.Get("If-Unmodified-Since") != "") {
		return errCondition
	}
	if !acceptsJSON(r.Header.Values("Accept")) {
		return errAccept
	}
	return nil
}

// acceptsJSON reports whether JSON is among what the client takes.
func acceptsJSON(accept []string) bool {
	if len(accept) == 0 {
		return true
	}
	named := false
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		named = true
		kind, params, err := mime.ParseMediaType(part)
		if err != nil || strings.Trim(params["q"], "0.") == "" && params["q"] != "" {
			continue
		}
		switch kind {
		case "*/*", "application/*", "application/json", "application/fhir+json", "application/json+fhir", "text/json":
			return true
		}
	}
	return !named
}

// body reads a request's body, decompressed, up to the limit.
func (s *Server) body(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return nil, nil
	}
	if r.ContentLength > s.MaxBody {
		return nil, errTooLarge
	}
	var src io.Reader = r.Body
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, errReadBody
		}
		src = z
	default:
		return nil, errEncoding
	}
	body, err := io.ReadAll(io.LimitReader(src, s.MaxBody+1))
	if err != nil {
		return nil, errReadBody.Because(withoutNetwork(err))
	}
	if int64(len(body)) > s.MaxBody {
		return nil, errTooLarge
	}
	return body, nil
}

// withoutNetwork keeps addresses out of logs.
func withoutNetwork(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// isForm reports whether the body is said to be a form.
func isForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/x-www-form-urlencoded"
}

func isSearchForm(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/_search")
}

// checkBody holds the body to the interaction.
func checkBody(r *http.Request, in fhir.Interaction, body []byte) error {
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if cs := params["charset"]; cs != "" && !strings.EqualFold(cs, "utf-8") {
		return errMedia
	}
	switch {
	case in.Code == fhir.Create || in.Code == fhir.Update:
		switch kind {
		case "application/fhir+json", "application/json", "application/json+fhir":
			return nil
		}
		return errMedia
	case in.Posted:
		return nil
	case len(body) > 0:
		return errBodyHere
	}
	return nil
}

// returnPreference reads Prefer: return=… (R4 http.html#ops).
func returnPreference(r *http.Request) gateway.Return {
	for _, header := range r.Header.Values("Prefer") {
		for part := range strings.FieldsFuncSeq(header, func(c rune) bool { return c == ',' || c == ';' }) {
			switch strings.TrimSpace(part) {
			case "return=minimal":
				return gateway.ReturnMinimal
			case "return=OperationOutcome":
				return gateway.ReturnOutcome
			}
		}
	}
	return gateway.ReturnRepresentation
}

// circumstances reads the role that the caller asks to act in, and the purpose
// of use that they state. Whether either counts is for policy to say.
func (s *Server) circumstances(r *http.Request, request *access.Request) error {
	request.ActAs = r.Header.Get("X-Act-As")
	if len(request.ActAs) > 128 || strings.ContainsAny(request.ActAs, ", ;") || !utf8.ValidString(request.ActAs) {
		return errRole
	}
	header := r.Header.Get("X-Purpose-Of-Use")
	if header == "" {
		return nil
	}
	if !s.Purpose.Enabled {
		return errPurposeOff
	}
	purpose, err := s.parsePurpose(header, r.Header.Get("X-Purpose-Of-Use-Reason"), request.Time)
	if err != nil {
		return err
	}
	request.Purpose = purpose
	return nil
}

// parsePurpose reads "CODE; until=INSTANT".
func (s *Server) parsePurpose(header, reason string, now time.Time) (*access.Purpose, error) {
	code, rest, _ := strings.Cut(header, ";")
	p := access.Purpose{Code: strings.TrimSpace(code), Reason: strings.TrimSpace(reason)}
	until, ok := strings.CutPrefix(strings.TrimSpace(rest), "until=")
	end, err := time.Parse(time.RFC3339, strings.TrimSpace(until))
	switch {
	case !ok, err != nil, !isActReason(p.Code), end.Before(now), end.After(now.Add(s.Purpose.MaxDuration)):
		return nil, errPurpose
	case utf8.RuneCountInString(p.Reason) < s.Purpose.MinReason, len(p.Reason) > 1000, !utf8.ValidString(p.Reason):
		return nil, errPurpose
	}
	p.Until = end
	return &p, nil
}

// isActReason reports whether code has the shape of a code of v3-ActReason.
func isActReason(code string) bool {
	for i := range len(code) {
		if c := code[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return code != "" && len(code) <= 32
}
