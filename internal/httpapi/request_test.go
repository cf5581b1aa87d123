package httpapi

import (
	"strings"
	"testing"
	"time"
)

func TestAcceptsJSON(t *testing.T) {
	for _, c := range []struct {
		accept []string
		want   bool
	}{
		{nil, true},
		{[]string{""}, true},
		{[]string{"*/*"}, true},
		{[]string{"application/*"}, true},
		{[]string{"application/json"}, true},
		{[]string{"application/fhir+json; fhirVersion=4.0"}, true},
		{[]string{"APPLICATION/FHIR+JSON"}, true},
		{[]string{"text/html", "application/json"}, true},
		{[]string{"text/html, image/gif, *; q=.2, */*; q=.2"}, true},
		{[]string{"application/fhir+json;q=0.001"}, true},
		{[]string{"application/fhir+xml"}, false},
		{[]string{"text/html"}, false},
		{[]string{"application/json;q=0"}, false},
		{[]string{"application/json; q=0.000"}, false},
		{[]string{"application/fhir+ndjson"}, false},
		{[]string{"application/jsonp"}, false},
		{[]string{";"}, false},
	} {
		if got := acceptsJSON(c.accept); got != c.want {
			t.Errorf("%q: %v", c.accept, got)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br, gzip": true, "gzip;q=0": false, "gzip; q=0.0": false, "gzip;q=0.5": true, "identity": false, "x-gzip": false, "*": false, "deflate, gzip;q=1.0, *;q=0.5": true,
	} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func FuzzAcceptsJSON(f *testing.F) {
	f.Add("application/json;q=0, */*;q=0.1")
	f.Add(`application/json; x="a,b"`)
	f.Fuzz(func(t *testing.T, accept string) {
		if acceptsJSON([]string{accept}) && strings.TrimSpace(strings.ReplaceAll(accept, ",", "")) != "" && !strings.Contains(accept, "/") {
			t.Fatalf("%q names no media type", accept)
		}
		if !acceptsJSON([]string{accept, "application/json"}) {
			t.Fatalf("%q takes away from what comes after it", accept)
		}
	})
}

func purposeServer() *Server {
	return &Server{Options: Options{Purpose: Purpose{Enabled: true, MaxDuration: time.Hour, MinReason: 5}}}
}

func TestParsePurpose(t *testing.T) {
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	s := purposeServer()
	p, err := s.parsePurpose(" BTG ;  until=2024-05-06T08:08:09Z ", "  emergency ", now)
	if err != nil || p.Code != "BTG" || p.Reason != "emergency" || !p.Until.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v %v", p, err)
	}
	for _, c := range []struct{ header, reason string }{
		{"BTG", "emergency"},
		{"BTG;", "emergency"},
		{"BTG; until=", "emergency"},
		{"BTG; until=tomorrow", "emergency"},
		{"BTG; until=2024-05-06T08:08:10Z", "emergency"},
		{"BTG; until=2024-05-06T07:08:08Z", "emergency"},
		{"btg; until=2024-05-06T08:00:00Z", "emergency"},
		{"; until=2024-05-06T08:00:00Z", "emergency"},
		{"BTG TREAT; until=2024-05-06T08:00:00Z", "emergency"},
		{"BTG; until=2024-05-06T08:00:00Z; x", "emergency"},
		{"BTG; until=2024-05-06T08:00:00Z", "    a    "},
		{"BTG; until=2024-05-06T08:00:00Z", ""},
		{"BTG; until=2024-05-06T08:00:00Z", strings.Repeat("a", 1001)},
		{"BTG; until=2024-05-06T08:00:00Z", "emergency\xff"},
		{strings.Repeat("B", 33) + "; until=2024-05-06T08:00:00Z", "emergency"},
		{"BTG; UNTIL=2024-05-06T08:00:00Z", "emergency"},
	} {
		if p, err := s.parsePurpose(c.header, c.reason, now); err == nil || p != nil {
			t.Errorf("%q %q: %+v", c.header, c.reason, p)
		}
	}
}

func FuzzParsePurpose(f *testing.F) {
	f.Add("BTG; until=2024-05-06T08:08:09Z", "emergency")
	f.Fuzz(func(t *testing.T, header, reason string) {
		now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
		p, err := purposeServer().parsePurpose(header, reason, now)
		if (err == nil) != (p != nil) {
			t.Fatalf("%+v, %v", p, err)
		}
		if p != nil && (p.Until.Before(now) || p.Until.After(now.Add(time.Hour)) || len(p.Reason) < 5 || !isActReason(p.Code)) {
			t.Fatalf("%+v", p)
		}
	})
}
