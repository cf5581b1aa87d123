package httpapi

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/fhirgate/fhirgate/internal/fhir"
)

var (
	errNoBase     = fhir.Refuse(http.StatusNotFound, "unknown-base", fhir.IssueNotFound, "There is no FHIR base at this address.")
	errInternal   = fhir.Refuse(http.StatusInternalServerError, "internal-error", fhir.IssueException, "The gateway failed.")
	errIdentity   = fhir.Refuse(http.StatusServiceUnavailable, "identity-unavailable", fhir.IssueTransient, "The bearer token can't be checked now.")
	errOverride   = fhir.Refuse(http.StatusBadRequest, "method-override", fhir.IssueInvalid, "Headers that override the method aren't taken.")
	errURL        = fhir.Refuse(http.StatusRequestURITooLong, "url-too-long", fhir.IssueTooLong, "The URL is too long; use POST _search.")
	errTooLarge   = fhir.Refuse(http.StatusRequestEntityTooLarge, "body-too-large", fhir.IssueTooLong, "The body is larger than the gateway takes.")
	errEncoding   = fhir.Refuse(http.StatusUnsupportedMediaType, "encoding-not-supported", fhir.IssueNotSupported, "Bodies are taken as they are or with gzip.")
	errMedia      = fhir.Refuse(http.StatusUnsupportedMediaType, "media-type-not-supported", fhir.IssueNotSupported, "Resources are taken as application/fhir+json only.")
	errForm       = fhir.Refuse(http.StatusUnsupportedMediaType, "media-type-not-supported", fhir.IssueNotSupported, "A POST search takes application/x-www-form-urlencoded.")
	errAccept     = fhir.Refuse(http.StatusNotAcceptable, "format-not-supported", fhir.IssueNotSupported, "Answers are given as application/fhir+json only.")
	errBodyHere   = fhir.Refuse(http.StatusBadRequest, "body-not-allowed", fhir.IssueInvalid, "This interaction takes no body.")
	errReadBody   = fhir.Refuse(http.StatusBadRequest, "bad-body", fhir.IssueStructure, "The body can't be read.")
	errCondition  = fhir.Refuse(http.StatusNotImplemented, "conditional-not-supported", fhir.IssueNotSupported, "Conditional writes aren't passed by this gateway.")
	errRange      = fhir.Refuse(http.StatusBadRequest, "header-not-allowed", fhir.IssueInvalid, "A header that may be given once is given more than once.")
	errPurpose    = fhir.Refuse(http.StatusBadRequest, "bad-purpose", fhir.IssueInvalid, "X-Purpose-Of-Use takes a code of v3-ActReason, a reason and an end: BTG; until=2026-01-02T15:04:05Z, with the reason in X-Purpose-Of-Use-Reason.")
	errPurposeOff = fhir.Refuse(http.StatusBadRequest, "purpose-header-off", fhir.IssueNotSupported, "This gateway takes a purpose of use from the token only.")
	errRole       = fhir.Refuse(http.StatusBadRequest, "bad-role", fhir.IssueInvalid, "X-Act-As names one role.")
	errClientGone = fhir.Refuse(499, "client-gone", fhir.IssueTransient, "The client went away.")
)

// answerRefusal writes the OperationOutcome of an error and gives its status.
// What isn't a refusal is a failure of the gateway's, of which the client learns
// no more than the request id.
func (s *Server) answerRefusal(c echo.Context, err error) int {
	var r *fhir.Refusal
	if !errors.As(err, &r) {
		r = errInternal.Because(err)
		if errors.Is(err, context.Canceled) {
			r = errClientGone
		}
	}
	if r.Cause != nil || r.Status >= http.StatusInternalServerError {
		s.Log.Warn("refused", "request_id", c.Response().Header().Get("X-Request-Id"), "status", r.Status, "code", r.Code, "error", r.Cause)
	}
	h := c.Response().Header()
	if r.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", challenge(r))
	}
	if r.Allow != "" {
		h.Set("Allow", r.Allow)
	}
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(r.RetryAfter))
	}
	h.Set("Content-Type", contentType)
	body := r.AppendOutcome(nil)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.Response().WriteHeader(r.Status)
	_, _ = c.Response().Write(body)
	return r.Status
}

// challenge is the WWW-Authenticate header (RFC 6750 section 3): without an
// error code when no token was sent.
func challenge(r *fhir.Refusal) string {
	if r.Code == "login-required" {
		return "Bearer"
	}
	return `Bearer error="invalid_token", error_description="` + strings.NewReplacer(`"`, "", `\`, "").Replace(r.Text) + `"`
}

// panicPlace names the function and line that panicked, and nothing of its
// values.
func panicPlace() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	afterPanic := false
	for {
		f, more := frames.Next()
		if afterPanic && !strings.HasPrefix(f.Function, "runtime.") {
			return f.Function + ":" + strconv.Itoa(f.Line)
		}
		afterPanic = afterPanic || f.Function == "runtime.gopanic"
		if !more {
			return "unknown"
		}
	}
}
