package store

import (
	"bytes"
	"time"
)

// tx is a set of writes that become visible and durable together. It lives under the store's exclusive lock: its writes
// go straight into the maps and indexes, and rollback takes them out again in reverse.
type tx struct {
	s      *Store
	millis int64
	done   []change
	drops  []*record // deleted in this transaction
	puts   []*record // written in this transaction, whose references are checked at its end
}

// write runs fn under the exclusive lock. When fn or a check of referential integrity fails nothing has happened;
// otherwise what fn did is durable when write returns.
func (s *Store) write(fn func(*tx) error) error {
	wait, err := s.writeLocked(fn)
	if err != nil || wait == nil {
		return err
	}
	return wait()
}

func (s *Store) writeLocked(fn func(*tx) error) (wait func() error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &tx{s: s, millis: s.opts.Now().UnixMilli()}
	if err = fn(t); err == nil {
		err = t.checkReferences()
	}
	if err == nil && s.journal != nil && len(t.done) > 0 {
		wait, err = s.journal.append(t.done)
	}
	if err != nil {
		t.rollback()
		return nil, err
	}
	return wait, nil
}

// put stores a draft as the next version of typ/id. A draft that says what is stored already makes no new version, as in
// HAPI; changed is false then.
//
// The first version counts as a POST in the history even if a PUT made it: HAPI's does.
func (t *tx) put(d *draft, id string) (rec *record, changed bool) {
	rec = t.s.record(d.typ, id)
	how, stored := created, []byte(nil)
	if len(rec.versions) > 0 {
		how, stored = updated, rec.raw()
	}
	meta := d.meta
	if stored != nil {
		old := split(stored)
		meta = keepLabels(old.meta, meta)
		if bytes.Equal(old.rest, d.rest) && bytes.Equal(old.meta, meta) {
			t.puts = append(t.puts, rec)
			return rec, false
		}
	}
	raw := stamp(nil, d.typ, id, len(rec.versions)+1, t.millis, meta, d.rest)
	t.apply(rec, version{raw: t.s.slab.keep(raw), millis: t.millis, verb: how})
	t.puts = append(t.puts, rec)
	return rec, true
}

// remove makes a deletion the latest version of a live record.
func (t *tx) remove(rec *record) {
	t.apply(rec, version{millis: t.millis, verb: deleted})
	t.drops = append(t.drops, rec)
}

func (t *tx) apply(rec *record, v version) {
	t.s.push(rec, v)
	t.done = append(t.done, change{rec, uint32(len(rec.versions))})
}

func (t *tx) rollback() {
	for i := len(t.done) - 1; i >= 0; i-- {
		t.s.pop(t.done[i].rec)
	}
}

// record returns the record of typ/id, making one without versions when there is none; push must follow.
func (s *Store) record(typ, id string) *record {
	sh := s.shelf(typ, true)
	if rec := sh.byID[id]; rec != nil {
		return rec
	}
	return &record{shelf: sh, id: id}
}

// push adds a version to a record and brings every index that was built up to date.
func (s *Store) push(rec *record, v version) {
	var before []byte
	sh := rec.shelf
	if len(rec.versions) == 0 {
		rec.ordinal = uint32(len(sh.records))
		sh.records = append(sh.records, rec)
		sh.byID[rec.id] = rec
	} else {
		before = rec.raw()
	}
	rec.versions = append(rec.versions, v)
	s.changes = append(s.changes, change{rec, uint32(len(rec.versions))})
	s.reindex(rec, before, v.raw)
}

// pop undoes the latest push to rec, which must be the latest of all.
func (s *Store) pop(rec *record) {
	after := rec.raw()
	rec.versions = rec.versions[:len(rec.versions)-1]
	s.changes = s.changes[:len(s.changes)-1]
	var before []byte
	if len(rec.versions) > 0 {
		before = rec.raw()
	}
	s.reindex(rec, after, before)
	if len(rec.versions) == 0 {
		sh := rec.shelf
		sh.records = sh.records[:len(sh.records)-1]
		delete(sh.byID, rec.id)
	}
}

// reindex brings counts and indexes up to date with a change of a record's bytes; nil stands for no resource.
func (s *Store) reindex(rec *record, before, after []byte) {
	sh := rec.shelf
	switch {
	case before == nil && after != nil:
		sh.live++
	case before != nil && after == nil:
		sh.live--
	}
	for _, ix := range sh.indexes {
		ix.replace(rec.ordinal, before, after)
	}
	if s.links != nil {
		s.links.replace(rec, before, after)
	}
}

// lastModified returns the time of a version.
func (v *version) lastModified() time.Time { return time.UnixMilli(v.millis).UTC() }
