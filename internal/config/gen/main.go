// Command gen writes docs/config.md from the structs of internal/config: their
// tags and their comments.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	dir := flag.String("dir", ".", "folder of package config")
	out := flag.String("out", "", "file to write")
	flag.Parse()
	page, err := reference(*dir)
	if err == nil {
		err = os.WriteFile(*out, page, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
