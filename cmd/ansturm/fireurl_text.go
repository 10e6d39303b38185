package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// textWidth is the width that sentences are broken at.
const textWidth = 78

// announcement says what will be fired, before the first shot.
func announcement(f firing) string {
	a, url := f.scenario.Arrivals, f.scenario.Journeys[0].Steps[0].URL
	if f.closed > 0 {
		return fmt.Sprintf("%s: closed loop of %d connections for %s", url, f.closed, scenarios.Span(a.Over, "en"))
	}
	rate := float64(a.Total) / a.Over.Seconds()
	text := fmt.Sprintf("%s: %d arrivals in %s, %s, %s/s", url, a.Total, scenarios.Span(a.Over, "en"), a.Process, rateText(rate))
	if len(a.Curve) == 1 && a.Curve[0].Kind == "constant" {
		return text
	}
	curve, err := f.scenario.Curve()
	if err != nil {
		return text // the schedule says so again, as an error
	}
	at, peak := curve.Peak()
	return fmt.Sprintf("%s in the mean, %s/s at its peak (%s)", text, rateText(peak), scenarios.Span(at, "en"))
}

// text writes the result for people.
func (r *fireResult) text(out io.Writer) error {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		line := fmt.Sprintf(format, args...)
		fmt.Fprintf(&b, "%-12s %s\n", name, strings.ReplaceAll(wrap(line, textWidth-13), "\n", "\n"+strings.Repeat(" ", 13)))
	}
	row("arrivals", "%d = %d completed + %d failed + %d indeterminate + %d unsent", r.Arrivals, r.Completed, r.Failed, r.Indeterminate, r.Unsent)
	row("rate", "%s", r.ratesText())
	row("outcomes", "%s", r.outcomesText())
	row("connections", "%s", r.connectionsText())
	row("client", "%s", r.Client)
	row("generator", "%.2f cores", r.Cores)
	b.WriteByte('\n')
	r.table(&b)
	b.WriteByte('\n')
	b.WriteString(wrap(r.Explanation, textWidth) + "\n")
	if bad := r.Response.Count - r.ResponseOK.Count; bad > 0 && r.ResponseOK.Count > 0 {
		b.WriteString(wrap(fmt.Sprintf("The table is of all shots. The response time of the %d that ended well: p50 %s, p99 %s, max %s.",
			r.ResponseOK.Count, micros(r.ResponseOK.P50), micros(r.ResponseOK.P99), micros(r.ResponseOK.Max)), textWidth) + "\n")
	}
	b.WriteByte('\n')
	row("verdict", "%s", r.verdictText())
	for _, group := range []struct {
		name  string
		lines []string
	}{{"", r.Reasons}, {"advice", r.Advice}, {"problem", r.Problems}, {"warning", r.Warnings}} {
		for _, line := range group.lines {
			row(group.name, "%s", line)
		}
	}
	if r.Record != "" {
		row("record", "%s", r.Record)
	} else {
		row("record", "not kept; -o DIR keeps it, for ansturm inspect and ansturm report")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (r *fireResult) ratesText() string {
	if r.Closed > 0 {
		return fmt.Sprintf("%s/s completed in %.1f s by %d connections", rateText(r.Rate), r.Duration, r.Closed)
	}
	return fmt.Sprintf("%s/s offered, %s/s sent, %s/s completed in %.1f s",
		rateText(r.OfferedRate), rateText(r.SentRate), rateText(r.Rate), r.Duration)
}

func (r *fireResult) outcomesText() string {
	var parts []string
	for _, name := range []string{"ok", "failed", "refused", "timed-out", "lost", "left"} {
		if n := r.Outcomes[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	if len(parts) == 0 {
		return "none: no shot ended"
	}
	return strings.Join(parts, ", ")
}

func (r *fireResult) connectionsText() string {
	text := fmt.Sprintf("%d opened, at most %d at a time", r.Connections, r.ConnectionsPeak)
	if r.Connect.Count == 0 {
		return text
	}
	text = fmt.Sprintf("%s; to open one took %s at p50, %s at p99", text, micros(r.Connect.P50), micros(r.Connect.P99))
	if r.TLS.Count > 0 {
		text += fmt.Sprintf(", its TLS %s and %s", micros(r.TLS.P50), micros(r.TLS.P99))
	}
	return text
}

func (r *fireResult) verdictText() string {
	switch {
	case !r.Valid:
		return "INVALID: no figure here is the target's"
	case r.Closed > 0 && r.Busy > mostBusy:
		return "valid as times; as a rate it may be the generator's own"
	}
	return "valid: the generator was not the limit"
}

// rowNames are the rows of the table, in the order of spread.rows.
var rowNames = []string{"p50", "p90", "p95", "p99", "p99.9", "max"}

// table shows the three times side by side.
func (r *fireResult) table(b *strings.Builder) {
	fmt.Fprintf(b, "%-6s %12s %12s %12s\n", "", "response", "service", "lateness")
	response, service, lateness := r.Response.rows(), r.Service.rows(), r.Lateness.rows()
	for i, name := range rowNames {
		cell := func(s spread, us int64) string {
			if s.Count == 0 {
				return "–"
			}
			return micros(us)
		}
		fmt.Fprintf(b, "%-6s %12s %12s %12s\n", name, cell(r.Response, response[i]), cell(r.Service, service[i]), cell(r.Lateness, lateness[i]))
	}
}

// micros writes a number of microseconds to three digits.
func micros(us int64) string { return brief(time.Duration(us) * time.Microsecond) }

// brief writes a time to three digits: 85 µs, 1.25 ms, 12.5 s.
func brief(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return threeDigits(d.Seconds()*1e3) + " ms"
	}
	return threeDigits(d.Seconds()) + " s"
}

// threeDigits writes a number from 1 on to three digits.
func threeDigits(x float64) string {
	switch {
	case x < 9.995:
		return fmt.Sprintf("%.2f", x)
	case x < 99.95:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// rateText writes a rate to four digits or whole numbers: 0.05, 33.33, 12500.
func rateText(rate float64) string {
	if rate >= 1000 {
		return fmt.Sprintf("%.0f", rate)
	}
	return fmt.Sprintf("%.4g", rate)
}

// wrap breaks a text at blanks into lines of at most width characters where words allow it.
func wrap(text string, width int) string {
	var b strings.Builder
	length := 0
	for word := range strings.FieldsSeq(text) {
		n := len([]rune(word))
		switch {
		case length == 0:
		case length+1+n > width:
			b.WriteByte('\n')
			length = 0
		default:
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		length += n
	}
	return b.String()
}
