//go:build unix

package store

import (
	"os"
	"syscall"
)

// lock takes the file for this process until it's closed; an error says that another one has it.
func lock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
