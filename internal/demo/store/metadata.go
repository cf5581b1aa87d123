package store

import "strconv"

// buildCapabilities makes the CapabilityStatement.
func (s *Store) buildCapabilities() []byte {
	b := []byte(`{"resourceType":"CapabilityStatement","status":"active","date":"` + s.opts.Now().UTC().Format(instant) + `","publisher":"fhirgate","kind":"instance",` +
		`"software":{"name":"fhirgate demo store"},"implementation":{"description":"Demo FHIR R4 server"},"fhirVersion":"` + s.defs.Version() + `",` +
		`"format":["application/fhir+json","json"],"rest":[{"mode":"server","resource":[`)
	for i, typ := range s.defs.ResourceTypes() {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.appendCapability(b, typ)
	}
	return append(b, `],"interaction":[{"code":"transaction"},{"code":"batch"},{"code":"search-system"},{"code":"history-system"}]}]}`...)
}

func (s *Store) appendCapability(b []byte, typ string) []byte {
	b = append(b, `{"type":"`+typ+`","profile":"http://hl7.org/fhir/StructureDefinition/`+typ+`","interaction":[`...)
	for i, code := range []string{"read", "vread", "update", "delete", "history-instance", "history-type", "create", "search-type"} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"code":"`+code+`"}`...)
	}
	b = append(b, `],"versioning":"versioned-update","readHistory":true,"updateCreate":true,"conditionalCreate":true,"conditionalRead":"full-support",`+
		`"conditionalUpdate":true,"conditionalDelete":"multiple","referencePolicy":["literal","local"`...)
	if !s.opts.AllowDangling {
		b = append(b, `,"enforced"`...)
	}
	b = append(b, `],`...)
	includes, params := "", ""
	for _, def := range s.defs.SearchParameters(typ) {
		if s.param(typ, def.Code) == nil {
			continue
		}
		params += `,{"name":` + strconv.Quote(def.Code) + `,"definition":` + strconv.Quote(def.URL) + `,"type":` + strconv.Quote(def.Type) + `}`
		if def.Type == "reference" {
			includes += `,` + strconv.Quote(typ+":"+def.Code)
		}
	}
	b = append(b, `"searchInclude":["*"`+includes+`],"searchParam":[`...)
	if params != "" {
		b = append(b, params[1:]...)
	}
	return append(b, `]}`...)
}
