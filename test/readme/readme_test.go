// Package readme follows the README: the five-minute tour is run against a real
// demo, command by command, and held to what it says comes back.
package readme

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// step is one command of the tour with the answer that its comment promises: a
// status of three digits, or a total before a colon.
type step struct{ command, status, total string }

var (
	promisedStatus = regexp.MustCompile(`#\s*([1-5][0-9][0-9])\b`)
	promisedTotal  = regexp.MustCompile(`#\s*([0-9]+):`)
)

// tour reads the shell commands of the README's tour.
func tour(t *testing.T) []step {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(raw), "## Five-minute tour")
	if !ok {
		t.Fatal("the README has no tour")
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var steps []step
	for i, block := range strings.Split(text, "```") {
		if i%2 == 0 || !strings.HasPrefix(block, "sh\n") {
			continue
		}
		block = strings.ReplaceAll(strings.TrimPrefix(block, "sh\n"), "\\\n", " ")
		for line := range strings.Lines(block) {
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "alias ") || strings.HasPrefix(line, "as()") {
				continue
			}
			s := step{command: line}
			if m := promisedTotal.FindStringSubmatch(line); m != nil {
				s.total = m[1]
			} else if m := promisedStatus.FindStringSubmatch(line); m != nil {
				s.status = m[1]
			}
			steps = append(steps, s)
		}
	}
	return steps
}

// build builds the binary and gives its folder.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "fhirgate"), "../../cmd/fhirgate").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return dir
}

// startDemo runs `fhirgate demo` until the test ends, and gives its address.
func startDemo(t *testing.T, bin, tmp string) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "fhirgate"), "demo", "--listen", address)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo ended badly: %v\n%s", err, stderr.String())
		}
		cancel()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Ctrl-C") {
			return address
		}
	}
	t.Fatalf("the demo didn't come up:\n%s", stderr.String())
	return ""
}

func TestTour(t *testing.T) {
	bin, tmp := build(t), t.TempDir()
	address := startDemo(t, bin, tmp)
	steps := tour(t)
	promises := 0
	prelude := `set -e
cd "$TMPDIR"
as() { curl -s -w '%{stderr}\n%{http_code}\n' -H "Authorization: Bearer $(fhirgate demo token $1)" "${@:2}"; }
gate=http://` + address + `/fhir
`
	for _, s := range steps {
		if strings.HasPrefix(s.command, "gate=") {
			continue
		}
		cmd := exec.CommandContext(t.Context(), "bash", "-c", prelude+s.command)
		cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s\n%v\n%s", s.command, err, out)
			continue
		}
		text := strings.TrimSpace(string(out))
		switch {
		case s.status != "":
			promises++
			if !strings.HasSuffix(text, "\n"+s.status) {
				t.Errorf("%s\nwant status %s, got %s", s.command, s.status, text)
			}
		case s.total != "":
			promises++
			if !strings.Contains(text, `"total":`+s.total+`,`) {
				t.Errorf("%s\nwant total %s, got %s", s.command, s.total, text)
			}
		}
	}
	if promises < 7 {
		t.Errorf("only %d of the tour's commands say what comes back", promises)
	}
}
