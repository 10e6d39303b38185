package reports

import (
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// effect is the runs before and on the plan side by side, in the few figures that matter.
func (f *figurist) effect() figure {
	fig := figure{ID: "effect", Title: f.say("effect.title"), Say: f.say("effect.say"), Open: true}
	fig.Table = table{Caption: fig.Title, Text: 1, Head: []string{f.say("effect.figure")}}
	for _, s := range f.sides {
		fig.Table.Head = append(fig.Table.Head, s.caption)
	}
	for _, line := range []struct {
		key  string
		cell func(side) cell
	}{
		{"effect.verdict", f.verdictCell},
		{"effect.completed", func(s side) cell {
			if s.account == nil {
				return plain("–")
			}
			l := s.account.Ledger
			return plain(f.count(l.Completed) + " (" + f.share(float64(l.Completed)/float64(max(l.Total, 1))) + ")")
		}},
		{"effect.tenants", func(s side) cell {
			if s.verdict == nil {
				return plain("–")
			}
			hit, of := tenantsHit(s.verdict)
			return plain(f.say("effect.of", f.count(int64(hit)), f.count(int64(of))))
		}},
		{"effect.worst", func(s side) cell {
			if s.verdict == nil {
				return plain("–")
			}
			worst, _ := worstWindow(s.verdict)
			if worst == nil {
				return plain("–")
			}
			return plain(f.share(slowShare(worst)))
		}},
		{"effect.replicas", func(s side) cell {
			_, top := extent(s.ready)
			return plain(f.number(top))
		}},
		{"effect.nodes", func(s side) cell { return plain(f.nodes(s.run.Platform)) }},
	} {
		cells := words(f.say(line.key))
		for _, s := range f.sides {
			cells = append(cells, line.cell(s))
		}
		fig.Table.Rows = append(fig.Table.Rows, cells)
	}
	return fig
}

func plain(text string) cell { return cell{Text: text, Bar: -1} }

func (f *figurist) verdictCell(s side) cell {
	if s.verdict == nil {
		return plain(f.say("result.none"))
	}
	c := plain(f.say("result." + string(known(s.verdict.Result))))
	switch s.verdict.Result {
	case gate.Pass:
		c.Grade = "good"
	case gate.Fail:
		c.Grade = "bad"
	}
	return c
}

func (f *figurist) nodes(p *scenarios.Platform) string {
	if p == nil {
		return "–"
	}
	return f.count(int64(len(p.Nodes())))
}
