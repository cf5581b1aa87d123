package mask

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// Action is what a rule does to the elements that it covers. The zero value is
// no action; a rule with it doesn't compile.
type Action uint8

// The actions, from the one that shows most of an element to the one that shows
// least. Where several apply to one element the order decides: of restrictions
// the last wins, of grants (which add up) the first.
const (
	// Truncate shortens a date to its year, month or day, a string to its first
	// code points. On a Period it does so to start and end.
	Truncate Action = iota + 1
	// Generalize replaces a value by what a map has for it.
	Generalize
	// Pseudonymize replaces ids by pseudonyms that only the gateway resolves.
	Pseudonymize
	// Hash replaces a string by its keyed hash: equal values stay recognisable.
	Hash
	// Replace puts a fixed value in place of whatever there is.
	Replace
	// Remove drops the element.
	Remove
)

// String is the action as policy writes it.
func (a Action) String() string {
	switch a {
	case Truncate:
		return "truncate"
	case Generalize:
		return "generalize"
	case Pseudonymize:
		return "pseudonymize"
	case Hash:
		return "hash"
	case Replace:
		return "replace"
	case Remove:
		return "remove"
	}
	return "invalid action"
}

// Rule is one mask as policy returns it.
type Rule struct {
	// Path is the path of the elements, as docs/contract.md has it.
	Path string
	// Action is what happens to them.
	Action Action
	// Value is the JSON value of Replace.
	Value json.RawMessage
	// To is how far Truncate goes: year, month, day, postal3 or a number of code
	// points.
	To string
	// Map is, for Generalize, what is shown for a value; its keys are the texts of
	// strings, numbers and booleans.
	Map map[string]json.RawMessage
	// Default is, for Generalize, what is shown for a value that Map hasn't; nil
	// removes it.
	Default json.RawMessage
}

// Errors of ParseRule and Compile. Each is wrapped with the path of the rule and
// names nothing of any resource.
var (
	// ErrSyntax is a rule or path that isn't written as the mask language has it.
	ErrSyntax = errors.New("invalid mask")
	// ErrPath is a path that names no element.
	ErrPath = errors.New("unknown element")
	// ErrAction is an action that doesn't fit the elements of the path.
	ErrAction = errors.New("action doesn't fit the element")
	// ErrModifier is a path to or into a modifier element: what remains would mean
	// something else. At Compile policy must withhold the resource instead; from
	// Apply it says that a rule for any depth met one in this very resource.
	ErrModifier = errors.New("a modifier element can't be masked")
	// ErrUnmaskable is a path to resourceType, id, meta.versionId, an extension's
	// url or what contains them.
	ErrUnmaskable = errors.New("element can't be masked")
	// ErrConflict is a condition whose answer another rule could change.
	ErrConflict = errors.New("condition reads an element that a rule rewrites")
)

// ParseRule reads one mask from its JSON object, strictly: an unknown key, a key
// that the action doesn't have, and a wrong type are ErrSyntax. Whether the path
// exists is for Compile.
func ParseRule(object []byte) (Rule, error) {
	if err := wire.Check(object, wire.Limits{}); err != nil {
		return Rule{}, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	var rule Rule
	for k, v := range wire.Members(object) {
		if err := rule.set(wire.Key(k), v); err != nil {
			return Rule{}, err
		}
	}
	if rule.Path == "" {
		return Rule{}, fmt.Errorf("%w: no path", ErrSyntax)
	}
	if err := rule.checkKeys(); err != nil {
		return Rule{}, fmt.Errorf("mask %q: %w", rule.Path, err)
	}
	if _, err := parsePath(rule.Path); err != nil {
		return Rule{}, fmt.Errorf("mask %q: %w", rule.Path, err)
	}
	return rule, nil
}

func (r *Rule) set(key string, value []byte) error {
	text, isText := wire.String(value)
	switch {
	case key == "path" && isText:
		r.Path = text
	case key == "action" && isText:
		for a := Truncate; a <= Remove; a++ {
			if a.String() == text {
				r.Action = a
			}
		}
		if r.Action == 0 {
			return fmt.Errorf("%w: unknown action", ErrSyntax)
		}
	case key == "to" && isText && text != "":
		r.To = text
	case key == "to" && wire.KindOf(value) == wire.Number:
		r.To = string(value)
	case key == "value":
		r.Value = append(json.RawMessage(nil), value...)
	case key == "default":
		r.Default = append(json.RawMessage(nil), value...)
	case key == "map" && wire.KindOf(value) == wire.Object:
		r.Map = map[string]json.RawMessage{}
		for k, v := range wire.Members(value) {
			r.Map[wire.Key(k)] = append(json.RawMessage(nil), v...)
		}
	default:
		return fmt.Errorf("%w: unknown key or wrong type of value: %q", ErrSyntax, key)
	}
	return nil
}

// checkKeys says whether the rule has what its action needs, and nothing else.
func (r *Rule) checkKeys() error {
	for _, c := range []struct {
		has    bool
		key    string
		action Action
		needed bool
	}{
		{r.Value != nil, "value", Replace, true},
		{r.To != "", "to", Truncate, true},
		{r.Map != nil, "map", Generalize, true},
		{r.Default != nil, "default", Generalize, false},
	} {
		if c.has && r.Action != c.action {
			return fmt.Errorf("%w: %q doesn't belong to %s", ErrSyntax, c.key, r.Action)
		}
		if c.needed && !c.has && r.Action == c.action {
			return fmt.Errorf("%w: %s needs %q", ErrSyntax, r.Action, c.key)
		}
	}
	if r.Action == 0 || r.Action > Remove {
		return fmt.Errorf("%w: no action", ErrSyntax)
	}
	if r.Action == Truncate {
		if _, err := parseExtent(r.To); err != nil {
			return err
		}
	}
	return nil
}

// extent is how far a truncation goes: a part of a date, or code points.
type extent struct {
	// date is the number of bytes that are left of YYYY-MM-DD; 0 when the extent
	// isn't one of a date.
	date int
	// points is the number of code points that are left of a string.
	points int
}

const (
	yearBytes, monthBytes, dayBytes = len("2006"), len("2006-01"), len("2006-01-02")
	postalPoints                    = 3
	maxPoints                       = 1 << 20
)

func parseExtent(to string) (extent, error) {
	switch to {
	case "year":
		return extent{date: yearBytes}, nil
	case "month":
		return extent{date: monthBytes}, nil
	case "day":
		return extent{date: dayBytes}, nil
	case "postal3":
		return extent{points: postalPoints}, nil
	}
	n, err := strconv.Atoi(to)
	if err != nil || n < 1 || n > maxPoints || strconv.Itoa(n) != to {
		return extent{}, fmt.Errorf("%w: \"to\" must be year, month, day, postal3 or a number of characters", ErrSyntax)
	}
	return extent{points: n}, nil
}
