package reports

import (
	"maps"
	"slices"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/fit"
)

// chain is the reaction chain of the first side that made pods.
func (f *figurist) chain() (figure, bool) {
	fig := figure{ID: "chain", Title: f.say("chain.title"), Table: table{
		Caption: f.say("chain.title"), Text: 1, Head: []string{f.say("chain.stage"), f.say("chain.count"), f.say("chain.median"), f.say("chain.p95")},
	}}
	if len(f.sides) > 1 {
		fig.Table.Head, fig.Table.Text = append([]string{f.say("table.run")}, fig.Table.Head...), 2
	}
	for _, s := range f.sides {
		if len(s.measured.chain) == 0 {
			continue
		}
		caption := ""
		if len(f.sides) > 1 {
			caption = s.caption
		}
		fig.Panels = append(fig.Panels, f.panel("chain-"+s.id, caption, fig.Title, chainChart(s.measured.chain, f.tongue)))
		for _, stage := range s.measured.chain {
			line := []string{f.say("chain." + stage.phase), f.count(int64(stage.count)), f.seconds(stage.median), f.seconds(stage.p95)}
			if len(f.sides) > 1 {
				line = append([]string{s.caption}, line...)
			}
			fig.Table.Rows = append(fig.Table.Rows, words(line...))
		}
	}
	pods := f.sides[0].pods
	fig.Say = f.say("chain.say", f.count(int64(pods.made)), f.count(int64(pods.ready))) + f.attributed(&f.sides[0].measured.reactions)
	fig.Wide = len(fig.Panels) > 1
	return fig, len(fig.Panels) > 0
}

// capacity is a chart for each workload whose law was fitted.
func (f *figurist) capacity(m *fit.Model) []figure {
	var figs []figure
	for _, name := range slices.Sorted(maps.Keys(m.Workloads)) {
		w := m.Workloads[name]
		if w == nil || w.Capacity.Gamma.Value <= 0 {
			continue
		}
		c := &w.Capacity
		fig := figure{ID: "capacity-" + safeID(name), Title: f.say("capacity.title", name), Say: f.say("capacity.say")}
		if !c.KneeObserved {
			fig.Say += " " + f.say("capacity.noKnee", f.number(c.AtLeast))
		}
		fig.Panels = []panel{f.panel(fig.ID, "", fig.Title, capacityChart(c, m.Level, f.tongue))}
		fig.Table = table{Caption: f.say("capacity.title", name), Text: 1, Head: []string{f.say("capacity.parameter"), f.say("table.value"), f.say("table.low"), f.say("table.high")}}
		for _, p := range []struct {
			key string
			e   fit.Estimate
		}{{"capacity.gamma", c.Gamma}, {"capacity.alpha", c.Alpha}, {"capacity.beta", c.Beta}} {
			fig.Table.Rows = append(fig.Table.Rows, words(f.say(p.key), f.fine(p.e.Value), f.fine(p.e.Low), f.fine(p.e.High)))
		}
		figs = append(figs, fig)
	}
	return figs
}

// fine writes a small parameter: five decimals below one.
func (t tongue) fine(v float64) string {
	if v < 1 && v > -1 && v != 0 {
		return t.decimal(v, 5)
	}
	return t.number(v)
}

// safeID keeps of a name what an element's id may hold.
func safeID(name string) string {
	id := []byte(name)
	for i, b := range id {
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && (b < '0' || b > '9') {
			id[i] = '-'
		}
	}
	return string(id)
}

func (f *figurist) frontier(p *planner.Plan) figure {
	fig := figure{ID: "frontier", Title: f.say("frontier.title"), Say: f.say("frontier.say")}
	fig.Panels = []panel{f.panel("frontier", "", fig.Title, frontierChart(p, f.tongue))}
	fig.Table = table{Caption: fig.Title, Text: 1, Head: []string{
		f.say("frontier.candidate"), f.say("frontier.nodes"), f.say("frontier.target"), f.say("frontier.hours"),
		f.say("frontier.cost"), f.say("frontier.estimate"), f.say("frontier.upper"),
	}}
	for i, c := range p.Frontier {
		name := f.count(int64(i + 1))
		if c.Chosen {
			name += " – " + f.say("frontier.chosen")
		}
		fig.Table.Rows = append(fig.Table.Rows, words(name, f.count(int64(c.Nodes)), f.count(int64(c.Target))+nbsp+"%",
			f.number(c.ReplicaHours), f.number(c.Cost), f.share(c.Risk), f.share(c.RiskUpper)))
	}
	return fig
}

// compared is predicted beside measured: of the fitted run, and of the verify run.
func (f *figurist) compared(p *planner.Plan, v *planner.Verification) (figure, bool) {
	fig := figure{ID: "compared", Title: f.say("compared.title"), Say: f.say("compared.say"), Open: true}
	fig.Table = table{Caption: fig.Title, Text: 2, Head: []string{
		f.say("compared.figure"), f.say("table.run"), f.say("compared.predicted"), f.say("compared.interval"), f.say("compared.measured"), f.say("compared.inside"),
	}}
	rows := func(run string, comparisons []planner.Comparison) {
		for _, c := range comparisons {
			inside, grade := f.say("no"), "bad"
			if inRange(c) {
				inside, grade = f.say("yes"), "good"
			}
			line := words(f.text(c.Figure), run, f.quantity(c.Predicted, c), f.interval(c), f.quantity(c.Measured, c), inside)
			line[5].Grade = grade
			fig.Table.Rows = append(fig.Table.Rows, line)
		}
	}
	if p != nil {
		rows(f.say("side.before"), p.Validation)
	}
	if v != nil {
		rows(f.say("side.after"), v.Comparisons)
	}
	return fig, len(fig.Table.Rows) > 0
}

// ledger is where every arrival ended, and whether the platform's own count agrees.
func (f *figurist) ledger() figure {
	fig := figure{ID: "ledger", Title: f.say("ledger.title"), Say: f.say("ledger.say"), Open: true}
	fig.Table = table{Caption: fig.Title, Text: 1, Head: []string{f.say("ledger.fate")}}
	for _, s := range f.sides {
		fig.Table.Head = append(fig.Table.Head, s.caption, f.say("ledger.share"))
	}
	lines := []struct {
		key  string
		pick func(*record.LedgerAccount) int64
	}{
		{"ledger.completed", func(l *record.LedgerAccount) int64 { return l.Completed }},
		{"ledger.failed", func(l *record.LedgerAccount) int64 { return l.Failed }},
		{"ledger.indeterminate", func(l *record.LedgerAccount) int64 { return l.Indeterminate }},
		{"ledger.unsent", func(l *record.LedgerAccount) int64 { return l.Unsent }},
		{"ledger.missing", func(l *record.LedgerAccount) int64 { return l.Missing }},
		{"ledger.total", func(l *record.LedgerAccount) int64 { return l.Total }},
	}
	for _, line := range lines {
		cells, any := words(f.say(line.key)), line.key != "ledger.missing"
		for _, s := range f.sides {
			if s.account == nil {
				cells = append(cells, plain("–"), plain("–"))
				continue
			}
			l := &s.account.Ledger
			any = any || line.pick(l) != 0
			share := float64(line.pick(l)) / float64(max(l.Total, 1))
			cells = append(cells, cell{Text: f.count(line.pick(l)), Bar: -1}, cell{Text: f.share(share), Bar: share * 100})
		}
		if any {
			fig.Table.Rows = append(fig.Table.Rows, cells)
		}
	}
	for _, s := range f.sides {
		if s.account == nil || s.account.Ledger.Missing != 0 || s.account.Ledger.Overlaps != 0 {
			fig.Say = f.say("ledger.say.not")
		}
	}
	for _, s := range f.sides {
		fig.Say += " " + f.labAgreement(s)
	}
	return fig
}

func (f *figurist) labAgreement(s side) string {
	var lab *record.LabComparison
	if s.account != nil {
		lab = s.account.Lab
	}
	switch {
	case lab == nil:
		return f.say("ledger.noLab", s.caption)
	case lab.Agrees:
		return f.say("ledger.agrees", s.caption, f.count(lab.Accepted), f.count(lab.Duplicates))
	default:
		return f.say("ledger.disagrees", s.caption, f.count(lab.Accepted))
	}
}
