package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
)

// KeySize is the length of every key in bytes.
const KeySize = 32

var errKey = errors.New("store: key is unusable")

// Key returns the random key called name. It is made once; every replica gets
// the same. The name says what the key is for and nothing else.
func (s *Store) Key(ctx context.Context, name string) ([]byte, error) {
	if name == "" {
		return nil, fmt.Errorf("%w: it needs a name", errKey)
	}
	key, err := s.key(ctx, name)
	if !errors.Is(err, sql.ErrNoRows) {
		return key, err
	}
	fresh := make([]byte, KeySize)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("store: make key %s: %w", name, err)
	}
	if _, err := s.exec(ctx, `INSERT INTO shared_key (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, fresh); err != nil {
		return nil, fmt.Errorf("store: make key %s: %w", name, err)
	}
	return s.key(ctx, name) // Not fresh: another replica may have been first.
}

func (s *Store) key(ctx context.Context, name string) ([]byte, error) {
	var key []byte
	err := s.read.QueryRowContext(ctx, s.dialect(`SELECT value FROM shared_key WHERE name = $1`), name).Scan(&key)
	if err != nil {
		return nil, fmt.Errorf("store: read key %s: %w", name, err)
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("%w: %s has %d bytes, not %d", errKey, name, len(key), KeySize)
	}
	return key, nil
}
