package config

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// keys are the YAML keys of a struct in their order.
func keys(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" {
			out = append(out, name)
		}
	}
	return out
}

func fieldIndex(t reflect.Type, key string) int {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == key {
			return i
		}
	}
	return -1
}

// field is one value of the configuration that is not a struct, with its key
// path and tags; an item of a list of scalars or a value of a map is one too.
type field struct {
	key   string
	value reflect.Value
	tags  reflect.StructTag
	item  bool
}

func (f field) tag(name string) string { return f.tags.Get(name) }

func (f field) isPath() bool {
	return f.value.Kind() == reflect.String && (f.tag("format") == "path" || f.tag("format") == "newpath")
}

// walk visits every field of the struct v: scalars, lists and maps first, then
// their items.
func walk(v reflect.Value, key string, visit func(field)) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if sf.Tag.Get("yaml") == "" {
			continue
		}
		f := field{key: join(key, sf.Tag.Get("yaml")), value: v.Field(i), tags: sf.Tag}
		if f.value.Kind() == reflect.Struct {
			walk(f.value, f.key, visit)
			continue
		}
		visit(f)
		walkItems(f, visit)
	}
}

func walkItems(f field, visit func(field)) {
	switch f.value.Kind() {
	case reflect.Slice:
		for i := range f.value.Len() {
			at := f.key + "[" + strconv.Itoa(i) + "]"
			if f.value.Index(i).Kind() == reflect.Struct {
				walk(f.value.Index(i), at, visit)
				continue
			}
			visit(field{key: at, value: f.value.Index(i), tags: f.tags, item: true})
		}
	case reflect.Map:
		for it := f.value.MapRange(); it.Next(); {
			visit(field{key: join(f.key, it.Key().String()), value: it.Value(), tags: f.tags, item: true})
		}
	}
}

// wantType says what a value of type t with these tags looks like.
func wantType(t reflect.Type, tag reflect.StructTag) string {
	if t.Kind() == reflect.Slice {
		if t.Elem().Kind() == reflect.Struct {
			return "a list with at least one entry"
		}
		return "a list of at least one string"
	}
	if enum := tag.Get("enum"); enum != "" {
		return "one of " + strings.ReplaceAll(enum, "|", ", ")
	}
	if want := formats()[tag.Get("format")].want; want != "" {
		return want
	}
	bounds := ""
	if tag.Get("min") != "" {
		bounds = " from " + tag.Get("min") + " to " + tag.Get("max")
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 30s" + bounds
	case t == reflect.TypeFor[Size]():
		return "a size such as 10MiB" + bounds
	case t == reflect.TypeFor[Secret]():
		return "env:NAME or file:/path (a secret is never written in the file)"
	case t.Kind() == reflect.Int:
		return "a whole number" + bounds
	case t.Kind() == reflect.Float64:
		return "a number" + bounds
	case t.Kind() == reflect.Bool:
		return "true or false"
	default:
		return "a string"
	}
}
