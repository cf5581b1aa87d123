package config

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// Upstream is one FHIR server behind the gateway.
type Upstream struct {
	// The name that policy sees as `request.upstream`; also in metrics and the audit. It stays the same for the life of the data: participant links and quotas are kept under it.
	Name string `yaml:"name" required:"true" format:"name"`
	// Where clients find it: a path under public_url such as `/fhir`, or a whole URL such as `https://fhir.example.org/r4` when it has a host of its own.
	Base string `yaml:"base" default:"/fhir" format:"base"`
	// The FHIR base of the server behind, without a trailing slash.
	URL string `yaml:"url" required:"true" format:"url"`
	// Says that plain HTTP to a host other than loopback is meant.
	Plaintext bool `yaml:"plaintext" default:"false"`
	// Trust and client certificate for this server.
	TLS ClientTLS `yaml:"tls"`
	// What the gateway shows to this server. The caller's token is never sent on.
	Credentials Credentials `yaml:"credentials"`
	// Names of the issuers whose tokens are accepted here.
	Issuers []string `yaml:"issuers" required:"true"`
	// Accepted `aud` values. Empty: this upstream's public base alone.
	Audience []string `yaml:"audience"`
	// Time limits towards this server.
	Timeouts Timeouts `yaml:"timeouts"`
	// Most connections to this server.
	MaxConnections int `yaml:"max_connections" default:"64" min:"1" max:"10000"`
	// Bounds of one request.
	Limits Limits `yaml:"limits"`
	// How a changed resource is protected against a concurrent change.
	Writes Writes `yaml:"writes"`
}

// ClientTLS is the gateway's side of TLS towards a server behind.
type ClientTLS struct {
	// PEM file with the authorities to trust instead of the system's.
	CA string `yaml:"ca" format:"path"`
	// PEM file with a client certificate.
	Cert string `yaml:"cert" format:"path"`
	// PEM file with the client certificate's key.
	Key string `yaml:"key" format:"path"`
	// Name to verify instead of the URL's host.
	ServerName string `yaml:"server_name"`
}

// Credentials are the gateway's own towards one server. Which keys belong to
// which kind is the table credentialKeys.
type Credentials struct {
	// `none`, a static `bearer` token, HTTP `basic`, OAuth 2.0 `client_credentials`, or an `azure` identity.
	Kind string `yaml:"kind" default:"none" enum:"none|bearer|basic|client_credentials|azure"`
	// bearer: the token.
	Token Secret `yaml:"token"`
	// basic: the user.
	Username string `yaml:"username"`
	// basic: the password.
	Password Secret `yaml:"password"`
	// client_credentials: the token endpoint.
	TokenURL string `yaml:"token_url" format:"url"`
	// client_credentials: the client's id; azure: the client id of a user-assigned managed identity.
	ClientID string `yaml:"client_id"`
	// client_credentials: the client's secret.
	ClientSecret Secret `yaml:"client_secret"`
	// client_credentials: how id and secret are sent (default `header`: HTTP Basic).
	AuthStyle string `yaml:"auth_style" enum:"header|params"`
	// client_credentials: scopes to ask for; azure: exactly one, such as `https://NAME.fhir.azurehealthcareapis.com/.default`.
	Scopes []string `yaml:"scopes"`
	// client_credentials: further parameters of the token request, such as `audience` or `resource`.
	Params map[string]string `yaml:"params"`
	// azure: `managed` identity (the default) or the `default` chain (environment, workload identity, managed identity, Azure CLI).
	Identity string `yaml:"identity" enum:"managed|default"`
}

// Timeouts are the time limits towards one server.
type Timeouts struct {
	// To open a connection, TLS included.
	Connect time.Duration `yaml:"connect" default:"5s" min:"10ms" max:"5m"`
	// From the end of the request to the answer's header.
	ResponseHeader time.Duration `yaml:"response_header" default:"30s" min:"10ms" max:"1h"`
	// For one exchange with the server, body included.
	Total time.Duration `yaml:"total" default:"60s" min:"10ms" max:"1h"`
	// How long an unused connection is kept.
	Idle time.Duration `yaml:"idle" default:"90s" min:"1s" max:"1h"`
}

// Limits bound one request. At a bound a search ends with a `too-costly`
// outcome, never with a short page.
type Limits struct {
	// Largest single resource, in an answer or a Bundle entry. Memory is bounded by it.
	MaxResource Size `yaml:"max_resource" default:"10MiB" min:"1KiB" max:"1GiB"`
	// Deepest nesting of a JSON document.
	MaxDepth int `yaml:"max_depth" default:"64" min:"8" max:"512"`
	// Resources that one search may read from the server to fill a page or count.
	ScanRows int `yaml:"scan_rows" default:"10000" min:"1" max:"100000000"`
	// Bytes that one search may read from the server.
	ScanBytes Size `yaml:"scan_bytes" default:"128MiB" min:"1KiB" max:"1TiB"`
	// Time that one search may take.
	ScanTime time.Duration `yaml:"scan_time" default:"30s" min:"10ms" max:"1h"`
	// Searches that one caller may have running at a time; past it 429.
	ScansPerCaller int `yaml:"scans_per_caller" default:"8" min:"1" max:"10000"`
	// Rows of a page when the client asks for no number.
	PageDefault int `yaml:"page_default" default:"50" min:"1" max:"10000"`
	// Most rows of a page, whatever the client asks for.
	PageMax int `yaml:"page_max" default:"500" min:"1" max:"10000"`
	// Rows that the gateway asks the server for at a time.
	UpstreamPage int `yaml:"upstream_page" default:"200" min:"1" max:"10000"`
	// How long a next link stays valid.
	PageLinkTTL time.Duration `yaml:"page_link_ttl" default:"1h" min:"1s" max:"168h"`
	// `accurate`: count the visible rows when a total is asked for; `omit`: never a total, whatever policy says.
	Total string `yaml:"total" default:"accurate" enum:"accurate|omit"`
}

// Writes say how a judged version is held fast while it is replaced.
type Writes struct {
	// Whether the server honours If-Match: `probe` asks it at start for each type and interaction when first needed, `honoured` states it, `ignored` states the opposite.
	IfMatch string `yaml:"if_match" default:"probe" enum:"probe|honoured|ignored"`
	// With `honoured`: where it is not. `Type`, `Type.update`, `Type.delete`, `*.update` or `*.delete`.
	IgnoredFor []string `yaml:"ignored_for"`
	// Where a change between judgement and write is accepted though the server does not honour If-Match. Same form. Everywhere else such writes are refused.
	AcceptRaceFor []string `yaml:"accept_race_for"`
}

// Ignored reports whether the file states that the server does not honour
// If-Match for an interaction (update or delete) on a resource type.
func (w Writes) Ignored(resourceType, interaction string) bool {
	return w.IfMatch == "ignored" || named(w.IgnoredFor, resourceType, interaction)
}

// AcceptsRace reports whether the file accepts by name that a resource changes
// between judgement and write.
func (w Writes) AcceptsRace(resourceType, interaction string) bool {
	return named(w.AcceptRaceFor, resourceType, interaction)
}

func named(names []string, resourceType, interaction string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		return n == resourceType || n == resourceType+"."+interaction || n == "*."+interaction
	})
}

// PublicBase is the FHIR base of u as clients see it, without a trailing slash.
func (c *Config) PublicBase(u Upstream) string {
	if strings.HasPrefix(u.Base, "/") {
		return strings.TrimRight(c.PublicURL, "/") + strings.TrimRight(u.Base, "/")
	}
	return strings.TrimRight(u.Base, "/")
}

// Audiences are the `aud` values accepted at u.
func (c *Config) Audiences(u Upstream) []string {
	if len(u.Audience) > 0 {
		return u.Audience
	}
	return []string{c.PublicBase(u)}
}

// baseKey is host and path of a public base, for comparing bases.
func baseKey(base string) (host, path string) {
	u, err := url.Parse(base)
	if err != nil {
		return "", ""
	}
	return strings.ToLower(u.Host), strings.TrimRight(u.Path, "/") + "/"
}
