package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// line writes the log line of a request. It has no ids of resources: an id
// names a patient as surely as a name does.
type line struct {
	handler slog.Handler
	// macs are HMACs of the subject key, ready for use; nil without a key.
	macs *sync.Pool
}

func newLine(log *slog.Logger, key []byte) *line {
	l := &line{handler: log.Handler()}
	if len(key) > 0 {
		l.macs = &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}
	}
	return l
}

// write goes around slog.Logger, which drops the handler's error.
func (l *line) write(ctx context.Context, r Record) error {
	if !l.handler.Enabled(ctx, slog.LevelInfo) {
		return ErrNowhere
	}
	rec := slog.NewRecord(r.Time.Add(r.Duration), slog.LevelInfo, "request", 0)
	var room [maxAttrs]slog.Attr // Added at once: one allocation.
	attrs := append(room[:0],
		slog.String("request_id", r.RequestID),
		slog.String("upstream", r.Upstream),
		slog.String("interaction", r.Interaction),
		slog.Int("status", r.Status),
		slog.Float64("duration_ms", float64(r.Duration.Microseconds())/1000),
	)
	for _, a := range [...]struct{ name, value string }{
		{"trace_id", r.TraceID},
		{"type", r.ResourceType},
		{"params", strings.Join(r.Params, ",")},
		{"issuer", r.Issuer},
		{"subject", l.pseudonym(r.Issuer, r.Subject)},
		{"client", r.Client},
		{"roles", strings.Join(r.Roles, ",")},
		{"act_as", r.ActAs},
		{"purpose", strings.Join(r.PurposeOfUse, ",")},
		{"reasons", strings.Join(r.Reasons, ",")},
		{"revision", r.Revision},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.name, a.value))
		}
	}
	for _, a := range [...]struct {
		name  string
		value int
	}{{"seen", r.Seen}, {"visible", r.Visible}, {"withheld", r.Withheld}, {"masked", r.Masked}, {"upstream_calls", r.UpstreamCalls}} {
		if a.value != 0 {
			attrs = append(attrs, slog.Int(a.name, a.value))
		}
	}
	rec.AddAttrs(attrs...)
	return l.handler.Handle(ctx, rec)
}

// maxAttrs is how many attributes a line has at most.
const maxAttrs = 24

// pseudonym tells persons apart in the log and names none: a subject may be an
// e-mail address, and the person a patient.
func (l *line) pseudonym(issuer, subject string) string {
	if subject == "" || l.macs == nil {
		return ""
	}
	mac, ok := l.macs.Get().(hash.Hash)
	if !ok {
		return ""
	}
	defer l.macs.Put(mac)
	mac.Reset()
	var room [128]byte
	mac.Write(append(append(append(room[:0], issuer...), 0), subject...))
	return hex.EncodeToString(mac.Sum(room[:0])[:8])
}

// LogSink writes each AuditEvent as a log line. Its events name no resources.
type LogSink struct {
	handler slog.Handler
	now     func() time.Time
}

// NewLogSink returns a LogSink. The time of a line is when it is written.
func NewLogSink(log *slog.Logger, now func() time.Time) *LogSink {
	return &LogSink{log.Handler(), now}
}

// Write implements Sink.
func (s *LogSink) Write(ctx context.Context, events [][]byte) (int, error) {
	for i, event := range events {
		rec := slog.NewRecord(s.now(), slog.LevelInfo, "audit event", 0)
		rec.AddAttrs(slog.Any("event", json.RawMessage(event)))
		if err := s.handler.Handle(ctx, rec); err != nil {
			return i, err
		}
	}
	return len(events), nil
}
