package scenarios

import (
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
)

// Platform is where a surge lands: node pools, the tenants' workloads with their autoscaling, shared back ends.
type Platform struct {
	Name  string `json:"name"`
	Title Text   `json:"title,omitempty"`
	// Kubernetes is the version whose rules apply, "1.35". Empty means 1.35.
	Kubernetes  string      `json:"kubernetes,omitempty"`
	Autoscaling Autoscaling `json:"autoscaling,omitzero"`
	Pools       []NodePool  `json:"pools"`
	Backends    []Backend   `json:"backends,omitempty"`
	Workloads   []Workload  `json:"workloads"`
	// Admission is a waiting room before the platform; nil means that everybody comes straight in.
	Admission *Admission `json:"admission,omitempty"`
	// Disruptions are what goes wrong during the run, by intent.
	Disruptions []Disruption `json:"disruptions,omitempty"`
}

// Autoscaling holds the control plane's own settings; zero values mean Kubernetes' defaults.
type Autoscaling struct {
	SyncPeriod       time.Duration `json:"syncPeriod,omitempty"`       // 15 s
	MetricResolution time.Duration `json:"metricResolution,omitempty"` // 15 s: metrics-server's scrape
	Housekeeping     time.Duration `json:"housekeeping,omitempty"`     // 10 s: the least time between two of the kubelet's readings of a container
	MetricLag        time.Duration `json:"metricLag,omitempty"`        // 1 s: from scrape to being served
	EndpointDelay    time.Duration `json:"endpointDelay,omitempty"`    // 1 s: from Ready to the balancer
	SchedulingDelay  time.Duration `json:"schedulingDelay,omitempty"`  // 100 ms: from created to bound
	// NodeLossDetection is from a node's death to its pods being replaced. 40 s.
	NodeLossDetection time.Duration `json:"nodeLossDetection,omitempty"`
}

// NodePool is a number of like nodes.
type NodePool struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	// Capacity of one node: cpu, memory, pods.
	Capacity corev1.ResourceList `json:"capacity"`
	// Reserved for system and DaemonSets on each node: cpu, memory, pods.
	Reserved corev1.ResourceList `json:"reserved,omitempty"`
	// LeadTime is from ordering a node to its being Ready.
	LeadTime time.Duration `json:"leadTime,omitempty"`
	Kind     string        `json:"kind,omitempty"` // "vm" or "dedicated"
	Site     string        `json:"site,omitempty"`
	// Most is the largest Count the pool can be raised to. Zero means no limit is known.
	Most int `json:"most,omitempty"`
	// Cost of one node relative to the others'. Zero means 1.
	Cost float64 `json:"cost,omitempty"`
}

// Backend is a shared service behind the tenants (database, identity, payment): a processor-sharing server of its own.
type Backend struct {
	Name string `json:"name"`
	// Cores is how many requests are served at full speed at the same time.
	Cores float64 `json:"cores"`
	// Contention and Coherency are α and β of the universal scalability law over the requests in service
	// (Gunther 2007); zero means none.
	Contention float64 `json:"contention,omitempty"`
	Coherency  float64 `json:"coherency,omitempty"`
	// Most is the largest number of requests in service; more are refused. Zero means 10,000.
	Most int `json:"most,omitempty"`
}

// Workload is one Deployment, the same for each of its tenants. Several may have the same Name (one image, one name of
// the Deployment, other settings for other tenants) as long as no tenant is named by two of them.
type Workload struct {
	Name string `json:"name"`
	// Tenants it serves, each by its own Deployment; empty means every tenant of the scenario that no other workload names.
	Tenants   []string                    `json:"tenants,omitempty"`
	Resources corev1.ResourceRequirements `json:"resources"`
	// Replicas at the start, and for good where HPA is nil.
	Replicas int32 `json:"replicas"`
	// HPA is the verbatim spec of autoscaling/v2; scaleTargetRef may be left out.
	HPA   *autoscalingv2.HorizontalPodAutoscalerSpec `json:"hpa,omitempty"`
	Start Start                                      `json:"start"`
	// Memory is a pod's working set.
	Memory Memory `json:"memory,omitzero"`
	// Threads is how many requests a pod serves at the same time; Backlog how many more wait; beyond that 503. Zero means 16 and 32.
	Threads int `json:"threads,omitempty"`
	Backlog int `json:"backlog,omitempty"`
	// Steps is the work of each step of the scenario's journeys.
	Steps map[string]Work `json:"steps"`
}

// Start is the way of a pod from bound to ready.
type Start struct {
	Pull  *Distribution `json:"pull,omitempty"`  // image pull; pulls queue one after another on a node
	Start *Distribution `json:"start,omitempty"` // container start
	Ready *Distribution `json:"ready,omitempty"` // from started to Ready
	// WarmUp: for that long after Ready, CPU work costs Factor times as much.
	WarmUp WarmUp `json:"warmUp,omitzero"`
}

// WarmUp is the dear time of a young process (a just-in-time compiler, cold caches).
type WarmUp struct {
	For    time.Duration `json:"for,omitempty"`
	Factor float64       `json:"factor,omitempty"`
}

// Memory is a pod's working set: Base + PerRequest·in flight bytes, of whose rises the share Ratchet (0 to 1) is kept.
type Memory struct {
	Base       int64   `json:"baseBytes,omitempty"`
	PerRequest int64   `json:"perRequestBytes,omitempty"`
	Ratchet    float64 `json:"ratchet,omitempty"`
}

// Work is what one request of a step costs.
type Work struct {
	// CPU is the CPU time of one request.
	CPU Distribution `json:"cpu"`
	// Backends is the work at each shared back end, after the CPU work, in the order of the platform's back ends.
	Backends map[string]time.Duration `json:"backends,omitempty"`
	// Accepts: the step hands in an application; the platform keeps its idempotency key.
	Accepts bool `json:"accepts,omitempty"`
}

// Admission is a waiting room: the persons above its rate wait in the order they came. It remembers nobody: who reloads
// or comes back waits again.
type Admission struct {
	// Rate is how many persons a second are let in at most.
	Rate float64 `json:"rate"`
	// From is when the waiting room is put up; zero means that it is there from the start.
	From time.Duration `json:"from,omitempty"`
}

// LongestDrain is the longest that a waiting room may take to let a scenario's persons in.
const LongestDrain = 24 * time.Hour

// Disruption is one planned mishap.
type Disruption struct {
	At time.Duration `json:"at"`
	// LoseNode is a node's name, pool name and number from 1: "vm-3".
	LoseNode string `json:"loseNode,omitempty"`
}
