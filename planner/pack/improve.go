package pack

import (
	"cmp"
	"slices"
)

// improve moves pods as long as that places one more or empties one more node.
func (s *packing) improve() {
	for again := true; again; {
		again = false
		for _, pod := range s.order {
			again = s.at[pod] < 0 && s.place(pod, -1, false) || again // what moved may have left a gap for another
		}
		for s.emptyOne() {
			again = again || len(s.left()) > 0
		}
	}
}

// place finds a node for a pod that has none: one with room, or one where a single other pod makes room by moving on.
// Node except is out, and so are unused nodes if onlyUsed.
func (s *packing) place(pod, except int, onlyUsed bool) bool {
	allowed := func(node int) bool {
		return node != except && (!onlyUsed || s.used[node].pods > 0)
	}
	for node := range s.nodes {
		if allowed(node) && s.fits(node, s.pods[pod]) {
			s.put(pod, node)
			return true
		}
	}
	for node := range s.nodes {
		if allowed(node) && s.makeRoom(pod, node, allowed) {
			s.put(pod, node)
			return true
		}
	}
	return false
}

// makeRoom moves one pod from node to another allowed node, such that pod then fits.
func (s *packing) makeRoom(pod, node int, allowed func(int) bool) bool {
	tried := kindOf{-1, -1}
	for _, other := range s.on[node] {
		k := kindOf{s.pods[other].CPU, s.pods[other].Memory}
		if k == tried {
			continue // its like was tried just before
		}
		tried = k
		s.book(node, other, -1)
		enough := s.fits(node, s.pods[pod])
		s.book(node, other, 1)
		if !enough {
			continue
		}
		for to := range s.nodes {
			if to != node && allowed(to) && s.fits(to, s.pods[other]) {
				s.take(other)
				s.put(other, to)
				return true
			}
		}
	}
	return false
}

// emptyOne moves all pods of one node to other used nodes, the emptiest node first; where it fails, everything is as it
// was.
func (s *packing) emptyOne() bool {
	var byLoad []int
	for node := range s.nodes {
		if s.used[node].pods > 0 {
			byLoad = append(byLoad, node)
		}
	}
	filled := func(node int) float64 {
		u := &s.used[node]
		return max(share(u.cpu, s.nodes[node].CPU), share(u.memory, s.nodes[node].Memory), share(int64(u.pods), int64(s.nodes[node].Pods)))
	}
	slices.SortStableFunc(byLoad, func(a, b int) int {
		return cmp.Or(cmp.Compare(filled(a), filled(b)), b-a) // of two alike the later one
	})
	const tries = 8 // a fuller node than these is not emptied where these were not
	for _, node := range byLoad[:min(tries, len(byLoad))] {
		if s.empty(node) {
			return true
		}
	}
	return false
}

func (s *packing) empty(node int) bool {
	before := packing{at: slices.Clone(s.at), used: slices.Clone(s.used), on: make([][]int, len(s.on))}
	for i := range s.on {
		before.on[i] = slices.Clone(s.on[i])
	}
	for _, pod := range before.on[node] {
		s.take(pod)
		if !s.place(pod, node, true) {
			s.at, s.on, s.used = before.at, before.on, before.used
			return false
		}
	}
	return true
}
