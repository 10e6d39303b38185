package pack

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// worthOf is the most that pods on a node can be worth, by trying every mixture.
func worthOf(node Node, kinds []Demand, prices []int64, k int) int64 {
	if k == len(kinds) {
		return 0
	}
	best := int64(0)
	for n := int64(0); ; n++ {
		left := Node{CPU: node.CPU - n*kinds[k].CPU, Memory: node.Memory - n*kinds[k].Memory, Pods: node.Pods - int(n)}
		if left.CPU < 0 || left.Memory < 0 || left.Pods < 0 || kinds[k].Most > 0 && n > int64(kinds[k].Most) {
			return best
		}
		best = max(best, n*prices[k]+worthOf(left, kinds, prices, k+1))
	}
}

// packs says by trying everything whether the pods fit on the nodes.
func packs(nodes []Node, pods []Pod) bool {
	if len(pods) == 0 {
		return true
	}
	p := pods[0]
	for i := range nodes {
		n := nodes[i]
		if n.CPU < p.CPU || n.Memory < p.Memory || n.Pods < 1 {
			continue
		}
		nodes[i] = Node{CPU: n.CPU - p.CPU, Memory: n.Memory - p.Memory, Pods: n.Pods - 1}
		ok := packs(nodes, pods[1:])
		nodes[i] = n
		if ok {
			return true
		}
	}
	return false
}

// checkCertificate holds a certificate against every mixture, without the code that made it.
func checkCertificate(t *rapid.T, supply []Supply, c *Certificate) {
	asked, held := new(big.Rat), new(big.Rat)
	for k, kind := range c.Kinds {
		asked.Add(asked, new(big.Rat).Mul(kind.Count, big.NewRat(c.Prices[k], 1)))
	}
	for j, s := range supply {
		if most := worthOf(s.Node, c.Kinds, c.Prices, 0); most > c.Values[j] {
			t.Fatalf("a mixture on node %+v is worth %d, the proof says at most %d", s.Node, most, c.Values[j])
		}
		held.Add(held, big.NewRat(int64(s.Count)*c.Values[j], 1))
	}
	if asked.Cmp(held) <= 0 {
		t.Fatalf("the proof asks for %v and holds %v", asked, held)
	}
}

func demandOf(pods []Pod) (out []Demand) {
	for _, p := range pods {
		out = append(out, Demand{p.CPU, p.Memory, big.NewRat(1, 1), 1})
	}
	return out
}

func TestRefutedNeverFits(t *testing.T) {
	refuted, missed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var supply []Supply
		var nodes []Node
		for range rapid.IntRange(1, 3).Draw(t, "pools") {
			n := Node{CPU: rapid.Int64Range(1, 20).Draw(t, "cpu"), Memory: rapid.Int64Range(1, 20).Draw(t, "memory"), Pods: rapid.IntRange(1, 5).Draw(t, "pods")}
			s := Supply{n, rapid.IntRange(0, 2).Draw(t, "count")}
			supply = append(supply, s)
			nodes = append(nodes, repeatNode(n, s.Count)...)
		}
		pods := drawPods(t, 7, Node{CPU: 14, Memory: 14})
		c, fits := Refute(supply, demandOf(pods)), packs(nodes, pods)
		if c != nil {
			refuted++
			checkCertificate(t, supply, c)
			if fits {
				t.Fatalf("refuted, but %v fit on %v", pods, supply)
			}
		} else if !fits {
			missed++
		}
	})
	if missed > refuted/3 {
		t.Errorf("%d refuted, %d that do not fit either were not", refuted, missed)
	}
}

// Two kinds of pods that fill half a node and a bit each: by volume they need 1.02 nodes for two, in truth one each.
func TestMixtureNeedsMoreThanItsVolume(t *testing.T) {
	node := Node{Pool: "vm", CPU: 100, Memory: 100, Pods: 10}
	var pods []Pod
	for range 10 {
		pods = append(pods, Pod{CPU: 51, Memory: 10}, Pod{CPU: 10, Memory: 51})
	}
	b, err := LowerBound(pods, node)
	if err != nil || b.Nodes != 10 || b.Binding != "mixture" || b.Proof == nil {
		t.Errorf("%+v (%v), want 10 nodes: no two of a kind share one", b, err)
	}
}

// A mean over time is no whole number of pods: 2.5 of 1,500 on nodes that hold two ask for 1.25 nodes.
func TestDemandMayBeAMeanOverTime(t *testing.T) {
	node := Node{CPU: 4000, Memory: gib, Pods: 10}
	small := Node{CPU: 2000, Memory: gib, Pods: 10}
	counts := func(n int) []Supply { return []Supply{{small, min(n, 2)}, {node, max(0, n-2)}} }
	for _, test := range []struct {
		mean *big.Rat
		want int
	}{{big.NewRat(5, 2), 3}, {big.NewRat(2, 1), 2}, {big.NewRat(4, 1), 3}, {big.NewRat(4001, 1000), 4}, {big.NewRat(1000, 1), 51}} {
		n, proof := NodesFor([]Demand{{CPU: 1500, Count: test.mean}}, 1, 50, counts)
		if n != test.want || proof == nil {
			t.Errorf("%v pods in the mean: %d nodes (%+v), want %d", test.mean, n, proof, test.want)
		}
	}
}

func TestNoPodFitsOnNoNode(t *testing.T) {
	if c := Refute([]Supply{{Node{CPU: 10, Memory: 10, Pods: 2}, 100}}, []Demand{{CPU: 11, Count: big.NewRat(1, 1000)}}); c == nil {
		t.Error("a pod larger than every node was not refuted")
	}
	if c := Refute([]Supply{{Node{CPU: 10, Memory: 10, Pods: 2}, 0}}, nil); c != nil {
		t.Errorf("nothing does not fit on nothing: %+v", c)
	}
}

// many are 3,000 pods in the sizes of 150 tenants.
func many() []Pod {
	rng := rand.New(rand.NewPCG(1, 1))
	var pods []Pod
	for range 150 {
		cpu, memory := 100+50*rng.Int64N(20), gib/4+rng.Int64N(12)*gib/4
		for range 20 {
			pods = append(pods, Pod{CPU: cpu, Memory: memory})
		}
	}
	return pods
}

func TestBoundOfManyTenantsIsCloseToThePacking(t *testing.T) {
	pods := many()
	b, err := LowerBound(pods, alike(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	_, left := Fit(alike(b.Nodes+2), pods)
	if len(left) > 0 {
		t.Errorf("bound %d nodes by %s, and on two more %d pods are left", b.Nodes, b.Binding, len(left))
	}
}

func BenchmarkLowerBound(b *testing.B) {
	pods := many()
	for b.Loop() {
		if _, err := LowerBound(pods, alike(1)[0]); err != nil {
			b.Fatal(err)
		}
	}
}
