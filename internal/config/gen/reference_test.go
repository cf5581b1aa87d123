package main

import (
	"bytes"
	"os"
	"testing"
)

func TestReferenceIsCurrent(t *testing.T) {
	want, err := reference("..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/config.md is not current: run go generate ./internal/config")
	}
}

func TestReferenceOfNothing(t *testing.T) {
	if page, err := reference(t.TempDir()); err == nil {
		t.Errorf("a page of %d bytes for no code at all", len(page))
	}
}
