package cluster

import (
	"github.com/ansturm/ansturm/scenarios"
)

// Overlay completes a live Platform by a described one, which may be nil: what a request costs, how pods start, their
// threads, the shared back ends and the control plane's settings come from the description; nodes, requests and limits,
// replicas and HPAs stay as they were read. Neither is changed.
func Overlay(live, described *scenarios.Platform) *scenarios.Platform {
	if described == nil {
		return live
	}
	out := *live
	out.Title, out.Autoscaling, out.Backends, out.Disruptions = described.Title, described.Autoscaling, described.Backends, nil
	if len(out.Pools) == 0 {
		out.Pools = described.Pools
	}
	out.Workloads = nil
	for _, w := range live.Workloads {
		parts := map[*scenarios.Workload]int{} // tenants alike in the cluster may be described differently
		for _, tenant := range w.Tenants {
			d := described.WorkloadOf(tenant)
			i, known := parts[d]
			if !known {
				part := w
				part.Tenants = nil
				if d != nil {
					part.Start, part.Memory, part.Threads, part.Backlog, part.Steps = d.Start, d.Memory, d.Threads, d.Backlog, d.Steps
				}
				i = len(out.Workloads)
				parts[d] = i
				out.Workloads = append(out.Workloads, part)
			}
			out.Workloads[i].Tenants = append(out.Workloads[i].Tenants, tenant)
		}
	}
	return &out
}
