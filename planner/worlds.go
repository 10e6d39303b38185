package planner

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// futures makes the worlds: demand by stratified quantiles in a shuffled order, so that any first part of the list is a
// fair sample; in three of four a node is lost, half of them in the quarter of the surge before its peak. Which node is
// a number from 0 to 1, so that it means something on any platform.
type futures struct {
	worlds []World
	node   []float64
	at     []float64
}

func newFutures(f *forge, n int, seed uint64, loseNodes int) *futures {
	rng := rand.New(rand.NewPCG(seed, 0x776f726c6473))
	out := &futures{}
	order := rng.Perm(n)
	draws := max(1, f.draws())
	for i := range n {
		q := (float64(order[i]) + 0.5) / float64(n)
		w := World{Index: i, Quantile: q, Demand: demandAt(f.model, q), Seed: rng.Uint64() >> 11, Draw: i % draws}
		if f.draws() == 0 {
			w.Draw = -1
		}
		node, when := rng.Float64(), f.length*(0.05+0.9*rng.Float64())
		if i%8 < 3 {
			when = math.Max(1, f.peakAt-0.25*f.length*rng.Float64())
		}
		if loseNodes < 1 || i%4 == 3 {
			node = -1
		}
		out.worlds = append(out.worlds, w)
		out.node, out.at = append(out.node, node), append(out.at, when)
	}
	return out
}

// demandAt is the demand's factor at a quantile: lognormal between the model's Low and High, at its level.
func demandAt(m *fit.Model, q float64) float64 {
	if m == nil || m.Demand.Value <= 0 {
		return 1
	}
	d := m.Demand
	if d.Low <= 0 || d.High <= d.Low {
		return d.Value
	}
	level := m.Level
	if level <= 0 || level >= 1 {
		level = 0.9
	}
	z := distuv.UnitNormal.Quantile(0.5 + level/2)
	sigma := math.Log(d.High/d.Low) / (2 * z)
	return d.Value * math.Exp(sigma*distuv.UnitNormal.Quantile(q))
}

// on is the i-th world on a platform whose first count nodes may be lost.
func (u *futures) on(i int, names []string, count int) (World, sim.World) {
	w := u.worlds[i]
	s := sim.World{Demand: w.Demand, Seed: w.Seed}
	if count = min(count, len(names)); u.node[i] >= 0 && count > 0 {
		k := min(count-1, int(u.node[i]*float64(count)))
		s.Lost, s.At = k+1, math.Floor(u.at[i])
		w.Lost, w.At = names[k], time.Duration(s.At)*time.Second
	}
	return w, s
}

// trial is a platform tried in worlds.
type trial struct {
	platform *scenarios.Platform
	// mayLose is how many of its nodes may be lost.
	mayLose int
	// whole worlds are run to their end even when a promise is broken.
	whole bool
}

// crew runs worlds on two workers, who keep their memory.
type crew struct {
	f       *forge
	worlds  *futures
	runners []*sim.Runner
	// alter changes the parameters before they are used; nil leaves them.
	alter func(*sim.Params)
}

const workers = 2

func newCrew(f *forge, worlds *futures) *crew {
	c := &crew{f: f, worlds: worlds}
	for range workers {
		c.runners = append(c.runners, &sim.Runner{})
	}
	return c
}

// in are the same workers in other worlds.
func (c *crew) in(worlds *futures) *crew { return &crew{f: c.f, worlds: worlds, runners: c.runners} }

// outcome is what came of a trial in the worlds from..to.
type outcome struct {
	from    int
	results []*sim.Result // nil where the trial was given up before
	worlds  []World
	broken  int
	done    int
}

// try runs the worlds from..to and gives up once more than most of them broke; the outcome then holds at least most+1
// broken worlds, the same ones every time. tick is told of every finished world.
func (c *crew) try(ctx context.Context, t trial, from, to, most int, tick func()) (*outcome, error) {
	prepared, err := c.prepare(t.platform)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, 64)
	for _, n := range t.platform.Nodes() {
		names = append(names, n.Name)
	}
	out := &outcome{from: from, results: make([]*sim.Result, to-from), worlds: make([]World, to-from)}
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	running, enough := context.WithCancel(ctx)
	defer enough()
	seen := &refutation{most: most, results: out.results}
	for w := range workers {
		group.Go(func() error {
			for !seen.likely() {
				i := int(next.Add(1)) - 1
				if from+i >= to {
					return nil
				}
				world, run := c.worlds.on(from+i, names, t.mayLose)
				p, err := prepared(world.Draw)
				if err != nil {
					return err
				}
				c.runners[w].Hasty = !t.whole
				res, err := c.runners[w].Run(running, p, run)
				if err != nil {
					if running.Err() != nil && ctx.Err() == nil { // what comes of it matters no more
						return nil
					}
					return err
				}
				out.worlds[i] = world
				if seen.add(i, res) {
					enough()
				}
				tick()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("plan: simulate: %w", err)
	}
	out.settle(most)
	return out, nil
}

// refutation is what is known of a trial that is given up once more than most worlds broke.
type refutation struct {
	mu      sync.Mutex
	most    int
	results []*sim.Result
	broken  int
	// Up to the world that is through and has none before it that is not, and how many of these broke.
	through, brokenBy int
}

// likely says whether so many broke that no other world need begin: those that run may still matter, in their order.
func (f *refutation) likely() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken > f.most
}

// add takes a world's result in and says whether those that still run matter no more.
func (f *refutation) add(i int, r *sim.Result) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.results[i] = r; r.Broken {
		f.broken++
	}
	for ; f.brokenBy <= f.most && f.through < len(f.results) && f.results[f.through] != nil; f.through++ {
		if f.results[f.through].Broken {
			f.brokenBy++
		}
	}
	return f.brokenBy > f.most
}

// settle drops what workers ran ahead, so that the outcome does not depend on their pace.
func (o *outcome) settle(most int) {
	for i, r := range o.results {
		if o.broken > most || r == nil {
			o.results[i] = nil
			continue
		}
		o.done++
		if r.Broken {
			o.broken++
		}
	}
}

// prepare makes each draw's parameters on first use.
func (c *crew) prepare(pf *scenarios.Platform) (func(draw int) (*sim.Params, error), error) {
	var mu sync.Mutex
	made := map[int]*sim.Params{}
	get := func(draw int) (*sim.Params, error) {
		mu.Lock()
		defer mu.Unlock()
		if p := made[draw]; p != nil {
			return p, nil
		}
		p, err := c.f.params(pf, draw)
		if err == nil && c.alter != nil {
			c.alter(p)
		}
		if err == nil {
			made[draw] = p
		}
		return p, err
	}
	_, err := get(-1)
	return get, err
}

// share of the worlds that broke.
func (o *outcome) share() float64 { return float64(o.broken) / float64(max(1, o.done)) }

// join takes in what came of the worlds that follow.
func (o *outcome) join(more *outcome) {
	o.results, o.worlds = append(o.results[:o.done], more.results...), append(o.worlds[:o.done], more.worlds...)
	o.broken, o.done = o.broken+more.broken, o.done+more.done
}

// broke are the worlds that broke, by their index.
func (o *outcome) broke() map[int]bool {
	out := map[int]bool{}
	for i, r := range o.results {
		if r != nil && r.Broken {
			out[o.worlds[i].Index] = true
		}
	}
	return out
}

// heldIn says whether the outcome is of all those worlds, and none of them broke.
func (o *outcome) heldIn(u *futures) bool {
	held := map[[2]uint64]bool{}
	for i, r := range o.results {
		if r != nil && !r.Broken {
			held[[2]uint64{uint64(o.worlds[i].Index), o.worlds[i].Seed}] = true
		}
	}
	for _, w := range u.worlds {
		if !held[[2]uint64{uint64(w.Index), w.Seed}] {
			return false
		}
	}
	return true
}

// in is some of the worlds in that order.
func (u *futures) in(order []int) *futures {
	out := &futures{}
	for _, i := range order {
		out.worlds = append(out.worlds, u.worlds[i])
		out.node = append(out.node, u.node[i])
		out.at = append(out.at, u.at[i])
	}
	return out
}

// harden moves worlds that broke something to the front, where the next candidate meets them first.
func (u *futures) harden(broke map[int]bool) {
	u.rank(func(i int) int {
		if broke[u.worlds[i].Index] {
			return 0
		}
		return 1
	})
}

// postpone is harden, and moves the worlds in which the same outcome held to the end.
func (u *futures) postpone(o *outcome) {
	broke := o.broke()
	u.rank(func(i int) int {
		switch {
		case broke[u.worlds[i].Index]:
			return 0
		case i >= o.from && i < o.from+o.done:
			return 2
		}
		return 1
	})
}

// rank sorts the worlds, and leaves those of the same rank in their order.
func (u *futures) rank(of func(i int) int) {
	order := make([]int, len(u.worlds))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(of(a), of(b)) })
	*u = *u.in(order)
}
