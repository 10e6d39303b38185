package loadgen

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// The limits of a lease, on the wall.
const (
	longestStall = time.Second            // between two looks of a shard at its clock
	mostParting  = 250 * time.Millisecond // of the run's clock from the wall's, between two looks
	mostOverdue  = 250 * time.Millisecond // of what begins when a lease comes or comes back
)

// Grant is parts of the schedule, Lo to Hi−1, from one Due to before another, in platform time.
type Grant struct {
	Lo, Hi   int
	From, To time.Duration
}

// Holding is what one epoch (one life of one engine) of a fleet's worker may begin: the arrivals in its grants that are due
// before Until, as long as the run's clock is not past Expires.
type Holding struct {
	// Coordinator and Deals say which of two holdings is the later: by the coordinator's number, and by how many of the
	// fleet's deals the grants follow from.
	Coordinator, Deals uint64
	// Grants do not overlap.
	Grants []Grant
	// Until is in platform time.
	Until time.Duration
	// Expires is the same on the wall, since the run's start.
	Expires time.Duration
}

// Lease is the holding of one epoch, told by one goroutine and followed by the engine's shards. It makes sure that what it
// lets begin was this epoch's at that Due by the latest that it knows; what is lost, late or out of order on the way to it
// makes it know less, and let less begin (docs/decisions/0009).
type Lease struct {
	of     int
	held   atomic.Pointer[Holding]
	fenced atomic.Pointer[string]
	quiet  chan struct{} // closed once it is fenced
	last   atomic.Pointer[[]Grant]
}

// NewLease is a lease in a schedule of that many parts, by which nothing may begin as yet.
func NewLease(of int) (*Lease, error) {
	if _, err := arrivals.Parts(of); err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	l := &Lease{of: of, quiet: make(chan struct{})}
	l.held.Store(&Holding{})
	return l, nil
}

// Hold makes h what the epoch holds. One that is older than what it holds is ignored, and Until never falls: what has been
// promised stays so. It is an error, and changes nothing, if a grant has parts that are none, or two overlap. The lease keeps
// h.Grants: they must not change.
func (l *Lease) Hold(h Holding) error {
	if err := l.check(h.Grants); err != nil {
		return err
	}
	old := l.held.Load()
	if h.Coordinator < old.Coordinator || h.Deals < old.Deals {
		return nil
	}
	h.Until, h.Expires = max(h.Until, old.Until), max(h.Expires, old.Expires)
	l.held.Store(&h)
	return nil
}

func (l *Lease) check(grants []Grant) error {
	for i, g := range grants {
		if g.Lo < 0 || g.Lo > g.Hi || g.Hi > l.of || g.From > g.To {
			return fmt.Errorf("lease: grant %+v, must rise and be within %d parts", g, l.of)
		}
		for _, other := range grants[:i] {
			if !g.and(other).empty() {
				return fmt.Errorf("lease: grants %+v and %+v overlap", other, g)
			}
		}
	}
	return nil
}

// Fence makes sure that nothing begins by the lease any more, for good; journeys under way are ended as at a cancelled run. The
// first reason stays.
func (l *Lease) Fence(why string) {
	if l.fenced.CompareAndSwap(nil, &why) {
		close(l.quiet)
	}
}

// End is the coordinator's last word to the epoch, in answer to its yield or at the end of the run: these grants are the
// epoch's and will be nobody else's. What of them has not begun is unsent, of all else the engine says nothing, and its
// run ends. A lease that is not fenced is so from now on. The first word stays; an error as of Hold changes nothing.
func (l *Lease) End(grants []Grant) error {
	if err := l.check(grants); err != nil {
		return err
	}
	l.last.CompareAndSwap(nil, &grants)
	l.Fence("")
	return nil
}

// Fenced says why the lease has ended, "" by the coordinator's word, and whether it has.
func (l *Lease) Fenced() (why string, fenced bool) {
	if reason := l.fenced.Load(); reason != nil {
		return *reason, true
	}
	return "", false
}

// ruling is what a holding says of an arrival.
type ruling int

const (
	begins  ruling = iota
	waits          // for its Due to be promised, or for a lease that has lapsed
	foreign        // is not the epoch's
	forgone        // was overdue when it came to be the epoch's, or came back: it is unsent, so that there is no burst
)

// rule applies the holding to an arrival at an instant of the run's clock; stale is the Due before which what has not begun
// is forgone.
func (h *Holding) rule(a arrivals.Arrival, clock, stale time.Duration) ruling {
	switch {
	case !h.has(int(a.Part), a.Due):
		return foreign
	case a.Due >= h.Until || clock > h.Expires:
		return waits
	case a.Due < stale:
		return forgone
	}
	return begins
}

// has says whether a grant has the part at that Due.
func (h *Holding) has(part int, due time.Duration) bool {
	for _, g := range h.Grants {
		if g.Lo <= part && part < g.Hi && g.From <= due && due < g.To {
			return true
		}
	}
	return false
}

// beyond is what the grants grant and the others do not.
func beyond(grants, others []Grant) []Grant {
	for _, o := range others {
		var left []Grant
		for _, g := range grants {
			left = g.without(o, left)
		}
		grants = left
	}
	return grants
}

func (g Grant) empty() bool { return g.Lo >= g.Hi || g.From >= g.To }

// and is what both grants grant.
func (g Grant) and(o Grant) Grant {
	return Grant{max(g.Lo, o.Lo), min(g.Hi, o.Hi), max(g.From, o.From), min(g.To, o.To)}
}

// without appends what g grants and o does not.
func (g Grant) without(o Grant, to []Grant) []Grant {
	both := g.and(o)
	if both.empty() {
		return append(to, g)
	}
	for _, rest := range [...]Grant{
		{g.Lo, both.Lo, g.From, g.To},
		{both.Lo, both.Hi, g.From, both.From},
		{both.Lo, both.Hi, both.To, g.To},
		{both.Hi, g.Hi, g.From, g.To},
	} {
		if !rest.empty() {
			to = append(to, rest)
		}
	}
	return to
}

// pulse is a shard's last look at two clocks: that of the run, which stands still with a virtual machine that is suspended,
// and the wall's, which does not.
type pulse struct {
	run, wall time.Duration
	beats     bool
}

// look says why an epoch whose shard looks at its clocks now must be fenced; "" where nothing speaks against it. A shard
// sleeps for a quarter of a second at most; one that was away for longer than a second may have been taken for dead.
func (p *pulse) look(run, wall time.Duration) (why string) {
	away, asleep := run-p.run, (wall-p.wall)-(run-p.run)
	switch {
	case !p.beats:
	case away > longestStall:
		why = fmt.Sprintf("stood still for %s", away.Round(time.Millisecond))
	case asleep > mostParting || asleep < -mostParting:
		why = fmt.Sprintf("the clock of the wall went %s further than the run's", asleep.Round(time.Millisecond))
	}
	p.run, p.wall, p.beats = run, wall, true
	return why
}
