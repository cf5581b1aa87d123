package fhir

import (
	"errors"
	"io"
)

// Exchange is one request to the FHIR server behind, made from an Interaction.
type Exchange struct {
	Method  string
	Path    string // below the FHIR base, without a leading slash
	Query   string // encoded
	Body    []byte // JSON, or a form when Form is set
	Form    bool
	IfMatch string
}

// Answer is what the FHIR server behind answered. Body must be closed.
type Answer struct {
	Status       int
	ETag         string
	LastModified string
	// Location is the Location header, or Content-Location.
	Location string
	// IsJSON says that the body claims to be JSON.
	IsJSON bool
	Body   io.ReadCloser
}

var (
	// ErrUnavailable means that no answer came from the FHIR server behind:
	// nothing is known of the outcome of a write.
	ErrUnavailable = errors.New("the FHIR server behind gave no answer")
	// ErrForeignLink is a link of the server's that leads to another server.
	ErrForeignLink = errors.New("the FHIR server behind gave a link that leads elsewhere")
)
