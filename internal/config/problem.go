package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with the configuration. Its text never holds a
// value that was written where a secret belongs.
type Problem struct {
	// File is the name of the file, Line the line in it, from 1.
	File string
	Line int
	// Key is the path of the key, such as upstreams[0].limits.page_max; empty for the file as a whole.
	Key string
	// Found and Want are phrases: what is there and what is expected.
	Found, Want string
}

// Error is FILE:LINE: KEY: found FOUND; expected WANT.
func (p *Problem) Error() string {
	key := ""
	if p.Key != "" {
		key = p.Key + ": "
	}
	return fmt.Sprintf("%s:%d: %sfound %s; expected %s", p.File, p.Line, key, p.Found, p.Want)
}

// source maps key paths to lines of a file.
type source struct {
	file  string
	lines map[string]int
}

// line is where key is, or else where the nearest key around it is.
func (s source) line(key string) int {
	for key != "" {
		if n, ok := s.lines[key]; ok {
			return n
		}
		key = around(key)
	}
	return 1
}

// report collects problems, at most one for each key: where a key is wrong, nothing
// is said about what is within it.
type report struct {
	source
	problems []*Problem
	bad      map[string]bool
}

func newReport(s source) *report { return &report{source: s, bad: map[string]bool{}} }

func (r *report) add(key, found, want string) {
	if r.known(key) {
		return
	}
	r.bad[key] = true
	r.problems = append(r.problems, &Problem{File: r.file, Line: r.line(key), Key: key, Found: found, Want: want})
}

// known reports whether key, or a key around it, has a problem already.
func (r *report) known(key string) bool {
	for key != "" {
		if r.bad[key] {
			return true
		}
		key = around(key)
	}
	return r.bad[""]
}

// around is the key path that key is within.
func around(key string) string { return key[:max(strings.LastIndexAny(key, ".["), 0)] }

// addAt is add for something that has no key of its own, such as an unknown key.
func (r *report) addAt(line int, key, found, want string) {
	r.bad[key] = true
	r.problems = append(r.problems, &Problem{File: r.file, Line: line, Key: key, Found: found, Want: want})
}

// err is nil, or every problem in the order of the file.
func (r *report) err() error {
	slices.SortStableFunc(r.problems, func(a, b *Problem) int { return a.Line - b.Line })
	errs := make([]error, len(r.problems))
	for i, p := range r.problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// quote shows a value in a message, cut to a readable length.
func quote(s string) string {
	const longest = 80
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
