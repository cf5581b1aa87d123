package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

const intro = `# Configuration

<!-- Generated from internal/config by "go generate ./internal/config"; do not edit. -->

` + "`fhirgate serve --config FILE`" + ` reads one YAML file. ` + "`fhirgate config init`" + ` writes a commented one. A file with an unknown key, a wrong
type or an impossible value is refused at start, with every problem at once: file, line, key, what was found, what is expected.

- Durations are written as ` + "`500ms`, `30s`, `5m`, `1h`" + `; sizes as ` + "`512B`, `64KiB`, `10MiB`, `1GiB`, `1TiB`" + `.
- A secret is never written in the file, only named: ` + "`env:NAME`" + ` is an environment variable, ` + "`file:/path`" + ` a file (one line end at its end is dropped).
- Relative paths are taken from the folder of the configuration file.
- YAML anchors, aliases, tags and merge keys are not supported. A section with nothing in it counts as empty.
`

// section is a struct that still has to be written, under the key that leads to it.
type section struct{ key, name string }

// reference renders the page from the Go files in dir.
func reference(dir string) ([]byte, error) {
	structs, err := parse(dir)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	page.WriteString(intro)
	queue := []section{{"", "Config"}}
	for len(queue) > 0 {
		s := queue[0]
		inner, err := write(&page, s, structs)
		if err != nil {
			return nil, err
		}
		queue = append(inner, queue[1:]...)
	}
	return page.Bytes(), nil
}

// structs are the struct types of a package with their doc comments.
type structs map[string]*ast.TypeSpec

func parse(dir string) (structs, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	found := structs{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if ts, ok := n.(*ast.TypeSpec); ok {
				if _, is := ts.Type.(*ast.StructType); is {
					found[ts.Name.Name] = ts
				}
			}
			return true
		})
	}
	return found, nil
}

func write(page *bytes.Buffer, s section, all structs) (inner []section, err error) {
	ts, ok := all[s.name]
	if !ok {
		return nil, fmt.Errorf("no struct %s", s.name)
	}
	title := "The file"
	if s.key != "" {
		title = "`" + s.key + "`"
	}
	fmt.Fprintf(page, "\n## %s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", title)
	st, ok := ts.Type.(*ast.StructType)
	if !ok {
		return nil, fmt.Errorf("%s is no struct", s.name)
	}
	for _, f := range st.Fields.List {
		tag, err := tagOf(f)
		if err != nil {
			return nil, err
		}
		if tag.Get("yaml") == "" {
			continue
		}
		key := tag.Get("yaml")
		if s.key != "" {
			key = s.key + "." + key
		}
		if f.Doc == nil {
			return nil, fmt.Errorf("%s has no comment", key)
		}
		typeName, sub := typeOf(f.Type, tag)
		if _, is := all[sub]; is {
			inner = append(inner, section{strings.Replace(key+suffix(f.Type), "[].[]", "[]", 1), sub})
		}
		fmt.Fprintf(page, "| `%s` | %s | %s | %s |\n", tag.Get("yaml"), typeName, defaultOf(tag), meaning(f.Doc.Text()))
	}
	return inner, nil
}

func tagOf(f *ast.Field) (reflect.StructTag, error) {
	if f.Tag == nil {
		return "", nil
	}
	text, err := strconv.Unquote(f.Tag.Value)
	return reflect.StructTag(text), err
}

func suffix(t ast.Expr) string {
	if _, list := t.(*ast.ArrayType); list {
		return "[]"
	}
	return ""
}

// typeOf is the type in words, and the struct's name if it may be one.
func typeOf(t ast.Expr, tag reflect.StructTag) (words, structName string) {
	switch t := t.(type) {
	case *ast.ArrayType:
		words, structName = typeOf(t.Elt, tag)
		return "list of " + words, structName
	case *ast.MapType:
		words, _ = typeOf(t.Value, tag)
		return "mapping of name to " + words, ""
	case *ast.StarExpr:
		return typeOf(t.X, tag)
	case *ast.SelectorExpr:
		return "duration" + bounds(tag), ""
	case *ast.Ident:
		return scalar(t.Name, tag), t.Name
	default:
		return "?", ""
	}
}

func scalar(name string, tag reflect.StructTag) string {
	if enum := tag.Get("enum"); enum != "" {
		return "`" + strings.ReplaceAll(enum, "|", "`, `") + "`"
	}
	if words, ok := map[string]string{
		"url": "URL", "issuer": "URL", "base": "path or URL", "hostport": "host:port", "name": "name", "path": "path", "newpath": "path",
	}[tag.Get("format")]; ok {
		return words
	}
	switch name {
	case "string":
		return "string"
	case "bool":
		return "`true`, `false`"
	case "int", "float64":
		return "number" + bounds(tag)
	case "Size":
		return "size" + bounds(tag)
	case "Secret":
		return "secret"
	default:
		return "section"
	}
}

func bounds(tag reflect.StructTag) string {
	if tag.Get("min") == "" {
		return ""
	}
	return " " + tag.Get("min") + " to " + tag.Get("max")
}

func defaultOf(tag reflect.StructTag) string {
	if tag.Get("required") == "true" {
		return "**required**"
	}
	if d, ok := tag.Lookup("default"); ok {
		return "`" + d + "`"
	}
	return ""
}

func meaning(doc string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(doc), " "), "|", `\|`)
}
