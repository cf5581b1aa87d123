package credential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// ClientCredentials is the configuration of an OAuth 2.0 client that gets tokens
// for itself (RFC 6749 section 4.4).
type ClientCredentials struct {
	// TokenURL is the token endpoint.
	TokenURL string
	// ClientID and Secret are the gateway's at the authorization server.
	ClientID string
	Secret   Secret
	// SecretInBody sends both as form parameters instead of by HTTP Basic.
	SecretInBody bool
	// Scopes are asked for; none leaves the choice to the server.
	Scopes []string
	// Params are further parameters, such as audience or resource.
	Params map[string]string
	// HTTPClient speaks to the token endpoint; nil means one that does not follow
	// redirects, which would carry the secret along.
	HTTPClient *http.Client
}

// NewClientCredentials returns a credential that gets its tokens by the client
// credentials grant. It contacts nobody yet.
func NewClientCredentials(c ClientCredentials) (*Token, error) {
	u, err := url.Parse(c.TokenURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("the token endpoint is not an absolute http(s) URL")
	}
	if c.ClientID == "" || c.Secret == nil {
		return nil, errors.New("the client's id or secret is missing")
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{
			Timeout:       fetchTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return newToken(c.fetch), nil
}

// fetch asks the token endpoint for one token, with the secret as it is now.
func (c ClientCredentials) fetch(ctx context.Context) (issued, error) {
	secret, err := c.Secret()
	if err != nil {
		return issued{}, err
	}
	config := clientcredentials.Config{
		ClientID: c.ClientID, ClientSecret: secret, TokenURL: c.TokenURL, Scopes: c.Scopes,
		EndpointParams: url.Values{}, AuthStyle: oauth2.AuthStyleInHeader,
	}
	if c.SecretInBody {
		config.AuthStyle = oauth2.AuthStyleInParams
	}
	for name, value := range c.Params {
		config.EndpointParams.Set(name, value)
	}
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, c.HTTPClient))
	if err != nil {
		return issued{}, c.failure(err)
	}
	if !strings.EqualFold(token.Type(), "Bearer") {
		return issued{}, fmt.Errorf("the token endpoint %s gives tokens of another type than Bearer", c.TokenURL)
	}
	return issued{value: token.AccessToken, expires: token.Expiry}, nil
}

// errorCode is the form of the error codes of RFC 6749 section 5.2.
var errorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

// failure says what went wrong without the answer's text, which may quote what
// was sent.
func (c ClientCredentials) failure(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		var transport *url.Error
		if errors.As(err, &transport) {
			return fmt.Errorf("the token endpoint %s: %w", c.TokenURL, transport.Err)
		}
		return fmt.Errorf("the token endpoint %s gave an answer that is no token", c.TokenURL)
	}
	code := ""
	if errorCode.MatchString(refused.ErrorCode) {
		code = ", " + refused.ErrorCode
	}
	return fmt.Errorf("the token endpoint %s refused: HTTP status %d%s", c.TokenURL, refused.Response.StatusCode, code)
}
