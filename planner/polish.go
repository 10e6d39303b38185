package planner

import (
	"context"
	"math"
	"slices"
)

// The staffing rule is made for fleets of many tenants, where a pod more or less does not matter. In a small one it does,
// and there everything near the rule's answer can be tried: one tenant's target, least and most at a time, always in all
// worlds. The first thing sought is fewer nodes, the next fewer replica-hours, then fewer scaling actions.

// effort is what may be spent on it, in tenants × seconds × worlds simulated: some seconds. A fleet of which one trial costs
// more than a hundredth of that keeps the rule's settings.
const effort = 100_000_000

// polisher makes a certified candidate cheaper.
type polisher struct {
	s    *search
	left float64
	// best is the cheapest so far, with its outcome in all worlds; none as long as the outcome is nil.
	best    candidate
	outcome *outcome
	cost    cost
}

// cost in the order of the objective.
type cost struct {
	nodes           int
	hours, scalings float64
}

func (c cost) less(o cost) bool {
	switch {
	case c.nodes != o.nodes:
		return c.nodes < o.nodes
	case math.Abs(c.hours-o.hours) > 1e-9:
		return c.hours < o.hours
	}
	return c.scalings < o.scalings-1e-9
}

func costOf(nodes int, o *outcome) cost {
	c := cost{nodes: nodes}
	for _, r := range o.results {
		if r != nil {
			c.hours += r.ReplicaSeconds / 3600 / float64(o.done)
			c.scalings += float64(r.Scalings) / float64(o.done)
		}
	}
	return c
}

// polish tries what is near a certified candidate, and the plans the search was given; a nil outcome is no candidate.
func (s *search) polish(ctx context.Context, c candidate, all *outcome) (candidate, *outcome, error) {
	p := &polisher{s: s, left: effort, cost: cost{nodes: math.MaxInt}}
	large := s.oneTrial() > effort/100
	if large && len(s.opts.Candidates) == 0 {
		return c, all, nil
	}
	if all != nil {
		if _, err := p.try(ctx, c); err != nil {
			return c, all, err
		}
	}
	for _, plan := range s.opts.Candidates {
		if given, ok := s.given(plan); ok {
			if _, err := p.try(ctx, given); err != nil {
				return c, all, err
			}
		}
	}
	if large {
		return p.best, p.outcome, nil
	}
	err := p.fewer(ctx)
	for again := p.outcome != nil; again && err == nil; {
		again, err = p.pass(ctx)
	}
	return p.best, p.outcome, err
}

// oneTrial is the effort of a candidate that holds.
func (s *search) oneTrial() float64 {
	return float64(s.opts.Worlds) * float64(len(s.list)) * float64(len(s.expected.Shape[0]))
}

// longWorld is from how many tenants × seconds on a world is long.
const longWorld = 600_000

func (s *search) long() bool { return len(s.list)*len(s.expected.Shape[0]) > longWorld }

// shown is how many worlds, or looks at one, there are for what is looked for or shown beside a plan and proves nothing: half
// as many where the worlds are long.
func (s *search) shown(n int) int {
	if s.long() {
		return (n + 1) / 2
	}
	return n
}

// given is another search's plan as a candidate: its settings by tenant, on as many nodes.
func (s *search) given(p *Plan) (candidate, bool) {
	if p == nil || !p.Mendable {
		return candidate{}, false
	}
	list := make([]setting, len(s.list))
	for i, n := range s.list {
		at := slices.IndexFunc(p.Tenants, func(t TenantPlan) bool { return t.Tenant == n.tenant })
		if at < 0 {
			return candidate{}, false
		}
		list[i] = setting{need: n, target: p.Tenants[at].Target, least: p.Tenants[at].Min, most: p.Tenants[at].Max}
	}
	return s.made(p.Decided(), list), true
}

// made is a candidate of settings on a number of nodes.
func (s *search) made(nodes int, list []setting) candidate {
	target := list[0].target
	for _, set := range list {
		target = max(target, set.target)
	}
	return candidate{nodes, nodes, target, list, planned(withNodes(s.pf, s.ladder.of(nodes)), list)}
}

// try keeps a candidate that holds in all worlds and is cheaper.
func (p *polisher) try(ctx context.Context, c candidate) (*outcome, error) {
	s := p.s
	most := mostBroken(s.opts.Worlds, s.opts.Delta)
	t := trial{platform: c.platform, mayLose: max(1, c.nodes-1), whole: true}
	out, err := s.crew.try(ctx, t, 0, s.opts.Worlds, most, s.opts.ticks(StagePolish, s.opts.Worlds))
	if err != nil {
		return nil, err
	}
	p.left -= s.oneTrial() * float64(out.done) / float64(s.opts.Worlds)
	if out.broken > most {
		s.worlds.harden(out.broke())
		return out, nil
	}
	if k := costOf(c.nodes, out); k.less(p.cost) {
		p.best, p.outcome, p.cost = c, out, k
	}
	return out, nil
}

// fewTenants is up to how many tenants every number of pods that are there from the start is tried.
const fewTenants = 3

// fewer looks for settings that hold on fewer nodes, and for smaller ones on as many, with all pods there from the start.
func (p *polisher) fewer(ctx context.Context) error {
	s := p.s
	for nodes := s.fewestAtAll(); nodes <= min(p.cost.nodes, s.generous()); nodes++ {
		search := p.growing
		if len(s.list) <= fewTenants {
			search = p.allStill
		}
		if found, err := search(ctx, nodes); found || err != nil {
			return err // with more nodes it is dearer
		}
	}
	return nil
}

// still is the candidate of so many pods more than could do, by tenant, which are all there from the start.
func (s *search) still(nodes int, more []int32) candidate {
	list := make([]setting, len(s.list))
	for i, n := range s.list {
		pods := max(1, int32(n.minute)) + more[i]
		list[i] = setting{need: n, target: lowestTarget, least: pods, most: pods}
	}
	return s.made(nodes, list)
}

// growing begins with the fewest pods that could do, and gives one more to those for whom that was too few.
func (p *polisher) growing(ctx context.Context, nodes int) (found bool, err error) {
	s := p.s
	have := room(withNodes(s.pf, s.ladder.of(nodes)), s.list, 0)
	for c := s.still(nodes, make([]int32, len(s.list))); p.left > 0 && s.sumOf(c) <= have.cpu; c = s.made(nodes, c.list) {
		out, err := p.try(ctx, c)
		if err != nil || p.outcome == out {
			return err == nil, err
		}
		if !grow(c.list, out) {
			break
		}
	}
	return false, nil
}

// allStill tries every number of pods, the fewest in all first. Who breaks does not always say who needs more: pods that are
// too few for one tenant take the node's cores from another's. Half of the effort is left for what comes after.
func (p *polisher) allStill(ctx context.Context, nodes int) (found bool, err error) {
	s := p.s
	have := room(withNodes(s.pf, s.ladder.of(nodes)), s.list, 0)
	for more, fits := int32(0), true; fits && p.left > effort/2; more++ {
		fits = false
		for _, split := range splits(more, len(s.list)) {
			c := s.still(nodes, split)
			if s.sumOf(c) > have.cpu || nodes == p.cost.nodes && p.hopeless(c.list) {
				continue
			}
			fits = true
			out, err := p.try(ctx, c)
			if err != nil || p.outcome == out {
				return err == nil, err
			}
		}
	}
	return false, nil
}

// splits are all ways to share n out among so many.
func splits(n int32, among int) (out [][]int32) {
	if among == 1 {
		return [][]int32{{n}}
	}
	for first := range n + 1 {
		for _, rest := range splits(n-first, among-1) {
			out = append(out, append([]int32{first}, rest...))
		}
	}
	return out
}

// grow gives a pod more to the tenants that a promise was broken to; false where it holds.
func grow(list []setting, o *outcome) bool {
	broke, any := make([]bool, len(list)), false
	for _, r := range o.results {
		if r == nil || !r.Broken {
			continue
		}
		any = true
		for i, b := range r.TenantBroken {
			broke[i] = broke[i] || b
		}
	}
	if any && !slices.Contains(broke, true) { // a promise to all together
		for i := range broke {
			broke[i] = true
		}
	}
	for i, b := range broke {
		if b {
			list[i].least++
			list[i].most++
		}
	}
	return any
}

// pass tries every tenant's neighbouring settings once, and a node fewer; true where something got cheaper.
func (p *polisher) pass(ctx context.Context) (bool, error) {
	before := p.cost
	for i := range p.s.list {
		for _, set := range near(p.best.list[i]) {
			if p.left <= 0 {
				return false, nil
			}
			list := slices.Clone(p.best.list)
			list[i] = set
			if p.hopeless(list) {
				continue
			}
			if _, err := p.try(ctx, p.s.made(p.best.nodes, list)); err != nil {
				return false, err
			}
		}
	}
	if p.best.nodes > p.s.fewestAtAll() {
		if _, err := p.try(ctx, p.s.made(p.best.nodes-1, p.best.list)); err != nil {
			return false, err
		}
	}
	return p.cost.less(before), nil
}

// hopeless says whether the pods that are always there cost more than the best candidate does.
func (p *polisher) hopeless(list []setting) bool {
	pods := 0.0
	for _, set := range list {
		pods += float64(set.least)
	}
	return pods*p.s.f.length/3600 > p.cost.hours
}

// near are a tenant's settings to be tried beside one: up to two pods fewer at least, one more; one fewer or two more at
// most, or hardly more than at least; and some targets.
func near(x setting) (out []setting) {
	seen := map[[2]int32]bool{}
	for _, least := range []int32{x.least - 2, x.least - 1, x.least, x.least + 1} {
		for _, most := range []int32{least, least + 1, x.most - 1, x.most, x.most + 1, x.most + 2} {
			if least < 1 || most < least || seen[[2]int32{least, most}] {
				continue
			}
			seen[[2]int32{least, most}] = true
			y := x
			y.least, y.most = least, most
			for y.target = highestTarget; y.target >= lowestTarget; y.target -= 2 * targetStep {
				if least < x.least || most < x.most || y.target > x.target { // else it is dearer for certain
					out = append(out, y)
				}
				if least == most { // nothing to decide
					break
				}
			}
		}
	}
	return out
}
