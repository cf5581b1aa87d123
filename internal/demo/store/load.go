package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	loadBatch = 4096     // resources of one commit
	maxLine   = 64 << 20 // bytes of one NDJSON line
)

// Load stores the resources of an NDJSON stream under the ids that they bring; one without an id is an error. It is much
// faster than writing over HTTP: references aren't checked, and a commit is thousands of resources. At an error, what came
// in commits before stays loaded.
func (s *Store) Load(r io.Reader) error {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 1<<20), maxLine)
	line := 0
	for {
		batch, err := s.readBatch(in, &line)
		if err != nil {
			return fmt.Errorf("load line %d: %w", line, err)
		}
		if len(batch) == 0 {
			return nil
		}
		err = s.write(func(t *tx) error {
			for _, d := range batch {
				t.put(d, d.id)
			}
			t.puts = nil
			return nil
		})
		if err != nil {
			return fmt.Errorf("load line %d: %w", line, err)
		}
	}
}

func (s *Store) readBatch(in *bufio.Scanner, line *int) ([]*draft, error) {
	var batch []*draft
	for len(batch) < loadBatch && in.Scan() {
		*line++
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		d, err := s.parse(in.Bytes())
		if err != nil {
			return nil, err
		}
		if d.id == "" {
			return nil, errors.New("the resource has no id")
		}
		batch = append(batch, d)
	}
	return batch, in.Err()
}
