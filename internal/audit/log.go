package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"strings"
	"time"
)

// line writes the log line of a request. It has no ids of resources: an id
// names a patient as surely as a name does.
type line struct {
	handler slog.Handler
	key     []byte
}

func newLine(log *slog.Logger, key []byte) *line { return &line{log.Handler(), key} }

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
	if subject == "" || len(l.key) == 0 {
		return ""
	}
	mac := hmac.New(sha256.New, l.key)
	mac.Write([]byte(issuer))
	mac.Write([]byte{0})
	mac.Write([]byte(subject))
	return hex.EncodeToString(mac.Sum(nil)[:8])
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
