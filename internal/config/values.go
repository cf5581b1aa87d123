package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as 512B, 64KiB, 10MiB, 1GiB or 1TiB.
type Size int64

type sizeUnit struct {
	name  string
	bytes int64
}

// sizeUnits are in falling order.
func sizeUnits() []sizeUnit {
	return []sizeUnit{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

var errSize = errors.New("not a size")

// ParseSize reads a size with its unit.
func ParseSize(s string) (Size, error) {
	for _, u := range sizeUnits() {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || int64(n) > (1<<62)/u.bytes {
			return 0, errSize
		}
		return Size(int64(n) * u.bytes), nil
	}
	return 0, errSize
}

// String writes s in the largest unit that loses nothing.
func (s Size) String() string {
	for _, u := range sizeUnits() {
		if int64(s) >= u.bytes && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "0B"
}

// Secret names a secret: env:NAME or file:/absolute/path. It is never the
// secret itself, so it may be logged.
type Secret string

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (s Secret) valid() bool {
	if name, ok := strings.CutPrefix(string(s), "env:"); ok {
		return envName.MatchString(name)
	}
	path, ok := strings.CutPrefix(string(s), "file:")
	return ok && filepath.IsAbs(path)
}

// ErrSecret is the error of every secret that cannot be read.
var ErrSecret = errors.New("config: secret cannot be read")

// maxSecret bounds what is read from a file that is named by mistake.
const maxSecret = 64 << 10

// Read returns the secret. One line end at the end of a file is dropped. An
// empty secret is an error, and so is the empty reference.
func (s Secret) Read() (string, error) {
	if name, ok := strings.CutPrefix(string(s), "env:"); ok && s.valid() {
		if v := os.Getenv(name); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("%w: %s: the variable is not set or empty", ErrSecret, s)
	}
	if path, ok := strings.CutPrefix(string(s), "file:"); ok && s.valid() {
		return readSecretFile(s, path)
	}
	return "", fmt.Errorf("%w: not a reference; expected env:NAME or file:/path", ErrSecret)
}

func readSecretFile(s Secret, path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSecret, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecret {
		return "", fmt.Errorf("%w: %s: not a regular file of at most %s", ErrSecret, s, Size(maxSecret))
	}
	data, err := os.ReadFile(path) //nolint:gosec // The path is the operator's own.
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSecret, err)
	}
	v := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if v == "" {
		return "", fmt.Errorf("%w: %s: the file is empty", ErrSecret, s)
	}
	return v, nil
}
