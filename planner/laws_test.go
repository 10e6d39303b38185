package planner

import (
	"context"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// harder is a fleet of which one thing asks for more: more persons, a promise that is stricter, or a node that may be lost. By
// a tenth at least: what less changes, chance can change back, in the simulation as in life.
func harder(t *rapid.T, f small) (small, string) {
	sc := *f.sc
	kind := rapid.SampledFrom([]string{"load", "slo", "loss"}).Draw(t, "kind")
	switch kind {
	case "load":
		sc.Arrivals.Total += int64(float64(sc.Arrivals.Total) * rapid.Float64Range(0.1, 0.6).Draw(t, "more"))
	case "slo":
		sc.SLOs = append(sc.SLOs[:0:0], sc.SLOs...)
		sc.SLOs[0].Percentile = min(99.5, sc.SLOs[0].Percentile+rapid.Float64Range(3, 9).Draw(t, "stricter"))
	case "loss":
		f.opts.LoseNodes = new(1)
	}
	f.sc = &sc
	return f, kind
}

func drawnFleet(t *rapid.T, tb testing.TB) small {
	f := smallFleet(tb, rapid.Int64Range(0, 1<<30).Draw(t, "fleet"))
	f.opts.LoseNodes = new(0)
	return f
}

func TestBoundIsMonotonic(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := drawnFleet(rt, t)
		f.sc.Arrivals.Total *= 20 // so that it says something
		g, kind := harder(rt, f)
		less, more := boundOf(t, f.model, f.sc, f.pf, f.opts), boundOf(t, g.model, g.sc, g.pf, g.opts)
		if less > more {
			rt.Fatalf("%s: bound %d nodes for less, %d for more", kind, less, more)
		}
	})
}

// rank is how dear a plan is, where one that does not hold is dearer than any.
func rank(p *Plan) int {
	if !p.Mendable {
		return math.MaxInt
	}
	return p.Decided()
}

// A plan is kept monotonic by the plan for the harder question, which is a candidate for the easier one.
func TestPlanIsMonotonic(t *testing.T) {
	if testing.Short() {
		t.Skip("each case is two searches")
	}
	checks := 0
	rapid.Check(t, func(rt *rapid.T) {
		if checks++; checks > 6 { // a search is half a second
			return
		}
		f := drawnFleet(rt, t)
		f.sc.Tenants.List = f.sc.Tenants.List[:1]
		g, kind := harder(rt, f)
		more, err := Search(context.Background(), g.model, g.sc, g.pf, g.opts)
		if err != nil {
			rt.Fatal(err)
		}
		f.opts.Candidates = []*Plan{more}
		less, err := Search(context.Background(), f.model, f.sc, f.pf, f.opts)
		if err != nil {
			rt.Fatal(err)
		}
		if rank(less) > rank(more) {
			rt.Fatalf("%s: %d nodes for less, %d for more", kind, less.Decided(), more.Decided())
		}
	})
}

// The same of what everything tried finds, on the smallest fleets.
func TestExhaustiveIsMonotonic(t *testing.T) {
	checks := 0
	rapid.Check(t, func(rt *rapid.T) {
		if checks++; checks > 6 {
			return
		}
		f := drawnFleet(rt, t)
		f.sc.Tenants.List = f.sc.Tenants.List[:1]
		g, kind := harder(rt, f)
		less, more := optimum(t, f), optimum(t, g)
		if less > more {
			rt.Fatalf("%s: %d nodes for less, %d for more", kind, less, more)
		}
	})
}

func optimum(t testing.TB, f small) int {
	t.Helper()
	best, found, err := everything(t, f).best(mostNodes)
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return math.MaxInt
	}
	return best.nodes
}
