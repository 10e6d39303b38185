package pack_test

import (
	"fmt"

	"github.com/ansturm/ansturm/planner/pack"
)

func ExampleFit() {
	node := pack.Node{Pool: "vm", CPU: 16_000, Memory: 64 << 30, Pods: 110}
	var pods []pack.Pod
	for range 50 {
		pods = append(pods, pack.Pod{CPU: 500, Memory: 1 << 30, Group: "tenant-1"})
	}
	bound, err := pack.LowerBound(pods, node)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, left := pack.Fit([]pack.Node{node, node}, pods)
	fmt.Printf("at least %d nodes (%s asks for %s); on two, %d are left\n", bound.Nodes, bound.Binding, bound.CPU.FloatString(4), len(left))
	// Output: at least 2 nodes (cpu asks for 1.5625); on two, 0 are left
}

func ExampleCluster_Schedule() {
	c := pack.NewCluster([]pack.Node{{Name: "vm-1", CPU: 4000, Memory: 8 << 30, Pods: 10}, {Name: "vm-2", CPU: 4000, Memory: 8 << 30, Pods: 10}})
	for range 4 {
		node, ok := c.Schedule(pack.Pod{CPU: 1500, Memory: 1 << 30, Group: "tenant-1"})
		fmt.Println(node, ok)
	}
	c.Lose(1)
	fmt.Println(c.Schedule(pack.Pod{CPU: 1500, Memory: 1 << 30, Group: "tenant-1"}))
	// Output:
	// 0 true
	// 1 true
	// 0 true
	// 1 true
	// -1 false
}
