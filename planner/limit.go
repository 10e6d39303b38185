package planner

import (
	"context"
	"fmt"
	"math"

	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// unmendable tries platforms on which nodes, replicas and reaction time are no question: if the promise is broken even
// there, in the surge as expected and without any loss, more nodes change nothing, and the text says what the limit is.
func (s *search) unmendable(ctx context.Context) (*limit, error) {
	c := s.candidate(s.generous(), lowestTarget)
	for i := range c.list { // all there from the start
		c.list[i].least = c.list[i].most
	}
	p, last, err := s.breaksOn(ctx, c)
	if err != nil || last == nil {
		return nil, err
	}
	for i := range c.list { // or are the rule's most too few?
		c.list[i].least += int32(plenty*c.list[i].peak) + plenty
		c.list[i].most = c.list[i].least
	}
	for c.nodes < s.ladder.top() && s.sumOf(c) > room(c.platformOf(s), s.list, 0).cpu {
		c.nodes = min(s.ladder.top(), c.nodes+1+c.nodes/4)
	}
	if _, again, err := s.breaksOn(ctx, c); err != nil || again == nil {
		return nil, err
	}
	return s.explain(p, last), nil
}

// breaksOn gives a surge as expected that a candidate does not stand, where most of them are such; nil where they are not.
func (s *search) breaksOn(ctx context.Context, c candidate) (*sim.Params, *sim.Result, error) {
	p, err := s.f.params(planned(c.platformOf(s), c.list), -1)
	if err != nil {
		return nil, nil, err
	}
	broken, last := 0, (*sim.Result)(nil)
	tick := s.opts.ticks(StageStands, expectedSurges)
	for seed := range uint64(expectedSurges) {
		s.crew.runners[0].Hasty = false
		r, err := s.crew.runners[0].Run(ctx, p, sim.World{Seed: s.opts.Seed + 100 + seed, Demand: demandAt(s.model, 0.5)})
		if err != nil {
			return nil, nil, fmt.Errorf("plan: simulate a generous platform: %w", err)
		}
		tick()
		if r.Broken {
			broken++
			last = r
		}
	}
	if broken < 2 {
		return p, nil, nil
	}
	return p, last, nil
}

// plenty is how many times its work a tenant gets to see whether pods are what is missing.
const plenty = 4

// platformOf is the platform with the candidate's nodes, before its settings.
func (c candidate) platformOf(s *search) *scenarios.Platform {
	return withNodes(s.pf, s.ladder.of(c.nodes))
}

// limit is what stands in the way, in words and figures.
type limit struct {
	Limit
	says scenarios.Text
}

// explain names the limit: the busiest shared back end, a request that alone takes longer than promised, or the nodes
// the pools can be raised to.
func (s *search) explain(p *sim.Params, r *sim.Result) *limit {
	if l := s.busiestBackend(p); l != nil {
		return l
	}
	if l := slowAlone(p); l != nil {
		return l
	}
	if s.generous() >= s.ladder.top() {
		return s.poolLimit()
	}
	worst := ""
	for i, broken := range r.TenantBroken {
		if broken && worst == "" {
			worst = p.Tenants[i].Name
		}
	}
	return &limit{Limit{Kind: "promise", Name: worst}, scenarios.Text{
		"de": fmt.Sprintf("Mehr Knoten ändern nichts: Auch mit %d Knoten und allen Pods von Anfang an wird die Zusage gebrochen (zuerst bei „%s“). Die Zusage ist für diese Arbeit je Anfrage zu eng", len(p.Nodes), worst),
		"en": fmt.Sprintf("More nodes change nothing: even with %d nodes and every pod there from the start the promise is broken (first at %q). It is too tight for the work of a request", len(p.Nodes), worst),
	}}
}

// busiestBackend is the shared back end that is asked for more than nine tenths of what it can do; nil where none is.
func (s *search) busiestBackend(p *sim.Params) *limit {
	name, most, asked, best := "", 0.9, 0.0, 0.0
	for b, back := range p.Backends {
		work := s.backendWork(p, b)
		if x := work / back.Best(); x > most {
			name, most, asked, best = back.Name, x, work, back.Best()
		}
	}
	if name == "" {
		return nil
	}
	return &limit{Limit{"backend", name, asked, best}, scenarios.Text{
		"de": fmt.Sprintf("Mehr Knoten ändern nichts: Die Grenze ist der gemeinsame Dienst „%s“. Der Ansturm verlangt von ihm %s Sekunden Arbeit je Sekunde, das sind %.0f %% dessen, was er höchstens leistet", name, scenarios.Decimal(fmt.Sprintf("%.1f", asked), "de"), 100*most),
		"en": fmt.Sprintf("More nodes change nothing: the limit is the shared service %q. The surge asks %.1f seconds of work a second of it, %.0f %% of the most it can do", name, asked, 100*most),
	}}
}

// slowAlone is a request that takes longer than promised on an empty pod; nil where none does.
func slowAlone(p *sim.Params) *limit {
	for _, q := range p.Promises {
		for i := range p.Workloads {
			w := &p.Workloads[i]
			speed := 1.0
			if w.Limit > 0 {
				speed = math.Min(1, w.Limit)
			}
			slow := w.Work[q.Step].Slower(q.Within * speed)
			if slow <= q.Slow {
				continue
			}
			step := p.Steps[q.Step]
			return &limit{Limit{"request", step, slow, q.Slow}, scenarios.Text{
				"de": fmt.Sprintf("Mehr Knoten ändern nichts: Schon eine einzelne Anfrage „%s“ braucht auf einem leeren Pod zu lange. Die Grenze ist das CPU-Limit des Pods (%.2g Kerne) und die Arbeit je Anfrage", step, w.Limit),
				"en": fmt.Sprintf("More nodes change nothing: a single request of %q takes too long on an empty pod. The limit is the pod's CPU limit (%.2g cores) and the work of a request", step, w.Limit),
			}}
		}
	}
	return nil
}

// backendWork is the work a back end is asked for in the busiest ten seconds, in seconds a second.
func (s *search) backendWork(p *sim.Params, b int) float64 {
	sum := make([]float64, len(p.Shape[0]))
	for _, t := range p.Tenants {
		for k := range p.Steps {
			if x := p.Workloads[t.Workload].Work[k].Backends[b] * t.Weight; x > 0 {
				for i, shots := range p.Shape[k] {
					sum[i] += shots * x
				}
			}
		}
	}
	return busiest(sum, 10, len(sum)) * demandAt(s.model, 0.5)
}

// notFound is the limit where nothing else explains why no plan was found.
func (s *search) notFound() *limit {
	if s.generous() >= s.ladder.top() {
		return s.poolLimit()
	}
	return &limit{Limit{Kind: "search", Name: s.pf.Name, Most: float64(s.generous())}, scenarios.Text{
		"de": fmt.Sprintf("Auf bis zu %d Knoten wurde keine Einstellung gefunden, die hält; dass es keine gibt, ist nicht bewiesen", s.generous()),
		"en": fmt.Sprintf("On up to %d nodes no settings were found that hold; that there are none is not proved", s.generous()),
	}}
}

func (s *search) poolLimit() *limit {
	top := s.ladder.top()
	if s.opts.NoNewNodes {
		return &limit{Limit{Kind: "pools", Name: s.pf.Name, Most: float64(top)}, scenarios.Text{
			"de": fmt.Sprintf("Mit den vorhandenen Knoten von „%s“ (%d) hält die Zusage bei keiner Einstellung der Autoskalierung", s.pf.Name, top),
			"en": fmt.Sprintf("With the present nodes of %q (%d) no setting of the autoscaling keeps the promise", s.pf.Name, top),
		}}
	}
	return &limit{Limit{Kind: "pools", Name: s.pf.Name, Most: float64(top)}, scenarios.Text{
		"de": fmt.Sprintf("Die Knotenpools von „%s“ lassen sich auf höchstens %d Knoten erweitern, und das reicht nicht", s.pf.Name, top),
		"en": fmt.Sprintf("The node pools of %q can be raised to %d nodes at most, and that is not enough", s.pf.Name, top),
	}}
}

// nodes is how many nodes go with the limit: what more of them would not change is not sold.
func (l *limit) nodes(s *search) int {
	switch l.Kind {
	case "pools":
		return s.ladder.top()
	case "search":
		return s.generous()
	}
	return len(s.pf.Nodes())
}
