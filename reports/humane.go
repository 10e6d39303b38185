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
	longNumber   = regexp.MustCompile(`(^|[\s(])(\d{5,12})($|[\s.,;:)])`)
	loosePercent = regexp.MustCompile(`(\d) %`)
)

// humane rewrites a text of another package the way this language writes numbers: spans of time, long numbers, and
// percent signs that stay with their number.
func (n numbers) humane(text string) string {
	text = spanWritten.ReplaceAllStringFunc(text, func(found string) string {
		part := spanWritten.FindStringSubmatch(found)
		d, err := time.ParseDuration(part[2])
		if err != nil {
			return found
		}
		return part[1] + n.span(d) + part[3]
	})
	text = longNumber.ReplaceAllStringFunc(text, func(found string) string {
		part := longNumber.FindStringSubmatch(found)
		v, err := strconv.ParseInt(part[2], 10, 64)
		if err != nil || strings.HasPrefix(part[2], "0") {
			return found
		}
		return part[1] + n.count(v) + part[3]
	})
	return loosePercent.ReplaceAllString(text, "$1"+nbsp+"%")
}

// span writes a span: below a minute like a response time, from a minute on as a clock.
func (n numbers) span(d time.Duration) string {
	switch {
	case d < time.Millisecond && d > 0:
		return n.number(float64(d)/float64(time.Millisecond)) + nbsp + "ms"
	case d < time.Minute:
		return n.duration(d)
	case d < time.Hour:
		return clock(d) + nbsp + "min"
	default:
		return clock(d) + nbsp + "h"
	}
}
