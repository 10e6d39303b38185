package scenarios

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// spanUnits are the words of [Span]: one of a unit, and many of it.
var spanUnits = map[string]struct{ day, hour, minute [2]string }{
	"de": {[2]string{"Tag", "Tage"}, [2]string{"Stunde", "Stunden"}, [2]string{"Minute", "Minuten"}},
	"en": {[2]string{"day", "days"}, [2]string{"hour", "hours"}, [2]string{"minute", "minutes"}},
}

// Span says a span of time as a language does: "250 ms", "1.5 s", "18 minutes", "1:30 min", "2:05 h", "4 hours", "3 days".
// Below a minute it has three digits, above it is rounded to the second. Languages it does not know get English.
func Span(d time.Duration, lang string) string {
	if d < 0 {
		return "−" + Span(d.Abs(), lang)
	}
	d = roundedSpan(d)
	units, known := spanUnits[lang]
	if !known {
		units = spanUnits["en"]
	}
	const day = 24 * time.Hour
	switch {
	case d > 0 && d < time.Second:
		return inUnit(d, time.Millisecond, lang) + " ms"
	case d < time.Minute:
		return inUnit(d, time.Second, lang) + " s"
	case d >= 2*day && d%day == 0:
		return counted(d/day, units.day)
	case d%time.Hour == 0:
		return counted(d/time.Hour, units.hour)
	case d < 2*time.Hour && d%time.Minute == 0:
		return counted(d/time.Minute, units.minute)
	case d < time.Hour:
		return Clock(d) + " min"
	}
	return strings.TrimSuffix(Clock(d), ":00") + " h"
}

// roundedSpan is to three digits below a minute, and to the second above.
func roundedSpan(d time.Duration) time.Duration {
	to := time.Duration(1)
	for d/to >= 1000 {
		to *= 10
	}
	if short := d.Round(to); short < time.Minute {
		return short
	}
	return d.Round(time.Second)
}

func inUnit(d, unit time.Duration, lang string) string {
	return Decimal(strconv.FormatFloat(float64(d)/float64(unit), 'f', -1, 64), lang)
}

func counted(n time.Duration, words [2]string) string {
	if n == 1 {
		return "1 " + words[0]
	}
	return strconv.FormatInt(int64(n), 10) + " " + words[1]
}

// Clock writes an offset from the start as minutes:seconds, from an hour on as hours:minutes:seconds; parts of a second are
// cut off.
func Clock(d time.Duration) string {
	sign, total := "", int64(d.Abs()/time.Second)
	if d < 0 && total > 0 {
		sign = "−"
	}
	if total < 3600 {
		return fmt.Sprintf("%s%d:%02d", sign, total/60, total%60)
	}
	return fmt.Sprintf("%s%d:%02d:%02d", sign, total/3600, total/60%60, total%60)
}
