package audit

import (
	"context"
	"io"
	"log/slog"
	"testing"
)

type nowhere struct{}

func (nowhere) Write(_ context.Context, events [][]byte) (int, error) { return len(events), nil }

func BenchmarkRecord(b *testing.B) {
	discard := slog.New(slog.NewJSONHandler(io.Discard, nil)) //nolint:sloglint // writing JSON is part of what is measured
	key := []byte("0123456789abcdef0123456789abcdef")
	rec := full()
	b.Run("log and event", func(b *testing.B) {
		r := New(Options{Log: discard, SubjectKey: key, Sink: nowhere{}, ResourceIDs: true})
		for b.Loop() {
			if err := r.Record(b.Context(), rec, false); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		if err := r.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("log", func(b *testing.B) {
		r := New(Options{Log: discard, SubjectKey: key})
		for b.Loop() {
			if err := r.Record(b.Context(), rec, false); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("event", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			AuditEvent(rec)
		}
	})
}
