// Package hpa is the HorizontalPodAutoscaler's decision of Kubernetes 1.35, rule for rule, as a function of what the
// controller would see: no clock, no cluster, no goroutine. The embedded platform decides with it in real time, the
// simulator some million times a plan; so a sync allocates nothing once the history has reached its length.
//
// The controller itself cannot be used for this: it needs clients, informers and the module of Kubernetes, and manages
// some thousand syncs a second. The price is a second implementation; the tests name the rules (numbers of the project's
// page on the autoscaler) and a module of its own compares decisions with the real controller.
//
// The steps of a sync: clamp to min and max → for each metric class the pods, average, propose a count → take the
// largest → stabilize over the history → limit the rate → decide.
//
// All times are offsets from an epoch of the caller's choice. The API server keeps a pod's start and transition times
// in whole seconds: a caller who wants the very same decisions truncates them.
package hpa

import (
	"errors"
	"fmt"
	"time"
)

// Config is the controller's own setting, the same for every autoscaler of a cluster.
type Config struct {
	// SyncPeriod is from one sync of an autoscaler to its next. Sync does not read it; who calls Sync does.
	SyncPeriod time.Duration
	// DownscaleStabilization is how long the highest recommendation holds where the spec does not say.
	DownscaleStabilization time.Duration
	// CPUInitializationPeriod is the age up to which a pod's CPU sample counts only if the pod was ready for all of it.
	CPUInitializationPeriod time.Duration
	// InitialReadinessDelay is the age up to which turning unready means that the pod was never ready.
	InitialReadinessDelay time.Duration
	// Tolerance is the relative distance from the target within which nothing is done; 0.1 is 10 %.
	Tolerance float64
}

// Default is the setting of a cluster in which nobody changed it.
func Default() Config {
	return Config{
		SyncPeriod:              15 * time.Second,
		DownscaleStabilization:  5 * time.Minute,
		CPUInitializationPeriod: 5 * time.Minute,
		InitialReadinessDelay:   30 * time.Second,
		Tolerance:               0.1,
	}
}

// Validate says which setting cannot be.
func (c Config) Validate() error {
	switch {
	case c.SyncPeriod <= 0:
		return fmt.Errorf("hpa: sync period is %v, want more than 0", c.SyncPeriod)
	case c.DownscaleStabilization < 0 || c.CPUInitializationPeriod < 0 || c.InitialReadinessDelay < 0:
		return errors.New("hpa: a period of the configuration is negative")
	case !(c.Tolerance >= 0):
		return fmt.Errorf("hpa: tolerance is %v, want at least 0", c.Tolerance)
	}
	return nil
}

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
	// PodLevel: the pod's own requests are set, and Request is what counts instead of the containers' requests.
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
}

// Input is what the controller sees in one sync.
type Input struct {
	Now time.Duration
	// SpecReplicas and StatusReplicas are those of the workload's scale.
	SpecReplicas, StatusReplicas int32
	Pods                         []Pod
	// Strays are samples of pods that are gone but still in the metrics API; only Sample and Containers are read.
	Strays []Pod
	// Values are the answers for the metrics of the spec, in its order. May be shorter: Resource metrics need none.
	Values []Value
}

// Cause is why the replica count is to change.
type Cause uint8

// The causes of a change.
const (
	NoCause     Cause = iota
	AboveMax          // there were more than maxReplicas
	BelowMin          // there were fewer than minReplicas
	AboveTarget       // a metric asks for more
	BelowTarget       // all metrics ask for fewer
)

// String is the cause in a word.
func (c Cause) String() string {
	switch c {
	case AboveMax:
		return "above max"
	case BelowMin:
		return "below min"
	case AboveTarget:
		return "above target"
	case BelowTarget:
		return "below target"
	}
	return ""
}

// Condition is one condition of the autoscaler's status; Reason is empty as long as it was never set.
type Condition struct {
	True   bool
	Reason string
}

// Conditions are the three of an autoscaler. They stay as they are where a sync says nothing new about them.
type Conditions struct{ AbleToScale, ScalingActive, ScalingLimited Condition }

// Decision is what one sync came to.
type Decision struct {
	// Desired is the count to set; SpecReplicas where nothing is to be done.
	Desired int32
	// Scale: Desired is to be written.
	Scale bool
	Cause Cause
	// Metric is the index of the metric that asked for most, −1 where none was asked or none answered.
	Metric int
	// Proposed is that metric's count before stabilization and limits, Stabilized the count before the limits.
	Proposed, Stabilized int32
	Conditions           Conditions
	// Err is the first invalid metric's error, one of the package's or one handed in. With Scale or a Metric ≥ 0 the
	// others carried the decision.
	Err error
	// Invalid is how many metrics had an error, FirstInvalid the first one's index (−1 without).
	Invalid, FirstInvalid int
}

// Why a metric can be invalid.
var (
	ErrNoSamples      = errors.New("hpa: the metrics API has no sample")
	ErrNoPods         = errors.New("hpa: the selector finds no pod")
	ErrNoUsableSample = errors.New("hpa: no sample of a pod that counts")
	ErrNoRequest      = errors.New("hpa: a container has no request for the resource")
	ErrNoContainer    = errors.New("hpa: a pod has no container of the metric's name")
	ErrNothingMatched = errors.New("hpa: the pods with a sample request nothing")
)

// Current is what a metric stood at in the last sync.
type Current struct {
	Valid bool
	// Utilisation is the whole percent of the requests; 0 for metrics without utilisation.
	Utilisation int32
	// Milli is the average per pod (millicores, thousandths of a byte or of the metric's unit), or the whole value where
	// the target is a value.
	Milli int64
}
