package reports

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	// spanWritten is a span as Go writes it, where it stands alone: "10ms", "35.651583s", "1m30s".
	spanWritten = regexp.MustCompile(`(^|[\s(])((?:\d+h)?(?:\d+m)?(?:\d+(?:\.\d+)?(?:ns|µs|us|ms|s))|\d+h(?:\d+m)?|\d+m)($|[\s.,;:)])`)
	// longNumber is a whole number too long to be read without groups.
	longNumber = regexp.MustCompile(`(^|[\s(])(\d{5,12})($|[\s.,;:)])`)
	looseUnit  = regexp.MustCompile(`(\d) (%|(?:ms|s|min|h)\b)`)
)

// humane rewrites a text of another package the way this language writes numbers: spans of time, long numbers, and units
// that stay with their number.
func (t tongue) humane(text string) string {
	text = spanWritten.ReplaceAllStringFunc(text, func(found string) string {
		part := spanWritten.FindStringSubmatch(found)
		d, err := time.ParseDuration(part[2])
		if err != nil {
			return found
		}
		return part[1] + t.length(d) + part[3]
	})
	text = longNumber.ReplaceAllStringFunc(text, func(found string) string {
		part := longNumber.FindStringSubmatch(found)
		v, err := strconv.ParseInt(part[2], 10, 64)
		if err != nil || strings.HasPrefix(part[2], "0") {
			return found
		}
		return part[1] + t.count(v) + part[3]
	})
	return bound(text)
}

// bound keeps numbers and the units behind them on one line.
func bound(text string) string { return looseUnit.ReplaceAllString(text, "$1"+nbsp+"$2") }
