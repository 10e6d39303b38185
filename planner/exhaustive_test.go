package planner

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// small is a fleet on which everything can be tried: one or two tenants, a few nodes, minutes.
type small struct {
	model *fit.Model
	sc    *scenarios.Scenario
	pf    *scenarios.Platform
	opts  Options
}

// smallFleet is the seed's.
func smallFleet(t testing.TB, seed int64) small {
	rng := rand.New(rand.NewPCG(uint64(seed), 5))
	sc, pf := shipped(t, "quick")
	over := time.Duration(3+rng.IntN(3)) * time.Minute
	sc.Arrivals.Over = over
	sc.Arrivals.Curve = []scenarios.Shape{
		{Kind: "constant", Weight: 1 + 3*rng.Float64()},
		{Kind: "gaussian", At: time.Duration((0.3 + 0.5*rng.Float64()) * float64(over)), Width: time.Duration(10+rng.IntN(40)) * time.Second},
	}
	sc.Tenants.List = sc.Tenants.List[:1+rng.IntN(2)]
	for i := range sc.Tenants.List {
		sc.Tenants.List[i].Weight = 1 + 2*rng.Float64()
	}
	sc.SLOs[0].Percentile = []float64{80, 90, 95}[rng.IntN(3)]
	sc.SLOs[0].Within = time.Duration(2+rng.IntN(4)) * time.Second
	sc.SLOs[0].Window = time.Duration(rng.IntN(2)) * time.Minute
	pool := &pf.Pools[0]
	pool.Reserved = nil
	pool.Capacity[corev1.ResourceCPU] = resource.MustParse([]string{"1", "2", "3"}[rng.IntN(3)])
	pool.Count = 1 + rng.IntN(3)
	work := time.Duration(40+rng.IntN(100)) * time.Millisecond
	pf.Workloads[0].Steps["submit"] = scenarios.Work{
		CPU: scenarios.Distribution{LogNormal: &scenarios.LogNormal{Median: work, P95: work * time.Duration(13+rng.IntN(10)) / 10}}, Accepts: true,
	}
	// Work for 1 to 4 of the pods of half a core, in the mean of the whole surge.
	busy := (1 + 2*rng.Float64()) * 0.5
	sc.Arrivals.Total = int64(busy * over.Seconds() / (1.05*work.Seconds() + 0.3*0.026))
	model := modelOf(sc, pf)
	if rng.IntN(4) == 0 {
		model = nil
	}
	return small{model, sc, pf, Options{Delta: 0.1, Worlds: 48, Seed: uint64(seed), LoseNodes: new(rng.IntN(2))}}
}

// The space: per tenant a target, a least and a most number of pods. Where least and most are one, there is no target.
var someTargets = []int32{50, 70, 90}

func choices(mostPods int32) (out []setting) {
	for least := int32(1); least <= mostPods; least++ {
		out = append(out, setting{target: someTargets[0], least: least, most: least})
		for most := least + 1; most <= mostPods; most++ {
			for _, target := range someTargets {
				out = append(out, setting{target: target, least: least, most: most})
			}
		}
	}
	return out
}

// judged is what came of settings in all worlds.
type judged struct {
	nodes    int
	list     []setting
	holds    bool
	hours    float64 // mean of the worlds
	scalings float64
}

func (j judged) better(o judged) bool {
	switch {
	case j.nodes != o.nodes:
		return j.nodes < o.nodes
	case j.hours != o.hours:
		return j.hours < o.hours
	}
	return j.scalings < o.scalings
}

// exhaustive tries everything on one fleet, in a search's own worlds.
type exhaustive struct {
	s      *search
	runner sim.Runner
	bases  map[int]*sim.Params // by draw, a workload a tenant
	order  []int               // of the worlds: those that broke others first
	most   int
	runs   int
}

func newExhaustive(s *search) (*exhaustive, error) {
	e := &exhaustive{s: s, bases: map[int]*sim.Params{}, most: mostBroken(s.opts.Worlds, s.opts.Delta)}
	list := make([]setting, len(s.list))
	for i, n := range s.list {
		list[i] = setting{need: n, target: 50, least: int32(i + 1), most: int32(i + 1)}
	}
	pf := planned(s.pf, list)
	for i, w := range s.worlds.worlds {
		e.order = append(e.order, i)
		if e.bases[w.Draw] == nil {
			p, err := s.f.params(pf, w.Draw)
			if err != nil {
				return nil, err
			}
			e.bases[w.Draw] = p
		}
	}
	return e, nil
}

// try judges settings on a number of nodes. It gives up where too many worlds broke, or where the hours are more than
// worth it.
func (e *exhaustive) try(nodes int, list []setting, hours float64) (judged, error) {
	out := judged{nodes: nodes, list: list}
	platform := withNodes(e.s.pf, e.s.ladder.of(nodes))
	at, err := e.s.f.params(platform, -1)
	if err != nil {
		return out, err
	}
	names := make([]string, len(at.Nodes))
	specs := make([]sim.Workload, len(list))
	broken, worlds := 0, float64(len(e.order))
	for k, i := range e.order {
		world, run := e.s.worlds.on(i, names, max(1, nodes-1))
		p := *e.bases[world.Draw]
		copy(specs, p.Workloads)
		for w, set := range list {
			set.need = e.s.list[w]
			specs[w].HPA, specs[w].Replicas = set.spec(), int(set.least)
		}
		p.Nodes, p.Workloads = at.Nodes, specs
		r, err := e.runner.Run(context.Background(), &p, run)
		if err != nil {
			return out, err
		}
		e.runs++
		out.hours += r.ReplicaSeconds / 3600 / worlds
		out.scalings += float64(r.Scalings) / worlds
		if r.Broken {
			broken++
			copy(e.order[1:k+1], e.order[:k])
			e.order[0] = i
		}
		if broken > e.most || out.hours > hours {
			return out, nil
		}
	}
	out.holds = true
	return out, nil
}

// best is the optimum of the space, from one node up; false where not even most nodes hold.
func (e *exhaustive) best(most int) (judged, bool, error) {
	all := e.combinations()
	for nodes := 1; nodes <= most; nodes++ {
		best := judged{nodes: nodes, hours: math.Inf(1)}
		for _, list := range all {
			j, err := e.try(nodes, list, best.hours)
			if err != nil {
				return best, false, err
			}
			if j.holds && j.better(best) {
				best = j
			}
		}
		if best.holds {
			return best, true, nil
		}
	}
	return judged{}, false, nil
}

// combinations are the settings of all tenants together, those that can be cheapest first.
func (e *exhaustive) combinations() [][]setting {
	all := [][]setting{nil}
	for range e.s.list {
		var longer [][]setting
		for _, begun := range all {
			for _, c := range choices(int32(12/len(e.s.list) - len(e.s.list) + 1)) {
				longer = append(longer, append(slices.Clone(begun), c))
			}
		}
		all = longer
	}
	least := func(list []setting) (sum int32) {
		for _, set := range list {
			sum += set.least
		}
		return sum
	}
	slices.SortStableFunc(all, func(a, b []setting) int { return int(least(a) - least(b)) })
	return all
}

// compared is a plan beside the optimum, in the same worlds.
type compared struct {
	plan, best judged
	bound      int
	found      bool // an optimum
	mendable   bool
	// risk is the share of fresh worlds in which the plan breaks: neither search nor polish has seen them. delta was asked for.
	risk, delta float64
}

// compareWithBest plans for a fleet and tries everything.
func compareWithBest(t testing.TB, f small, most int) compared {
	t.Helper()
	e := everything(t, f)
	out := compared{delta: f.opts.Delta}
	b, err := e.s.lowerBound()
	if err != nil {
		t.Fatal(err)
	}
	out.bound = b.nodes
	if out.best, out.found, err = e.best(most); err != nil {
		t.Fatal(err)
	}
	p, err := Search(context.Background(), f.model, f.sc, f.pf, f.opts)
	if err != nil {
		t.Fatal(err)
	}
	out.mendable = p.Mendable
	list := make([]setting, len(p.Tenants))
	for i, x := range p.Tenants {
		list[i] = setting{target: x.Target, least: x.Min, most: x.Max}
	}
	if out.plan, err = e.try(p.Decided(), list, math.Inf(1)); err != nil {
		t.Fatal(err)
	}
	out.risk = riskInFreshWorlds(t, f, p)
	return out
}

// riskInFreshWorlds is the share of so many worlds of another seed in which the plan breaks.
func riskInFreshWorlds(t testing.TB, f small, p *Plan) float64 {
	t.Helper()
	const worlds = 960
	s, err := newSearch(f.model, f.sc, f.pf, f.opts)
	if err != nil {
		t.Fatal(err)
	}
	s.crew.worlds = newFutures(s.f, worlds, f.opts.Seed+1<<32, s.lose)
	c, ok := s.given(p)
	if !ok {
		return 0 // past mending: it promises nothing
	}
	out, err := s.crew.try(context.Background(), trial{platform: c.platform, mayLose: max(1, c.nodes-1)}, 0, worlds, worlds, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return float64(out.broken) / worlds
}

func everything(t testing.TB, f small) *exhaustive {
	t.Helper()
	s, err := newSearch(f.model, f.sc, f.pf, f.opts)
	if err != nil {
		t.Fatal(err)
	}
	e, err := newExhaustive(s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
