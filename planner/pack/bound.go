package pack

import (
	"fmt"
	"math/big"
)

// Bound is a number of nodes that no assignment goes below, with its reason.
type Bound struct {
	Nodes int
	// Binding is the resource that asks for most: "cpu", "memory" or "pods", or "mixture" where no resource for itself asks
	// for as much as all together do, pods being whole. Empty for no pods.
	Binding string
	// Proof says why one node less is too few, for a mixture.
	Proof *Certificate
	// CPU, Memory and Slots are the exact numbers of nodes that each resource asks for by volume.
	CPU, Memory, Slots *big.Rat
}

// LowerBound is the configuration LP's bound (see [Certificate]), and at least the volume bound: for each resource the demand
// of all pods over what one node gives, the largest of them rounded up. It is an error if some pod fits on no empty node
// of that kind.
func LowerBound(pods []Pod, node Node) (Bound, error) {
	b, err := volume(pods, node)
	if err != nil || len(pods) == 0 {
		return b, err
	}
	alike := map[kindOf]int{}
	for _, p := range pods {
		alike[kindOf{p.CPU, p.Memory}]++
	}
	var demand []Demand
	for k, n := range alike {
		demand = append(demand, Demand{k.cpu, k.memory, big.NewRat(int64(n), 1), n})
	}
	nodes, proof := NodesFor(demand, b.Nodes, len(pods), func(n int) []Supply { return []Supply{{node, n}} })
	if proof != nil {
		b.Nodes, b.Proof, b.Binding = nodes, proof, "mixture"
	}
	return b, nil
}

// volume is the bound of each resource for itself. O(pods).
func volume(pods []Pod, node Node) (Bound, error) {
	cpu, memory := new(big.Int), new(big.Int)
	for i, p := range pods {
		if p.CPU < 0 || p.Memory < 0 {
			return Bound{}, fmt.Errorf("pack: pod %d (%s) has a negative request", i, p.Group)
		}
		if p.CPU > node.CPU || p.Memory > node.Memory || node.Pods < 1 {
			return Bound{}, fmt.Errorf("pack: pod %d (%s: %d millicores, %d bytes) fits on no node of pool %s (%d millicores, %d bytes, %d pods)",
				i, p.Group, p.CPU, p.Memory, node.Pool, node.CPU, node.Memory, node.Pods)
		}
		cpu.Add(cpu, big.NewInt(p.CPU))
		memory.Add(memory, big.NewInt(p.Memory))
	}
	b := Bound{
		CPU:    nodesFor(cpu, node.CPU),
		Memory: nodesFor(memory, node.Memory),
		Slots:  nodesFor(big.NewInt(int64(len(pods))), int64(node.Pods)),
	}
	most := new(big.Rat)
	for _, r := range []struct {
		name  string
		nodes *big.Rat
	}{{"cpu", b.CPU}, {"memory", b.Memory}, {"pods", b.Slots}} {
		if r.nodes.Cmp(most) > 0 {
			most, b.Binding = r.nodes, r.name
		}
	}
	b.Nodes = roundUp(most)
	return b, nil
}

func nodesFor(demand *big.Int, supply int64) *big.Rat {
	if demand.Sign() == 0 {
		return new(big.Rat)
	}
	return new(big.Rat).SetFrac(demand, big.NewInt(supply))
}

func roundUp(r *big.Rat) int {
	q, m := new(big.Int).QuoRem(r.Num(), r.Denom(), new(big.Int))
	if m.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	return int(q.Int64())
}
