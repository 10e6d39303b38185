package lease

import (
	"fmt"
	"time"

	"github.com/ansturm/ansturm/loadgen"
)

// How a fleet's coordinators and workers keep time, on the wall.
const (
	BeatEvery   = 200 * time.Millisecond // a worker's heartbeat
	LookEvery   = 50 * time.Millisecond  // a coordinator's call of [Keeper.Next]
	LostAfter   = 800 * time.Millisecond // of silence
	DefaultHold = 3 * time.Second

	lead       = 250 * time.Millisecond // of a deal at once before its first Due
	lateLook   = 200 * time.Millisecond // of a coordinator, which moves its deadlines
	raiseBy    = time.Second            // the ceiling at a time
	comeBack   = 2 * time.Second        // of a lost epoch, beyond the hold
	joinsApart = time.Second            // deals for those who have joined
	mostMoves  = 4096                   // in one deal, so that it fits into a message
)

// Terms hold for the whole run.
type Terms struct {
	// Speed is platform time by wall time; 0 means 1.
	Speed float64
	// End is a Due after all of the schedule's.
	End time.Duration
	// Hold is how far ahead a promise reaches; 0 means DefaultHold.
	Hold time.Duration
}

// Validate says what is wrong with the terms; it never changes them.
func (t Terms) Validate() error {
	switch {
	case !(t.Speed >= 0 && t.Speed <= 1e6):
		return fmt.Errorf("speed %g, must be above 0", t.Speed)
	case t.End <= 0:
		return fmt.Errorf("end %s, must be after all arrivals", t.End)
	case t.Hold != 0 && t.Hold < LostAfter:
		return fmt.Errorf("hold %s, must be %s or more", t.Hold, LostAfter)
	}
	return nil
}

// at is the Due at a time of the run's clock, none below 0.
func (t Terms) at(now time.Duration) time.Duration {
	return max(0, time.Duration(float64(now)*t.Speed))
}

// wall is when something due then is due.
func (t Terms) wall(due time.Duration) time.Duration {
	return time.Duration(float64(due) / t.Speed)
}

// Facts are what a heartbeat says that a coordinator goes by.
type Facts struct {
	// Capacity is as Joined takes it, for a coordinator that came later; 0 leaves what is known.
	Capacity float64
	// Apart is how far its run clock may be from the coordinator's, if that is Measured.
	Apart    time.Duration
	Measured bool
	// Fenced: it begins nothing any more, and every shard of it knows.
	Fenced bool
	// Deaf is for how long the answers to its heartbeats have not reached it, as far as is known: so long it counts as silent.
	Deaf time.Duration
	// Done: it begins nothing any more, and has told of everything that it began.
	Done bool

	// What [Balance] goes by: arrivals a second; how busy its shards are, from 0 to 1; its lateness' 99th percentile by the limit
	// beyond which a run is invalid.
	Rate, Busy, Late float64
}

// Promise is the answer to a heartbeat: what the epoch holds. Its Until goes with its Grants, or with all entries up to its Deals:
// by fewer of them an epoch must not follow it. A coordinator that may not promise anything, not yet or not any more, gives the zero
// Promise, which changes no [loadgen.Lease].
type Promise struct {
	loadgen.Holding
	// Lost: it is promised nothing more, and nothing more is dealt to it.
	Lost bool
	// Final: its Grants are the epoch's for good, and no promise will be higher. What of them it has not begun it may call unsent
	// ([loadgen.Lease.End]). So it is for one that is fenced, once others have what it would have had; and for all after Stop,
	// which a later coordinator must repeat before it begins.
	Final bool
}

// State is what a coordinator thinks of an epoch.
type State int

// The states of an epoch; it only goes down this list, but from Presumed to Joined or any other.
const (
	Presumed State = iota // in the list, and not heard by this coordinator as yet
	Joined
	Lost    // silent for too long
	Yielded // fenced, by its own word
	Dead    // proved
)

// String is as "lost".
func (s State) String() string {
	return [...]string{"presumed", "joined", "lost", "fenced", "dead"}[s]
}

// Member is an epoch as a coordinator knows it.
type Member struct {
	Owner
	State State
	// Since when it is in that state, and when it was last heard.
	Since, Heard time.Duration
	// Capacity is in shots a second, less what was taken from it since.
	Capacity float64
	// Parts that are its own in the end.
	Parts int
	// Until is the Due before which this coordinator has promised it what is its own.
	Until time.Duration
	// Facts are the last that it told.
	Facts Facts

	quiet time.Duration // since when, less what was the Keeper's own fault
}

// gone says that the epoch begins nothing any more.
func (m *Member) gone() bool { return m.State >= Yielded || m.Facts.Done }

// living says that parts can be dealt to the epoch.
func (m *Member) living() bool { return m.State == Joined && !m.Facts.Done }
