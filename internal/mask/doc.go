// Package mask hides elements of FHIR resources, on their JSON bytes, and puts
// back what a writer didn't see.
//
// Rules are compiled once, for a resource type, to an automaton over element
// paths and the R4 definitions. Apply walks a resource once with it; a subtree in
// which no rule can match is skipped, and whatever isn't masked or tagged stays
// byte for byte what came in. Apply(Apply(x)) is Apply(x).
//
// What is masked:
//   - A rule covers its elements with everything below. An element is masked when
//     a rule of the restrictions covers it, or when every grant has a rule that does.
//   - The "_" sibling of a primitive goes with it, whatever the action.
//   - A required element becomes data-absent-reason "masked", also where it was
//     left empty; an optional one that is left empty goes.
//   - Every resource that a rule could concern carries the label REDACTED and has
//     no narrative, whether or not it has the element: absence isn't told from
//     presence. Contained resources are masked by the rules of their own types,
//     and Composition.section.text counts as narrative.
//   - With Reference.reference or .identifier goes the display.
//   - A value in which an action finds nothing to do its work on (a date that isn't
//     one, a type of a choice that the action doesn't fit) is removed.
//
// Where rules disagree on an element: the strictest of the restrictions, of one
// grant the strictest, of several grants the one that shows most, and of what
// restrictions and grants say the stricter. Strictness is the order of the
// actions (see Action), then the shorter truncation, then the earlier rule.
//
// It is part of the core: no I/O, no clock, no goroutines; it imports the FHIR
// packages only.
package mask
