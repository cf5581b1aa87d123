package config

import _ "embed" // For the example file.

//go:embed example.yaml
var example string

// Example is the commented file that `fhirgate config init` writes. It is a
// valid configuration.
func Example() string { return example }
