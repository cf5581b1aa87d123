package store

import (
	"bytes"
	"strconv"
	"time"

	"github.com/fhirgate/fhirgate/internal/fhir/wire"
)

// instant is how HAPI writes FHIR instants: milliseconds and a numeric offset.
const instant = "2006-01-02T15:04:05.000-07:00"

// draft is a resource as a client sent it, taken apart: what the server stamps is apart from what it only keeps.
type draft struct {
	typ  string
	id   string // as in the body; "" when it has none
	meta []byte // members of meta without versionId and lastUpdated, without braces
	rest []byte // members other than resourceType, id and meta, without braces
}

// parse takes a request body apart. The error is a failure with status 400.
func (s *Store) parse(body []byte) (*draft, error) {
	if err := wire.Check(body, wire.Limits{}); err != nil {
		return nil, invalid("Failed to parse request body as JSON resource: %v", err)
	}
	d := split(wire.Compact(make([]byte, 0, len(body)), body))
	switch {
	case d.typ == "":
		return nil, invalid("Failed to parse request body as JSON resource: it has no resourceType")
	case !s.defs.IsResource(d.typ):
		return nil, invalid("Unknown resource type %q", d.typ)
	case d.id != "" && !validID(d.id):
		return nil, invalid("The resource's id isn't a legal FHIR id")
	}
	return &d, nil
}

// split takes a compact resource apart; parts share doc's memory where they can.
func split(doc []byte) draft {
	var d draft
	start := -1 // of the run of rest members not yet taken
	end := 0
	take := func() {
		if start >= 0 {
			d.rest = join(d.rest, doc[start:end])
			start = -1
		}
	}
	i, more := wire.Open(doc, 0, '{')
	for more {
		keyEnd := wire.SkipString(doc, i)
		value := wire.SkipColon(doc, keyEnd)
		next := wire.SkipValue(doc, value)
		switch key := doc[i+1 : keyEnd-1]; {
		case wire.KeyIs(key, "resourceType"):
			take()
			d.typ, _ = wire.String(doc[value:next])
		case wire.KeyIs(key, "id"):
			take()
			d.id, _ = wire.String(doc[value:next])
		case wire.KeyIs(key, "meta"):
			take()
			d.meta = splitMeta(doc[value:next])
		default:
			if start < 0 {
				start = i
			}
			end = next
		}
		i, more = wire.Next(doc, next)
	}
	take()
	return d
}

// join adds members to members.
func join(dst, members []byte) []byte {
	if len(dst) == 0 {
		return members[:len(members):len(members)]
	}
	return append(append(dst, ','), members...)
}

func splitMeta(meta []byte) []byte {
	var out []byte
	for key, value := range wire.Members(meta) {
		if wire.KeyIs(key, "versionId") || wire.KeyIs(key, "lastUpdated") {
			continue
		}
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), key...), '"', ':')
		out = append(out, value...)
	}
	return out
}

// stamp appends the resource as it's stored and served.
func stamp(dst []byte, typ, id string, number int, millis int64, meta, rest []byte) []byte {
	dst = append(append(dst, `{"resourceType":"`...), typ...)
	dst = append(append(dst, `","id":"`...), id...)
	dst = strconv.AppendInt(append(dst, `","meta":{"versionId":"`...), int64(number), 10)
	dst = time.UnixMilli(millis).UTC().AppendFormat(append(dst, `","lastUpdated":"`...), instant)
	dst = append(dst, '"')
	if len(meta) > 0 {
		dst = append(append(dst, ','), meta...)
	}
	dst = append(dst, '}')
	if len(rest) > 0 {
		dst = append(append(dst, ','), rest...)
	}
	return append(dst, '}')
}

// keepLabels returns the members of a new version's meta with the tags and security labels of the stored version that it
// leaves out: an update doesn't remove them (FHIR R4 resource.html#tag-updates; HAPI wants $meta-delete for that).
func keepLabels(stored, incoming []byte) []byte {
	out := incoming
	for _, name := range []string{"security", "tag"} {
		old := memberOf(stored, name)
		if old == nil {
			continue
		}
		merged, missing := mergeCodings(old, memberOf(out, name))
		if missing {
			out = setMember(out, name, merged)
		}
	}
	return out
}

// braced makes an object of members.
func braced(members []byte) []byte {
	return append(append([]byte{'{'}, members...), '}')
}

func memberOf(members []byte, name string) []byte {
	value, _ := wire.Get(braced(members), name)
	return value
}

func setMember(members []byte, name string, value []byte) []byte {
	var out []byte
	for k, v := range wire.Members(braced(members)) {
		if !wire.KeyIs(k, name) {
			out = join(out, append(append(append([]byte{'"'}, k...), `":`...), v...))
		}
	}
	return join(out, append([]byte(`"`+name+`":`), value...))
}

// mergeCodings adds to the array fresh those items of old which it lacks; missing says that there were some.
func mergeCodings(old, fresh []byte) (merged []byte, missing bool) {
	have := map[[2]string]bool{}
	var items [][]byte
	for item := range wire.Items(fresh) {
		have[codingOf(item)] = true
		items = append(items, item)
	}
	for item := range wire.Items(old) {
		if !have[codingOf(item)] {
			items, missing = append(items, item), true
		}
	}
	return append(append([]byte{'['}, bytes.Join(items, []byte{','})...), ']'), missing
}

func codingOf(coding []byte) [2]string {
	return [2]string{text(coding, "system"), text(coding, "code")}
}

// text returns a string member of an object, "" when there is none.
func text(object []byte, name string) string {
	value, _ := wire.Get(object, name)
	s, _ := wire.String(value)
	return s
}

// validID checks FHIR R4 datatypes.html#id.
func validID(id string) bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}
