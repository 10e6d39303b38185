package lab

import (
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/pack"
	"github.com/ansturm/ansturm/scenarios"
)

// node caps the sum of its pods' CPU: capacity less what the system keeps for itself.
type node struct {
	name   string
	pool   *scenarios.NodePool
	spec   pack.Node
	cores  float64
	pods   []*pod
	wanted float64
	tight  bool
	lost   bool
	// images are the workloads whose image is there, from when; pulled is when the last queued pull is done.
	images map[string]time.Duration
	pulled time.Duration
}

func newNode(ref scenarios.NodeRef) *node {
	cores, memory, pods := ref.Pool.Allocatable()
	return &node{
		name: ref.Name, pool: ref.Pool, cores: cores, images: map[string]time.Duration{},
		spec: pack.Node{
			Name: ref.Name, Pool: ref.Pool.Name, Site: ref.Pool.Site,
			CPU: int64(math.Round(cores * 1000)), Memory: memory, Pods: pods,
		},
	}
}

// wish notes that p wants other than before, and shares the cores out anew where that matters to others.
func (n *node) wish(p *pod, want float64) {
	n.wanted += want - p.wanted
	p.wanted = want
	if n.wanted > n.cores+1e-9 {
		n.tight = true
		n.fill()
		return
	}
	if n.tight {
		n.tight = false
		for _, other := range n.pods {
			other.grant(other.wanted)
		}
		return
	}
	p.grant(want)
}

// fill pours the node's cores over the pods by weight until each has what it wants or all are used up: the kernel's
// fair scheduler with cpu.weight from the request, in the fluid limit.
func (n *node) fill() {
	thirsty := make([]*pod, 0, len(n.pods))
	weight, left := 0.0, n.cores
	for _, p := range n.pods {
		if p.wanted > 0 {
			thirsty = append(thirsty, p)
			weight += p.weight
		} else {
			p.grant(0)
		}
	}
	for len(thirsty) > 0 {
		level, before := left/weight, len(thirsty)
		thirsty = slices.DeleteFunc(thirsty, func(p *pod) bool {
			if p.wanted > level*p.weight {
				return false
			}
			left -= p.wanted
			weight -= p.weight
			p.grant(p.wanted)
			return true
		})
		if len(thirsty) == before {
			for _, p := range thirsty {
				p.grant(level * p.weight)
			}
			return
		}
	}
}

// leave takes p off the node.
func (n *node) leave(p *pod) {
	n.wish(p, 0)
	n.pods = slices.DeleteFunc(n.pods, func(other *pod) bool { return other == p })
	if len(n.pods) == 0 {
		n.wanted = 0
	}
}

// loseNode kills a node: its pods die at once, and only after NodeLossDetection does the control plane replace them.
func (c *core) loseNode(name string) {
	i := slices.IndexFunc(c.nodes, func(n *node) bool { return n.name == name && !n.lost })
	if i < 0 {
		return
	}
	n := c.nodes[i]
	c.fell(n)
	c.cluster.Lose(i)
	c.at(c.now+c.auto.NodeLossDetection, func() { c.bury(n) })
}

func (c *core) sayNode(n *node) {
	c.say(record.Event{Kind: record.KindNode, Object: n.name, Workload: n.pool.Name, Phase: "ready"})
}

// fell ends a node and all that is on it.
func (c *core) fell(n *node) {
	n.lost = true
	c.say(record.Event{Kind: record.KindNode, Object: n.name, Workload: n.pool.Name, Phase: "lost"})
	for _, p := range slices.Clone(n.pods) {
		p.die("node lost")
	}
}

// bury is the control plane noticing that a node is gone.
func (c *core) bury(n *node) {
	for _, d := range c.tenants {
		d.pods = slices.DeleteFunc(d.pods, func(p *pod) bool { return p.dead && p.node == n })
		d.resize(d.desired)
		d.report()
	}
}
