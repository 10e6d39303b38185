package reports

import (
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/fit"
)

// part is a headed list of what a plan says in its own words: the same in text and page.
type part struct {
	Title string
	Lines []string
}

// decisionParts are the parts for page one: what may be decided beside nodes and autoscaling.
func decisionParts(p *planner.Plan, t tongue) []part {
	if p == nil {
		return nil
	}
	var parts []part
	if w := p.WhatIf; w != nil {
		parts = append(parts, part{t.say("whatif.title"), t.sentences(w.Says)})
	}
	if a := p.Admission; a != nil {
		parts = append(parts, part{t.say("admission.title"), []string{sentence(t.text(a.Says))}})
	}
	if a := p.Instead; a != nil {
		parts = append(parts, part{t.say("admission.instead"), []string{sentence(t.text(a.Says)), t.say("admission.assumed")}})
	}
	return parts
}

// movers are how many assumptions a terminal shows; the page's table has all.
const movers = 5

// sensitivityParts say what the answer hangs on.
func sensitivityParts(p *planner.Plan, t tongue) []part {
	var lines []string
	for _, a := range p.Sensitivity[:min(len(p.Sensitivity), movers)] {
		lines = append(lines, sentence(t.text(a.Says)))
	}
	if len(lines) == 0 {
		return nil
	}
	return []part{{t.say("sensitivity.title"), append(lines, t.say("sensitivity.say"))}}
}

// evidenceParts say what the answer hangs on and what is not known, for a terminal.
func evidenceParts(p *planner.Plan, t tongue) []part {
	parts := sensitivityParts(p, t)
	if open := t.stillOpen(p.Model); len(open) > 0 {
		parts = append(parts, part{t.say("known.open"), open})
	}
	return parts
}

// stillOpen are the lines about what the plan needs and the model does not know, each with the run that would settle it.
func (t tongue) stillOpen(m *fit.Model) []string {
	if m == nil {
		return nil
	}
	const shown = 8
	var lines []string
	for i := range m.Parameters {
		p := &m.Parameters[i]
		if !p.Open() || p.Needless || p.Kind == fit.KindSurge { // which has a warning of its own
			continue
		}
		line := t.text(p.Name) + ": " + t.say("known."+p.Status)
		switch {
		case p.Settles != "":
			line += "; " + t.say("known.settles") + " " + p.Settles
		case p.Why != nil:
			line += "; " + t.text(p.Why)
		}
		lines = append(lines, sentence(line))
	}
	if more := len(lines) - shown; more > 0 {
		lines = append(lines[:shown:shown], sentence(t.say("propose.more", t.count(int64(more)))))
	}
	return lines
}

// sensitivity is the whole ranking as a table.
func (f *figurist) sensitivity(all []planner.Assumption) figure {
	fig := figure{ID: "sensitivity", Title: f.say("sensitivity.title"), Say: f.say("sensitivity.say"), Open: true}
	fig.Table = table{Caption: fig.Title, Text: 1, Head: []string{
		f.say("sensitivity.assumption"), f.say("sensitivity.range"), f.say("frontier.nodes"), f.say("sensitivity.risk"),
	}}
	between := func(a, b string) string {
		if a == b {
			return a
		}
		return a + " – " + b
	}
	for _, a := range all {
		unit := ""
		if a.Unit == "s" {
			unit = nbsp + "s"
		}
		fig.Table.Rows = append(fig.Table.Rows, words(f.text(a.Name), between(f.fine(a.Low), f.fine(a.High)+unit),
			between(f.decimal(min(a.NodesLow, a.NodesHigh), 1), f.decimal(max(a.NodesLow, a.NodesHigh), 1)),
			between(f.share(min(a.RiskLow, a.RiskHigh)), f.share(max(a.RiskLow, a.RiskHigh)))))
	}
	return fig
}

func (s *sheet) parts(parts []part) {
	for _, p := range parts {
		s.head(p.Title)
		s.list(p.Lines)
	}
}
