package scenarios

import (
	"math"
	"testing"
	"time"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration][2]string{
		0:                             {"0 s", "0 s"},
		125 * time.Microsecond:        {"0,125 ms", "0.125 ms"},
		10 * time.Millisecond:         {"10 ms", "10 ms"},
		2500 * time.Microsecond:       {"2,5 ms", "2.5 ms"},
		999_600 * time.Microsecond:    {"1 s", "1 s"},
		1250 * time.Millisecond:       {"1,25 s", "1.25 s"},
		35_651_583 * time.Microsecond: {"35,7 s", "35.7 s"},
		59_960 * time.Millisecond:     {"1 Minute", "1 minute"},
		time.Minute:                   {"1 Minute", "1 minute"},
		60_600 * time.Millisecond:     {"1:01 min", "1:01 min"},
		90 * time.Second:              {"1:30 min", "1:30 min"},
		18 * time.Minute:              {"18 Minuten", "18 minutes"},
		90 * time.Minute:              {"90 Minuten", "90 minutes"},
		time.Hour:                     {"1 Stunde", "1 hour"},
		time.Hour + 90*time.Second:    {"1:01:30 h", "1:01:30 h"},
		2*time.Hour + 5*time.Minute:   {"2:05 h", "2:05 h"},
		24 * time.Hour:                {"24 Stunden", "24 hours"},
		72 * time.Hour:                {"3 Tage", "3 days"},
		-1500 * time.Millisecond:      {"−1,5 s", "−1.5 s"},
		time.Duration(math.MinInt64):  {"−2562047:47:16 h", "−2562047:47:16 h"},
	} {
		if de, en := Span(d, "de"), Span(d, "en"); de != want[0] || en != want[1] {
			t.Errorf("%v: %q and %q, want %q", d, de, en, want)
		}
	}
	if got := Span(time.Hour, "fr"); got != "1 hour" {
		t.Errorf("in a language without words: %q", got)
	}
}

func TestClock(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0:00", 11*time.Minute + 5*time.Second: "11:05", 2*time.Hour + 3*time.Minute: "2:03:00",
		-5 * time.Second: "−0:05", -300 * time.Millisecond: "0:00",
	} {
		if got := Clock(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
