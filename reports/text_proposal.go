package reports

import (
	"io"
	"strings"
	"time"

	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/planner/fit"
)

// ProposalText writes the proposed calibration runs for a terminal: each with what it settles and how long it takes, and
// what stays open.
func ProposalText(w io.Writer, p *planner.Proposal, lang string) error {
	s := newSheet(w, lang)
	if len(p.Runs) == 0 {
		s.line("", s.say("propose.none"))
	} else {
		var all time.Duration
		for _, r := range p.Runs {
			all += r.Wall
		}
		s.line("", s.say("propose.title", s.count(int64(len(p.Runs))), s.lasting(all)))
	}
	for _, r := range p.Runs {
		s.head(strings.ReplaceAll(r.Name+" ("+s.lasting(r.Wall)+")", nbsp, " "))
		s.line("  ", sentence(s.text(r.Why)))
		for i := range r.Settles {
			s.line("  - ", s.text(r.Settles[i].Name)+" – "+s.say("known."+r.Settles[i].Status))
		}
	}
	if len(p.Left) > 0 {
		s.head(s.say("propose.left"))
		s.list(s.leftOpen(p.Left))
	}
	return s.write(w)
}

// leftOpen is a line for each reason, with what it holds for.
func (t tongue) leftOpen(left []fit.Parameter) []string {
	const shown = 3
	var whys []string
	names := map[string][]string{}
	for i := range left {
		why := t.text(left[i].Why)
		if names[why] == nil {
			whys = append(whys, why)
		}
		names[why] = append(names[why], t.text(left[i].Name))
	}
	lines := make([]string, len(whys))
	for i, why := range whys {
		list := names[why]
		if more := len(list) - shown; more > 0 {
			list = append(list[:shown:shown], t.say("propose.more", t.count(int64(more))))
		}
		lines[i] = strings.Join(list, "; ") + ": " + why
	}
	return lines
}

// lasting is a span to the second, as a person would say it.
func (t tongue) lasting(d time.Duration) string { return t.length(d.Round(time.Second)) }
