package access

import (
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir"
)

// Request is what a principal asks for: the part of an HTTP request that policy
// sees.
type Request struct {
	// Upstream is the configured name of the FHIR server behind.
	Upstream    string
	Principal   Principal
	Interaction fhir.Interaction
	// ActAs is the one role that the caller asks to act in, or empty.
	ActAs string
	// Purpose is the purpose of use given by a header, if any.
	Purpose *Purpose
	// Time is when the request came.
	Time time.Time
}

// Purpose is a purpose of use stated in a request header. Whether it counts is
// for policy to say; one that a token carries is in the Principal.
type Purpose struct {
	Code   string    // a code of http://terminology.hl7.org/CodeSystem/v3-ActReason
	Reason string    // free text; may identify a patient: never logged
	Until  time.Time // end of the use that is asked for; zero when not stated
}
