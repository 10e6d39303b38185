package reports

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// nbsp keeps a number and its unit on one line.
const nbsp = "\u00a0"

// numbers writes numbers the way a language does.
type numbers struct {
	group, point string
	date, stamp  string // layouts of time.Format
}

var numbersOf = map[string]numbers{
	"de": {group: ".", point: ",", date: "02.01.2006", stamp: "02.01.2006, 15:04"},
	"en": {group: ",", point: ".", date: "2 January 2006", stamp: "2 January 2006, 15:04"},
}

// count writes a whole number with groups of three.
func (n numbers) count(v int64) string {
	sign := ""
	digits := strconv.FormatInt(v, 10)
	if v < 0 {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + n.group + digits[i:]
	}
	return sign + digits
}

// decimal writes v with a fixed number of decimals; a dash for what is no number.
func (n numbers) decimal(v float64, decimals int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) >= 1e15 {
		return "–"
	}
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(math.Abs(v), 'f', decimals, 64), ".")
	grouped, _ := strconv.ParseInt(whole, 10, 64)
	s := n.count(grouped)
	if fraction != "" {
		s += n.point + fraction
	}
	if v < 0 && strings.Trim(whole+fraction, "0") != "" {
		s = "−" + s
	}
	return s
}

// number writes v with about three significant digits.
func (n numbers) number(v float64) string {
	switch a := math.Abs(v); {
	case a == 0 || a >= 100:
		return n.decimal(v, 0)
	case a >= 10:
		return n.decimal(v, 1)
	case a >= 1:
		return n.decimal(v, 2)
	default:
		return n.decimal(v, 3)
	}
}

// share writes a share of one in percent. What is not quite nothing, or not quite all, never reads as 0 % or 100 %.
func (n numbers) share(v float64) string {
	p := math.Round(v*1e8) / 1e6 // 1.1 is 110 %, not a hair more
	if p == 0 && v > 0 {
		p = v * 100
	}
	switch {
	case p > 0 && p < 0.01:
		return "<" + nbsp + n.decimal(0.01, 2) + nbsp + "%"
	case p > 0 && p < 1:
		return n.decimal(p, 2) + nbsp + "%"
	case p < 100 && p >= 99.95:
		return ">" + nbsp + n.decimal(99.9, 1) + nbsp + "%"
	case p == math.Trunc(p):
		return n.decimal(p, 0) + nbsp + "%"
	default:
		return n.decimal(p, 1) + nbsp + "%"
	}
}

// seconds writes a response time.
func (n numbers) seconds(s float64) string {
	switch {
	case math.IsNaN(s):
		return "–"
	case s != 0 && math.Abs(s) < 0.9995:
		return n.decimal(s*1000, 0) + nbsp + "ms"
	case math.Abs(s) < 100:
		return strings.TrimSuffix(n.decimal(s, 1), n.point+"0") + nbsp + "s"
	default:
		return n.decimal(s, 0) + nbsp + "s"
	}
}

func (n numbers) duration(d time.Duration) string { return n.seconds(d.Seconds()) }

// short writes v with at most two decimals, and none that say nothing.
func (n numbers) short(v float64) string {
	s := n.decimal(v, 2)
	if strings.Contains(s, n.point) {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), n.point)
	}
	return s
}
