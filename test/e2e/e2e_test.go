package e2e_test

import (
	"crypto/rand"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fhirgate/fhirgate/internal/demo/idp"
)

// newID is an id that no other test uses.
func newID() string { return "e2e-" + strings.ToLower(rand.Text()) }

// headerText is a header as lines in order.
func headerText(h http.Header) string {
	var lines []string
	for name, values := range h {
		lines = append(lines, name+": "+strings.Join(values, " | "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// tokenOf asks for a token of one of the demo's people, with other claims.
func tokenOf(person string, claims map[string]any) idp.TokenRequest {
	return idp.TokenRequest{Person: person, Claims: claims}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
