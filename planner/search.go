package planner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// The grid of targets, percent of the request.
const (
	lowestTarget  = 50
	highestTarget = 90
	targetStep    = 5
)

// first is in how many of the worst worlds a target must hold, fewWorlds in how many a number of nodes is looked at, before a
// candidate is tried in all.
const (
	first     = 48
	fewWorlds = 16
)

// PlanFormat is the version of plan.json and verify.json.
const PlanFormat = 1

func (o Options) withDefaults() Options {
	if o.Delta == 0 {
		o.Delta = 0.01
	}
	if o.Worlds == 0 {
		o.Worlds = 512
	}
	if o.LoseNodes == nil {
		o.LoseNodes = new(1)
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	return o
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	switch {
	case !(o.Delta >= 0 && o.Delta < 1):
		return fmt.Errorf("delta is %v, must be at least 0 (that is 0.01) and below 1", o.Delta)
	case o.Worlds < 0 || o.Worlds > 1<<20:
		return fmt.Errorf("worlds is %d, must be 0 (that is 512) to %d", o.Worlds, 1<<20)
	case o.LoseNodes != nil && (*o.LoseNodes < 0 || *o.LoseNodes > 1):
		return fmt.Errorf("lose nodes is %d, must be 0 or 1", *o.LoseNodes)
	}
	w := o.withDefaults()
	if mostBroken(w.Worlds, w.Delta) < 0 {
		return fmt.Errorf("%d worlds are too few for a risk of %v: even with none broken the bound is %.3g", w.Worlds, w.Delta, upperBound(0, w.Worlds))
	}
	return nil
}

// search is one search for a plan.
type search struct {
	opts   Options
	model  *fit.Model
	sc     *scenarios.Scenario
	pf     *scenarios.Platform
	f      *forge
	ladder ladder
	lose   int

	expected *sim.Params // the platform as it is, at the model's values
	list     []need      // at the demand the plan is made for
	bound    bound
	worlds   *futures // worst first
	crew     *crew
	extra    []int32 // pods a tenant has shown to need beside the rule
}

func newSearch(model *fit.Model, sc *scenarios.Scenario, pf *scenarios.Platform, opts Options) (*search, error) {
	switch {
	case len(sc.SLOs) == 0:
		return nil, errors.New("plan: the scenario promises nothing (slos is empty): there is nothing to keep")
	case len(sc.Tenants.List) == 0:
		return nil, errors.New("plan: the scenario has no tenants")
	}
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("plan: options: %w", err)
	}
	if err := fitsSomewhere(sc, pf); err != nil {
		return nil, err
	}
	s := &search{opts: opts.withDefaults(), model: model, sc: sc, pf: pf, extra: make([]int32, len(sc.Tenants.List))}
	s.lose = *s.opts.LoseNodes
	var err error
	if s.f, err = newForge(sc, model); err != nil {
		return nil, err
	}
	if s.ladder, err = newLadder(pf); err != nil {
		return nil, err
	}
	if s.expected, err = s.f.params(pf, -1); err != nil {
		return nil, err
	}
	s.worlds = newFutures(s.f, s.opts.Worlds, s.opts.Seed, s.lose)
	s.worlds.worstFirst(s.f.peakAt)
	s.list = needs(s.expected, pf, demandAt(model, 0.95), reactionTime(s.expected))
	s.crew = newCrew(s.f, s.worlds)
	return s, nil
}

// worstFirst orders the worlds by demand, those that lose a node before the peak first, so that a candidate that does
// not hold is found out soon. The risk over all worlds does not depend on the order.
func (u *futures) worstFirst(peak float64) {
	order := make([]int, len(u.worlds))
	for i := range order {
		order[i] = i
	}
	bad := func(i int) float64 {
		b := u.worlds[i].Demand
		if u.node[i] >= 0 && u.at[i] < peak {
			b += 0.1
		}
		return b
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(bad(b), bad(a)) })
	*u = *u.in(order)
}

// from are the worlds from the i-th on.
func (u *futures) from(i int) *futures { return &futures{u.worlds[i:], u.node[i:], u.at[i:]} }

// thinned is every n-th of the worlds: a fair sample.
func (u *futures) thinned(n int) *futures {
	var every []int
	for i := n / 2; i < len(u.worlds); i += n {
		every = append(every, i)
	}
	return u.in(every)
}

// candidate is a number of nodes and a target, written out.
type candidate struct {
	nodes    int
	roomy    int // the nodes its autoscaling was made for, at least nodes
	target   int32
	list     []setting
	platform *scenarios.Platform
}

func (s *search) candidate(nodes int, target int32) candidate {
	pf := withNodes(s.pf, s.ladder.of(nodes))
	list := settings(s.list, s.extra, pf, target, s.lose)
	return candidate{nodes, nodes, target, list, planned(pf, list)}
}

// try runs a candidate in the first worlds, losing one of the nodes that the next smaller platform has too.
func (s *search) try(ctx context.Context, c candidate, worlds, most int, stage string) (*outcome, error) {
	return s.crew.try(ctx, trial{platform: c.platform, mayLose: max(1, c.nodes-1)}, 0, worlds, most, s.opts.ticks(stage, worlds))
}

// Search finds the cheapest nodes and autoscaling that keep the scenario's promises on the platform, as far as the
// model knows it; a nil model takes the platform file's figures for the truth. It is a pure function of its arguments.
//
// First, in the worst worlds only: the fewest nodes that hold with the most cautious target, the highest target on some
// more nodes than those, and then nodes taken away again until it breaks. What is left is certified in all worlds, and in a
// small fleet polished.
// Common random numbers throughout.
func Search(ctx context.Context, model *fit.Model, sc *scenarios.Scenario, pf *scenarios.Platform, opts Options) (*Plan, error) {
	if sc == nil || pf == nil {
		return nil, errors.New("plan: a scenario and a platform are needed")
	}
	q, err := ask(sc, pf, opts)
	if err != nil {
		return nil, err
	}
	if q != nil {
		sc, pf = q.asked, q.pf
	}
	s, err := newSearch(model, sc, pf, opts)
	if err != nil {
		return nil, err
	}
	p, err := s.find(ctx)
	if err != nil || q == nil {
		return p, err
	}
	return p, q.answer(ctx, s, p)
}

// find makes the plan.
func (s *search) find(ctx context.Context) (*Plan, error) {
	var err error
	if s.bound, err = s.lowerBound(); err != nil {
		return nil, err
	}
	stands, err := s.stands(ctx)
	if err != nil {
		return nil, err
	}
	limit, err := s.unmendable(ctx)
	if err != nil {
		return nil, err
	}
	var chosen candidate
	var certified *outcome
	if limit == nil {
		if chosen, certified, err = s.descend(ctx); err != nil {
			return nil, err
		}
		if chosen, certified, err = s.polish(ctx, chosen, certified); err != nil {
			return nil, err
		}
		if certified == nil {
			limit = s.notFound()
		}
	}
	var door *doored
	if limit != nil {
		if door, err = s.admit(ctx, limit.nodes(s), 0, inAllWorlds); err != nil {
			return nil, err
		}
	}
	switch {
	case door != nil:
		s.bound, chosen, certified = door.search.bound, door.chosen, door.certified
	case limit != nil: // the best there is, though it does not hold
		chosen = s.candidate(limit.nodes(s), lowestTarget)
		if certified, err = s.try(ctx, chosen, s.opts.Worlds, 8, StageCertify); err != nil {
			return nil, err
		}
	}
	p, err := s.plan(ctx, stands, limit, chosen, certified)
	if err != nil {
		return nil, err
	}
	if err := s.doors(ctx, p, door); err != nil {
		return nil, err
	}
	p.Explanation = s.explained(p)
	return p, nil
}

// doors adds the waiting room of the plan, or the one with which the nodes of today would do instead.
func (s *search) doors(ctx context.Context, p *Plan, door *doored) (err error) {
	to := &p.Admission
	if now := len(s.pf.Nodes()); p.Mendable && p.Decided() > now {
		to = &p.Instead
		if door, err = s.admit(ctx, now, s.carriedBy(now, p.Platform), inSomeWorlds); err != nil {
			return err
		}
	}
	if door == nil {
		return nil
	}
	if *to, err = door.admission(ctx, s.opts.Delta); p.Admission != nil {
		p.Warnings = append(p.Warnings, admissionAssumed)
	}
	return err
}

// descend finds the fewest nodes, then the highest target, then takes nodes away again, all in the worst worlds only, and
// certifies what is left in all of them. A nil outcome means that no number of nodes the pools can be raised to holds.
func (s *search) descend(ctx context.Context) (candidate, *outcome, error) {
	nodes, err := s.fewest(ctx, s.fewestAtAll(), s.generous())
	if err != nil {
		return candidate{}, nil, err
	}
	for nodes = min(nodes+headroom, s.generous()); nodes <= s.generous(); nodes++ {
		c, ok, err := s.raise(ctx, nodes)
		if err != nil {
			return candidate{}, nil, err
		}
		if !ok {
			continue
		}
		if c, err = s.shed(ctx, c); err != nil {
			return c, nil, err
		}
		if c, all, err := s.certify(ctx, c, certificates); err != nil || all != nil {
			return s.tighten(ctx, c, all, err)
		}
	}
	return candidate{}, nil, nil
}

// tighten takes nodes away from a certified candidate, whose mending may have left more than it needs, as long as what is
// left gets through the worst worlds, those first that broke others, and can be certified too.
func (s *search) tighten(ctx context.Context, c candidate, all *outcome, err error) (candidate, *outcome, error) {
	for err == nil && c.nodes > s.fewestAtAll() {
		less, ok, bad := s.settle(ctx, s.on(c, c.nodes-1))
		if err = bad; err != nil || !ok {
			break
		}
		less.roomy = less.nodes
		var certified *outcome
		if less, certified, err = s.certify(ctx, less, mends+1); err != nil || certified == nil {
			break
		}
		c, all = less, certified
	}
	return c, all, err
}

// fewestAtAll is a number of nodes that no plan goes below.
func (s *search) fewestAtAll() int { return max(1+s.lose, s.bound.nodes) }

// headroom is how many nodes more than the fewest the autoscaling is made for before nodes are taken away again: a pod
// more at each tenant's peak costs nothing as long as no node is lost, and then it is the room that decides, not chance.
const headroom = 2

// fewest is the fewest nodes from low to high that are enough; high+1 where none is. It looks near a guess first, a third more
// than the pods need that must be there, and farther and farther away from there; then by bisection: what is enough costs
// far more worlds than what is not.
func (s *search) fewest(ctx context.Context, low, high int) (int, error) {
	high++
	for middle, step := s.bound.likely+s.bound.likely/3, 1; low < high; step *= 2 {
		middle = min(max(middle, low), high-1)
		ok, err := s.enough(ctx, middle, fewWorlds)
		if err != nil {
			return 0, err
		}
		if ok {
			high, middle = middle, middle-step
		} else {
			low, middle = middle+1, middle+step
		}
		if middle < low || middle >= high { // between what is enough and what is not
			middle = (low + high) / 2
		}
	}
	return low, nil
}

// repairs is how often the tenants that broke get a pod more before a candidate is given up.
const repairs = 4

// enough says whether so many nodes get through some of the worst worlds with the most cautious target.
func (s *search) enough(ctx context.Context, nodes, worlds int) (bool, error) {
	clear(s.extra)
	for range repairs {
		out, err := s.try(ctx, s.candidate(nodes, lowestTarget), min(worlds, s.opts.Worlds), 0, StageSearch)
		if err != nil {
			return false, err
		}
		if out.broken == 0 {
			return true, nil
		}
		hurt := s.hurt(out, math.Inf(1))
		if len(hurt) == 0 {
			return false, nil
		}
		for _, i := range hurt {
			s.extra[i]++
		}
		s.worlds.harden(out.broke())
	}
	return false, nil
}

// quick tries a candidate in the worst worlds only.
func (s *search) quick(ctx context.Context, c candidate) (*outcome, error) {
	return s.try(ctx, c, min(first, s.opts.Worlds), 0, StageSearch)
}

// raise finds the highest target with which so many nodes get through the worst worlds.
func (s *search) raise(ctx context.Context, nodes int) (candidate, bool, error) {
	if ok, err := s.enough(ctx, nodes, fewWorlds); err != nil || !ok {
		return candidate{}, false, err
	}
	for target := int32(highestTarget); target >= lowestTarget; target -= targetStep {
		c := s.candidate(nodes, target)
		out, err := s.quick(ctx, c)
		if err != nil {
			return c, false, err
		}
		if out.broken == 0 {
			return c, true, nil
		}
	}
	return candidate{}, false, nil
}

// on is the candidate's autoscaling on another number of nodes.
func (s *search) on(c candidate, nodes int) candidate {
	c.nodes, c.platform = nodes, withNodes(c.platform, s.ladder.of(nodes))
	return c
}

// shed takes nodes away under the same autoscaling as long as the worst worlds allow: some pods may then find no room
// after a loss, and it is the simulation that says whether that matters.
func (s *search) shed(ctx context.Context, c candidate) (candidate, error) {
	for c.nodes > s.fewestAtAll() {
		less, ok, err := s.settle(ctx, s.on(c, c.nodes-1))
		if err != nil || !ok {
			return c, err
		}
		c = less
	}
	return c, nil
}

// settle mends a candidate until it gets through the worst worlds; false where it does not. As many of them may break as
// of all worlds: what breaks only there is no reason to have a node more.
func (s *search) settle(ctx context.Context, c candidate) (candidate, bool, error) {
	most := mostBroken(s.opts.Worlds, s.opts.Delta)
	tried := min(fewWorlds+2*most, s.opts.Worlds) // always more than may break
	for again := 0; ; again++ {
		out, err := s.try(ctx, c, tried, most, StageSearch)
		if err != nil || out.broken <= most {
			return c, err == nil, err
		}
		s.worlds.harden(out.broke())
		hurt := s.hurt(out, math.Inf(1))
		if again == certificates || len(hurt) == 0 {
			return c, false, nil
		}
		c = s.mended(c, hurt)
	}
}

// certificates is how often a candidate that held in the worst worlds may fail in all of them, and be mended, before it
// is given up, mends how often on the same nodes where there may be more; gathered is how many more worlds are looked at
// to mend it.
const (
	certificates = 8
	mends        = 3
	gathered     = 24
)

// certify tries a candidate in all worlds. One that breaks too often is mended: a pod more for the tenants that broke and
// their likes, where those that broke are few; then a node more, up to those its autoscaling was made for.
//
// A candidate is given up as soon as it is certain that it breaks too often, or likely. The mended one meets the worlds that
// broke it first, next those that nobody has met yet, and last those in which its forerunners held: it must hold in all of
// them, but there it is least likely to be news.
func (s *search) certify(ctx context.Context, c candidate, attempts int) (candidate, *outcome, error) {
	crew, again, stubborn := s.crew.in(s.worlds.thinned(1)), 0, 0
	for left := attempts - 1; ; left-- {
		all, holds, err := s.everywhere(ctx, c, crew, stubborn)
		if err != nil || holds {
			return c, all, err
		}
		s.worlds.harden(all.broke())
		if left == 0 {
			return c, nil, nil
		}
		crew.worlds.postpone(all)
		near := nearly * s.allowed()
		if s.long() { // pods for who only came near would change the worlds that were met, and those are dear
			near = math.Inf(1)
		}
		hurt := s.hurt(all, near)
		switch {
		case len(hurt) > 0 && (again < mends || c.nodes >= c.roomy):
			again++
			if c, stubborn, err = s.heal(ctx, c, hurt, crew, all.broken); err != nil {
				return c, nil, err
			}
		case c.nodes < c.roomy:
			c, again, stubborn = s.on(c, c.nodes+1), 0, 0
		default:
			return c, nil, nil
		}
	}
}

// everywhere tries a candidate in all worlds of a crew. Where more break in their first half than the stubborn ones, and more
// than half of what may, it is given up: it would hardly get through the second, and until then all would be worlds to meet again.
func (s *search) everywhere(ctx context.Context, c candidate, crew *crew, stubborn int) (*outcome, bool, error) {
	worlds, most := s.opts.Worlds, mostBroken(s.opts.Worlds, s.opts.Delta)
	t := trial{platform: c.platform, mayLose: max(1, c.nodes-1)}
	tick := s.opts.ticks(StageCertify, worlds)
	early := min(max(stubborn, most/2), most)
	all, err := crew.try(ctx, t, 0, worlds/2, early, tick)
	if err != nil {
		return nil, false, err
	}
	to, left := worlds, most-all.broken
	if all.broken > early && (all.broken > most || len(s.hurt(all, math.Inf(1))) > 0) {
		to, left = min(all.done+s.shown(gathered), worlds), gathered
	} // else only all worlds can tell: there is nobody to mend
	more, err := crew.try(ctx, t, all.done, to, left, tick)
	if err != nil {
		return nil, false, err
	}
	all.join(more)
	return all, all.done == worlds && all.broken <= most, nil
}

// heal mends a candidate, and once more where that was too little, until it holds in the first worlds of a crew: those that
// broke it. In the stubborn ones it does not.
func (s *search) heal(ctx context.Context, c candidate, hurt []int, crew *crew, broke int) (_ candidate, stubborn int, _ error) {
	for range repairs {
		c = s.mended(c, hurt)
		t := trial{platform: c.platform, mayLose: max(1, c.nodes-1)}
		out, err := crew.try(ctx, t, 0, broke, broke, s.opts.ticks(StageCertify, broke))
		if err != nil {
			return c, 0, err
		}
		if hurt, stubborn = s.hurt(out, math.Inf(1)), out.broken; len(hurt) == 0 {
			break
		}
	}
	return c, stubborn, nil
}

// mended is the candidate with a pod more for some tenants, of a hundred pods two, and as many as before for all others.
func (s *search) mended(c candidate, hurt []int) candidate {
	c.list = slices.Clone(c.list)
	for _, i := range hurt {
		more := max(1, c.list[i].most/50)
		c.list[i].least += more
		c.list[i].most += more
	}
	c.platform = planned(c.platform, c.list)
	return c
}

// single is the number of tenants up to which a break is theirs and not the platform's.
const single = 8

// hurt are the tenants that broke, where they are few, with their likes: what broke one of them by chance breaks the
// others in other worlds. The staffing rule is a rule, the simulation is what counts. Where the candidate held, tenants count
// too who had more than a share of slow shots: they are the ones that would break next.
func (s *search) hurt(o *outcome, above float64) []int {
	broke := make([]bool, len(s.list))
	count := 0
	for _, r := range o.results {
		for i := range s.list {
			if r == nil || !r.Broken || broke[i] {
				continue
			}
			if broke[i] = r.TenantBroken[i] || r.Ended && r.TenantSlow[i] > s.allowed(); broke[i] {
				count++
			}
		}
	}
	if count == 0 || count > single {
		return nil
	}
	for _, r := range o.results {
		for i := range s.list {
			broke[i] = broke[i] || r != nil && !r.Broken && r.TenantSlow[i] > above
		}
	}
	return s.withLikes(broke)
}

// nearly is the part of what a promise allows from which on a tenant that held is mended with those that broke.
const nearly = 0.5

// alike is by how much, of itself, the load of tenants may differ that are mended together.
const alike = 0.03

func (s *search) withLikes(broke []bool) []int {
	var out []int
	for i := range s.list {
		for k := range s.list {
			if broke[k] && s.extra[i] == s.extra[k] && math.Abs(s.list[i].peak-s.list[k].peak) <= alike*s.list[k].peak {
				out = append(out, i)
				break
			}
		}
	}
	return out
}

// generous is a number of nodes with which nodes are surely not what is missing.
func (s *search) generous() int { return min(s.ladder.top(), 2*max(s.bound.nodes, s.bound.likely)+6) }

// expectedSurges is how often the surge as expected is tried where nothing is lost.
const expectedSurges = 3

// stands tries the platform as it is: in the surge as expected, and then in a fair sample of the worlds.
func (s *search) stands(ctx context.Context) (gate.Result, error) {
	tick := s.opts.ticks(StageStands, expectedSurges)
	for seed := range uint64(expectedSurges) {
		s.crew.runners[0].Hasty = true
		r, err := s.crew.runners[0].Run(ctx, s.expected, sim.World{Seed: s.opts.Seed + seed + 1})
		if err != nil {
			return "", fmt.Errorf("plan: simulate the platform as it is: %w", err)
		}
		tick()
		if r.Broken {
			return gate.Fail, nil
		}
	}
	fair := s.crew.in(s.worlds.thinned(max(1, s.opts.Worlds/64)))
	nodes := len(s.pf.Nodes())
	out, err := fair.try(ctx, trial{platform: s.pf, mayLose: nodes}, 0, len(fair.worlds.worlds), 0, s.opts.ticks(StageStands, len(fair.worlds.worlds)))
	if err != nil {
		return "", err
	}
	if out.broken > 0 {
		return gate.Fail, nil
	}
	return gate.Pass, nil
}

// allowed is the tightest share of slow shots any promise allows.
func (s *search) allowed() float64 {
	least := 1.0
	for _, p := range s.f.base.Promises {
		least = math.Min(least, p.Slow)
	}
	return least
}
