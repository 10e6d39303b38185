package nodeagent

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// The stages of pods and nodes in the journal.
const (
	StageBound       = "bound"     // the watch showed a pod bound to a node
	StagePulled      = "pulled"    // its image is on the node
	StageStarted     = "started"   // its container runs
	StageReady       = "ready"     // it answers
	StageEndpoint    = "endpoint"  // an EndpointSlice holds it as ready
	StageRotation    = "rotation"  // the balancer sends it requests
	StageServing     = "serving"   // the first came
	StageWithdrawn   = "withdrawn" // no EndpointSlice holds it as ready any more, nor does the balancer
	StageTerminating = "terminating"
	StageStopped     = "stopped" // its container has ended
	StageDeleted     = "deleted" // its object is gone
	StageStatus      = "status"  // the API server has its status; ResourceVersion, Message is what it says
	StageThrottled   = "throttled"
	StageNodeReady   = "node-ready"
	StageNodeLost    = "node-lost"
	StageError       = "error"
)

// Entry is a line of the journal.
type Entry struct {
	// At is the wall clock in nanoseconds since 1970, the moment at which the stage came about.
	At        int64  `json:"at"`
	Stage     string `json:"stage"`
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"`
	UID       string `json:"uid,omitempty"`
	Node      string `json:"node,omitempty"`
	Message   string `json:"message,omitempty"`
	// ResourceVersion is what the API server gave a status.
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// Values on StageThrottled: periods, throttled_periods, throttled_seconds, cpu_seconds, all since the start.
	Values map[string]float64 `json:"values,omitempty"`
}

// journal writes entries, in the order in which they are told.
type journal struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func newJournal(w io.Writer) *journal {
	if w == nil {
		w = io.Discard
	}
	return &journal{encoder: json.NewEncoder(w)}
}

func (j *journal) write(at time.Time, e Entry) {
	e.At = at.UnixNano()
	j.mu.Lock()
	defer j.mu.Unlock()
	_ = j.encoder.Encode(e) // who reads it will miss it
}
