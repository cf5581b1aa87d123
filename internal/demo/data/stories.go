package data

import (
	"bytes"
	"embed"
	"io"
)

//go:embed stories/*.ndjson
var storyFiles embed.FS

// storyOrder names the files of stories/ so that what is referenced comes before what refers to it: the practitioners and
// organizations, then the patients (Leo before Maria, whose record links to his RelatedPerson), then the groups of patients.
func storyOrder() []string {
	return []string{
		"shared",
		"anna-berg", "george-whitfield", "leo-lind", "maria-lind", "marcus-reid",
		"sofia-marchetti", "james-oyelaran", "ruth-abernathy", "noah-adeyemi", "mia-tanaka",
		"daniel-cohen", "priya-raman", "oskar-nilsen", "elena-petrova", "samuel-kim",
		"fatima-elsayed", "thomas-gray", "carol-jennings", "luis-ortega", "henry-novak",
		"groups",
	}
}

// Stories returns the hand-made resources as NDJSON, one resource a line, each after those that it refers to. Reading it
// can't fail.
func Stories() io.Reader {
	var all bytes.Buffer
	for _, name := range storyOrder() {
		all.Write(story(name))
	}
	return &all
}

// story returns the lines of one file of stories/.
func story(name string) []byte {
	lines, err := storyFiles.ReadFile("stories/" + name + ".ndjson")
	if err != nil {
		panic("data: " + err.Error()) //nolint:forbidigo // the file is part of the binary, and a test reads every one
	}
	return lines
}
