package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds the configuration file.
const maxFile = 1 << 20

// Load reads and checks the file at path. Relative paths in it are taken from
// the file's own folder. It reads nothing but that file: see CheckFiles.
// The error joins one *Problem for each thing that is wrong.
func Load(path string) (*Config, error) {
	f, err := os.Open(path) //nolint:gosec // The path is the operator's own.
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	c, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	walk(reflect.ValueOf(c).Elem(), "", func(f field) {
		if p := f.value.String(); f.isPath() && p != "" && !filepath.IsAbs(p) {
			f.value.SetString(filepath.Join(dir, p))
		}
	})
	return c, nil
}

// Parse checks data as a configuration file called name, and fills in the
// defaults. Relative paths stay as they are.
func Parse(name string, data []byte) (*Config, error) {
	r := newReport(source{file: name, lines: map[string]int{}})
	if len(data) > maxFile {
		r.add("", "a file of more than "+Size(maxFile).String(), "a configuration file")
		return nil, r.err()
	}
	body, ok := parseYAML(r, data)
	if !ok {
		return nil, r.err()
	}
	c := &Config{}
	d := decoder{report: r}
	d.setDefaults(reflect.ValueOf(c).Elem(), "")
	d.mapping(body, reflect.ValueOf(c).Elem(), "")
	c.trimBases()
	c.validate(r)
	if err := r.err(); err != nil {
		return nil, err
	}
	c.source = r.source
	return c, nil
}

// trimBases drops slashes at the end of bases, which mean nothing there.
func (c *Config) trimBases() {
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	for i := range c.Upstreams {
		c.Upstreams[i].URL = strings.TrimRight(c.Upstreams[i].URL, "/")
	}
}

// parseYAML returns the body of the only document. The parser's own messages
// are used without the source lines that it adds: those could hold anything.
func parseYAML(r *report, data []byte) (ast.Node, bool) {
	const want = "YAML of one document, with a mapping at its top"
	if line, deep := tooDeep(data); deep {
		r.addAt(line, "", fmt.Sprintf("more than %d levels of nesting", maxNesting), want)
		return nil, false
	}
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line := 1
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil {
			line = at.GetToken().Position.Line
		}
		found := "a syntax error"
		if at != nil && !strings.Contains(at.GetMessage(), `"`) { // Quotes are put around content.
			found += " (" + at.GetMessage() + ")"
		}
		r.addAt(line, "", found, want)
		return nil, false
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) != 1 {
		r.add("", fmt.Sprintf("%d documents", len(bodies)), want)
		return nil, false
	}
	return bodies[0], true
}

// maxNesting bounds recursion in the YAML parser; the configuration itself is
// never deeper than six.
const maxNesting = 64

// tooDeep is an upper estimate of nesting made before parsing: flow brackets
// that are open at once, and steps of indentation or of "- ", "? " and ": " on
// one line.
func tooDeep(data []byte) (line int, deep bool) {
	line, open, steps, indent := 1, 0, 0, true
	for i, b := range data {
		switch {
		case b == '\n':
			line, steps, indent = line+1, 0, true
			continue
		case b == '[' || b == '{':
			open++
		case b == ']' || b == '}':
			open = max(open-1, 0)
		case b == ' ' && indent:
			steps++
		case (b == '-' || b == '?' || b == ':') && i+1 < len(data) && (data[i+1] == ' ' || data[i+1] == '\t'):
			steps++
		}
		if b != ' ' && b != '-' && b != '?' {
			indent = false
		}
		if open > maxNesting || steps > 4*maxNesting {
			return line, true
		}
	}
	return 0, false
}

// CheckFiles reports every file that is named and not there, and every secret
// that cannot be read. It changes nothing and keeps no secret.
func (c *Config) CheckFiles() error {
	r := newReport(c.source)
	walk(reflect.ValueOf(c).Elem(), "", func(f field) {
		s, isSecret := f.value.Interface().(Secret)
		switch {
		case isSecret && s != "":
			if _, err := s.Read(); err != nil {
				r.add(f.key, string(s)+", which cannot be read ("+reason(err)+")", "a secret that this process may read")
			}
		case f.tag("format") == "path" && f.value.String() != "":
			if _, err := os.Stat(f.value.String()); err != nil {
				r.add(f.key, quote(f.value.String())+" ("+reason(err)+")", "a file or folder that is there")
			}
		}
	})
	return r.err()
}

// reason is the end of an error's chain, without the path that the message
// already has.
func reason(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
