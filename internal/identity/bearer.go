package identity

import "strings"

// bearer returns the token of an Authorization header (RFC 6750 section 2.1:
// "Bearer" SP b64token; the scheme's case does not matter, RFC 9110 section 11.1).
func bearer(header string, maxBytes int) (string, error) {
	if header == "" {
		return "", ErrNoToken
	}
	scheme, token, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", ErrMalformed
	}
	token = strings.TrimLeft(token, " ")
	if len(token) > maxBytes {
		return "", ErrTooLarge
	}
	for _, b := range []byte(token) {
		if !isBase64URL(b) && b != '.' {
			return "", ErrMalformed
		}
	}
	// Three parts, none empty: a JWS in compact form (RFC 7515 section 7.1). An
	// empty third part would be an unsecured JWT.
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return "", ErrMalformed
	}
	return token, nil
}

// isBase64URL reports whether b belongs to the URL-safe base64 alphabet, without
// padding: the only letters of a compact JWS besides the dots.
func isBase64URL(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_'
}
