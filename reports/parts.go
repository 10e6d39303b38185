package reports

import "github.com/ansturm/ansturm/planner"

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

func (s *sheet) parts(parts []part) {
	for _, p := range parts {
		s.head(p.Title)
		s.list(p.Lines)
	}
}
