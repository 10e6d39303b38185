package pack

import (
	"cmp"
	"math"
	"math/big"
	"slices"
)

// Demand is pods that are alike: Count of them, whole, or a mean over time of any size. Most bounds how many of them there
// can be at a time on all nodes together; zero means that nothing does.
type Demand struct {
	CPU, Memory int64
	Count       *big.Rat
	Most        int
}

// Supply is nodes that are alike.
type Supply struct {
	Node  Node
	Count int
}

// Certificate proves that a demand does not fit. Every pod has a price; what a node holds is worth at most Values, in any
// mixture; and the demand is worth more than all nodes' values together: Asked > Held. It is a dual solution of the
// configuration LP (Gilmore and Gomory 1961), so whoever doubts it needs no LP, only the prices.
//
// It holds for means over time as well: at every moment what is there fits, and the mean of what fits is worth no more.
type Certificate struct {
	Kinds       []Demand // what is asked for, alike joined
	Prices      []int64  // of a pod, by Kinds
	Values      []int64  // by Supply: an upper bound on what one node's pods are worth
	Asked, Held *big.Rat
}

// Refute looks for a proof that a demand does not fit on the nodes; nil means that none was found, not that it fits.
//
// A simplex in floating point proposes the prices, column by column: which mixture would fill a node better at the present
// prices is a knapsack. Whatever it proposes is rounded to whole numbers, the knapsack is solved or bounded in whole
// numbers, and the two sums are compared as rationals: a fault of the simplex loses a proof and never makes a wrong one.
func Refute(supply []Supply, demand []Demand) *Certificate {
	return newMaster(supply, demand).refute(supply)
}

// NodesFor is the least number of nodes from least to most of which it is not proved that they are too few, with the
// proof for one node less (nil at least); most+1 where even most are too few. counts splits a number into kinds of nodes,
// the same kinds every time; a node more must not take another away.
func NodesFor(demand []Demand, least, most int, counts func(nodes int) []Supply) (int, *Certificate) {
	m := newMaster(counts(most), demand)
	var proof *Certificate
	for step, high := 0, most+1; least < high; {
		middle := least + (high-least)/2
		if high > most { // up from below: a bound is seldom far from the least that could be
			middle = min(least+step, most)
			step = 2*step + 1
		}
		if c := m.refute(counts(middle)); c != nil {
			least, proof = middle+1, c
		} else {
			high = middle
		}
	}
	return least, proof
}

// mostKinds bounds the work: of more kinds of pods neighbours are joined, each as small as the smallest of them.
const mostKinds = 24

// master is the configuration LP of a demand: minimise the weighted pods without a node, over mixtures of pods.
type master struct {
	kinds   []Demand
	nodes   []Node
	weights []float64
	columns []column
}

// column is a mixture of pods on a node of one kind.
type column struct {
	node  int
	count []int
}

func newMaster(supply []Supply, demand []Demand) *master {
	m := &master{kinds: joined(demand)}
	for _, s := range supply {
		m.nodes = append(m.nodes, s.Node)
	}
	for _, k := range m.kinds {
		w := 0.0
		for _, n := range m.nodes {
			w = max(w, share(k.CPU, n.CPU), share(k.Memory, n.Memory), share(1, int64(n.Pods)))
		}
		m.weights = append(m.weights, max(w, 1e-9))
	}
	return m
}

// joined are the kinds of pods that are asked for, at most mostKinds.
func joined(demand []Demand) []Demand {
	var out []Demand
	for _, d := range demand {
		if d.Count == nil || d.Count.Sign() <= 0 {
			continue
		}
		at := slices.IndexFunc(out, func(k Demand) bool { return k.CPU == d.CPU && k.Memory == d.Memory })
		if at < 0 {
			out = append(out, d)
			continue
		}
		out[at] = join(out[at], d)
	}
	slices.SortFunc(out, func(a, b Demand) int { return cmp.Or(cmp.Compare(a.CPU, b.CPU), cmp.Compare(a.Memory, b.Memory)) })
	for len(out) > mostKinds {
		closest, least := 0, math.Inf(1)
		for i := range len(out) - 1 {
			apart := math.Abs(math.Log(float64(1+out[i+1].CPU)/float64(1+out[i].CPU))) +
				math.Abs(math.Log(float64(1+out[i+1].Memory)/float64(1+out[i].Memory)))
			if apart < least {
				closest, least = i, apart
			}
		}
		out[closest] = join(out[closest], out[closest+1])
		out = slices.Delete(out, closest+1, closest+2)
	}
	return out
}

func join(a, b Demand) Demand {
	most := a.Most + b.Most
	if a.Most == 0 || b.Most == 0 {
		most = 0
	}
	return Demand{min(a.CPU, b.CPU), min(a.Memory, b.Memory), new(big.Rat).Add(a.Count, b.Count), most}
}

// fine is what the largest price is rounded to.
const fine = 1 << 24

// whole rounds prices down to whole numbers; nil where all are nothing.
func (m *master) whole(prices []float64) []int64 {
	top := slices.Max(prices)
	if !(top > 0) || math.IsInf(top, 0) {
		return nil
	}
	out := make([]int64, len(prices))
	for i, y := range prices {
		if y > 0 {
			out[i] = int64(y / top * fine)
		}
	}
	return out
}

// certify compares what is asked with what the nodes hold at whole prices, in rationals; nil where it proves nothing.
func (m *master) certify(supply []Supply, prices, values []int64) *Certificate {
	c := &Certificate{Kinds: m.kinds, Prices: prices, Values: values, Asked: new(big.Rat), Held: new(big.Rat)}
	for i, k := range m.kinds {
		c.Asked.Add(c.Asked, new(big.Rat).Mul(k.Count, new(big.Rat).SetInt64(prices[i])))
	}
	for j, s := range supply {
		held := new(big.Int).Mul(big.NewInt(int64(s.Count)), big.NewInt(values[j]))
		c.Held.Add(c.Held, new(big.Rat).SetInt(held))
	}
	if c.Asked.Cmp(c.Held) <= 0 {
		return nil
	}
	return c
}

// refute solves the LP for so many nodes, whose kinds are those the master was made with.
func (m *master) refute(supply []Supply) *Certificate {
	if len(m.kinds) == 0 {
		return nil
	}
	t := newTableau(m, supply)
	for range 40 * (len(m.kinds) + len(m.nodes)) {
		prices, worth := t.duals()
		if t.settle(prices, worth) {
			continue
		}
		whole := m.whole(prices)
		if whole == nil {
			return nil // everything has a node
		}
		values := make([]int64, len(m.nodes))
		best, gain := column{}, tiny
		for j, n := range m.nodes {
			var count []int
			values[j], count = knapsack(n, m.kinds, whole)
			g := -worth[j]
			for k, x := range count {
				g += float64(x) * prices[k]
			}
			if supply[j].Count > 0 && g > gain {
				best, gain = column{j, count}, g
			}
		}
		if c := m.certify(supply, whole, values); c != nil {
			return c
		}
		if best.count == nil || !t.enter(t.of(best), 0) {
			return nil
		}
		m.columns = append(m.columns, best)
	}
	return nil
}
