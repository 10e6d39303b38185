package hpa

import (
	"errors"
	"time"
)

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
	// Err is why the sync failed, one of the package's errors or one handed in: the scale could not be read or written, the
	// selector is of no use, or the first invalid metric's error. With Scale or a Metric ≥ 0 the other metrics carried the
	// decision all the same.
	Err error
	// Invalid is how many metrics had an error, FirstInvalid the first one's index (−1 without).
	Invalid, FirstInvalid int
	// Took is how long the metrics took to answer, all together; 0 where none was asked.
	Took time.Duration
}

// Event is what a sync told about the autoscaler, as kubectl describe shows it. The API server gets fewer: a client
// drops repeated events and all beyond a rate.
type Event struct {
	Warning bool
	Reason  string
}

// Why the pods cannot be asked for (rule 6).
var (
	ErrNoSelector  = errors.New("hpa: the scale has no selector")
	ErrBadSelector = errors.New("hpa: the scale's selector cannot be parsed")
	ErrShared      = errors.New("hpa: another autoscaler's selector finds the same pods")
)

// Why a metric can be invalid.
var (
	ErrNoSamples      = errors.New("hpa: the metrics API has no sample")
	ErrNoPods         = errors.New("hpa: the selector finds no pod")
	ErrNoUsableSample = errors.New("hpa: no sample of a pod that counts")
	ErrNoRequest      = errors.New("hpa: a container has no request for the resource")
	ErrNoContainer    = errors.New("hpa: a pod has no container of the metric's name")
	ErrNothingMatched = errors.New("hpa: the pods with a sample request nothing")
)

// Current is what a metric stood at in the last sync that asked it; not valid where the metric was not.
type Current struct {
	Valid bool
	// Utilisation is the whole percent of the requests; 0 for metrics without utilisation.
	Utilisation int32
	// Milli is the average per pod (millicores, thousandths of a byte or of the metric's unit), or the whole value where
	// the target is a value.
	Milli int64
}
