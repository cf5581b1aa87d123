package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// decoder fills structs from YAML nodes by their tags. It refuses what it does
// not know: keys, types, anchors, aliases, merge keys and tags.
type decoder struct{ *report }

// mapping decodes a mapping into a struct. Nothing at all counts as an empty
// mapping: a section whose keys are all commented out.
func (d decoder) mapping(n ast.Node, v reflect.Value, key string) {
	d.pairs(n, key, "a mapping", func(pair *ast.MappingValueNode, name, at string) {
		i := slices.Index(keys(v.Type()), name)
		if i < 0 {
			d.addAt(pair.Key.GetToken().Position.Line, at, "an unknown key", "one of "+strings.Join(keys(v.Type()), ", "))
			return
		}
		sf := v.Type().Field(fieldIndex(v.Type(), name))
		d.value(pair.Value, v.FieldByIndex(sf.Index), sf.Tag, at)
	})
}

// pairs calls each for every key of a mapping that is there once.
func (d decoder) pairs(n ast.Node, key, want string, each func(pair *ast.MappingValueNode, name, at string)) {
	if _, null := n.(*ast.NullNode); null {
		return
	}
	m, ok := n.(ast.MapNode)
	if !ok {
		d.add(key, describe(n), want)
		return
	}
	first := map[string]int{}
	for it := m.MapRange(); it.Next(); {
		pair := it.KeyValue()
		tok := pair.Key.GetToken()
		name := tok.Value
		at := join(key, name)
		if _, plain := pair.Key.(*ast.StringNode); !plain {
			d.addAt(tok.Position.Line, at, "a key that is not plain text", "keys that are names")
			continue
		}
		if line, again := first[name]; again {
			d.addAt(tok.Position.Line, at, fmt.Sprintf("the key a second time (first on line %d)", line), "each key once")
			continue
		}
		first[name] = tok.Position.Line
		d.lines[at] = tok.Position.Line
		each(pair, name, at)
	}
}

func (d decoder) value(n ast.Node, v reflect.Value, tag reflect.StructTag, key string) {
	switch {
	case v.Kind() == reflect.Struct:
		d.mapping(n, v, key)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.scalar(n, v.Elem(), tag, key)
	case v.Kind() == reflect.Slice:
		d.list(n, v, tag, key)
	case v.Kind() == reflect.Map:
		m := reflect.MakeMap(v.Type())
		d.pairs(n, key, "a mapping of names to values", func(pair *ast.MappingValueNode, name, at string) {
			item := reflect.New(v.Type().Elem()).Elem()
			d.scalar(pair.Value, item, tag, at)
			m.SetMapIndex(reflect.ValueOf(name), item)
		})
		v.Set(m)
	default:
		d.scalar(n, v, tag, key)
	}
}

func (d decoder) list(n ast.Node, v reflect.Value, tag reflect.StructTag, key string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.add(key, describe(n), "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		at := key + "[" + strconv.Itoa(i) + "]"
		d.lines[at] = lineOf(item, d.line(key))
		if v.Type().Elem().Kind() == reflect.Struct {
			d.setDefaults(v.Index(i), at)
			d.mapping(item, v.Index(i), at)
			continue
		}
		d.scalar(item, v.Index(i), tag, at)
	}
}

func (d decoder) scalar(n ast.Node, v reflect.Value, tag reflect.StructTag, key string) {
	text, ok := scalarText(n, v, tag)
	if ok && setScalar(v, text) {
		return
	}
	found := describe(n)
	want := wantType(v.Type(), tag)
	if v.Type() == reflect.TypeFor[Secret]() {
		found = "something else than a reference"
	} else if v.Kind() == reflect.String && isNumberOrBool(n) {
		want += " (in quotes)"
	}
	d.add(key, found, want)
}

// scalarText is the text of n when it has the YAML type that v needs.
func scalarText(n ast.Node, v reflect.Value, tag reflect.StructTag) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, v.Kind() == reflect.String || isUnit(v.Type())
	case *ast.LiteralNode:
		return n.Value.Value, v.Kind() == reflect.String
	case *ast.BoolNode:
		return strconv.FormatBool(n.Value), v.Kind() == reflect.Bool
	case *ast.IntegerNode:
		// A version such as 1.2 is a number to YAML and a name here.
		return fmt.Sprint(n.Value), v.Kind() == reflect.Int || v.Kind() == reflect.Float64 || v.Kind() == reflect.String && tag.Get("enum") != ""
	case *ast.FloatNode:
		return n.Token.Value, v.Kind() == reflect.Float64 || v.Kind() == reflect.String && tag.Get("enum") != ""
	default:
		return "", false
	}
}

func isUnit(t reflect.Type) bool {
	return t == reflect.TypeFor[time.Duration]() || t == reflect.TypeFor[Size]()
}

func isNumberOrBool(n ast.Node) bool {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return true
	default:
		return false
	}
}

// setScalar parses text into v; false when it is not of v's type.
func setScalar(v reflect.Value, text string) bool {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		t, err := time.ParseDuration(text)
		if err != nil || t < 0 {
			return false
		}
		v.SetInt(int64(t))
	case v.Type() == reflect.TypeFor[Size]():
		s, err := ParseSize(text)
		if err != nil {
			return false
		}
		v.SetInt(int64(s))
	case v.Type() == reflect.TypeFor[Secret]():
		if text != "" && !Secret(text).valid() {
			return false
		}
		v.SetString(text)
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		v.SetBool(text == "true")
	case v.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return false
		}
		v.SetInt(int64(n))
	case v.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f != f { // NaN would pass every bound.
			return false
		}
		v.SetFloat(f)
	default:
		return false
	}
	return true
}

// setDefaults gives every field of the struct v its default. One that its field
// can't hold is a mistake in the tag, and a problem of every file.
func (d decoder) setDefaults(v reflect.Value, key string) {
	for i := range v.NumField() {
		f, tag := v.Field(i), v.Type().Field(i).Tag
		if !v.Type().Field(i).IsExported() {
			continue
		}
		at := join(key, tag.Get("yaml"))
		text, ok := tag.Lookup("default")
		switch {
		case f.Kind() == reflect.Struct:
			d.setDefaults(f, at)
		case ok && f.Kind() == reflect.Slice:
			f.Set(reflect.ValueOf(strings.Split(text, ",")))
		case ok && !setScalar(f, text):
			d.add(at, "an impossible default", wantType(f.Type(), tag))
		}
	}
}

// describe names what was found without a mapping's or list's content.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case ast.MapNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode:
		return quote(n.Value)
	case *ast.LiteralNode:
		return quote(n.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		return "a YAML anchor, alias, tag or merge key, which are not supported"
	default:
		return "something else"
	}
}

func lineOf(n ast.Node, otherwise int) int {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return otherwise
	}
	return n.GetToken().Position.Line
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}
