// Package wire reads FHIR's JSON format on bytes: one strict check of a whole
// document, and then cheap walks over what passed it. There is no tree and no
// reflection, so what isn't touched stays byte for byte what came in; FHIR
// needs that, because the text of a number carries its precision (R4
// json.html, "decimal").
//
// Check is the only function for foreign bytes. The others expect values that
// passed it; on anything else they neither panic nor read out of bounds, but
// what they give is meaningless.
//
// It imports nothing but the standard library.
package wire
