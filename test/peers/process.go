package peers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	stopTimeout  = 20 * time.Second
	pollInterval = 100 * time.Millisecond
	logTailBytes = 8 << 10
)

// process is a server started by a script of this folder. It is told to end by SIGTERM; the end of its standard input, which this
// process holds open, ends it as well, so that no server outlives a test process that was killed.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	log   *tail
	// done is closed when the process is gone; waitErr is set by then.
	done    chan struct{}
	waitErr error
}

// startProcess runs script, a path below the root of the repository, and waits for a line on its standard output that starts with ready.
// It returns that line. When ctx ends before, or the process does, the process is gone on return and the error carries the end of its log.
func startProcess(ctx context.Context, script, ready string, args ...string) (*process, string, error) {
	root, err := repositoryRoot()
	if err != nil {
		return nil, "", err
	}
	// Not CommandContext: ctx bounds the start, not the life.
	cmd := exec.Command(filepath.Join(root, filepath.FromSlash(script)), args...) //nolint:noctx // see above
	p := &process{cmd: cmd, log: &tail{}, done: make(chan struct{})}
	cmd.Stderr = p.log
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, "", fmt.Errorf("pipe to %s: %w", script, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", fmt.Errorf("pipe from %s: %w", script, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, "", fmt.Errorf("start %s: %w", script, err)
	}

	lines := make(chan string, 1)
	go p.wait(stdout, ready, lines)
	select {
	case line := <-lines:
		return p, line, nil
	case <-p.done:
		return nil, "", fmt.Errorf("%s ended before it was ready: %w\n%s", script, p.waitErr, p.log)
	case <-ctx.Done():
		err := errors.Join(ctx.Err(), p.stop())
		return nil, "", fmt.Errorf("%s was not ready in time: %w\n%s", script, err, p.log)
	}
}

// wait sends the first line of stdout that starts with ready, drains the rest, and reaps the process.
func (p *process) wait(stdout io.Reader, ready string, lines chan<- string) {
	defer close(p.done)
	found := false
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
		if line := scanner.Text(); !found && strings.HasPrefix(line, ready) {
			found = true
			lines <- line
		}
	}
	p.waitErr = p.cmd.Wait()
}

// stop sends SIGTERM, and SIGKILL where that was not enough, and waits until the process is gone. Stopping twice is no error.
func (p *process) stop() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	errTerm := p.cmd.Process.Signal(syscall.SIGTERM)
	errClose := p.stdin.Close()
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
		errKill := p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("process %d ignored SIGTERM for %s: %w", p.cmd.Process.Pid, stopTimeout, errors.Join(errTerm, errClose, errKill))
	}
}

// repositoryRoot is the folder of go.mod above the working directory, which for a test is the folder of its package.
func repositoryRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("working directory: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in %s or above: run inside the repository", start)
		}
	}
}

// poll calls ready until it returns nil, and returns its last error when ctx ends before.
func poll(ctx context.Context, ready func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// joinStop stops a server that is of no use, and returns why it isn't with what went wrong on the way.
func joinStop(err error, server interface{ Stop() error }) error {
	return errors.Join(err, server.Stop())
}

// tail keeps the last logTailBytes that were written to it. Safe for concurrent use.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// Write never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - logTailBytes; over > 0 {
		t.buf = bytes.Clone(t.buf[over:])
	}
	return len(b), nil
}

// String is what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
