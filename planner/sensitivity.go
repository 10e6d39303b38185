package planner

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// Assumption is one thing the plan takes for granted, and what becomes of the answer at either end of its interval, all
// others being as they are.
type Assumption struct {
	Name scenarios.Text `json:"name"`
	// Low, Value and High in Unit: the interval's ends and what the plan assumes.
	Low   float64 `json:"low"`
	Value float64 `json:"value"`
	High  float64 `json:"high"`
	Unit  string  `json:"unit,omitempty"`
	// Nodes at either end, with as much slack as the plan has, not rounded; Risk of the plan as it is, the share of Worlds
	// broken.
	NodesLow  float64        `json:"nodesLow"`
	NodesHigh float64        `json:"nodesHigh"`
	RiskLow   float64        `json:"riskLow"`
	RiskHigh  float64        `json:"riskHigh"`
	Worlds    int            `json:"worlds"`
	Says      scenarios.Text `json:"says"`
}

// moves is by how much the answer differs between the ends: nodes first, then risk.
func (a *Assumption) moves() float64 {
	return math.Abs(a.NodesHigh-a.NodesLow) + math.Abs(a.RiskHigh-a.RiskLow)
}

// lever moves one assumption to an end: of the parameters, of the worlds, or of the demand the nodes are counted for.
type lever struct {
	Assumption
	params func(p *sim.Params, to float64)
	worlds func(u *futures, to float64)
	demand bool
	loss   bool
	falls  bool // the higher the value, the less is asked for
}

// mild says whether an end asks for less than the plan assumes.
func (l *lever) mild(to float64) bool { return (to == l.Low) != l.falls }

// guessed is how wide the interval of a figure is taken that nothing was measured of: a tenth to either side.
const guessed = 0.1

// sensitive is in how many of the worlds, a fair sample, each end is tried.
const sensitive = 16

// sensitivity ranks the assumptions by how far they move the answer. The worlds of both ends are the same; where the plan
// holds in all of them as it is, the end that asks for less is not simulated.
func (s *search) sensitivity(ctx context.Context, chosen candidate, all *outcome) ([]Assumption, error) {
	fair := s.worlds.thinned(max(1, s.opts.Worlds/s.shown(sensitive)))
	holds, ends := all.heldIn(fair), 2
	if holds {
		ends = 1
	}
	slack := spread(s.list, s.extra, room(chosen.platform, s.list, s.lose), chosen.nodes, s.lose)
	levers := s.levers()
	tick := s.opts.ticks(StageSensitivity, ends*len(levers)*len(fair.worlds))
	out := make([]Assumption, 0, len(levers))
	perCore := float64(chosen.nodes-s.lose) / s.cores(s.list, slack, chosen.nodes, s.lose)
	for i := range levers {
		l := &levers[i]
		l.Worlds = len(fair.worlds)
		for _, end := range []struct {
			to    float64
			nodes *float64
			risk  *float64
		}{{l.Low, &l.NodesLow, &l.RiskLow}, {l.High, &l.NodesHigh, &l.RiskHigh}} {
			list, err := s.needsAt(l, end.to)
			if err != nil {
				return nil, err
			}
			lose := s.lose
			if l.loss && end.to == 0 {
				lose = 0
			}
			*end.nodes = float64(lose) + perCore*s.cores(list, slack, chosen.nodes, lose)
			if holds && l.mild(end.to) {
				continue
			}
			if *end.risk, err = s.riskAt(ctx, l, end.to, fair, chosen, tick); err != nil {
				return nil, err
			}
		}
		l.Says = l.says()
		out = append(out, l.Assumption)
	}
	slices.SortStableFunc(out, func(a, b Assumption) int { return cmp.Compare(b.moves(), a.moves()) })
	return out, nil
}

// needsAt is what the tenants ask for with the assumption at an end.
func (s *search) needsAt(l *lever, to float64) ([]need, error) {
	p, err := s.f.params(s.pf, -1)
	if err != nil {
		return nil, err
	}
	demand := demandAt(s.model, 0.95)
	if l.params != nil {
		l.params(p, to)
	}
	if l.demand {
		demand = to
	}
	return needs(p, s.pf, demand, reactionTime(p)), nil
}

// cores are what the tenants' peaks request with a given slack: staff without whole pods, so that small differences show.
func (s *search) cores(list []need, slack float64, nodes, lose int) float64 {
	sum := 0.0
	for _, n := range list {
		pods := math.Max(1, n.peak+slack*math.Sqrt(n.peak))
		if lose > 0 {
			pods += math.Max(1, n.peak/float64(nodes))
		}
		sum += pods * float64(n.request)
	}
	return sum
}

// riskAt is the share of the worlds in which the plan breaks with the assumption at an end.
func (s *search) riskAt(ctx context.Context, l *lever, to float64, fair *futures, chosen candidate, tick func()) (float64, error) {
	worlds := &futures{slices.Clone(fair.worlds), slices.Clone(fair.node), slices.Clone(fair.at)}
	if l.worlds != nil {
		l.worlds(worlds, to)
	}
	c := s.crew.in(worlds)
	if l.params != nil {
		c.alter = func(p *sim.Params) { l.params(p, to) }
	}
	n := len(worlds.worlds)
	out, err := c.try(ctx, trial{platform: chosen.platform, mayLose: max(1, chosen.nodes-1)}, 0, n, n, tick)
	if err != nil {
		return 0, err
	}
	return out.share(), nil
}

// levers are the assumptions there are to move.
func (s *search) levers() []lever {
	out := []lever{s.demandLever()}
	entries := s.named()
	for _, workload := range slices.Sorted(maps.Keys(entries)) {
		out = append(out, s.workLevers(entries[workload])...)
	}
	out = append(out, s.startLever())
	if s.lose > 0 {
		out = append(out, s.lossLever())
	}
	for b := range s.expected.Backends {
		if s.backendWork(s.expected, b) > 0 {
			out = append(out, backendLever(s.expected.Backends[b], b))
		}
	}
	if im := s.expected.Impatience; im != nil {
		out = append(out, reloadLever(im.Reload))
	}
	return out
}

// named are the workloads' first entries, by name: tenants of other settings have the same work.
func (s *search) named() map[string]int {
	out := map[string]int{}
	for i, w := range s.expected.Workloads {
		if _, known := out[w.Name]; !known {
			out[w.Name] = i
		}
	}
	return out
}

func name(de, en string) scenarios.Text { return scenarios.Text{"de": de, "en": en} }

func (s *search) demandLever() lever {
	d := fit.Estimate{Value: 1, Low: 1 - guessed, High: 1 + guessed}
	if s.model != nil && s.model.Demand.Value > 0 {
		d = s.model.Demand
	}
	return lever{
		Assumption: Assumption{Name: name("Zahl der Personen", "number of persons"), Low: d.Low, Value: d.Value, High: d.High, Unit: "1"},
		demand:     true,
		worlds: func(u *futures, to float64) {
			for i := range u.worlds {
				u.worlds[i].Demand = to
			}
		},
	}
}

// workLevers are a request's work, step by step, and the dear time after a pod's start.
func (s *search) workLevers(i int) []lever {
	w := &s.expected.Workloads[i]
	each := func(p *sim.Params, change func(w *sim.Workload)) {
		for k := range p.Workloads {
			if p.Workloads[k].Name == w.Name {
				change(&p.Workloads[k])
			}
		}
	}
	var out []lever
	for k, step := range s.expected.Steps {
		low, value, high := around(s.fitted(w.Name, step), w.Work[k].Mean)
		out = append(out, lever{
			Assumption: Assumption{Name: name("CPU-Zeit je Anfrage „"+step+"“", "CPU time of a request of "+step), Low: low, Value: value, High: high, Unit: "s"},
			params:     func(p *sim.Params, to float64) { each(p, func(w *sim.Workload) { w.Work[k].Mean = to }) },
		})
	}
	if w.WarmFactor > 1 && w.WarmFor > 0 {
		var e fit.Estimate
		if s.model != nil {
			e = s.model.Workloads[w.Name].WarmUpFactor
		}
		low, value, high := around(e, w.WarmFactor)
		out = append(out, lever{
			Assumption: Assumption{Name: name("Mehraufwand junger Pods", "dearer work of young pods"), Low: max(1, low), Value: value, High: high, Unit: "1"},
			params:     func(p *sim.Params, to float64) { each(p, func(w *sim.Workload) { w.WarmFactor = to }) },
		})
	}
	return out
}

// fitted is what a fit found about a step's work.
func (s *search) fitted(workload, step string) fit.Estimate {
	if s.model == nil || s.model.Workloads[workload] == nil || s.model.Workloads[workload].Steps[step] == nil {
		return fit.Estimate{}
	}
	return s.model.Workloads[workload].Steps[step].Demand
}

// around is an estimate's interval, or a guess where it has none.
func around(e fit.Estimate, value float64) (low, mid, high float64) {
	if e.High > e.Low && e.Low > 0 {
		return e.Low, value, e.High
	}
	return value * (1 - guessed), value, value * (1 + guessed)
}

// startLever lets all pods start as fast as one in twenty does, or as slowly.
func (s *search) startLever() lever {
	total := func(q int) float64 {
		slowest := 0.0
		for i := range s.expected.Workloads {
			w := &s.expected.Workloads[i]
			slowest = math.Max(slowest, w.Pull[q]+w.Start[q]+w.Ready[q])
		}
		return slowest
	}
	return lever{
		Assumption: Assumption{Name: name("Startzeit eines Pods", "start of a pod"), Low: total(3), Value: total(32), High: total(60), Unit: "s"},
		params: func(p *sim.Params, to float64) {
			q := 3
			if to == total(60) {
				q = 60
			}
			for i := range p.Workloads {
				for _, d := range []*sim.Delay{&p.Workloads[i].Pull, &p.Workloads[i].Start, &p.Workloads[i].Ready} {
					all := d[q]
					*d = sim.NewDelay(func(float64) float64 { return all })
				}
			}
		},
	}
}

// lossLever lets no node be lost, or one in every course, in the middle of the rise.
func (s *search) lossLever() lever {
	return lever{
		Assumption: Assumption{Name: name("Anteil der Verläufe mit Knotenausfall", "share of the courses in which a node is lost"), Value: 0.75, High: 1, Unit: "1"},
		loss:       true,
		worlds: func(u *futures, to float64) {
			for i := range u.worlds {
				if u.node[i] = -1; to > 0 {
					u.node[i], u.at[i] = (float64(i)+0.5)/float64(len(u.node)), math.Max(1, s.f.peakAt-60)
				}
			}
		},
	}
}

func backendLever(b sim.Backend, at int) lever {
	return lever{
		Assumption: Assumption{
			Name: name("Leistung des gemeinsamen Dienstes „"+b.Name+"“", "capacity of the shared service "+b.Name),
			Low:  (1 - guessed) * b.Cores, Value: b.Cores, High: (1 + guessed) * b.Cores, Unit: "1",
		},
		falls:  true,
		params: func(p *sim.Params, to float64) { p.Backends[at].Cores = to },
	}
}

func reloadLever(share float64) lever {
	return lever{
		Assumption: Assumption{Name: name("Anteil derer, die neu laden", "share of those who reload"), Value: share, High: 1, Unit: "1"},
		params: func(p *sim.Params, to float64) {
			im := *p.Impatience
			if im.Reload = to; to+im.ComeBack > 1 {
				im.ComeBack = 1 - to
			}
			p.Impatience = &im
		},
	}
}

func (a *Assumption) says() scenarios.Text {
	out := scenarios.Text{}
	for lang, words := range map[string][2]string{
		"de": {"%s (%s): %s Knoten; der Plan bricht in %s %% der Verläufe", " bis "},
		"en": {"%s (%s): %s nodes; the plan breaks in %s %% of the courses", " to "},
	} {
		between := func(low, high string) string {
			low, high = scenarios.Decimal(low, lang), scenarios.Decimal(high, lang)
			if low == high {
				return low
			}
			return low + words[1] + high
		}
		out[lang] = fmt.Sprintf(words[0], a.Name[lang], between(figure(a.Low, a.Unit), figure(a.High, a.Unit)),
			between(fmt.Sprintf("%.1f", min(a.NodesLow, a.NodesHigh)), fmt.Sprintf("%.1f", max(a.NodesLow, a.NodesHigh))),
			between(fmt.Sprintf("%.0f", 100*min(a.RiskLow, a.RiskHigh)), fmt.Sprintf("%.0f", 100*max(a.RiskLow, a.RiskHigh))))
	}
	return out
}

// figure writes a value of an assumption: times below a second in milliseconds.
func figure(x float64, unit string) string {
	switch {
	case unit == "s" && x < 1:
		return fmt.Sprintf("%.3g ms", 1000*x)
	case unit == "s":
		return fmt.Sprintf("%.3g s", x)
	}
	return fmt.Sprintf("%.3g", x)
}
