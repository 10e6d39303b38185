package record

import (
	"fmt"
	"time"
)

// Fleet is how the workers of a run shared it.
type Fleet struct {
	// Parts of the schedule that were dealt, and how far ahead what was promised reached, on the wall.
	Parts int           `json:"parts"`
	Hold  time.Duration `json:"hold"`
	// Coordinators led the run, one after the other.
	Coordinators int `json:"coordinators"`
	// Epochs are the lives of workers, by worker, then epoch.
	Epochs []FleetEpoch `json:"epochs"`
	// Refused counts messages that were refused and are not in the record, by reason.
	Refused map[string]int64 `json:"refused,omitempty"`
}

// How an epoch of a worker ended.
const (
	EpochDone   = "done"   // it told of all that it began
	EpochLost   = "lost"   // nobody heard of it for too long; it may have come back as another
	EpochFenced = "fenced" // it stood still, or was interrupted, said so, and began nothing more
	EpochDead   = "dead"   // its process had ended, which was proved
)

// FleetEpoch is one life of one engine in a worker.
type FleetEpoch struct {
	Worker uint32 `json:"worker"`
	Epoch  uint32 `json:"epoch"`
	// Name, Host and Processors are the worker's own word.
	Name       string `json:"name,omitempty"`
	Host       string `json:"host,omitempty"`
	Processors int    `json:"processors,omitempty"`
	// Ended is one of the Epoch constants; empty where no coordinator knew.
	Ended string `json:"ended,omitempty"`
	// Lost arrivals are those that it may have begun, and of which nobody knows what became.
	Lost int64 `json:"lost,omitempty"`
	// Clock is nil where no coordinator heard of it after the epoch's start.
	Clock *FleetClock `json:"clock,omitempty"`
}

// String is as "w2:1".
func (e *FleetEpoch) String() string { return fmt.Sprintf("w%d:%d", e.Worker, e.Epoch) }

// FleetClock is what heartbeats measured of a worker's clock while an epoch fired. All bounds rest on nothing but the order of
// question and answer, and on clocks that go apart by at most 50 ppm.
type FleetClock struct {
	// Offset is how far the clock was ahead of the coordinator's when the epoch began to fire, Uncertainty how far that may be from the truth,
	// and Worst the most that an offset was uncertain by until the epoch's end.
	Offset      time.Duration `json:"offset"`
	Uncertainty time.Duration `json:"uncertainty"`
	Worst       time.Duration `json:"worst"`
	// Drift is by how many parts of a million it was faster than the coordinator's since then, DriftUncertainty how far that may be from the truth.
	Drift            float64 `json:"drift"`
	DriftUncertainty float64 `json:"driftUncertainty"`
	// Steps are how often one of the clocks was found to have been set; the drift is that since the last time.
	Steps int `json:"steps,omitempty"`
	// Apart bounds how far the run's clock, by which the epoch's seconds were counted, was from the coordinator's at any time.
	Apart time.Duration `json:"apart"`
	// Skew bounds how far from the run's start the first shard first looked whether something was due; nil for an epoch that joined later.
	Skew *time.Duration `json:"skew,omitempty"`
}

// Workers is how many there were.
func (f *Fleet) Workers() int {
	all := map[uint32]bool{}
	for i := range f.Epochs {
		all[f.Epochs[i].Worker] = true
	}
	return len(all)
}

// Broken is how many epochs did not end as they should.
func (f *Fleet) Broken() (n int) {
	for i := range f.Epochs {
		if f.Epochs[i].Ended != EpochDone {
			n++
		}
	}
	return n
}

// Skew bounds how far from the start the latest of those who were there began; known is false where no epoch's is.
func (f *Fleet) Skew() (skew time.Duration, known bool) {
	for i := range f.Epochs {
		if c := f.Epochs[i].Clock; c != nil && c.Skew != nil {
			skew, known = max(skew, *c.Skew), true
		}
	}
	return skew, known
}

// Farthest is the clock that was farthest from the coordinator's; nil where none was measured.
func (f *Fleet) Farthest() (farthest *FleetClock) {
	for i := range f.Epochs {
		if c := f.Epochs[i].Clock; c != nil && (farthest == nil || c.Offset.Abs() > farthest.Offset.Abs()) {
			farthest = c
		}
	}
	return farthest
}
