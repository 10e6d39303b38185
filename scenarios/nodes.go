package scenarios

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// NodeRef is one node of a platform: pool name and number from 1, "vm-1".
type NodeRef struct {
	Name string
	Pool *NodePool
}

// Nodes lists the platform's nodes, pool after pool.
func (p *Platform) Nodes() []NodeRef {
	var nodes []NodeRef
	for i := range p.Pools {
		for n := range p.Pools[i].Count {
			nodes = append(nodes, NodeRef{Name: fmt.Sprintf("%s-%d", p.Pools[i].Name, n+1), Pool: &p.Pools[i]})
		}
	}
	return nodes
}

// Allocatable is what one node has for pods: capacity less reservation, in cores, bytes and pods, none below zero.
// A capacity without pods means 110, the kubelet's default.
func (n NodePool) Allocatable() (cores float64, memory int64, pods int) {
	left := func(name corev1.ResourceName) (milli int64) {
		have, taken := n.Capacity[name], n.Reserved[name]
		if name == corev1.ResourceCPU {
			return max(0, have.MilliValue()-taken.MilliValue())
		}
		return max(0, have.Value()-taken.Value())
	}
	pods = DefaultPods
	if _, said := n.Capacity[corev1.ResourcePods]; said {
		pods = int(left(corev1.ResourcePods))
	}
	return float64(left(corev1.ResourceCPU)) / 1000, left(corev1.ResourceMemory), pods
}

// CPULimit is a pod's CPU limit in cores; 0 means none.
func (w Workload) CPULimit() float64 { return cores(w.Resources.Limits) }

// CPURequest is a pod's CPU request in cores: as in Kubernetes, the limit where no request is written.
func (w Workload) CPURequest() float64 {
	if _, said := w.Resources.Requests[corev1.ResourceCPU]; !said {
		return w.CPULimit()
	}
	return cores(w.Resources.Requests)
}

// MemoryRequest is a pod's memory request in bytes: as in Kubernetes, the limit where no request is written.
func (w Workload) MemoryRequest() int64 {
	if q, said := w.Resources.Requests[corev1.ResourceMemory]; said {
		return q.Value()
	}
	q := w.Resources.Limits[corev1.ResourceMemory]
	return q.Value()
}

func cores(list corev1.ResourceList) float64 {
	q := list[corev1.ResourceCPU]
	return float64(q.MilliValue()) / 1000
}

// WorkloadOf is the workload that serves the tenant: the one that names it, else the one that names none, else nil.
func (p *Platform) WorkloadOf(tenant string) *Workload {
	var rest *Workload
	for i := range p.Workloads {
		switch w := &p.Workloads[i]; {
		case slices.Contains(w.Tenants, tenant):
			return w
		case len(w.Tenants) == 0 && rest == nil:
			rest = w
		}
	}
	return rest
}

// WithDefaults fills zero values with the control plane's defaults; a value below zero stays as it is.
func (a Autoscaling) WithDefaults() Autoscaling {
	fill := func(d *time.Duration, standard time.Duration) {
		if *d == 0 {
			*d = standard
		}
	}
	fill(&a.SyncPeriod, 15*time.Second)
	fill(&a.MetricResolution, 15*time.Second)
	fill(&a.Housekeeping, 10*time.Second)
	fill(&a.MetricLag, time.Second)
	fill(&a.EndpointDelay, time.Second)
	fill(&a.SchedulingDelay, 100*time.Millisecond)
	fill(&a.NodeLossDetection, 40*time.Second)
	return a
}
