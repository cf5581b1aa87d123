package identity

import "errors"

// Error is a refusal. Its text and code are fixed: neither ever holds anything
// that a token said.
type Error struct {
	code, text string
}

// Error returns the text, for logs and outcomes alike.
func (e *Error) Error() string { return e.text }

// Code returns the stable code for the details of an OperationOutcome.
func (e *Error) Code() string { return e.code }

// The refusals. All but ErrNoToken, ErrUnavailable and ErrUpstream mean HTTP 401
// with the RFC 6750 error invalid_token; ErrNoToken is 401 without an error code
// or, where policy allows, the anonymous principal; ErrUnavailable is 503.
var (
	// ErrNoToken: there is no Authorization header.
	ErrNoToken = &Error{"no-token", "no bearer token"}
	// ErrMalformed: the header is not one bearer token, or the token is not a JWT
	// of strict JSON with the registered claims that are needed.
	ErrMalformed = &Error{"token-malformed", "the bearer token is malformed"}
	// ErrTooLarge: the token is longer than Options.MaxTokenBytes.
	ErrTooLarge = &Error{"token-too-large", "the bearer token is too large"}
	// ErrAlgorithm: the signature algorithm is none, symmetric or not allowed.
	ErrAlgorithm = &Error{"token-algorithm", "the bearer token's signature algorithm is not allowed"}
	// ErrIssuer: no issuer of that name is configured for this upstream.
	ErrIssuer = &Error{"token-issuer", "the bearer token's issuer is not known here"}
	// ErrSignature: no published key of the issuer verifies the token.
	ErrSignature = &Error{"token-signature", "the bearer token's signature is not valid"}
	// ErrExpired: exp has passed by more than the clock skew.
	ErrExpired = &Error{"token-expired", "the bearer token has expired"}
	// ErrNotYetValid: nbf or iat lie ahead by more than the clock skew.
	ErrNotYetValid = &Error{"token-not-yet-valid", "the bearer token is not valid yet"}
	// ErrAudience: the token is for somebody else.
	ErrAudience = &Error{"token-audience", "the bearer token is not for this FHIR base"}
	// ErrTokenType: an ID token, a refresh token or anything but an access token.
	ErrTokenType = &Error{"token-type", "the bearer token is not an access token"}
	// ErrBound: the token is bound to a key that a bearer does not prove.
	ErrBound = &Error{"token-bound", "the bearer token is bound to a key and cannot be used as a bearer"}
	// ErrTenant: the directory tenant is not one of those allowed.
	ErrTenant = &Error{"token-tenant", "the bearer token's tenant is not allowed here"}
	// ErrClaims: a mapped claim has a shape that cannot be understood.
	ErrClaims = &Error{"token-claims", "the bearer token's claims cannot be mapped"}
	// ErrUnavailable: the issuer's keys or the participant links could not be had,
	// so nothing can be said about the token. Worth trying again.
	ErrUnavailable = &Error{"identity-unavailable", "the bearer token cannot be checked now"}
	// ErrUpstream: the caller named an upstream that is not configured.
	ErrUpstream = &Error{"unknown-upstream", "no such upstream"}
)

// Code returns the stable code of a refusal, or "" when err is none.
func Code(err error) string {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.code
	}
	return ""
}
