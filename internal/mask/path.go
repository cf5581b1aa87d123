package mask

import (
	"fmt"
	"strings"
)

// anyType is the root of a path for every resource type.
const anyType = "*"

// path is a parsed element path.
type path struct {
	// root is a resource type or anyType.
	root string
	// where is the condition on the resource.
	where    []term
	segments []segment
}

// segment is one step of a path.
type segment struct {
	// deep says that any number of elements may lie between this one and the one
	// before: `**.name`.
	deep bool
	// name is an element's name without "[x]", or the JSON name of one type of a
	// choice.
	name  string
	where []term
}

// term is a comparison `a.b='x'`.
type term struct {
	path []string
	text string
}

const (
	maxPathBytes = 1 << 10
	maxSegments  = 24
)

// parsePath reads a path. That its names exist is checked later.
func parsePath(text string) (path, error) {
	if len(text) > maxPathBytes {
		return path{}, fmt.Errorf("%w: path too long", ErrSyntax)
	}
	p := pathParser{rest: text}
	var out path
	var err error
	switch {
	case p.take("**."):
		out.root = anyType
		p.rest = "**." + p.rest
	case p.take("*"):
		out.root = anyType
	default:
		out.root = p.name()
	}
	if out.root == "" {
		return path{}, fmt.Errorf("%w: a path starts with a resource type, * or **", ErrSyntax)
	}
	if !strings.HasPrefix(p.rest, "**.") {
		if out.where, err = p.where(); err != nil {
			return path{}, err
		}
		if !p.take(".") {
			return path{}, fmt.Errorf("%w: a path names an element below the resource", ErrSyntax)
		}
	}
	if out.segments, err = p.segments(); err != nil {
		return path{}, err
	}
	return out, nil
}

type pathParser struct{ rest string }

func (p *pathParser) take(prefix string) bool {
	rest, ok := strings.CutPrefix(p.rest, prefix)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *pathParser) name() string {
	i := 0
	for i < len(p.rest) && isNameByte(p.rest[i], i == 0) {
		i++
	}
	name := p.rest[:i]
	p.rest = p.rest[i:]
	return name
}

func isNameByte(b byte, first bool) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || !first && '0' <= b && b <= '9'
}

func (p *pathParser) segments() ([]segment, error) {
	var out []segment
	for {
		var s segment
		s.deep = p.take("**.")
		s.name = p.name()
		if s.name == "" {
			return nil, fmt.Errorf("%w: an element's name is missing", ErrSyntax)
		}
		p.take("[x]")
		var err error
		if s.where, err = p.where(); err != nil {
			return nil, err
		}
		out = append(out, s)
		if p.rest == "" {
			return out, nil
		}
		if !p.take(".") || len(out) == maxSegments {
			return nil, fmt.Errorf("%w: not an element path", ErrSyntax)
		}
	}
}

// where reads `.where(a.b='x' and c='y')` if it is next.
func (p *pathParser) where() ([]term, error) {
	if !p.take(".where(") {
		return nil, nil
	}
	var out []term
	for {
		p.spaces()
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		out = append(out, t)
		spaced := p.spaces()
		if p.take(")") {
			return out, nil
		}
		if !spaced || !p.take("and ") {
			return nil, fmt.Errorf("%w: a condition is name='text', joined by and", ErrSyntax)
		}
	}
}

func (p *pathParser) spaces() bool {
	rest := strings.TrimLeft(p.rest, " ")
	spaced := len(rest) < len(p.rest)
	p.rest = rest
	return spaced
}

func (p *pathParser) term() (term, error) {
	var t term
	for {
		name := p.name()
		if name == "" {
			return term{}, fmt.Errorf("%w: an element's name is missing in a condition", ErrSyntax)
		}
		p.take("[x]")
		t.path = append(t.path, name)
		if !p.take(".") {
			break
		}
	}
	p.spaces()
	if !p.take("=") {
		return term{}, fmt.Errorf("%w: a condition is name='text'", ErrSyntax)
	}
	p.spaces()
	var err error
	t.text, err = p.quoted()
	return t, err
}

// quoted reads a string literal with FHIRPath's escapes \' and \\.
func (p *pathParser) quoted() (string, error) {
	if !p.take("'") {
		return "", fmt.Errorf("%w: a text in a condition is in single quotes", ErrSyntax)
	}
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\'':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(p.rest) && (p.rest[i+1] == '\'' || p.rest[i+1] == '\\'):
			i++
			b.WriteByte(p.rest[i])
		default:
			return "", fmt.Errorf("%w: unknown escape in a text", ErrSyntax)
		}
	}
	return "", fmt.Errorf("%w: a text has no end", ErrSyntax)
}
