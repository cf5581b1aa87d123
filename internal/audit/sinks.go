package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
)

// FileSink appends events to a file, one JSON object on each line, and syncs
// after each batch. The file can be moved away and made anew by Reopen.
type FileSink struct {
	path string
	mu   sync.Mutex
	file *os.File
	// torn says that the last line may be cut short.
	torn bool
}

// NewFileSink opens path for appending; it is made (for its owner only) when
// absent.
func NewFileSink(path string) (*FileSink, error) {
	s := &FileSink{path: path}
	if err := s.Reopen(); err != nil {
		return nil, err
	}
	return s, nil
}

// Reopen opens the path anew, after a rotation. When that fails the old file
// stays in use.
func (s *FileSink) Reopen() error {
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	s.mu.Lock()
	old := s.file
	s.file, s.torn = f, false
	s.mu.Unlock()
	if old == nil {
		return nil
	}
	if err := old.Close(); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// Write implements Sink: all of events or none. After a failure the line that
// may be cut short is ended, so that it is the only one that can't be read.
func (s *FileSink) Write(_ context.Context, events [][]byte) (int, error) {
	size := 1
	for _, event := range events {
		size += len(event) + 1
	}
	lines := make([]byte, 0, size)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.torn {
		lines = append(lines, '\n')
	}
	for _, event := range events {
		lines = append(append(lines, event...), '\n')
	}
	s.torn = true
	if _, err := s.file.Write(lines); err != nil {
		return 0, fmt.Errorf("audit: %w", err)
	}
	if err := s.file.Sync(); err != nil {
		return 0, fmt.Errorf("audit: %w", err)
	}
	s.torn = false
	return len(events), nil
}

// Close closes the file.
func (s *FileSink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Close()
}

// Post sends a FHIR Bundle of type transaction to a server. It wraps ErrRejected
// when the server understood and refused it (4xx but 401, 403, 408 and 429).
type Post func(ctx context.Context, bundle []byte) error

// PostSink creates events on a FHIR server, a batch in one transaction. A
// transaction whose answer was lost is sent again: an event may be there twice.
type PostSink struct{ post Post }

// NewPostSink returns a PostSink.
func NewPostSink(post Post) *PostSink { return &PostSink{post} }

// Write implements Sink. A rejected batch is sent again one by one, to find the
// event that is to blame.
func (s *PostSink) Write(ctx context.Context, events [][]byte) (int, error) {
	err := s.post(ctx, transaction(events))
	if err == nil {
		return len(events), nil
	}
	if len(events) == 1 || !errors.Is(err, ErrRejected) {
		return 0, err
	}
	for i := range events {
		if err := s.post(ctx, transaction(events[i:i+1])); err != nil {
			return i, err
		}
	}
	return len(events), nil
}

// transaction is a Bundle that creates events.
func transaction(events [][]byte) []byte {
	size := 64
	for _, event := range events {
		size += len(event) + 80
	}
	b := append(make([]byte, 0, size), `{"resourceType":"Bundle","type":"transaction","entry":[`...)
	for i, event := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"resource":`...), event...), `,"request":{"method":"POST","url":"AuditEvent"}}`...)
	}
	return append(b, ']', '}')
}
