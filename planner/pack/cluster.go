package pack

import (
	"maps"
	"math"
)

// Cluster is a set of nodes and what runs on them. It is not safe for concurrent use; each world has its own, made once
// and reused by Reset or CopyFrom.
type Cluster struct {
	nodes  []Node
	used   []load
	groups map[string]int
	// counts holds the pods of each group on each node, group after group.
	counts []int32
}

// load is what is in use on one node.
type load struct {
	cpu, memory int64
	pods        int
	lost        bool
}

// NewCluster is a cluster of empty nodes.
func NewCluster(nodes []Node) *Cluster {
	return &Cluster{
		nodes:  append([]Node(nil), nodes...),
		used:   make([]load, len(nodes)),
		groups: make(map[string]int),
	}
}

// Reset empties all nodes and brings the lost ones back.
func (c *Cluster) Reset() {
	clear(c.used)
	clear(c.counts)
}

// CopyFrom makes c an independent copy of from, reusing c's memory.
func (c *Cluster) CopyFrom(from *Cluster) {
	c.nodes = append(c.nodes[:0], from.nodes...)
	c.used = append(c.used[:0], from.used...)
	c.counts = append(c.counts[:0], from.counts...)
	if c.groups == nil {
		c.groups = make(map[string]int, len(from.groups))
	}
	clear(c.groups)
	maps.Copy(c.groups, from.groups)
}

// Len is the number of nodes, lost ones included.
func (c *Cluster) Len() int { return len(c.nodes) }

// Node is the node of that index.
func (c *Cluster) Node(node int) Node { return c.nodes[node] }

// Used is what the pods on a node request, and how many they are.
func (c *Cluster) Used(node int) (millicores, bytes int64, pods int) {
	u := &c.used[node]
	return u.cpu, u.memory, u.pods
}

// Lost says whether the node is gone.
func (c *Cluster) Lost(node int) bool { return c.used[node].lost }

// Schedule binds a pod to a node and returns the node's index; false where it fits on none, which changes nothing.
//
// Nodes that are lost or too full drop out. Of the others the one with the highest score wins, the lowest index on a
// tie (the real scheduler draws lots; here the same input gives the same cluster). The score is, with kube-scheduler's
// default weights, 2 × spread + least allocated + balance, each 0 to 100:
//   - spread, over host names with the system's default skew of 3: the count of the group's pods on the node times
//     ln(nodes in question + 2), plus 2, mapped so that the fewest gets the most;
//   - least allocated: the mean of the free shares of CPU and memory after the pod is there, in whole points;
//   - balance: how close the used shares of CPU and memory are to each other.
//
// Left out: zones, images, taints and affinities.
func (c *Cluster) Schedule(pod Pod) (node int, ok bool) {
	group := c.group(pod.Group)
	counts := c.counts[group*len(c.nodes) : (group+1)*len(c.nodes)]
	fits, fewest, most := 0, int32(math.MaxInt32), int32(0)
	for i := range c.nodes {
		if c.fits(i, pod) {
			fits++
			fewest, most = min(fewest, counts[i]), max(most, counts[i])
		}
	}
	if fits == 0 {
		return -1, false
	}
	spread := spreading{weight: math.Log(float64(fits + 2))}
	spread.least, spread.most = spread.raw(fewest), spread.raw(most)
	best, node := int64(-1), -1
	for i := range c.nodes {
		if !c.fits(i, pod) {
			continue
		}
		if score := 2*spread.score(counts[i]) + c.resources(i, pod); score > best {
			best, node = score, i
		}
	}
	c.Place(node, pod)
	return node, true
}

// Place binds a pod to a node without asking whether it fits (the pods a run starts with).
func (c *Cluster) Place(node int, pod Pod) {
	group := c.group(pod.Group)
	u := &c.used[node]
	u.cpu += pod.CPU
	u.memory += pod.Memory
	u.pods++
	c.counts[group*len(c.nodes)+node]++
}

// Remove takes one pod of that kind off a node. On a lost node, or where the node holds no pod of the group, nothing
// happens: the pod went with the node.
func (c *Cluster) Remove(node int, pod Pod) {
	if node < 0 || node >= len(c.nodes) || c.used[node].lost {
		return
	}
	count := &c.counts[c.group(pod.Group)*len(c.nodes)+node]
	if *count == 0 {
		return
	}
	*count--
	u := &c.used[node]
	u.cpu -= pod.CPU
	u.memory -= pod.Memory
	u.pods--
}

// Lose takes a node out with everything on it. Its pods are the caller's to schedule anew.
func (c *Cluster) Lose(node int) {
	c.used[node] = load{lost: true}
	for at := node; at < len(c.counts); at += len(c.nodes) {
		c.counts[at] = 0
	}
}

// fits is the filter: there, with room in all three dimensions.
func (c *Cluster) fits(node int, pod Pod) bool {
	n, u := &c.nodes[node], &c.used[node]
	return !u.lost && u.pods < n.Pods && u.cpu+pod.CPU <= n.CPU && u.memory+pod.Memory <= n.Memory
}

// resources is the sum of the two scores of the node's resources with the pod on it, 0 to 200.
func (c *Cluster) resources(node int, pod Pod) int64 {
	n, u := &c.nodes[node], &c.used[node]
	cpu, memory := u.cpu+pod.CPU, u.memory+pod.Memory
	apart := math.Abs(share(cpu, n.CPU) - share(memory, n.Memory))
	return (free(n.CPU, cpu)+free(n.Memory, memory))/2 + int64((1-apart/2)*100)
}

func free(allocatable, requested int64) int64 {
	if allocatable <= 0 || requested > allocatable {
		return 0
	}
	return (allocatable - requested) * 100 / allocatable
}

func share(requested, allocatable int64) float64 {
	if allocatable <= 0 {
		return 0
	}
	return min(float64(requested)/float64(allocatable), 1)
}

// group is the index of a group, which is made on its first mention.
func (c *Cluster) group(name string) int {
	if i, known := c.groups[name]; known {
		return i
	}
	i := len(c.groups)
	c.groups[name] = i
	for range c.nodes {
		c.counts = append(c.counts, 0)
	}
	return i
}

// spreading maps counts of a group's pods to scores.
type spreading struct {
	weight      float64
	least, most int64
}

func (s *spreading) raw(count int32) int64 {
	const skew = 3
	return int64(math.Round(float64(float64(count)*s.weight) + (skew - 1)))
}

func (s *spreading) score(count int32) int64 {
	if s.most == 0 {
		return 100
	}
	return 100 * (s.most + s.least - s.raw(count)) / s.most
}
