package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

type searchParameter struct {
	ID         string
	URL        string
	Code       string
	Type       string
	Base       []string
	Target     []string
	Expression string
	Component  []struct{ Definition, Expression string }
}

// writeParameters writes all parameters, and for each of their bases the paths that they read.
func writeParameters(w *bufio.Writer, types map[string]*typ, parameters []searchParameter) {
	slices.SortFunc(parameters, func(a, b searchParameter) int { return cmp.Compare(a.URL, b.URL) })
	codes := map[string]string{}
	for _, p := range parameters {
		codes[p.URL] = p.Code
	}
	everything := anyTarget(parameters)
	line(w, "A", strings.Join(everything, ","))
	for _, p := range parameters {
		// These three illustrate SearchParameter in the specification; one of them would take the place of _id.
		flag := ""
		if strings.HasPrefix(p.ID, "example") {
			flag = "x"
		}
		var components []string
		for _, c := range p.Component {
			components = append(components, codes[c.Definition])
		}
		targets := p.Target
		if slices.Equal(targets, everything) {
			targets = []string{"*"}
		}
		line(w, "S", p.Code, p.Type, p.URL, strings.Join(p.Base, ","), strings.Join(targets, ","), strings.Join(components, ","), flag, p.Expression)
		for _, base := range p.Base {
			paths, err := pathsOf(types, p, base)
			if err != nil {
				fmt.Fprintf(os.Stderr, "not mapped: %s for %s: %v\n", p.URL, base, err)
				line(w, "U", base)
			}
			for _, path := range paths {
				line(w, "P", strings.Join(path.segments, "."), at(path.as, path.asAt), path.extension, at(path.where, path.whereAt))
			}
		}
	}
}

// anyTarget is the longest list of targets, which stands in dozens of parameters for a reference to any resource.
func anyTarget(parameters []searchParameter) []string {
	var longest []string
	for _, p := range parameters {
		slices.Sort(p.Target)
		if len(p.Target) > len(longest) {
			longest = p.Target
		}
	}
	return longest
}

func at(text string, index int) string {
	if text == "" {
		return ""
	}
	return text + "@" + strconv.Itoa(index)
}

// pathsOf finds what a parameter reads in a base; a composite reads what its parts read below each of its own paths.
func pathsOf(types map[string]*typ, p searchParameter, base string) ([]path, error) {
	own, err := branchPaths(types, p.Expression, path{segments: []string{base}})
	if err != nil || p.Type != "composite" {
		return own, err
	}
	var paths []path
	for _, start := range own {
		for _, c := range p.Component {
			expression, from := c.Expression, start
			if rest, ok := strings.CutPrefix(expression, "%resource."); ok {
				expression, from = rest, path{segments: []string{base}}
			}
			parts, err := branchPaths(types, expression, from)
			if err != nil {
				return nil, fmt.Errorf("component %s: %w", c.Expression, err)
			}
			paths = append(paths, parts...)
		}
	}
	return compact(paths), nil
}

func compact(paths []path) []path {
	var unique []path
	for _, p := range paths {
		if !slices.ContainsFunc(unique, p.equal) {
			unique = append(unique, p)
		}
	}
	return unique
}

// branchPaths reads an expression and keeps those of its branches that apply to the start, at least one.
func branchPaths(types map[string]*typ, expression string, start path) ([]path, error) {
	if expression == "" {
		return nil, errors.New("no expression")
	}
	var paths []path
	for _, branch := range splitTop(expression, "|") {
		r := reader{types: types, start: start}
		found, applies, err := r.branch(branch)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", branch, err)
		}
		if applies {
			paths = append(paths, found...)
		}
	}
	if len(paths) == 0 {
		return nil, errors.New("no expression for it")
	}
	return compact(paths), nil
}

// splitTop splits at the separator where it is outside of parentheses and quotes.
func splitTop(s, separator string) []string {
	var parts []string
	depth, quoted, from := 0, false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case quoted:
		case s[i] == '(':
			depth++
		case s[i] == ')':
			depth--
		case depth == 0 && strings.HasPrefix(s[i:], separator):
			parts = append(parts, strings.TrimSpace(s[from:i]))
			i += len(separator) - 1
			from = i + 1
		}
	}
	return append(parts, strings.TrimSpace(s[from:]))
}
