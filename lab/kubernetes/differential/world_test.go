package differential

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ansturm/ansturm/planner/hpa"
)

// world is one autoscaler's life as data. Times of pods and samples are relative to the sync they are seen in.
type world struct {
	Config hpa.Config
	Spec   *hpa.Spec
	Steps  []step
	Rival  *rival `json:",omitempty"`
}

// step is what one sync meets, and what happened since the one before.
type step struct {
	// before the sync
	Restart bool      `json:",omitempty"` // the controller's process ended, and another took over
	Object  lifecycle `json:",omitempty"`
	Edit    *hpa.Spec `json:",omitempty"`

	// what it sees
	Unreadable       bool          `json:",omitempty"` // the scale
	Selection        hpa.Selection `json:",omitempty"` // never Shared: that comes of the rival
	Replicas, Status int32
	Pods             []hpa.Pod
	Strays           []hpa.Pod `json:",omitempty"`
	Common           int       `json:",omitempty"` // so many of the pods, the first ones, a partly overlapping rival finds too
	Foreign          []hpa.Pod `json:",omitempty"` // and these besides
	Down             bool      `json:",omitempty"` // the API of resource metrics
	Values           []value   `json:",omitempty"` // by the spec's metrics

	// what its writes meet
	Conflicts     int   `json:",omitempty"` // so many writes of the scale in a row
	Meanwhile     int32 `json:",omitempty"` // what the scale became by those who were faster
	Refetch       bool  `json:",omitempty"` // after a conflict the scale cannot be read
	Refused       bool  `json:",omitempty"` // the scale, for another reason than a conflict
	StatusRefused bool  `json:",omitempty"`
}

// value is one metric's answer.
type value struct {
	Down  bool           `json:",omitempty"`
	Took  time.Duration  `json:",omitempty"` // for the answer, or the failure
	Milli []int64        `json:",omitempty"`
	Pods  []hpa.PodValue `json:",omitempty"`
}

// lifecycle is what became of the autoscaler's object before a sync.
type lifecycle uint8

const (
	kept      lifecycle = iota
	replaced            // deleted and made anew before the controller looked: the history stays
	recreated           // deleted, and made anew after the controller had noticed: the history is gone
)

// rival is a second autoscaler with a workload of its own, from the sync From up to To. Its selector is the same, or a
// partly overlapping one, which finds the pods that the steps say.
type rival struct {
	From, To int
	Partly   bool `json:",omitempty"`
}

var (
	errDown    = errors.New("the API is down")
	errRefused = errors.New("the write was refused")
)

// input is what planner/hpa is given for the sync at now.
func (s *step) input(now time.Duration) *hpa.Input {
	in := &hpa.Input{
		Now: now, Selection: s.Selection, SpecReplicas: s.Replicas, StatusReplicas: s.Status,
		Pods: later(s.Pods, now), Strays: later(s.Strays, now),
	}
	if s.Unreadable {
		in.ScaleErr = errDown
	}
	for _, v := range s.Values {
		value := hpa.Value{Milli: v.Milli, Pods: v.Pods, Took: v.Took}
		if v.Down {
			value.Err = errDown
		}
		in.Values = append(in.Values, value)
	}
	return in
}

// later are the pods with their times from the world's beginning.
func later(pods []hpa.Pod, now time.Duration) []hpa.Pod {
	out := make([]hpa.Pod, len(pods))
	for i, p := range pods {
		p.Start += now
		p.ReadyChanged += now
		p.Sample.Time += now
		out[i] = p
	}
	return out
}

// clone is a deep copy.
func (w *world) clone() *world {
	out := &world{}
	if err := json.Unmarshal([]byte(w.String()), out); err != nil {
		panic(fmt.Sprintf("a world cannot be read back: %v", err))
	}
	return out
}

// String is the world as JSON, for the flag -world.
func (w *world) String() string {
	data, err := json.Marshal(w)
	if err != nil {
		panic(fmt.Sprintf("a world cannot be written: %v", err))
	}
	return string(data)
}
