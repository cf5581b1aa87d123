package e2e_test

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
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
