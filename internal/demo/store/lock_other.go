//go:build !unix

package store

import "os"

// lock does nothing where there is no flock: the user sees to it that only one process opens a directory.
func lock(*os.File) error { return nil }
