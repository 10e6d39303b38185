package planner

import (
	"fmt"
	"math"

	"github.com/ansturm/ansturm/planner/pack"
	"github.com/ansturm/ansturm/scenarios"
)

// bound is a number of nodes that no setting can go below.
type bound struct {
	nodes       int
	why         scenarios.Text
	clairvoyant []int32 // pods by tenant
}

// lowerBound is what a scaler that knows the future would need: of the work of each tenant's busiest window all but the
// share that may be late must be done by the window's end and the promised time, by whole pods, and these must fit on
// the nodes that are left when one is lost. It is taken at a demand so high that the worlds above it, those in which the
// node goes before the peak, are more than the accepted risk.
func (s *search) lowerBound() bound {
	lostEarly := 0
	for i := range s.worlds.worlds {
		if s.worlds.node[i] >= 0 && s.worlds.at[i] < s.f.peakAt-60 {
			lostEarly++
		}
	}
	share, lose := float64(lostEarly)/float64(len(s.worlds.worlds)), 1
	if s.lose == 0 || share < 4*s.opts.Delta {
		share, lose = 1, 0
	}
	demand := demandAt(s.model, 1-1.1*s.opts.Delta/share)
	out := bound{clairvoyant: s.clairvoyant(demand)}
	top := s.ladder.top()
	for out.nodes = max(1, lose); out.nodes < min(top, 10_000); out.nodes++ {
		if s.holds(out.nodes, lose, out.clairvoyant) {
			break
		}
	}
	pods := int64(0)
	for _, n := range out.clairvoyant {
		pods += int64(n)
	}
	out.why = scenarios.Text{
		"de": fmt.Sprintf("Auch mit Kenntnis der Zukunft braucht die Spitze %d Pods, die auf die verbleibenden Knoten passen müssen", pods),
		"en": fmt.Sprintf("Even with the future known the peak needs %d pods, which must fit on the nodes that are left", pods),
	}
	return out
}

// clairvoyant is the least peak of each tenant's replicas.
func (s *search) clairvoyant(demand float64) []int32 {
	p := s.expected
	out := make([]int32, len(p.Tenants))
	door := behindDoor(p, demand)
	for i, t := range p.Tenants {
		w := &p.Workloads[t.Workload]
		pod := w.Limit
		if pod <= 0 {
			pod = math.Inf(1)
		}
		out[i] = 1
		for _, q := range p.Promises {
			if q.Who >= 0 && q.Who != i {
				continue
			}
			if q.Who < -1 { // a promise to all together says nothing about one tenant
				continue
			}
			length := max(60, 60*q.Window)
			if q.Window == 0 {
				length = len(p.Shape[q.Step])
			}
			length = min(length, len(p.Shape[q.Step]))
			work := busiest(times(p.Shape[q.Step], door), length, len(p.Shape[q.Step])) * float64(length) * t.Weight * demand * w.Work[q.Step].Mean
			done := pod * (float64(length) + q.Within)
			out[i] = max(out[i], int32(math.Ceil((1-q.Slow)*work/done-1e-9)))
		}
	}
	return out
}

// times multiplies two series.
func times(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range out {
		out[i] = a[i] * b[i]
	}
	return out
}

// holds says whether pods of that number fit by volume on so many nodes less the lost.
func (s *search) holds(nodes, lose int, counts []int32) bool {
	pf := withNodes(s.pf, s.ladder.of(nodes))
	var all []pack.Pod
	for i, n := range counts {
		for range n {
			all = append(all, pack.Pod{CPU: s.list[i].request, Memory: s.list[i].memory, Group: s.list[i].tenant})
		}
	}
	only, mixed := -1, false
	for i, pool := range pf.Pools {
		if pool.Count > 0 {
			mixed = mixed || only >= 0
			only = i
		}
	}
	if only >= 0 && !mixed {
		b, err := pack.LowerBound(all, poolNode(&pf.Pools[only]))
		return err == nil && b.Nodes <= nodes-lose
	}
	var need capacity
	for _, p := range all {
		need.cpu, need.memory, need.pods = need.cpu+p.CPU, need.memory+p.Memory, need.pods+1
	}
	have := room(pf, nil, lose)
	return need.cpu <= have.cpu && need.memory <= have.memory && need.pods <= have.pods
}

func poolNode(p *scenarios.NodePool) pack.Node {
	cores, memory, pods := p.Allocatable()
	return pack.Node{Name: p.Name, Pool: p.Name, Site: p.Site, CPU: int64(math.Round(cores * 1000)), Memory: memory, Pods: pods}
}
