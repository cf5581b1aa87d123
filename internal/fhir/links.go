package fhir

import (
	"bytes"
	"strings"
)

// RelativeLinks makes absolute references below base relative, so that policy,
// masks and clients see one form of each. It changes the document only where a
// string, or a link quoted in the HTML of a string, is the base followed by
// Type/id or Type/id/_history/vid: canonical URLs, identifier systems and
// addresses of operations stay as they are. The document is never changed in
// place.
func RelativeLinks(doc []byte, base string) []byte {
	prefix := []byte(`"` + base + "/")
	escaped := []byte(`"` + strings.ReplaceAll(base, "/", `\/`) + `\/`)
	if bytes.Contains(doc, escaped) {
		doc = relative(doc, escaped)
	}
	if bytes.Contains(doc, prefix) {
		doc = relative(doc, prefix)
	}
	return doc
}

func relative(doc, prefix []byte) []byte {
	out := make([]byte, 0, len(doc))
	for {
		i := bytes.Index(doc, prefix)
		if i < 0 {
			return append(out, doc...)
		}
		rest := doc[i+len(prefix):]
		link, _, _ := bytes.Cut(rest[:min(len(rest), maxLink)], []byte(`"`))
		link = bytes.TrimSuffix(link, []byte(`\`)) // of the quote of an attribute in HTML
		text := strings.ReplaceAll(string(link), `\/`, "/")
		if _, ok := ParseReference(text); ok {
			out = append(append(out, doc[:i+1]...), text...)
			doc = rest[len(link):]
			continue
		}
		out = append(out, doc[:i+len(prefix)]...)
		doc = rest
	}
}

// maxLink is more than the longest Type/id/_history/vid has, in bytes.
const maxLink = 256
