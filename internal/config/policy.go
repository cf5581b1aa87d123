package config

import "time"

// Policy is the policy bundle and how it is evaluated.
type Policy struct {
	// The bundle: a folder with Rego and data, or a tar.gz file. Read again on SIGHUP.
	Bundle string `yaml:"bundle" required:"true" format:"path"`
	// How often the bundle is looked at for changes. 0s: only on SIGHUP.
	PollInterval time.Duration `yaml:"poll_interval" default:"0s" min:"0s" max:"24h"`
	// Time for one evaluation (one request decision or one resource). Past it the request is refused or the answer fails.
	Timeout time.Duration `yaml:"timeout" default:"2s" min:"1ms" max:"1m"`
	// Look-ups that policy makes on the FHIR server under the gateway's own credentials.
	Lookup Lookup `yaml:"lookup"`
	// Purpose of use named by the caller.
	Purpose Purpose `yaml:"purpose"`
}

// Lookup bounds fhir.read and fhir.search.
type Lookup struct {
	// How long an answer is used again. A write that passes the gateway drops it at once.
	TTL time.Duration `yaml:"ttl" default:"30s" min:"0s" max:"1h"`
	// Most resources of one look-up; past it the evaluation fails.
	MaxRows int `yaml:"max_rows" default:"5000" min:"1" max:"100000"`
	// Memory for cached answers, for each upstream.
	CacheBytes Size `yaml:"cache_bytes" default:"64MiB" min:"0B" max:"64GiB"`
	// Time for the evaluation of `data.fhirgate.context`, look-ups included.
	Timeout time.Duration `yaml:"timeout" default:"5s" min:"10ms" max:"1m"`
}

// Purpose says whether a caller may state a purpose of use by header. Policy
// decides what it is worth.
type Purpose struct {
	// Whether the header is read at all. Off: only the token's own claim counts.
	Header bool `yaml:"header" default:"false"`
	// Longest time that a purpose stated by header may last.
	MaxDuration time.Duration `yaml:"max_duration" default:"1h" min:"1m" max:"24h"`
	// Shortest reason text that is accepted, in characters.
	MinReason int `yaml:"min_reason" default:"10" min:"1" max:"1000"`
}
