package fit

import (
	"maps"
	"math"
	"slices"

	"github.com/ansturm/ansturm/loadgen/record"
)

// settle notes in which pools each tenant's pods are.
func (r *run) settle() {
	pf := r.Run.Platform
	if pf == nil {
		return
	}
	pools := map[string]string{}
	for _, n := range pf.Nodes() {
		pools[n.Name] = n.Pool.Name
	}
	home := map[[3]string]string{} // of each pod, the last it was seen on
	for _, e := range r.Events {
		switch {
		case e.Kind == record.KindNode && e.Workload != "":
			pools[e.Object] = e.Workload
		case e.Kind == record.KindPod && e.Node != "" && e.Workload != "":
			home[[3]string{e.Workload, e.Tenant, e.Object}] = pools[e.Node]
		}
	}
	r.homes = map[[2]string]map[string]float64{}
	for _, t := range r.tenants {
		r.homes[[2]string{t.workload, t.name}] = map[string]float64{}
	}
	for pod, pool := range home {
		if in := r.homes[[2]string{pod[0], pod[1]}]; in != nil {
			in[pool]++
		}
	}
	for _, in := range r.homes {
		var pods float64
		for _, n := range in {
			pods += n
		}
		for pool := range in {
			in[pool] /= pods
		}
		if len(in) == 0 && len(pf.Pools) == 1 {
			in[pf.Pools[0].Name] = 1
		}
	}
}

// press is the pressure on a workload's pods over a stretch of time, by pool: the cores that other workloads use there, as
// a share of what the pool gives, times the share of the workload's own pods there. Nil where it is alone.
func (r *run) press(in, others []*tenant, pools []string, from, to float64) []float64 {
	if len(others) == 0 || r.Run.Platform == nil {
		return nil
	}
	used, own, gives := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, p := range r.Run.Platform.Pools {
		cores, _, _ := p.Allocatable()
		gives[p.Name] = cores * float64(p.Count)
	}
	for _, t := range others {
		a, okA := t.cpu.at(from)
		b, okB := t.cpu.at(to)
		if !okA || !okB || b < a {
			continue
		}
		for pool, share := range r.homes[[2]string{t.workload, t.name}] {
			used[pool] += share * (b - a) / (to - from)
		}
	}
	for _, t := range in {
		for pool, share := range r.homes[[2]string{t.workload, t.name}] {
			own[pool] += share / float64(len(in))
		}
	}
	out := make([]float64, len(pools))
	for g, pool := range pools {
		if gives[pool] > 0 {
			out[g] = own[pool] * math.Min(1, used[pool]/gives[pool])
		}
	}
	return out
}

// poolsOf are the names of the runs' pools.
func poolsOf(runs []*run) []string {
	names := map[string]bool{}
	for _, r := range runs {
		if r.Run.Platform == nil {
			continue
		}
		for _, p := range r.Run.Platform.Pools {
			names[p.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
