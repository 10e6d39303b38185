package reports

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestNumbers(t *testing.T) {
	de, en := numbersOf["de"], numbersOf["en"]
	for _, c := range []struct{ got, want string }{
		{de.count(600_000), "600.000"},
		{en.count(600_000), "600,000"},
		{de.count(-1_234), "−1.234"},
		{de.count(0), "0"},
		{de.decimal(1234.56, 1), "1.234,6"},
		{en.decimal(-0.04, 1), "0.0"}, // no minus before nothing
		{de.decimal(math.NaN(), 1), "–"},
		{de.number(0.1234), "0,123"},
		{de.number(12.345), "12,3"},
		{de.short(99.9), "99,9"},
		{de.short(10), "10"},
		{de.seconds(1.5), "1,5\u00a0s"},
		{en.seconds(1.5), "1.5\u00a0s"},
		{de.seconds(2), "2\u00a0s"},
		{de.seconds(0.25), "250\u00a0ms"},
		{de.seconds(0), "0\u00a0s"},
		{de.share(0.95), "95\u00a0%"},
		{de.share(0.0092), "0,92\u00a0%"},
		{de.share(0.00001), "<\u00a00,01\u00a0%"},
		{de.share(0.99999), ">\u00a099,9\u00a0%"}, // one lost of 100,000 is not all
		{de.share(1), "100\u00a0%"},
		{speak("de").length(18 * time.Minute), "18 Minuten"},
		{speak("en").length(time.Hour), "1 hour"},
		{speak("de").length(72 * time.Hour), "3 Tage"},
		{speak("de").length(90 * time.Second), "1:30\u00a0min"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestNiceTop(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, 0.9: 1, 796: 800, 1034: 1200, 5: 6, 9000: 10000} {
		if got := niceTop(v); math.Abs(got-want) > 1e-9*want {
			t.Errorf("niceTop(%g) = %g, want %g", v, got, want)
		}
	}
}

func TestHumane(t *testing.T) {
	for in, want := range map[string]string{
		"mehr als 10ms zu spät":              "mehr als 10_ms zu spät",
		"insgesamt 35.651583s lang":          "insgesamt 35,7_s lang",
		"(limit 1m30s)":                      "(limit 1:30_min)",
		"nach 2h.":                           "nach 2 Stunden.",
		"125µs":                              "0,125_ms",
		"600000 Personen, 5382 Anfragen":     "600.000 Personen, 5382 Anfragen",
		"117 % der Erwartung":                "117_% der Erwartung",
		"vm-18, p95, 09:00, 4h5, 27e3ae18s2": "vm-18, p95, 09:00, 4h5, 27e3ae18s2",
		"00123456 und 99999999999999999999s": "00123456 und 99999999999999999999s",
	} {
		if got := strings.ReplaceAll(speak("de").humane(in), nbsp, "_"); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
