package data

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

// formats are the regular expressions of FHIR R4 datatypes.html, anchored.
var formats = map[string]*regexp.Regexp{
	"id":       regexp.MustCompile(`^[A-Za-z0-9\-.]{1,64}$`),
	"code":     regexp.MustCompile(`^[^\s]+(\s[^\s]+)*$`),
	"uri":      regexp.MustCompile(`^\S+$`),
	"url":      regexp.MustCompile(`^\S+$`),
	"date":     regexp.MustCompile(`^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$`),
	"dateTime": regexp.MustCompile(`^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d))?)?)?$`),
	"instant":  regexp.MustCompile(`^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d)$`),
	"time":     regexp.MustCompile(`^([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?$`),
	"decimal":  regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`),
}

var numbers = map[string]*regexp.Regexp{
	"integer":     regexp.MustCompile(`^-?(0|[1-9]\d*)$`),
	"unsignedInt": regexp.MustCompile(`^(0|[1-9]\d*)$`),
	"positiveInt": regexp.MustCompile(`^[1-9]\d*$`),
	"decimal":     formats["decimal"],
}

// validPrimitive tells whether a decoded JSON value is one of the FHIR primitive type.
func validPrimitive(typeName string, value any) bool {
	if typeName == "boolean" {
		_, ok := value.(bool)
		return ok
	}
	if format, ok := numbers[typeName]; ok {
		number, isNumber := value.(json.Number)
		return isNumber && format.MatchString(number.String())
	}
	text, ok := value.(string)
	if !ok || strings.TrimSpace(text) == "" {
		return false
	}
	switch typeName {
	case "base64Binary":
		_, err := base64.StdEncoding.DecodeString(text)
		return err == nil
	case "xhtml":
		return validNarrative(text)
	}
	format, ok := formats[typeName]
	return !ok || format.MatchString(text)
}

// validNarrative demands well-formed XML with one div of XHTML.
func validNarrative(text string) bool {
	if !strings.HasPrefix(text, `<div xmlns="http://www.w3.org/1999/xhtml">`) {
		return false
	}
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

func TestValidPrimitive(t *testing.T) {
	for _, c := range []struct {
		typeName string
		value    any
		want     bool
	}{
		{"date", "2024-02-29", true},
		{"date", "2024-2-29", false},
		{"dateTime", "2024-02-29T10:00:00", false},
		{"dateTime", "2024-02-29T10:00:00-05:00", true},
		{"instant", "2024-02-29", false},
		{"id", "anna_berg", false},
		{"positiveInt", json.Number("0"), false},
		{"decimal", "1.0", false},
		{"boolean", "true", false},
		{"string", " ", false},
		{"base64Binary", "a", false},
		{"xhtml", `<div xmlns="http://www.w3.org/1999/xhtml"><p>a</div>`, false},
		{"xhtml", `<div xmlns="http://www.w3.org/1999/xhtml"><p>a</p></div>`, true},
	} {
		if got := validPrimitive(c.typeName, c.value); got != c.want {
			t.Errorf("%s %v: %v", c.typeName, c.value, got)
		}
	}
}
