package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/fhirgate/fhirgate/internal/demo/data"
	"github.com/fhirgate/fhirgate/internal/demo/idp"
)

var errToken = errors.New("the demo's identity provider gave no token")

// Token gets a bearer token for a person from a demo's identity provider.
func Token(ctx context.Context, issuer, person string) (string, error) {
	known := false
	var names []string
	for _, p := range data.People() {
		known = known || p.Name == person
		names = append(names, p.Name)
	}
	if !known {
		return "", fmt.Errorf("found %q, expected one of %s", person, strings.Join(names, ", ")) //nolint:err113 // for a person
	}
	form := url.Values{"grant_type": {idp.GrantPerson}, "person": {person}, "client_id": {"fhirgate-demo"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, issuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errToken, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // one call to loopback
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(body, &answer) != nil || answer.AccessToken == "" {
		return "", errToken
	}
	return answer.AccessToken, nil
}
