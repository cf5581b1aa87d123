package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// path is the way to an element, as definitions.Path has it.
type path struct {
	segments  []string
	as        string
	asAt      int
	where     string
	whereAt   int
	extension string
}

func (p path) equal(o path) bool {
	return slices.Equal(p.segments, o.segments) && p.as == o.as && p.asAt == o.asAt && p.where == o.where && p.whereAt == o.whereAt && p.extension == o.extension
}

// reader turns one branch of an expression into paths.
type reader struct {
	types map[string]*typ
	start path
}

// branch reads a path, "(path as Type).rest", or a conjunction of conditions on paths. It applies when the branch begins
// with the type at the start, or with an element of it.
func (r reader) branch(branch string) (paths []path, applies bool, err error) {
	if conditions := splitTop(branch, " and "); len(conditions) > 1 {
		return r.conjunction(branch, conditions)
	}
	if strings.HasPrefix(branch, "(") {
		inner, rest, err := parenthesised(branch)
		if err != nil {
			return nil, false, err
		}
		left, as, ok := strings.Cut(inner, " as ")
		if !ok {
			return nil, false, errors.New("parentheses without as")
		}
		branch = left + ".as(" + strings.TrimSpace(as) + ")" + rest
	} else if left, as, ok := strings.Cut(branch, " as "); ok && !strings.Contains(left, "(") {
		branch = left + ".as(" + strings.TrimSpace(as) + ")"
	}
	p, applies, err := r.steps(splitTop(branch, "."))
	if err != nil || !applies {
		return nil, applies, err
	}
	return []path{p}, true, nil
}

// conjunction reads the conditions "path.exists()" and "path != literal" and makes the whole of them the condition of each
// path, as the value that is searched is theirs and not the element's.
func (r reader) conjunction(whole string, conditions []string) (paths []path, applies bool, err error) {
	for _, c := range conditions {
		c, _, _ = strings.Cut(c, " != ")
		c = strings.TrimSuffix(c, ".exists()")
		p, ok, err := r.steps(splitTop(c, "."))
		if err != nil {
			return nil, false, err
		}
		if ok {
			p.where, p.whereAt = whole, len(p.segments)-1
			paths = append(paths, p)
		}
	}
	return paths, len(paths) > 0, nil
}

// parenthesised splits "(inner)rest".
func parenthesised(s string) (inner, rest string, err error) {
	depth := 0
	for i, c := range s {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:], nil
			}
		}
	}
	return "", "", errors.New("parenthesis not closed")
}

func (r reader) steps(steps []string) (p path, applies bool, err error) {
	p = r.start
	p.segments = slices.Clone(p.segments)
	root := p.segments[0]
	switch first := steps[0]; {
	case first == root && len(p.segments) == 1:
		steps = steps[1:]
	case first[0] >= 'A' && first[0] <= 'Z': // another type; the names of elements are lowercase
		return path{}, false, nil
	}
	for _, step := range steps {
		if err := r.step(&p, step); err != nil {
			return path{}, false, err
		}
	}
	return p, true, nil
}

// step appends a step to the path, which must then be one of the definitions.
func (r reader) step(p *path, step string) error {
	last := len(p.segments) - 1
	name, argument, call := strings.Cut(strings.TrimSuffix(step, ")"), "(")
	switch {
	case !call:
		p.segments = append(p.segments, name)
		_, err := r.typesAt(*p)
		return err
	case name == "as" || name == "ofType":
		return r.narrow(p, argument)
	case name == "where" && p.where == "":
		p.where, p.whereAt = argument, last
		return nil
	case name == "extension" && p.extension == "":
		p.segments = append(p.segments, "extension")
		p.extension = strings.Trim(argument, "'")
		_, err := r.typesAt(*p)
		return err
	}
	return fmt.Errorf("step %q not known", step)
}

// narrow sets the one type of the last element. An expression may write it with a capital (DateTime), as FHIRPath's
// System types are.
func (r reader) narrow(p *path, typeName string) error {
	if p.as != "" {
		return errors.New("narrowed twice")
	}
	types, err := r.typesAt(*p)
	if err != nil {
		return err
	}
	for _, name := range []string{typeName, strings.ToLower(typeName[:1]) + typeName[1:]} {
		if slices.Contains(types, name) {
			p.as, p.asAt = name, len(p.segments)-1
			return nil
		}
	}
	return fmt.Errorf("%s is none of the types %v", typeName, types)
}

// typesAt are the types which the last element of the path may have.
func (r reader) typesAt(p path) ([]string, error) {
	types := p.segments[:1]
	for i, name := range p.segments[1:] {
		var next []string
		for _, typeName := range types {
			if i == p.asAt && p.as != "" && typeName != p.as {
				continue
			}
			if t := r.types[typeName]; t != nil {
				if e, ok := t.element(name); ok {
					next = append(next, e.types...)
				}
			}
		}
		if len(next) == 0 {
			return nil, fmt.Errorf("no element %s", strings.Join(p.segments[:i+2], "."))
		}
		types = next
	}
	return types, nil
}
