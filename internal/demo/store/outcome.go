package store

import (
	"fmt"
	"net/http"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// failure is an answer that isn't a success, told as an OperationOutcome.
type failure struct {
	status int
	code   string // IssueType
	text   string
	header http.Header
}

func (f *failure) Error() string { return f.text }

func failed(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, text: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *failure {
	return failed(http.StatusBadRequest, "processing", format, args...)
}

func notFound(typ, id string) *failure {
	return failed(http.StatusNotFound, "not-found", "Resource %s/%s is not known", typ, id)
}

func conflict(format string, args ...any) *failure {
	return failed(http.StatusPreconditionFailed, "conflict", format, args...)
}

// outcomeOf makes an OperationOutcome with one issue.
func outcomeOf(severity, code, diagnostics string) []byte {
	b := []byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"` + severity + `","code":"` + code + `","diagnostics":`)
	return append(wire.AppendString(b, diagnostics), `}]}`...)
}
