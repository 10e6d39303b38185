package pack

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// mostBranches bounds a knapsack's search; what is left unsearched then counts with its upper bound.
const mostBranches = 20_000

// knapsack is the most that the pods on one node can be worth at whole prices, or an upper bound on it where the search
// would take too long, and the best mixture that was found (nil for none of any worth). Branch and bound in whole
// numbers: the kinds by what they are worth for their size, the most of each first; the bound is the best that is left of
// each resource at its best price, the least of the three.
func knapsack(node Node, kinds []Demand, prices []int64) (int64, []int) {
	s := sack{kinds: kinds, prices: prices, left: mostBranches, count: make([]int, len(kinds))}
	for k, d := range kinds {
		if prices[k] > 0 && d.CPU >= 0 && d.Memory >= 0 && d.CPU <= node.CPU && d.Memory <= node.Memory {
			s.order = append(s.order, k)
		}
	}
	size := func(k int) float64 {
		return max(share(kinds[k].CPU, node.CPU), share(kinds[k].Memory, node.Memory), share(1, int64(node.Pods)))
	}
	slices.SortStableFunc(s.order, func(a, b int) int {
		return cmp.Compare(float64(prices[b])*size(a), float64(prices[a])*size(b))
	})
	s.suffixes()
	s.search(0, space{node.CPU, node.Memory, int64(node.Pods)}, 0)
	return s.bound, s.best
}

type space struct{ cpu, memory, pods int64 }

// ratio is the price of one unit of a resource, price over size; size 0 where a pod of worth takes nothing of it.
type ratio struct{ price, size int64 }

func (r ratio) less(o ratio) bool {
	if r.size == 0 || o.size == 0 {
		return r.size != 0 && o.size == 0
	}
	a, b := bits.Mul64(uint64(r.price), uint64(o.size))
	c, d := bits.Mul64(uint64(o.price), uint64(r.size))
	return a < c || a == c && b < d
}

// of is the worth of x units, rounded down: prices are whole, so no mixture is worth the fraction.
func (r ratio) of(x int64) int64 {
	if r.price == 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(x), uint64(r.price))
	if r.size == 0 || high >= uint64(r.size) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(high, low, uint64(r.size))
	return int64(min(q, math.MaxInt64))
}

type sack struct {
	kinds  []Demand
	prices []int64
	order  []int
	rest   [][3]ratio // of the kinds from here on
	left   int
	count  []int
	found  int64
	bound  int64
	best   []int
}

func (s *sack) suffixes() {
	s.rest = make([][3]ratio, len(s.order)+1)
	for i := range s.rest[len(s.order)] {
		s.rest[len(s.order)][i].size = 1
	}
	for i := len(s.order) - 1; i >= 0; i-- {
		k := s.order[i]
		for r, size := range []int64{s.kinds[k].CPU, s.kinds[k].Memory, 1} {
			s.rest[i][r] = s.rest[i+1][r]
			if own := (ratio{s.prices[k], size}); s.rest[i][r].less(own) {
				s.rest[i][r] = own
			}
		}
	}
}

// search tries the kinds from order[i] on in the room that is left, beside pods that are worth so much.
func (s *sack) search(i int, room space, worth int64) {
	if worth > s.found {
		s.found, s.best = worth, slices.Clone(s.count)
		s.bound = max(s.bound, worth)
	}
	if i == len(s.order) {
		return
	}
	r := &s.rest[i]
	more := min(r[0].of(room.cpu), r[1].of(room.memory), r[2].of(room.pods))
	if more <= 0 || worth+more <= s.bound {
		return
	}
	if s.left--; s.left < 0 {
		s.bound = worth + more
		return
	}
	k := s.order[i]
	d := &s.kinds[k]
	most := room.pods
	if d.CPU > 0 {
		most = min(most, room.cpu/d.CPU)
	}
	if d.Memory > 0 {
		most = min(most, room.memory/d.Memory)
	}
	if d.Most > 0 {
		most = min(most, int64(d.Most))
	}
	for n := most; n >= 0; n-- {
		s.count[k] = int(n)
		s.search(i+1, space{room.cpu - n*d.CPU, room.memory - n*d.Memory, room.pods - n}, worth+n*s.prices[k])
		if i+1 == len(s.order) {
			break // fewer of the last kind are worth less
		}
	}
	s.count[k] = 0
}
