package audit

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestLogLine(t *testing.T) {
	var out bytes.Buffer
	r := New(Options{Log: slog.New(slog.NewJSONHandler(&out, nil)), SubjectKey: []byte("key"), ResourceIDs: true})
	if err := r.Record(t.Context(), full(), true); err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-03-01T12:00:00.124956789+01:00","level":"INFO","msg":"request","request_id":"req-1","upstream":"main","interaction":"search-type",` +
		`"status":200,"duration_ms":1.5,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","type":"Observation","params":"patient,code:in,_count",` +
		`"issuer":"https://idp.example","subject":"885fb1c933b691ce","client":"app-1","roles":"practitioner,Domain Users","act_as":"practitioner",` +
		`"purpose":"TREAT,BTG","reasons":"role-grants","revision":"rev-7","seen":10,"visible":7,"withheld":3,"masked":2,"upstream_calls":4}` + "\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	for _, secret := range []string{"p1", "o-1.a", "sub "} {
		if strings.Contains(out.String(), `"`+secret) {
			t.Errorf("the line names %q", secret)
		}
	}
	out.Reset()
	if err := New(Options{Log: slog.New(slog.NewJSONHandler(&out, nil))}).Record(t.Context(), full(), false); err != nil || strings.Contains(out.String(), "subject") {
		t.Errorf("without a key: %v %s", err, out.String())
	}
}

func TestLogThatFails(t *testing.T) {
	var lost int
	r := New(Options{Log: slog.New(slog.NewJSONHandler(broken{}, nil)), Lost: func(n int, _ error) { lost += n }})
	if err := r.Record(t.Context(), full(), false); err != nil {
		t.Error(err)
	}
	if err := r.Record(t.Context(), full(), true); !errors.Is(err, errDown) {
		t.Errorf("a record that must succeed: %v", err)
	}
	if lost != 2 || r.Lost() != 2 {
		t.Errorf("lost %d and %d", lost, r.Lost())
	}
	quiet := New(Options{Log: slog.New(slog.NewJSONHandler(new(bytes.Buffer), &slog.HandlerOptions{Level: slog.LevelError}))})
	if err := quiet.Record(t.Context(), full(), true); !errors.Is(err, ErrNowhere) {
		t.Errorf("a log whose level leaves the line out: %v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errDown }
