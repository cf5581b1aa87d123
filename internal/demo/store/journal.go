package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
)

const (
	journalName = "journal"
	frameHead   = 8       // bytes: length and CRC-32C of what follows
	maxFrame    = 1 << 30 // bytes; a longer length is damage
)

// ErrInUse says that another process, or another Store of this one, has the directory open.
var ErrInUse = errors.New("the directory is in use")

var (
	errJournalClosed  = errors.New("journal is closed")
	errJournalDamaged = errors.New("journal is damaged before its end")
)

// journal is an append-only file of frames, each one commit: all the versions that became visible together. Commits that
// arrive while a sync is running share the next one.
type journal struct {
	file *os.File

	mu      sync.Mutex
	synced  *sync.Cond
	pending []byte // frames that no write has taken yet
	taken   uint64 // commits appended so far
	safe    uint64 // commits that are durable
	busy    bool   // a goroutine is writing and syncing
	err     error  // the first failure; nothing is accepted after it
}

// openJournal replays the journal in dir and opens it for appending.
func openJournal(dir string, replay func(frame []byte) error) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, journalName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(file); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrInUse, err), file.Close())
	}
	end, err := replayFrames(file, replay)
	if err == nil {
		err = file.Truncate(end)
	}
	if err == nil {
		_, err = file.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	j := &journal{file: file}
	j.synced = sync.NewCond(&j.mu)
	return j, nil
}

// replayFrames hands out every whole frame and returns where the last one ends. What follows the last whole frame is the
// torn tail of a crash; a whole frame that follows a broken one is damage, and an error.
func replayFrames(file io.ReadSeeker, replay func([]byte) error) (end int64, err error) {
	left, err := file.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return 0, err
	}
	in := bufio.NewReaderSize(file, 1<<20)
	broken := false
	for {
		frame, size, err := readFrame(in, left)
		left -= size
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return end, nil
		case errors.Is(err, errTorn):
			if size == 0 {
				return end, nil // no plausible length: there is no next frame to look for
			}
			broken = true
			continue
		case err != nil:
			return 0, err
		case broken:
			return 0, fmt.Errorf("%w: at byte %d", errJournalDamaged, end)
		}
		if err := replay(frame); err != nil {
			return 0, fmt.Errorf("at byte %d: %w", end, err)
		}
		end += size
	}
}

var errTorn = errors.New("torn frame")

// readFrame reads one frame of at most left bytes. size is 0 when where the next one starts isn't known.
func readFrame(in io.Reader, left int64) (frame []byte, size int64, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, 0, err
	}
	n := binary.LittleEndian.Uint32(head[:4])
	if n == 0 || int64(n) > min(maxFrame, left-frameHead) {
		return nil, 0, errTorn
	}
	frame = make([]byte, n)
	if _, err := io.ReadFull(in, frame); err != nil {
		return nil, 0, err
	}
	size = frameHead + int64(n)
	if crc32.Checksum(frame, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, size, errTorn
	}
	return frame, size, nil
}

// append queues one commit. The caller holds the store's lock, which gives commits their order, and calls wait after it
// has let go of it.
func (j *journal) append(changes []change) (wait func() error, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return nil, fmt.Errorf("append to journal: %w", j.err)
	}
	start := len(j.pending)
	buf := append(j.pending, make([]byte, frameHead)...)
	for _, c := range changes {
		buf = appendChange(buf, c)
	}
	frame := buf[start+frameHead:]
	if len(frame) > maxFrame {
		return nil, fmt.Errorf("append to journal: a commit of %d bytes is too large", len(frame))
	}
	binary.LittleEndian.PutUint32(buf[start:], uint32(len(frame)))
	binary.LittleEndian.PutUint32(buf[start+4:], crc32.Checksum(frame, crc32.MakeTable(crc32.Castagnoli)))
	j.pending = buf
	j.taken++
	mine := j.taken
	return func() error { return j.wait(mine) }, nil
}

// wait returns when commit number mine is durable, writing the queue out itself when nobody else does.
func (j *journal) wait(mine uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.safe < mine && j.err == nil {
		if j.busy {
			j.synced.Wait()
			continue
		}
		j.flush()
	}
	if j.safe < mine {
		return fmt.Errorf("sync journal: %w", j.err)
	}
	return nil
}

// flush writes and syncs the queue. The caller holds mu, which is let go of during the I/O.
func (j *journal) flush() {
	buf, upto := j.pending, j.taken
	j.pending, j.busy = nil, true
	j.mu.Unlock()
	_, err := j.file.Write(buf)
	if err == nil {
		err = j.file.Sync()
	}
	j.mu.Lock()
	j.busy = false
	if err != nil {
		j.err = err
	} else {
		j.safe = upto
	}
	j.synced.Broadcast()
}

func (j *journal) close() error {
	j.mu.Lock()
	for j.busy {
		j.synced.Wait()
	}
	if j.err == nil && len(j.pending) > 0 {
		j.flush()
	}
	err := j.err
	if err == nil {
		j.err = errJournalClosed
	}
	j.mu.Unlock()
	if errors.Is(err, errJournalClosed) {
		return nil
	}
	return errors.Join(err, j.file.Close())
}

// appendChange encodes one version: verb, milliseconds, type, id, bytes.
func appendChange(dst []byte, c change) []byte {
	v := c.rec.versions[c.number-1]
	dst = append(dst, byte(v.verb))
	dst = binary.AppendVarint(dst, v.millis)
	for _, s := range []string{c.rec.shelf.name, c.rec.id} {
		dst = append(binary.AppendUvarint(dst, uint64(len(s))), s...)
	}
	return append(binary.AppendUvarint(dst, uint64(len(v.raw))), v.raw...)
}

// replay puts the versions of one frame back. The frame is kept: it is the memory of its resources.
func (s *Store) replay(frame []byte) error {
	for len(frame) > 0 {
		how, rest := verb(frame[0]), frame[1:]
		millis, n := binary.Varint(rest)
		if n <= 0 || how.method() == "" {
			return errJournalDamaged
		}
		rest = rest[n:]
		var parts [3][]byte
		for i := range parts {
			size, n := binary.Uvarint(rest)
			if n <= 0 || size > uint64(len(rest)-n) {
				return errJournalDamaged
			}
			parts[i], rest = rest[n:n+int(size):n+int(size)], rest[n+int(size):]
		}
		raw := parts[2]
		if (how == deleted) != (len(raw) == 0) {
			return errJournalDamaged
		}
		if how == deleted {
			raw = nil
		}
		s.push(s.record(string(parts[0]), string(parts[1])), version{raw: raw, millis: millis, verb: how})
		frame = rest
	}
	return nil
}
