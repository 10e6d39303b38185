package planner

import (
	"math"

	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// pressed makes requests as dear as the other workloads on the nodes make them, where the model knows by how much. The
// pressure is that of the surge's peak for the whole run: rather too much than too little.
func (f *forge) pressed(p *sim.Params, pf *scenarios.Platform, draw int) {
	if f.model == nil {
		return
	}
	eta := 0.0
	for _, pool := range pf.Pools {
		if n := f.model.Neighbours[pool.Name]; n != nil && n.Known && pool.Count > 0 {
			eta = math.Max(eta, drawn(n.Eta, draw))
		}
	}
	if eta <= 0 {
		return
	}
	gives, all, own := 0.0, 0.0, map[string]float64{}
	for _, n := range p.Nodes {
		gives += n.Cores
	}
	for _, t := range p.Tenants {
		w := &p.Workloads[t.Workload]
		peak := t.Weight * busiestCores(p, w)
		own[w.Name] += peak
		all += peak
	}
	for i := range p.Workloads {
		w := &p.Workloads[i]
		press := math.Min(1, (all-own[w.Name])/math.Max(gives, 1e-9))
		for k := range w.Work {
			w.Work[k].Mean *= 1 + eta*press
		}
	}
}

// busiestCores is what all persons would use in their busiest ten seconds if this workload served them.
func busiestCores(p *sim.Params, w *sim.Workload) float64 {
	cores := make([]float64, len(p.Shape[0]))
	for k := range p.Shape {
		for s, x := range p.Shape[k] {
			cores[s] += x * w.Work[k].Mean
		}
	}
	return busiest(cores, 10, len(cores))
}
