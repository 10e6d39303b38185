package pack

import (
	"cmp"
	"math"
	"slices"
)

// Fit assigns pods to nodes: assignment[i] is pod i's node or −1, left are the pods that found none. It looks for few
// pods left, then for few nodes used, and prefers nodes in their order. Spreading is no constraint here.
//
// Three ways are tried and the best is kept. Two go node by node and take the pod whose demand points most along the room
// that is left, the dot product of the two with each dimension weighted by how scarce it is (Panigrahy, Talwar, Uyeda,
// Wieder 2011, "Heuristics for vector bin packing"): once as it is, which takes large pods early, once over the length
// of the demand, which keeps a node in balance where CPU and memory both run out. The third is first fit by decreasing
// size. After each, pods move: into a gap that another pod makes by moving on, and out of the emptiest nodes as long as
// a whole one can be emptied. O(nodes·pods·kinds of pods) and a bounded number of moves; the same input gives the same
// answer.
func Fit(nodes []Node, pods []Pod) (assignment, left []int) {
	w := scarcity(nodes, pods)
	var best *packing
	for _, fill := range []func(*packing){
		func(s *packing) { s.byDotProduct(false) },
		func(s *packing) { s.byDotProduct(true) },
		(*packing).bySize,
	} {
		s := newPacking(nodes, pods, w)
		fill(s)
		s.improve()
		if best == nil || s.betterThan(best) {
			best = s
		}
	}
	return best.at, best.left()
}

// weights scale millicores, bytes and one pod to shares of the average node, times how much of all is asked for.
type weights struct{ cpu, memory, slot float64 }

func scarcity(nodes []Node, pods []Pod) weights {
	var cpu, memory, slots, wantCPU, wantMemory float64
	for _, n := range nodes {
		cpu, memory, slots = cpu+float64(n.CPU), memory+float64(n.Memory), slots+float64(n.Pods)
	}
	for _, p := range pods {
		wantCPU, wantMemory = wantCPU+float64(p.CPU), wantMemory+float64(p.Memory)
	}
	square := func(want, have float64) float64 {
		if have <= 0 {
			return 0
		}
		return want / have / have * float64(len(nodes))
	}
	return weights{square(wantCPU, cpu), square(wantMemory, memory), square(float64(len(pods)), slots)}
}

// size is how much of a node a pod takes, weighted by scarcity.
func (w weights) size(p Pod) float64 {
	return float64(w.cpu*float64(p.CPU)) + float64(w.memory*float64(p.Memory)) + w.slot
}

// packing is an assignment in the making.
type packing struct {
	nodes []Node
	pods  []Pod
	w     weights
	at    []int   // node of each pod, or −1
	on    [][]int // pods of each node
	used  []load
	order []int // pods by decreasing size
}

func newPacking(nodes []Node, pods []Pod, w weights) *packing {
	s := &packing{nodes: nodes, pods: pods, w: w, at: make([]int, len(pods)), on: make([][]int, len(nodes)), used: make([]load, len(nodes))}
	for i := range pods {
		s.at[i] = -1
		s.order = append(s.order, i)
	}
	slices.SortStableFunc(s.order, func(a, b int) int { return cmp.Compare(w.size(pods[b]), w.size(pods[a])) })
	return s
}

func (s *packing) fits(node int, p Pod) bool {
	n, u := &s.nodes[node], &s.used[node]
	return p.CPU >= 0 && p.Memory >= 0 && u.pods < n.Pods && u.cpu+p.CPU <= n.CPU && u.memory+p.Memory <= n.Memory
}

func (s *packing) put(pod, node int) {
	s.at[pod] = node
	s.on[node] = append(s.on[node], pod)
	s.book(node, pod, 1)
}

func (s *packing) take(pod int) {
	node := s.at[pod]
	s.at[pod] = -1
	s.on[node] = slices.DeleteFunc(s.on[node], func(p int) bool { return p == pod })
	s.book(node, pod, -1)
}

func (s *packing) book(node, pod int, sign int64) {
	u := &s.used[node]
	u.cpu += sign * s.pods[pod].CPU
	u.memory += sign * s.pods[pod].Memory
	u.pods += int(sign)
}

// kindOf is what makes two pods the same to the packing.
type kindOf struct{ cpu, memory int64 }

// byDotProduct fills node after node; balanced looks at the direction of a demand only, not at its length.
func (s *packing) byDotProduct(balanced bool) {
	var kinds []kindOf
	waiting := map[kindOf][]int{}
	for _, pod := range s.order {
		k := kindOf{s.pods[pod].CPU, s.pods[pod].Memory}
		if waiting[k] == nil {
			kinds = append(kinds, k)
		}
		waiting[k] = append(waiting[k], pod)
	}
	for node := range s.nodes {
		for {
			best, most := kindOf{}, -1.0
			for _, k := range kinds {
				if len(waiting[k]) == 0 || !s.fits(node, Pod{CPU: k.cpu, Memory: k.memory}) {
					continue
				}
				if d := s.along(node, k, balanced); d > most {
					best, most = k, d
				}
			}
			if most < 0 {
				break
			}
			s.put(waiting[best][0], node)
			waiting[best] = waiting[best][1:]
		}
	}
}

// along is the dot product of a pod's demand with what is left on the node.
func (s *packing) along(node int, k kindOf, balanced bool) float64 {
	n, u := &s.nodes[node], &s.used[node]
	cpu, memory := float64(s.w.cpu*float64(k.cpu)), float64(s.w.memory*float64(k.memory))
	dot := float64(cpu*(1-share(u.cpu, n.CPU))) + float64(memory*(1-share(u.memory, n.Memory)))
	if length := math.Hypot(cpu, memory); balanced && length > 0 {
		return dot / length
	}
	return dot
}

// bySize is first fit decreasing.
func (s *packing) bySize() {
	for _, pod := range s.order {
		for node := range s.nodes {
			if s.fits(node, s.pods[pod]) {
				s.put(pod, node)
				break
			}
		}
	}
}

func (s *packing) left() (left []int) {
	for pod, node := range s.at {
		if node < 0 {
			left = append(left, pod)
		}
	}
	return left
}

func (s *packing) nodesUsed() (n int) {
	for node := range s.nodes {
		if s.used[node].pods > 0 {
			n++
		}
	}
	return n
}

func (s *packing) betterThan(other *packing) bool {
	mine, theirs := len(s.left()), len(other.left())
	return mine < theirs || mine == theirs && s.nodesUsed() < other.nodesUsed()
}
