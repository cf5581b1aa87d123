package data

import (
	"testing"
	"time"
)

func TestCalendarAgreesWithTime(t *testing.T) {
	for d := day(-30000); d < 30000; d += 13 {
		minutes := (int(d)%1600 + 1600) * 2
		want := time.Unix(int64(d)*86400+int64(minutes)*60, 0).UTC().Format("2006-01-02T15:04:05") + "-05:00"
		if got := string(appendInstant(nil, d, minutes)); got != want {
			t.Fatalf("%d: %s, want %s", d, got, want)
		}
	}
	if got := string(appendDate(nil, today)); got != "2025-06-30" {
		t.Errorf("today is %s", got)
	}
}
