package e2e_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fhirgate/fhirgate/test/e2e/harness"
)

// serveBehind starts a server behind of the test's own.
func serveBehind(t *testing.T, h http.Handler) harness.FHIR {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // it breaks off on purpose
	server.Start()
	t.Cleanup(server.Close)
	return harness.FHIR{Kind: "own", URL: server.URL + "/fhir"}
}
