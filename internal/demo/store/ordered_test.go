package store

import (
	"testing"
	"time"
)

func TestParseSpan(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"2024":                      {"2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"},
		"2024-02":                   {"2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		"2024-02-29":                {"2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"},
		"2024-02-29T10:20Z":         {"2024-02-29T10:20:00Z", "2024-02-29T10:21:00Z"},
		"2024-02-29T10:20":          {"2024-02-29T10:20:00Z", "2024-02-29T10:21:00Z"},
		"2024-02-29T10:20:30":       {"2024-02-29T10:20:30Z", "2024-02-29T10:20:31Z"},
		"2024-02-29T10:20:30+02:00": {"2024-02-29T08:20:30Z", "2024-02-29T08:20:31Z"},
		"2024-02-29T10:20:30.125Z":  {"2024-02-29T10:20:30.125Z", "2024-02-29T10:20:30.126Z"},
		"2023-02-29":                {},
		"24":                        {},
		"yesterday":                 {},
		"":                          {},
	} {
		got, err := parseSpan(text)
		if want[0] == "" {
			if err == nil {
				t.Errorf("%q is %v", text, got)
			}
			continue
		}
		low, high := time.UnixMilli(got.low).UTC().Format(time.RFC3339Nano), time.UnixMilli(got.high+1).UTC().Format(time.RFC3339Nano)
		if err != nil || low != want[0] || high != want[1] {
			t.Errorf("%q is %s to %s, %v", text, low, high, err)
		}
	}
}
