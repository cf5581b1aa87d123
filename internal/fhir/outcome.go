package fhir

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// CodeSystem is the system of the stable codes in OperationOutcome
// issue.details.coding that the gateway gives.
const CodeSystem = "https://fhirgate.dev/CodeSystem/outcome"

// IssueType is a code of http://hl7.org/fhir/issue-type, as far as the gateway
// uses them.
type IssueType string

// The issue types in use.
const (
	IssueInvalid      IssueType = "invalid"
	IssueStructure    IssueType = "structure"
	IssueValue        IssueType = "value"
	IssueSecurity     IssueType = "security"
	IssueLogin        IssueType = "login"
	IssueExpired      IssueType = "expired"
	IssueForbidden    IssueType = "forbidden"
	IssueSuppressed   IssueType = "suppressed"
	IssueNotSupported IssueType = "not-supported"
	IssueNotFound     IssueType = "not-found"
	IssueTooLong      IssueType = "too-long"
	IssueConflict     IssueType = "conflict"
	IssueTooCostly    IssueType = "too-costly"
	IssueThrottled    IssueType = "throttled"
	IssueTransient    IssueType = "transient"
	IssueTimeout      IssueType = "timeout"
	IssueException    IssueType = "exception"
	IssueRequired     IssueType = "required"
	IssueProcessing   IssueType = "processing"
)

// Refusal is an answer that isn't the one asked for: it becomes an
// OperationOutcome with one issue. Text and Code are fixed by the gateway or by
// policy: they never quote stored data, and never a value out of the request.
type Refusal struct {
	// Status is the HTTP status.
	Status int
	// Code is the stable kebab-case code given in issue.details.coding.
	Code string
	// Issue is the FHIR issue type.
	Issue IssueType
	// Text is a sentence for people.
	Text string
	// RetryAfter, in seconds, is sent as the Retry-After header when above 0.
	RetryAfter int
	// Allow names the methods of a 405, for the Allow header.
	Allow string
	// Cause is logged and never sent; may be nil.
	Cause error
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Cause != nil {
		return fmt.Sprintf("%d %s: %v", r.Status, r.Code, r.Cause)
	}
	return fmt.Sprintf("%d %s", r.Status, r.Code)
}

// Unwrap gives the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Because returns a copy of r with a cause.
func (r *Refusal) Because(cause error) *Refusal {
	c := *r
	c.Cause = cause
	return &c
}

// allowing returns a copy of r that names the methods that are possible (RFC 9110
// section 15.5.6).
func (r *Refusal) allowing(methods ...string) *Refusal {
	c := *r
	c.Allow = strings.Join(methods, ", ")
	return &c
}

// Refuse builds a Refusal.
func Refuse(status int, code string, issue IssueType, text string) *Refusal {
	return &Refusal{Status: status, Code: code, Issue: issue, Text: text}
}

// Severity is an OperationOutcome severity.
type Severity string

// The severities in use.
const (
	SeverityError       Severity = "error"
	SeverityWarning     Severity = "warning"
	SeverityInformation Severity = "information"
)

// AppendOutcome appends an OperationOutcome with one issue to dst.
func AppendOutcome(dst []byte, severity Severity, issue IssueType, code, text string) []byte {
	dst = append(dst, `{"resourceType":"OperationOutcome","issue":[{"severity":"`...)
	dst = append(dst, severity...)
	dst = append(dst, `","code":"`...)
	dst = append(dst, issue...)
	dst = append(dst, `","details":{"coding":[{"system":"`...)
	dst = append(dst, CodeSystem...)
	dst = append(dst, `","code":`...)
	dst = wire.AppendString(dst, code)
	dst = append(dst, `}],"text":`...)
	dst = wire.AppendString(dst, text)
	return append(dst, `}}]}`...)
}

// AppendOutcome appends the refusal as an OperationOutcome to dst.
func (r *Refusal) AppendOutcome(dst []byte) []byte {
	return AppendOutcome(dst, SeverityError, r.Issue, r.Code, r.Text)
}

// ETag is the weak entity tag of a version (FHIR R4 http.html#versioning).
func ETag(versionID string) string { return `W/` + strconv.Quote(versionID) }
