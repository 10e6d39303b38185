// Package pack puts pods onto nodes and says how few nodes could do at all.
//
// It has two users with two questions. The embedded platform and the simulator ask where the next pod goes: [Cluster]
// answers as kube-scheduler does by default, as far as it matters here, in one pass over the nodes and without
// allocating. The planner asks how many nodes a peak needs: [Fit] finds an assignment, [LowerBound] a number that no
// assignment can go below, proved in exact rationals, so that the distance of the two is a proof and not a feeling. [NodesFor]
// does that for nodes of several kinds, and for pods that come and go.
package pack

// Node is one node. CPU is in millicores, Memory in bytes, both allocatable: capacity less what is reserved for the
// system and the DaemonSets. Pods is how many pods it takes beside those.
type Node struct {
	Name, Pool, Site string
	CPU, Memory      int64
	Pods             int
}

// Pod is what one pod requests: millicores and bytes. Group is what is spread over the nodes, a tenant's workload.
type Pod struct {
	CPU, Memory int64
	Group       string
}
