package reports

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ansturm/ansturm/loadgen/record"
)

// columns is how wide terminal text may be, least how narrow it is made for a terminal that says it is narrower.
const columns, leastColumns = 100, 60

// sheet gathers lines for a terminal. Lines are wrapped at words and not wider than width, those of
// tables not wider than columns.
type sheet struct {
	tongue
	width int
	out   strings.Builder
}

// newSheet is a sheet for a writer: as wide as that says its columns are, if it does.
func newSheet(w io.Writer, lang string) *sheet {
	s := &sheet{tongue: speak(lang), width: columns}
	if screen, ok := w.(interface{ Columns() int }); ok && screen.Columns() > 0 {
		s.width = min(columns, max(leastColumns, screen.Columns()))
	}
	return s
}

// line writes one line, wrapped, the following lines indented as the first one's text.
func (s *sheet) line(indent, text string) {
	text = strings.ReplaceAll(text, nbsp, "\x00") // wrap at plain spaces only
	hang := strings.Repeat(" ", utf8.RuneCountInString(indent))
	width, prefix := s.width-utf8.RuneCountInString(indent), indent
	current := ""
	flush := func() {
		s.out.WriteString(strings.TrimRight(prefix+strings.ReplaceAll(current, "\x00", " "), " ") + "\n")
		prefix, current = hang, ""
	}
	for _, word := range strings.Fields(text) {
		for utf8.RuneCountInString(word) > width {
			if current != "" {
				flush()
			}
			runes := []rune(word)
			current, word = string(runes[:width]), string(runes[width:])
			flush()
		}
		if current != "" && utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > width {
			flush()
		}
		if current != "" {
			current += " "
		}
		current += word
	}
	if current != "" {
		flush()
	}
}

func (s *sheet) head(text string) { s.out.WriteString("\n" + text + "\n") }

func (s *sheet) list(lines []string) {
	for _, l := range lines {
		s.line("  - ", l)
	}
}

// grid writes rows with their columns aligned: the first to the left, the others to the right.
func (s *sheet) grid(rows [][]string) {
	widths := map[int]int{}
	for _, row := range rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		b.WriteString("  ")
		for i, c := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if i == 0 {
				b.WriteString(c + space)
			} else {
				b.WriteString("  " + space + c)
			}
		}
		line := []rune(strings.TrimRight(strings.ReplaceAll(b.String(), nbsp, " "), " "))
		if len(line) > columns { // a narrower terminal breaks it, which is better than an order date that is cut off
			line = append(line[:columns-1], '…')
		}
		s.out.WriteString(string(line) + "\n")
	}
}

func (s *sheet) write(w io.Writer) error {
	if _, err := io.WriteString(w, s.out.String()); err != nil {
		return fmt.Errorf("reports: writing text: %w", err)
	}
	return nil
}

// Text writes page one for a terminal: the answer, why, what to order, what it rests on, warnings. At most 100 columns, or as many
// as a writer with a method Columns() int has.
func Text(w io.Writer, in *Input, lang string) error {
	lang, err := in.check(lang)
	if err != nil {
		return err
	}
	if in.Surge.Record.Run.Scenario == nil {
		return fmt.Errorf("reports: record %s names no scenario", in.Surge.Record.Dir)
	}
	s := newSheet(w, lang)
	at := seeIn(in)
	a := answerTo(in, at, s.tongue)
	s.line("", s.say("title"))
	s.line("", titleOf(&in.Surge.Record.Run, s.tongue))
	s.out.WriteString("\n")
	s.card(a.now)
	if a.plan.Show {
		s.card(a.plan)
	}
	s.head(s.say("why.title"))
	s.list(a.why)
	if in.Plan != nil {
		s.head(s.say("order.title"))
		s.orders(a)
		if len(a.settings) > 0 {
			s.head(s.say("settings.title"))
			s.list(a.settings)
		}
		if len(a.decides) > 0 {
			s.head(s.say("text.constraints"))
			s.list(a.decides)
		}
		s.parts(a.parts)
		s.parts(evidenceParts(in.Plan, s.tongue))
	}
	s.head(s.say("basis.title"))
	s.list(a.basis)
	s.arrivals(at)
	s.warnings(warningLines(in, every, s.tongue))
	return s.write(w)
}

func (s *sheet) card(c verdictCard) {
	s.line("  "+c.Icon()+" ", c.Label+": "+c.Answer)
	s.line("    ", c.Say)
}

func (s *sheet) orders(a answer) {
	if a.limit != "" {
		s.line("  ! ", s.say("order.limit")+" "+a.limit)
	}
	if len(a.pools) > 0 {
		s.grid(s.orderRows(a.pools))
	}
}

// orderRows are the orders under their head.
func (t tongue) orderRows(pools []poolLine) [][]string {
	rows := [][]string{{t.say("order.pool"), t.say("order.now"), t.say("order.planned"), t.say("order.more"), t.say("order.bound"), t.say("order.by")}}
	for _, p := range pools {
		rows = append(rows, []string{p.Pool, p.Now, p.Planned, p.More, p.Bound, p.OrderBy})
	}
	return rows
}

// ledgerRows are the ledgers of the runs that have one, under their head.
func (t tongue) ledgerRows(at seen) [][]string {
	rows := [][]string{{"", t.say("ledger.completed"), t.say("ledger.failed"), t.say("text.indeterminate"), t.say("ledger.unsent"), t.say("ledger.total")}}
	add := func(caption string, l *record.LedgerAccount) {
		if l != nil {
			rows = append(rows, []string{caption, t.count(l.Completed), t.count(l.Failed), t.count(l.Indeterminate), t.count(l.Unsent), t.count(l.Total)})
		}
	}
	add(t.say("side.before"), at.before)
	add(t.say("side.after"), at.after)
	return rows
}

func (s *sheet) arrivals(at seen) {
	if rows := s.ledgerRows(at); len(rows) > 1 {
		s.head(s.say("text.arrivals"))
		s.grid(rows)
	}
}

func (s *sheet) warnings(lines []string) {
	if len(lines) > 0 {
		s.head(s.say("warnings.title"))
		s.list(lines)
	}
}
