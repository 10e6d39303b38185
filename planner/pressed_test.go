package planner

import (
	"math"
	"testing"

	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/scenarios"
)

// Two workloads on one pool make each other's requests dearer by the share that the model knows; one alone does not, and
// neither does a pool of which nothing is known.
func TestNeighboursMakeRequestsDearer(t *testing.T) {
	sc, pf := little(t, 6000)
	second := pf.Workloads[0]
	second.Name, second.Tenants = "other", []string{sc.Tenants.List[0].Name}
	both := *pf
	both.Workloads = append([]scenarios.Workload{second}, pf.Workloads...)
	means := func(pf *scenarios.Platform, known bool) []float64 {
		m := modelOf(sc, pf)
		m.Neighbours = map[string]*fit.Neighbours{pf.Pools[0].Name: {Eta: fit.Estimate{Value: 0.5, Draws: []float64{0, 1}}, Known: known}}
		f, err := newForge(sc, m)
		if err != nil {
			t.Fatal(err)
		}
		var out []float64
		for _, draw := range []int{-1, 0, 1} {
			p, err := f.params(pf, draw)
			if err != nil {
				t.Fatal(err)
			}
			demand := drawn(m.Workloads[p.Workloads[0].Name].Steps[p.Steps[0]].Demand, draw)
			out = append(out, p.Workloads[0].Work[0].Mean/demand-1)
		}
		return out
	}
	more := means(&both, true)
	if more[0] <= 0.01 || more[1] != 0 || more[2] < 1.8*more[0] || more[2] > 2.2*more[0] || more[0] > 0.5 {
		t.Errorf("dearer by %v with 0.5, 0 and 1", more)
	}
	for name, got := range map[string][]float64{"alone": means(pf, true), "unknown": means(&both, false)} {
		for _, x := range got {
			if math.Abs(x) > 1e-12 {
				t.Errorf("%s: dearer by %v", name, got)
			}
		}
	}
}
