package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/fhirgate/fhirgate/internal/fhir"
)

// smartPath is where the SMART configuration of a base lies (SMART App Launch
// 2.2, conformance).
const smartPath = "/.well-known/smart-configuration"

// SMARTConfiguration is the document at .well-known/smart-configuration. It
// needs no token.
type SMARTConfiguration struct {
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint,omitempty"`
	IntrospectionEndpoint string   `json:"introspection_endpoint,omitempty"`
	GrantTypes            []string `json:"grant_types_supported,omitempty"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported,omitempty"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	Capabilities          []string `json:"capabilities"`
}

var errNoSMART = fhir.Refuse(http.StatusNotFound, "no-smart-configuration", fhir.IssueNotFound, "Nothing is known of the authorization server of this base.")

// smart answers the SMART configuration of a base.
func (s *Server) smart(c echo.Context, base *Base) error {
	if c.Request().Method != http.MethodGet {
		return errNoBase
	}
	if base.SMART == nil {
		return errNoSMART
	}
	document := base.SMART()
	if document == nil {
		return errNoSMART
	}
	return c.JSON(http.StatusOK, document) //nolint:wrapcheck // Echo's own
}
