package reports

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/gate"
)

// columns is how wide terminal text may be.
const columns = 100

// sheet gathers lines for a terminal. Lines are wrapped at words and never wider than columns.
type sheet struct {
	tongue
	out strings.Builder
}

func newSheet(lang string) *sheet { return &sheet{tongue: speak(lang)} }

// line writes one line, wrapped, the following lines indented as the first one's text.
func (s *sheet) line(indent, text string) {
	text = strings.ReplaceAll(text, nbsp, "\x00") // wrap at plain spaces only
	hang := strings.Repeat(" ", utf8.RuneCountInString(indent))
	width, prefix := columns-utf8.RuneCountInString(indent), indent
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
		if len(line) > columns {
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

// Text writes page one for a terminal: the answer, why, what to order, what it rests on, warnings. At most 100 columns.
func Text(w io.Writer, in *Input, lang string) error {
	lang, err := in.check(lang)
	if err != nil {
		return err
	}
	if in.Surge.Record.Run.Scenario == nil {
		return fmt.Errorf("reports: record %s names no scenario", in.Surge.Record.Dir)
	}
	s := newSheet(lang)
	a := answerTo(in, s.tongue)
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
	}
	s.head(s.say("basis.title"))
	s.list(a.basis)
	s.arrivals(in)
	s.warnings(a.warnings)
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
	rows := [][]string{{s.say("order.pool"), s.say("order.now"), s.say("order.planned"), s.say("order.more"), s.say("order.bound"), s.say("order.by")}}
	for _, p := range a.pools {
		rows = append(rows, []string{p.Pool, p.Now, p.Planned, p.More, p.Bound, p.OrderBy})
	}
	if len(a.pools) > 0 {
		s.grid(rows)
	}
}

// arrivals writes the ledger of the runs that have one.
func (s *sheet) arrivals(in *Input) {
	rows := [][]string{{"", s.say("ledger.completed"), s.say("ledger.failed"), s.say("text.indeterminate"), s.say("ledger.unsent"), s.say("ledger.total")}}
	add := func(caption string, f *Fired) {
		if f == nil || f.Record == nil {
			return
		}
		if account, err := f.Record.Account(); err == nil {
			l := account.Ledger
			rows = append(rows, []string{caption, s.count(l.Completed), s.count(l.Failed), s.count(l.Indeterminate), s.count(l.Unsent), s.count(l.Total)})
		}
	}
	add(s.say("side.before"), in.Surge)
	add(s.say("side.after"), in.VerifyRun)
	if len(rows) > 1 {
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

// VerdictText writes a verdict for a terminal: the result, its reasons, each promise, the tenants hit most, warnings.
func VerdictText(w io.Writer, v *gate.Verdict, lang string) error {
	s := newSheet(lang)
	if v == nil {
		s.line("", s.say("why.unjudged"))
		return s.write(w)
	}
	s.line("", s.say("text.verdict", strings.ToUpper(s.say("result."+string(known(v.Result))))))
	for _, reason := range v.Reasons {
		s.line("  - ", s.text(reason))
	}
	s.head(s.say("text.slos"))
	if len(v.SLOs) == 0 {
		s.line("  ", s.say("text.noSLOs"))
	}
	for i := range v.SLOs {
		s.line("  "+sign(v.SLOs[i].Result)+" ", s.promised(&v.SLOs[i])+" – "+s.outcome(&v.SLOs[i]))
	}
	s.hitMost(v)
	var lines []string
	for _, warning := range v.Warnings {
		lines = append(lines, s.text(warning.Text))
	}
	s.warnings(lines)
	return s.write(w)
}

func sign(r gate.Result) string {
	switch r {
	case gate.Pass:
		return "✓"
	case gate.Fail:
		return "✕"
	default:
		return "?"
	}
}

// promised words a promise in full: "submit: 95 % der Anfragen in höchstens 2 s, höchstens 1 % gescheitert".
func (t tongue) promised(r *gate.SLOResult) string {
	step := r.SLO.Step
	if step == "" {
		step = t.say("text.step")
	}
	return t.say("text.slo", step, t.promise(&r.SLO)) + ", " + t.say("text.slo.errors", t.share(r.SLO.Errors))
}

// outcome words what came of a promise.
func (t tongue) outcome(r *gate.SLOResult) string {
	switch {
	case r.Judged == 0:
		return t.say("text.slo.none")
	case r.Broken == 0:
		return t.say("text.slo.all", t.count(int64(r.Judged)))
	default:
		return t.say("text.slo.windows", t.count(int64(r.Broken)), t.count(int64(r.Judged)), t.count(int64(len(r.BrokenTenants))), t.count(int64(r.Tenants)))
	}
}

// hitMost lists the tenants with most broken windows.
func (s *sheet) hitMost(v *gate.Verdict) {
	hit := map[string]gate.TenantBreak{}
	eachBreak(v, func(b gate.TenantBreak) {
		sum, had := hit[b.Tenant]
		if !had || b.First < sum.First {
			sum.First = b.First
		}
		sum.Tenant, sum.Broken = b.Tenant, sum.Broken+b.Broken
		hit[b.Tenant] = sum
	})
	if len(hit) == 0 {
		return
	}
	const shown = 5
	s.head(s.say("text.worstTenants"))
	for i, b := range worstTenants(hit) {
		if i == shown {
			s.line("  ", s.say("text.more", s.count(int64(len(hit)-shown))))
			break
		}
		s.line("  - ", s.say("text.tenantLine", b.Tenant, s.count(int64(b.Broken)), clock(b.First)))
	}
}

// PlanText writes a plan for a terminal: what to order, how to set the autoscaling, what decides it, risk, warnings.
func PlanText(w io.Writer, p *planner.Plan, lang string) error {
	s := newSheet(lang)
	if p == nil {
		s.line("", s.say("order.noPlan"))
		return s.write(w)
	}
	a := answer{settings: settingLines(p, s.tongue)}
	for _, pool := range p.Pools {
		a.pools = append(a.pools, orderLine(pool, p.Scenario, s.tongue))
	}
	if !p.Mendable {
		a.limit = s.text(p.Limit)
	}
	s.line("", s.say("order.title"))
	s.orders(a)
	for _, pool := range p.Pools {
		if bound := s.text(pool.BoundBy); pool.LowerBound > 0 && bound != "" {
			s.line("  - ", s.say("text.bound", s.count(int64(pool.LowerBound)), pool.Pool, bound))
		}
	}
	if len(a.settings) > 0 {
		s.head(s.say("settings.title"))
		s.list(a.settings)
	}
	if len(p.Constraints) > 0 {
		s.head(s.say("text.constraints"))
		for _, c := range p.Constraints {
			s.line("  - ", s.text(c))
		}
	}
	s.head(s.say("text.risk"))
	s.line("  - ", s.say("text.riskLine", s.share(p.Risk.Upper), s.share(p.Risk.Delta), s.count(int64(p.Risk.Broken)), s.count(int64(p.Risk.Worlds))))
	if notch := notchLine(p, s.tongue); notch != "" {
		s.line("  - ", notch)
	}
	var lines []string
	for _, warning := range p.Warnings {
		lines = append(lines, s.text(warning.Text))
	}
	s.warnings(lines)
	return s.write(w)
}
