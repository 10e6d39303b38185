package reports

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/scenarios"
)

// tenantsInDocument is how many tenants' settings a document lists; the others are summed.
const tenantsInDocument = 10

// document gathers Markdown as every reader of it understands: headings, paragraphs, lists, and tables with pipes.
type document struct {
	tongue
	out strings.Builder
}

func newDocument(lang string) *document { return &document{tongue: speak(lang)} }

// marks are what Markdown would take for its own.
var marks = strings.NewReplacer(nbsp, " ", `\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "]", `\]`, "|", `\|`, "#", `\#`,
	"~", `\~`, "&", `\&`, ">", `\>`, "://", `\://`, "www.", `www\.`)

// opening are the marks that make a line a list, a rule or the line under a heading, where they stand at its beginning.
var opening = regexp.MustCompile(`^(\d{0,9})([.)+=-])(\s|$|[-=])`)

// literal is a text on one line, in which nothing is taken for Markdown.
func literal(text string) string {
	text = strings.Join(strings.Fields(marks.Replace(text)), " ")
	return opening.ReplaceAllString(text, `$1\$2$3`)
}

func (d *document) block(text string) {
	if d.out.Len() > 0 {
		d.out.WriteByte('\n')
	}
	d.out.WriteString(text + "\n")
}

func (d *document) head(level int, text string) {
	d.block(strings.Repeat("#", level) + " " + literal(text))
}

func (d *document) line(text string) { d.block(literal(text)) }

// section is a headed list; nothing where the list is empty.
func (d *document) section(title string, lines []string) {
	if len(lines) > 0 {
		d.head(2, title)
		d.list(lines)
	}
}

func (d *document) list(lines []string) {
	items := make([]string, len(lines))
	for i, l := range lines {
		items[i] = "- " + literal(l)
	}
	d.block(strings.Join(items, "\n"))
}

// table writes rows of which the first is the head: the first column to the left, the others to the right.
func (d *document) table(rows [][]string) {
	line := func(cells []string) string { return "| " + strings.Join(cells, " | ") + " |" }
	lines := make([]string, 0, len(rows)+1)
	for i, row := range rows {
		cells := make([]string, len(row))
		for k, c := range row {
			cells[k] = literal(c)
		}
		lines = append(lines, line(cells))
		if i == 0 {
			lines = append(lines, "|:--"+strings.Repeat("|--:", len(row)-1)+"|")
		}
	}
	d.block(strings.Join(lines, "\n"))
}

func (d *document) write(w io.Writer) error {
	if _, err := io.WriteString(w, d.out.String()); err != nil {
		return fmt.Errorf("reports: writing Markdown: %w", err)
	}
	return nil
}

// Markdown writes what [Text] says as a document in Markdown, for a wiki, a ticket or a mail: of a plan also its ten
// lines, the autoscaling of its largest tenants, and what the model does not cover.
func Markdown(w io.Writer, in *Input, lang string) error {
	lang, err := in.check(lang)
	if err != nil {
		return err
	}
	run := &in.Surge.Record.Run
	if run.Scenario == nil {
		return fmt.Errorf("reports: record %s names no scenario", in.Surge.Record.Dir)
	}
	d, at := newDocument(lang), seeIn(in)
	a := answerTo(in, at, d.tongue)
	d.head(1, d.say("title"))
	d.line(titleOf(run, d.tongue))
	d.card(a.now)
	if a.plan.Show {
		d.card(a.plan)
	}
	d.section(d.say("why.title"), a.why)
	if v := in.Surge.Verdict; v != nil {
		var lines []string
		for i := range v.SLOs {
			lines = append(lines, sign(v.SLOs[i].Result)+" "+d.promised(&v.SLOs[i])+" – "+d.outcome(&v.SLOs[i]))
		}
		d.section(d.say("text.slos"), lines)
	}
	if in.Plan != nil {
		d.plan(in.Plan)
		d.section(d.say("proof.title"), proofLines(in, d.tongue))
		d.uncovered(in.Plan)
	}
	d.section(d.say("basis.title"), append(runLines(in, d.tongue), doorLines(at, d.tongue)...))
	if rows := d.ledgerRows(at); len(rows) > 1 {
		d.head(2, d.say("text.arrivals"))
		d.table(rows)
	}
	d.fleets(in)
	d.section(d.say("warnings.title"), warningLines(in, covered, d.tongue))
	d.line(d.say("footer", run.ID, d.stamp(in.Made), run.Ansturm))
	return d.write(w)
}

// PlanMarkdown writes a plan alone as a document in Markdown.
func PlanMarkdown(w io.Writer, p *planner.Plan, lang string) error {
	d := newDocument(lang)
	if p == nil {
		d.line(d.say("order.noPlan"))
		return d.write(w)
	}
	title := d.say("plan.title")
	if p.Scenario != nil {
		title = d.say("subject", title, cmp.Or(d.text(p.Scenario.Title), p.Scenario.Name))
	}
	d.head(1, title)
	d.plan(p)
	// Whether it was fired since, verify.json says: this document is written once.
	proof := riskLines(p, d.tongue)
	if notch := notchLine(p, d.tongue); notch != "" {
		proof = append(proof, notch)
	}
	d.section(d.say("proof.title"), proof)
	d.uncovered(p)
	d.section(d.say("warnings.title"), d.planWarnings(p, covered))
	return d.write(w)
}

func (d *document) card(c verdictCard) {
	d.block("**" + literal(c.Icon()+" "+c.Label+": "+c.Answer) + "** – " + literal(c.Say))
}

// plan writes what is recommended and why.
func (d *document) plan(p *planner.Plan) {
	d.section(d.say("explained.title"), d.sentences(p.Explanation))
	d.head(2, d.say("order.title"))
	if !p.Mendable {
		d.line(d.say("order.limit") + " " + sentence(d.text(p.Limit)))
	}
	if len(p.Pools) > 0 {
		pools := make([]poolLine, len(p.Pools))
		for i, pool := range p.Pools {
			pools[i] = orderLine(pool, p.Scenario, d.tongue)
		}
		d.table(d.orderRows(pools))
	}
	if bounds := boundLines(p, d.tongue); len(bounds) > 0 {
		d.list(bounds)
	}
	d.section(d.say("text.constraints"), d.sentences(p.Constraints))
	if lines := settingLines(p, d.tongue); len(lines) > 0 {
		d.section(d.say("settings.title"), lines)
		d.table(d.settingRows(p))
	}
	for _, part := range append(decisionParts(p, d.tongue), sensitivityParts(p, d.tongue)...) {
		d.section(part.Title, part.Lines)
	}
}

// settingRows are the autoscalers of the tenants with most replicas, each from what to what, and the others' sums.
func (d *document) settingRows(p *planner.Plan) [][]string {
	rows := [][]string{{d.say("tenants.tenant"), d.say("order.now"), d.say("frontier.target"), d.say("settings.least"), d.say("settings.most"), d.say("settings.peak")}}
	all, several := make([]*planner.TenantPlan, len(p.Tenants)), false
	for i := range p.Tenants {
		all[i] = &p.Tenants[i]
		several = several || all[i].Workload != all[0].Workload
	}
	slices.SortStableFunc(all, func(a, b *planner.TenantPlan) int {
		return cmp.Or(cmp.Compare(b.Peak.Value, a.Peak.Value), cmp.Compare(b.Max, a.Max))
	})
	shown := min(len(all), tenantsInDocument)
	if len(all) == shown+1 { // a line that sums up one tenant might as well name it
		shown++
	}
	for _, t := range all[:shown] {
		title := tenantTitle(p.Scenario, t.Tenant)
		if several {
			title += " (" + t.Workload + ")"
		}
		rows = append(rows, append([]string{title, d.before(t)}, d.settings(t)...))
	}
	if rest := all[shown:]; len(rest) > 0 {
		target, sum := span{}, planner.TenantPlan{}
		for _, t := range rest {
			target.add(t.Target)
			sum.Min, sum.Max = sum.Min+t.Min, sum.Max+t.Max
			sum.Peak.Value += t.Peak.Value // their quantiles do not add up
		}
		line := d.settings(&sum)
		line[0] = target.text(" %")
		rows = append(rows, append([]string{d.say("settings.rest", d.count(int64(len(rest)))), "–"}, line...))
	}
	return rows
}

// settings are a tenant's target, least and most replicas, and expected peak, as the page's table has them.
func (t tongue) settings(p *planner.TenantPlan) []string {
	peak := t.decimal(p.Peak.Value, 0)
	if p.Peak.High > p.Peak.Low {
		peak += " (" + t.decimal(p.Peak.Low, 0) + "–" + t.decimal(p.Peak.High, 0) + ")"
	}
	return []string{t.count(int64(p.Target)) + nbsp + "%", t.count(int64(p.Min)), t.count(int64(p.Max)), peak}
}

// before is a tenant's autoscaler as it is: "80 %, 1–3".
func (d *document) before(p *planner.TenantPlan) string {
	b := p.Before
	if b == nil {
		return "–"
	}
	least := valueOr(b.MinReplicas, 1)
	counts := span{low: least, high: max(least, b.MaxReplicas), any: true}.text("")
	if target := cpuTarget(b); target > 0 {
		return d.count(int64(target)) + nbsp + "%, " + counts
	}
	return counts
}

// tenantTitle is what a tenant is called.
func tenantTitle(s *scenarios.Scenario, name string) string {
	if s != nil {
		for _, t := range s.Tenants.List {
			if t.Name == name {
				return cmp.Or(t.Title, name)
			}
		}
	}
	return name
}

// uncovered says what of the platform no model covers, how far the model has seen, and what is still open.
func (d *document) uncovered(p *planner.Plan) {
	var lines []string
	for _, w := range p.Warnings {
		if w.Uncovered() {
			lines = append(lines, sentence(d.warning(w)))
		}
	}
	if len(lines) == 0 {
		lines = append(lines, d.say("uncovered.none"))
	}
	if m := p.Model; m != nil && m.Domain.MaxRate > 0 {
		lines = append(lines, d.say("uncovered.domain", d.number(m.Domain.MaxRate), d.count(int64(m.Domain.MaxReplicas)), d.share(m.Domain.MaxUtilisation)))
	}
	d.section(d.say("uncovered.title"), lines)
	d.section(d.say("known.open"), d.stillOpen(p.Model))
}
