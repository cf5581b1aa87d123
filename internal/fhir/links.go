package fhir

import "bytes"

// RelativeLinks makes absolute URLs below base relative, so that policy, masks
// and clients see one form of each reference. It changes the document only
// where a string begins with the base.
func RelativeLinks(doc []byte, base string) []byte {
	old := []byte(`"` + base + `/`)
	if !bytes.Contains(doc, old) {
		return doc
	}
	return bytes.ReplaceAll(doc, old, []byte(`"`))
}
