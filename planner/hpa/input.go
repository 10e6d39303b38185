package hpa

import "time"

// Phase is a pod's phase. The zero value is Running.
type Phase uint8

// The phases of a pod.
const (
	Running Phase = iota
	Pending
	Succeeded
	Failed
	UnknownPhase
)

// Readiness is the status of a pod's Ready condition. The zero value means that the pod has none yet.
type Readiness uint8

// The statuses of the Ready condition.
const (
	NoCondition Readiness = iota
	Ready
	NotReady
	UnknownReadiness
)

// Amount is CPU in millicores and memory in bytes; a resource whose Has is false is not given.
type Amount struct {
	CPU, Memory       int64
	HasCPU, HasMemory bool
}

// Of is an amount that gives both resources.
func Of(millicores, bytes int64) Amount {
	return Amount{CPU: millicores, Memory: bytes, HasCPU: true, HasMemory: true}
}

// Container is one container of a pod: the regular ones and the restartable init containers.
type Container struct {
	Name    string
	Request Amount
	// Usage is what the pod's sample says of it.
	Usage Amount
	// Unlisted: the pod's sample does not name the container at all. (Named without a usage, it makes the pod's sample
	// missing; not named, it is only left out of the sum.)
	Unlisted bool
	// UsageOnly: the container has a usage but counts for no request (ephemeral containers).
	UsageOnly bool
}

// Sample says when and over which time a pod's usage was measured. Has is false where the metrics API names no such pod.
type Sample struct {
	Has    bool
	Time   time.Duration
	Window time.Duration
}

// Pod is one pod that the workload's selector finds.
type Pod struct {
	Phase    Phase
	Deleting bool // a deletion timestamp is set
	HasStart bool
	Start    time.Duration // status.startTime: when the kubelet first saw the pod
	Ready    Readiness
	// ReadyChanged is the Ready condition's last transition.
	ReadyChanged time.Duration
	Containers   []Container
	Sample       Sample
	// PodLevel: the pod has requests of its own, and Request, the pod's overhead included, counts instead of its containers'.
	// For a resource that Request does not give, the sum of those containers counts that do.
	PodLevel bool
	Request  Amount
}

// PodValue is a custom metric's value of one pod, in thousandths.
type PodValue struct {
	Has   bool
	Milli int64
}

// Value is what the metrics APIs answered for one metric of the spec.
type Value struct {
	// Err: the API failed. Valid for every kind of metric.
	Err error
	// Milli is an Object metric's value (one) or an External metric's series, in thousandths. Empty is a failure.
	Milli []int64
	// Pods are a Pods metric's values, in the order of Input.Pods; further ones are of pods that are gone.
	Pods []PodValue
	// Took is how long the API took for the answer, or to fail. Metrics are asked one after another.
	Took time.Duration
}

// Selection is what came of the search for the workload's pods. The zero value is Selected.
type Selection uint8

// The outcomes of the search for the pods.
const (
	Selected    Selection = iota
	NoSelector            // the scale names no selector
	BadSelector           // the scale's selector cannot be parsed
	// Shared: the selector finds a pod that another autoscaler of the namespace, synced since the controller started, finds
	// by its own selector (rule 6). Both stop.
	Shared
)

// Alike is a number of pods, and what they use and request together.
type Alike struct {
	Pods           int
	Usage, Request Amount
}

// Input is what the controller sees in one sync.
type Input struct {
	// Now is when the sync begins. What follows on a metric's answer goes by the time of the answer.
	Now time.Duration
	// ScaleErr: the workload's scale could not be had. Nothing else is looked at.
	ScaleErr error
	// Selection is looked at where the metrics are asked: not where the count is 0 or outside of min and max.
	Selection Selection
	// SpecReplicas and StatusReplicas are those of the workload's scale.
	SpecReplicas, StatusReplicas int32
	Pods                         []Pod
	// Alike are further pods that need not be named, because each of them counts (rule 8): running, ready, sampled, and past
	// the initialization period. They say the same as if they were among Pods; Resource metrics only.
	Alike Alike
	// Strays are samples of pods that are gone but still in the metrics API; only Sample and Containers are read.
	Strays []Pod
	// Values are the answers for the metrics of the spec, in its order. May be shorter: Resource metrics need none.
	Values []Value
}
