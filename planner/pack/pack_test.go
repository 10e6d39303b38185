package pack

import (
	"fmt"
	"math/big"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

const gib = 1 << 30

// alike are n nodes of 16 cores and 64 GiB with 110 pods.
func alike(n int) []Node {
	out := make([]Node, n)
	for i := range out {
		out[i] = Node{Name: fmt.Sprintf("vm-%d", i+1), Pool: "vm", CPU: 16_000, Memory: 64 * gib, Pods: 110}
	}
	return out
}

func TestScheduleChooses(t *testing.T) {
	small := Pod{CPU: 500, Memory: gib, Group: "a"}
	for _, test := range []struct {
		name    string
		prepare func(*Cluster)
		pod     Pod
		want    int
	}{
		{"the lowest index of equals", func(*Cluster) {}, small, 0},
		{"the least allocated", func(c *Cluster) {
			c.Place(0, Pod{8000, 8 * gib, "x"})
			c.Place(1, Pod{4000, 4 * gib, "y"})
			c.Place(2, Pod{8000, 8 * gib, "z"})
		}, small, 1},
		{"the group's pods push it away, although the others are fuller", func(c *Cluster) {
			c.Place(0, small)
			c.Place(1, Pod{12_000, 48 * gib, "x"})
			c.Place(2, Pod{8_000, 32 * gib, "x"})
		}, small, 2},
		// ln 5 = 1.609: raw scores 10·1.609+2 = 18 and 9·1.609+2 = 16 give 88 and 100 of 100; 24 points apart by the double
		// weight. A node 95 % full is 95 points behind an empty one.
		{"among many of the group one more hardly matters", func(c *Cluster) {
			for range 10 {
				c.Place(0, Pod{0, 0, "a"})
				c.Place(1, Pod{0, 0, "a"})
				c.Place(2, Pod{0, 0, "a"})
			}
			c.Remove(1, Pod{0, 0, "a"})
			c.Place(1, Pod{15_200, 60 * gib, "x"})
		}, small, 0},
		{"the one node with room", func(c *Cluster) {
			c.Place(0, Pod{15_600, gib, "x"})
			c.Place(1, Pod{100, 64*gib - 1, "x"})
		}, small, 2},
		{"not the lost one", func(c *Cluster) { c.Lose(0); c.Lose(1) }, small, 2},
		{"cpu and memory in balance", func(c *Cluster) {
			c.Place(0, Pod{8_000, 0, "x"})
			c.Place(1, Pod{4_000, 16 * gib, "x"})
			c.Place(2, Pod{0, 32 * gib, "x"})
		}, Pod{0, 0, "a"}, 1},
	} {
		c := NewCluster(alike(3))
		test.prepare(c)
		if node, ok := c.Schedule(test.pod); !ok || node != test.want {
			t.Errorf("%s: node %d (%v), want %d", test.name, node, ok, test.want)
		}
	}
}

func TestScheduleFillsToTheBrimAndNotBeyond(t *testing.T) {
	nodes := alike(2)
	nodes[1].Pods = 3
	c := NewCluster(nodes)
	placed := 0
	for range 100 {
		if _, ok := c.Schedule(Pod{CPU: 1000, Memory: gib, Group: "a"}); ok {
			placed++
		}
	}
	if placed != 19 {
		t.Errorf("%d pods placed, want 16 by cpu and 3 by the number of pods", placed)
	}
	c.Remove(0, Pod{CPU: 1000, Memory: gib, Group: "a"})
	if node, ok := c.Schedule(Pod{CPU: 1000, Memory: gib, Group: "b"}); !ok || node != 0 {
		t.Errorf("after one left node 0, the next went to %d (%v)", node, ok)
	}
	c.Lose(1)
	c.Remove(1, Pod{CPU: 1000, Memory: gib, Group: "a"}) // it went with the node
	if cpu, memory, pods := c.Used(1); cpu != 0 || memory != 0 || pods != 0 || !c.Lost(1) {
		t.Errorf("lost node holds %d, %d, %d", cpu, memory, pods)
	}
	if node, ok := c.Schedule(Pod{CPU: 1000, Memory: gib}); ok || node != -1 {
		t.Errorf("a full cluster gave node %d", node)
	}
	c.Reset()
	if node, ok := c.Schedule(Pod{CPU: 16_000, Memory: gib}); !ok || node != 0 || c.Lost(1) {
		t.Errorf("after Reset: node %d (%v), lost %v", node, ok, c.Lost(1))
	}
}

func drawPods(t *rapid.T, most int, node Node) []Pod {
	out := make([]Pod, rapid.IntRange(0, most).Draw(t, "pods"))
	for i := range out {
		out[i] = Pod{
			CPU: rapid.Int64Range(0, node.CPU).Draw(t, "cpu"), Memory: rapid.Int64Range(0, node.Memory).Draw(t, "memory"),
			Group: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "group"),
		}
	}
	return out
}

func TestClusterKeepsItsBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		node := Node{CPU: 10, Memory: 10, Pods: 4}
		c := NewCluster([]Node{node, node, node})
		twin := &Cluster{}
		bound := map[int][]Pod{}
		for _, p := range drawPods(t, 20, Node{CPU: 5, Memory: 5}) {
			twin.CopyFrom(c)
			at, ok := c.Schedule(p)
			if again, same := twin.Schedule(p); again != at || same != ok {
				t.Fatalf("the copy chose %d, the original %d", again, at)
			}
			if ok {
				bound[at] = append(bound[at], p)
			}
			switch victim := rapid.IntRange(0, 9).Draw(t, "victim"); {
			case victim < 3 && len(bound[victim]) > 0:
				c.Remove(victim, bound[victim][0])
				bound[victim] = bound[victim][1:]
			case victim == 9:
				c.Lose(2)
				bound[2] = nil
			}
			checkBooks(t, c, bound)
		}
	})
}

func checkBooks(t *rapid.T, c *Cluster, bound map[int][]Pod) {
	for i := range c.Len() {
		var cpu, memory int64
		for _, p := range bound[i] {
			cpu, memory = cpu+p.CPU, memory+p.Memory
		}
		gotCPU, gotMemory, gotPods := c.Used(i)
		if gotCPU != cpu || gotMemory != memory || gotPods != len(bound[i]) {
			t.Fatalf("node %d holds %d, %d, %d, want %d, %d, %d", i, gotCPU, gotMemory, gotPods, cpu, memory, len(bound[i]))
		}
		if n := c.Node(i); cpu > n.CPU || memory > n.Memory || len(bound[i]) > n.Pods {
			t.Fatalf("node %d is overfull", i)
		}
	}
}

func TestLowerBoundNamesWhatBinds(t *testing.T) {
	node := Node{Pool: "vm", CPU: 16_000, Memory: 64 * gib, Pods: 10}
	for _, test := range []struct {
		pods    []Pod
		nodes   int
		binding string
	}{
		{nil, 0, ""},
		{[]Pod{{16_000, gib, ""}}, 1, "cpu"},
		{[]Pod{{16_000, gib, ""}, {1, gib, ""}}, 2, "cpu"},
		{[]Pod{{1, 40 * gib, ""}, {1, 24 * gib, ""}}, 1, "memory"},
		{make([]Pod, 21), 3, "pods"},
	} {
		b, err := LowerBound(test.pods, node)
		if err != nil || b.Nodes != test.nodes || b.Binding != test.binding {
			t.Errorf("%d pods: %+v (%v), want %d by %q", len(test.pods), b, err, test.nodes, test.binding)
		}
	}
	b, err := LowerBound([]Pod{{16_000, gib, ""}, {1, gib, ""}}, node)
	if err != nil || b.CPU.Cmp(big.NewRat(16_001, 16_000)) != 0 {
		t.Errorf("cpu asks for %v nodes (%v), want exactly 16001/16000", b.CPU, err)
	}
	for _, p := range []Pod{{16_001, 0, ""}, {0, 65 * gib, ""}, {-1, 0, ""}} {
		if b, err := LowerBound([]Pod{p}, node); err == nil {
			t.Errorf("%+v: bound %+v, want an error", p, b)
		}
	}
}

// fewest is the optimum by trying everything: each pod on every node used so far or on one new node.
func fewest(node Node, pods []Pod) int {
	best := len(pods)
	var used []load
	var next func(int)
	next = func(i int) {
		if len(used) >= best && !(i == len(pods) && len(used) == best) {
			return
		}
		if i == len(pods) {
			best = len(used)
			return
		}
		for n := range used {
			u := &used[n]
			if u.cpu+pods[i].CPU > node.CPU || u.memory+pods[i].Memory > node.Memory || u.pods == node.Pods {
				continue
			}
			before := *u
			*u = load{cpu: u.cpu + pods[i].CPU, memory: u.memory + pods[i].Memory, pods: u.pods + 1}
			next(i + 1)
			used[n] = before
		}
		used = append(used, load{cpu: pods[i].CPU, memory: pods[i].Memory, pods: 1})
		next(i + 1)
		used = used[:len(used)-1]
	}
	next(0)
	return best
}

func repeatNode(node Node, n int) []Node {
	out := make([]Node, n)
	for i := range out {
		out[i] = node
	}
	return out
}

func TestBoundOptimumFit(t *testing.T) {
	node := Node{CPU: 20, Memory: 20, Pods: 5}
	gap := 0
	rapid.Check(t, func(t *rapid.T) {
		pods := drawPods(t, 8, node)
		bound, err := LowerBound(pods, node)
		if err != nil {
			t.Fatal(err)
		}
		optimum := fewest(node, pods)
		assignment, left := Fit(repeatNode(node, len(pods)), pods)
		used := checkAssignment(t, repeatNode(node, len(pods)), pods, assignment, left)
		if len(left) > 0 || bound.Nodes > optimum || optimum > used {
			t.Fatalf("bound %d ≤ optimum %d ≤ fit %d does not hold (%d left)", bound.Nodes, optimum, used, len(left))
		}
		if used > optimum+1 {
			t.Fatalf("fit uses %d nodes where %d do", used, optimum)
		}
		gap += used - optimum
	})
	if gap > 5 {
		t.Errorf("over 100 small cases the fit used %d nodes more than the optimum, want at most 5", gap)
	}
}

// checkAssignment says how many nodes are in use, once nothing is overfull and no pod is lost.
func checkAssignment(t *rapid.T, nodes []Node, pods []Pod, assignment, left []int) int {
	used := map[int]load{}
	var without []int
	for i, n := range assignment {
		if n < 0 {
			without = append(without, i)
			continue
		}
		u := used[n]
		used[n] = load{cpu: u.cpu + pods[i].CPU, memory: u.memory + pods[i].Memory, pods: u.pods + 1}
	}
	if !reflect.DeepEqual(without, left) {
		t.Fatalf("left is %v, but without node are %v", left, without)
	}
	for n, u := range used {
		if u.cpu > nodes[n].CPU || u.memory > nodes[n].Memory || u.pods > nodes[n].Pods {
			t.Fatalf("node %d is overfull: %+v", n, u)
		}
	}
	return len(used)
}

func TestFitLeavesNothingThatWouldFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := make([]Node, rapid.IntRange(0, 4).Draw(t, "nodes"))
		for i := range nodes {
			nodes[i] = Node{CPU: rapid.Int64Range(0, 20).Draw(t, "cpu"), Memory: rapid.Int64Range(0, 20).Draw(t, "memory"), Pods: rapid.IntRange(0, 5).Draw(t, "pods")}
		}
		pods := drawPods(t, 20, Node{CPU: 10, Memory: 10})
		assignment, left := Fit(nodes, pods)
		checkAssignment(t, nodes, pods, assignment, left)
		c := NewCluster(nodes)
		for i, n := range assignment {
			if n >= 0 {
				c.Place(n, pods[i])
			}
		}
		for _, i := range left {
			for n := range nodes {
				if c.fits(n, pods[i]) {
					t.Fatalf("pod %d is left, but fits on node %d", i, n)
				}
			}
		}
	})
}

func TestMoreLoadNeverLowersTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		node := Node{CPU: 20, Memory: 20, Pods: 5}
		less := drawPods(t, 6, node)
		more := append([]Pod(nil), less...)
		for i := range more {
			more[i].CPU += rapid.Int64Range(0, node.CPU-more[i].CPU).Draw(t, "more cpu")
			more[i].Memory += rapid.Int64Range(0, node.Memory-more[i].Memory).Draw(t, "more memory")
		}
		more = append(more, drawPods(t, 2, node)...)
		a, errA := LowerBound(less, node)
		b, errB := LowerBound(more, node)
		if errA != nil || errB != nil || a.Nodes > b.Nodes {
			t.Fatalf("bound %d for less, %d for more (%v, %v)", a.Nodes, b.Nodes, errA, errB)
		}
		if x, y := fewest(node, less), fewest(node, more); x > y {
			t.Fatalf("optimum %d for less, %d for more", x, y)
		}
	})
}

func TestFitMeetsTheBoundOnATightFleet(t *testing.T) {
	// 60 nodes, 8 big and 16 small pods each, to the last core
	var pods []Pod
	for range 60 {
		for range 8 {
			pods = append(pods, Pod{CPU: 1500, Memory: 2 * gib})
		}
		for range 16 {
			pods = append(pods, Pod{CPU: 250, Memory: 3 * gib})
		}
	}
	assignment, left := Fit(alike(60), pods)
	bound, err := LowerBound(pods, alike(1)[0])
	if err != nil || bound.Nodes != 60 || len(left) != 0 || len(assignment) != len(pods) {
		t.Errorf("bound %+v (%v), %d pods left", bound, err, len(left))
	}
}

func TestScheduleDoesNotAllocate(t *testing.T) {
	c, pod := NewCluster(alike(60)), Pod{CPU: 500, Memory: gib, Group: "tenant-1"}
	if n := testing.AllocsPerRun(100, func() {
		if node, ok := c.Schedule(pod); ok {
			c.Remove(node, pod)
		}
	}); n != 0 {
		t.Errorf("%v allocations a pod, want 0", n)
	}
}

func BenchmarkSchedule(b *testing.B) {
	c, pod := NewCluster(alike(60)), Pod{CPU: 500, Memory: gib, Group: "tenant-1"}
	b.ReportAllocs()
	for b.Loop() {
		if node, ok := c.Schedule(pod); ok {
			c.Remove(node, pod)
		}
	}
}

func BenchmarkFit(b *testing.B) {
	var pods []Pod
	for i := range int64(3000) {
		pods = append(pods, Pod{CPU: 100 + i%7*50, Memory: gib/4 + i%11*gib/16})
	}
	for b.Loop() {
		Fit(alike(60), pods)
	}
}
