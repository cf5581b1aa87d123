package mask

import (
	"bytes"

	"github.com/fhirgate/fhirgate/internal/fhir/definitions"
	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// absence is the member that stands for a required element which is masked. That
// of a choice always has the choice's first type, so that it doesn't tell the
// type of what it stands for.
type absence struct{ member []byte }

const (
	absentReasonURL = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
	absentMasked    = `{"extension":[{"url":"` + absentReasonURL + `","valueCode":"masked"}]}`
)

func newAbsence(defs *definitions.Definitions, el *definitions.Element) *absence {
	name := el.Name
	if el.Choice {
		name = choiceName(name, el.Types[0])
	}
	t, ok := defs.Type(el.Types[0])
	primitive := ok && t.Kind == definitions.Primitive
	switch {
	case primitive && el.Repeats():
		return &absence{[]byte(`"` + name + `":[null],"_` + name + `":[` + absentMasked + `]`)}
	case primitive:
		return &absence{[]byte(`"_` + name + `":` + absentMasked)}
	case el.Repeats():
		return &absence{[]byte(`"` + name + `":[` + absentMasked + `]`)}
	}
	return &absence{[]byte(`"` + name + `":` + absentMasked)}
}

// isAbsentMasked says whether an object is what stands for a masked element.
func isAbsentMasked(object []byte) bool {
	if len(object) < len(absentReasonURL) || !bytes.Contains(object, []byte("data-absent-reason")) && !bytes.Contains(object, []byte(`\`)) {
		return false
	}
	return wire.Equal(object, []byte(absentMasked))
}
