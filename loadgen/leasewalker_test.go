package loadgen

import (
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// In ticks of the walk; a tick is 50 ms on the wall, and the surge goes by ten times as fast as life.
const (
	WalkTick  = 50 * time.Millisecond
	WalkSpeed = 10
	WalkTicks = 600 // of the surge
	WalkParts = 128
)

// DueAt is the Due that a tick is at.
func DueAt(tick int) time.Duration { return time.Duration(tick) * WalkTick * WalkSpeed }

// Walked is the schedule of the walk.
func Walked(t *testing.T) *arrivals.Schedule {
	schedule, err := arrivals.New(&scenarios.Scenario{
		Name:     "walk",
		Arrivals: scenarios.Arrivals{Total: 12_000, Over: DueAt(WalkTicks), Seed: 3},
		Tenants:  scenarios.Tenants{List: []scenarios.Tenant{{Name: "a"}}},
		Journeys: []scenarios.Journey{{Name: "j", Steps: []scenarios.Step{{Name: "s", URL: "/"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return schedule
}

// Walker is what decides in an engine of two shards which arrivals begin, without what then becomes of them.
type Walker struct {
	*Lease
	shards [2]*leased
	pulses [2]pulse
}

func NewWalker(t *testing.T, schedule *arrivals.Schedule) *Walker {
	lease, err := NewLease(WalkParts)
	if err != nil {
		t.Fatal(err)
	}
	w := &Walker{Lease: lease}
	for i := range w.shards {
		w.shards[i] = newLeased(lease, schedule, arrivals.Share{Index: i, Of: len(w.shards)})
	}
	return w
}

// Fire gives what begins or is forgone up to an instant of the run's clock.
func (w *Walker) Fire(clock time.Duration, give func(seq uint32, begins bool)) {
	for i := range w.pulses {
		if why := w.pulses[i].look(clock, clock); why != "" {
			w.Fence(why)
		}
	}
	for _, l := range w.shards {
		for {
			a, r, more := l.peek(clock, WalkSpeed*(clock-mostOverdue))
			if !more || r == waits || a.Due > WalkSpeed*clock {
				break
			}
			l.take(a)
			give(a.Seq, r == begins)
		}
	}
}

// Rest gives what is unsent of the grants that are a fenced walker's last.
func (w *Walker) Rest(grants []Grant, give func(seq uint32, begins bool)) {
	for _, l := range w.shards {
		for _, a := range l.rest(grants) {
			give(a.Seq, false)
		}
	}
}
