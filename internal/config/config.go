// Package config is the YAML file of `fhirgate serve`: strict decoding,
// defaults and validation of plain structs. Every problem of a file is reported
// at once, each with the file, the line, the key, what was found and what is
// expected. Secrets are never written in the file, only named (see Secret).
//
// It is a leaf: it imports the standard library and a YAML parser, and only
// internal/app and cmd may import it. The struct tags are the single source for
// decoding, defaults, checks and docs/config.md:
//
//	yaml      the key
//	default   the value when the key is absent; lists are comma separated
//	required  the key must be given a value
//	enum      the allowed values, separated by |
//	format    one of the names in formats.go
//	min, max  bounds of a number, a duration or a size, inclusive
package config

//go:generate go run ./gen -out ../../docs/config.md

import "time"

// Config is the whole file.
type Config struct {
	// Where the gateway listens and what it accepts before anything is decided.
	Listen Listen `yaml:"listen"`
	// The address by which clients reach the gateway, without a trailing slash. Every link in an answer starts with it.
	PublicURL string `yaml:"public_url" required:"true" format:"url"`
	// The FHIR R4 servers behind the gateway. Each has a public base of its own, and a token of one is worthless at another.
	Upstreams []Upstream `yaml:"upstreams" required:"true"`
	// Who may vouch for a caller.
	Issuers []Issuer `yaml:"issuers" required:"true"`
	// The policy that decides.
	Policy Policy `yaml:"policy"`
	// Durable state: participant links, keys, quota counters, review events.
	Store Store `yaml:"store"`
	// What is recorded about each request.
	Audit Audit `yaml:"audit"`
	// Prometheus metrics.
	Metrics Metrics `yaml:"metrics"`
	// OpenTelemetry traces; off unless an endpoint is given.
	Tracing Tracing `yaml:"tracing"`
	// The process's own log, on standard error.
	Log Log `yaml:"log"`

	// source is where each key was found, for CheckFiles.
	source source
}

// Listen is the public listener.
type Listen struct {
	// Host and port of the public listener.
	Address string `yaml:"address" default:"127.0.0.1:8080" format:"hostport"`
	// Certificate of the public listener. Without it the listener speaks plain HTTP.
	TLS TLS `yaml:"tls"`
	// Says that plain HTTP on an address other than loopback, or a public_url with http, is meant: something in front ends TLS.
	Plaintext bool `yaml:"plaintext" default:"false"`
	// HTTP/2 over TLS.
	HTTP2 bool `yaml:"http2" default:"true"`
	// HTTP/2 without TLS (prior knowledge), for a proxy in front that speaks it.
	H2C bool `yaml:"h2c" default:"false"`
	// How long a client may take for the request line and header.
	ReadHeaderTimeout time.Duration `yaml:"read_header_timeout" default:"10s" min:"100ms" max:"5m"`
	// How long a client may take for the whole request.
	ReadTimeout time.Duration `yaml:"read_timeout" default:"60s" min:"1s" max:"1h"`
	// How long an answer may take to write, from the end of the request's header.
	WriteTimeout time.Duration `yaml:"write_timeout" default:"5m" min:"1s" max:"24h"`
	// How long a connection may stay open without a request.
	IdleTimeout time.Duration `yaml:"idle_timeout" default:"2m" min:"1s" max:"1h"`
	// How long readiness is already refused before the listener closes, so that a load balancer takes this replica out.
	ShutdownDelay time.Duration `yaml:"shutdown_delay" default:"0s" min:"0s" max:"5m"`
	// How long requests in flight may take to finish once the listener is closed.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout" default:"30s" min:"0s" max:"1h"`
	// Largest request body, after decompression.
	MaxBody Size `yaml:"max_body" default:"10MiB" min:"1KiB" max:"1GiB"`
	// Largest request header.
	MaxHeader Size `yaml:"max_header" default:"64KiB" min:"4KiB" max:"1MiB"`
	// Longest request target (path and query).
	MaxURL Size `yaml:"max_url" default:"8KiB" min:"256B" max:"64KiB"`
}

// TLS is a server's certificate.
type TLS struct {
	// PEM file with the certificate chain.
	Cert string `yaml:"cert" format:"path"`
	// PEM file with the private key.
	Key string `yaml:"key" format:"path"`
	// Lowest TLS version.
	MinVersion string `yaml:"min_version" default:"1.2" enum:"1.2|1.3"`
}

// On reports whether a certificate is configured.
func (t TLS) On() bool { return t.Cert != "" }

// Store is where durable state lives.
type Store struct {
	// `sqlite` is a file for one process; `postgres` is shared by all replicas.
	Driver string `yaml:"driver" default:"sqlite" enum:"sqlite|postgres"`
	// The SQLite file; made when absent.
	Path string `yaml:"path" default:"fhirgate.db" format:"newpath"`
	// The PostgreSQL connection string or URL, by reference.
	DSN Secret `yaml:"dsn"`
	// Most connections to PostgreSQL, or readers of the SQLite file.
	MaxConnections int `yaml:"max_connections" default:"10" min:"1" max:"1000"`
}

// Audit is what is recorded about each request.
type Audit struct {
	// One structured line per request in the process's log. It holds no ids of resources and nothing from their content.
	Log bool `yaml:"log" default:"true"`
	// Where one FHIR AuditEvent per request goes: `log` (a line of its own), `file` (NDJSON), `upstream` (created on the FHIR server) or `none`.
	Events string `yaml:"events" default:"log" enum:"log|file|upstream|none"`
	// The NDJSON file for `file`; appended to, and opened again on SIGHUP so that it can be rotated.
	File string `yaml:"file" format:"newpath"`
	// For `upstream`: the name of the upstream that stores the events. Empty: the one that the request was for.
	Upstream string `yaml:"upstream"`
	// Whether AuditEvents name the resources that were read or written (ids only). Those in the process's log never do.
	ResourceIDs bool `yaml:"resource_ids" default:"true"`
	// How many records wait for a slow sink. Past it a record is dropped and counted, or, where policy asks for `audit: full`, the request fails.
	Queue int `yaml:"queue" default:"4096" min:"1" max:"1000000"`
	// How often a file is flushed, and the longest that an event for an upstream waits for its batch.
	FlushInterval time.Duration `yaml:"flush_interval" default:"1s" min:"10ms" max:"1m"`
}

// Metrics is the Prometheus endpoint.
type Metrics struct {
	// Host and port of a listener of its own for `/metrics`, apart from the public one. Empty: off.
	Listen string `yaml:"listen" format:"hostport"`
}

// Tracing is the OTLP exporter.
type Tracing struct {
	// OTLP endpoint, such as `http://127.0.0.1:4318`. Empty: off.
	Endpoint string `yaml:"endpoint" format:"url"`
	// How traces are sent.
	Protocol string `yaml:"protocol" default:"http" enum:"http|grpc"`
	// Headers of the exporter, by reference: they tend to be secrets.
	Headers map[string]Secret `yaml:"headers"`
	// Share of requests that are traced when the caller has not decided it.
	SampleRatio float64 `yaml:"sample_ratio" default:"0.1" min:"0" max:"1"`
}

// Log is the process's own log.
type Log struct {
	// Lowest level that is written.
	Level string `yaml:"level" default:"info" enum:"debug|info|warn|error"`
	// One JSON object per line, or text.
	Format string `yaml:"format" default:"json" enum:"json|text"`
}
