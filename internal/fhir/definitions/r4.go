package definitions

import (
	_ "embed"
	"fmt"
	"sync"
)

// r4Text is generated from the package hl7.fhir.r4.examples; gen's documentation says how to repeat that.
//
//go:generate go run ./gen -source $FHIR_R4_PACKAGE -out r4.txt
//go:embed r4.txt
var r4Text string

var r4 = sync.OnceValue(func() *Definitions { //nolint:gochecknoglobals // decoded once and read only
	d, err := decode(r4Text)
	if err != nil {
		panic(fmt.Sprintf("the embedded R4 definitions are broken: %v", err)) //nolint:forbidigo // part of the binary, decoded by every test
	}
	return d
})

// R4 returns the definitions of FHIR R4 (4.0.1). They are decoded at the first call.
func R4() *Definitions { return r4() }
