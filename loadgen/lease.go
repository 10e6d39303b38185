package loadgen

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
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
	held   atomic.Pointer[held]
	fenced atomic.Pointer[string]
	fence  chan struct{}           // closed once it is fenced
	last   atomic.Pointer[[]Grant] // the coordinator's last word
}

// NewLease is a lease in a schedule of that many parts, by which nothing may begin as yet.
func NewLease(of int) (*Lease, error) {
	if _, err := arrivals.Parts(of); err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	l := &Lease{of: of, fence: make(chan struct{})}
	l.held.Store(&held{})
	return l, nil
}

// Hold makes h what the epoch holds. One that is older than what it holds is ignored, and Until never falls: what has been
// promised stays so. It is an error, and changes nothing, if a grant has parts that are none, or two overlap. The lease keeps
// h.Grants: they must not change.
func (l *Lease) Hold(h Holding) error {
	old := l.held.Load()
	parts := old.parts
	if !slices.Equal(h.Grants, old.Grants) {
		var err error
		if parts, err = byPart(h.Grants, l.of); err != nil {
			return err
		}
	}
	if h.Coordinator < old.Coordinator || h.Deals < old.Deals {
		return nil
	}
	h.Until, h.Expires = max(h.Until, old.Until), max(h.Expires, old.Expires)
	l.held.Store(&held{h, parts})
	return nil
}

// Fence makes sure that nothing begins by the lease any more, for good; journeys under way are ended as at a cancelled run. The
// first reason stays.
func (l *Lease) Fence(why string) {
	if l.fenced.CompareAndSwap(nil, &why) {
		close(l.fence)
	}
}

// End is the coordinator's last word to the epoch, in answer to its yield or at the end of the run: these grants are the
// epoch's and will be nobody else's. What of them has not begun is unsent, of all else the engine says nothing, and its
// run ends. A lease that is not fenced is so from now on. The first word stays; an error as of Hold changes nothing.
func (l *Lease) End(grants []Grant) error {
	if _, err := byPart(grants, l.of); err != nil {
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

// held is a holding whose grants are found by part.
type held struct {
	Holding
	parts []column // in order; the last one has no grants
}

// column is the parts from lo up to the next column, and the grants that have them, in order of Due.
type column struct {
	lo     int
	grants []Grant
}

// byPart puts grants in columns. It is an error if one has parts that are none of of, or if two overlap.
func byPart(grants []Grant, of int) ([]column, error) {
	var edges []int
	for _, g := range grants {
		if g.Lo < 0 || g.Lo > g.Hi || g.Hi > of || g.From > g.To {
			return nil, fmt.Errorf("lease: grant %+v, must rise and be within %d parts", g, of)
		}
		edges = append(edges, g.Lo, g.Hi)
	}
	slices.Sort(edges)
	var columns []column
	for _, lo := range slices.Compact(edges) {
		columns = append(columns, column{lo: lo})
	}
	grants = slices.SortedStableFunc(slices.Values(grants), func(a, b Grant) int { return cmp.Compare(a.From, b.From) })
	for _, g := range grants {
		if g.empty() {
			continue
		}
		first, _ := slices.BinarySearchFunc(columns, g.Lo, func(c column, lo int) int { return cmp.Compare(c.lo, lo) })
		for i := first; columns[i].lo < g.Hi; i++ {
			c := &columns[i]
			if n := len(c.grants); n > 0 && c.grants[n-1].To > g.From {
				return nil, fmt.Errorf("lease: grants %+v and %+v overlap", c.grants[n-1], g)
			}
			c.grants = append(c.grants, g)
		}
	}
	return columns, nil
}

// rule applies the holding to an arrival at an instant of the run's clock; stale is the Due before which what has not begun
// is forgone.
func (h *held) rule(a arrivals.Arrival, clock, stale time.Duration) ruling {
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
func (h *held) has(part int, due time.Duration) bool {
	i := sort.Search(len(h.parts), func(i int) bool { return h.parts[i].lo > part }) - 1
	if i < 0 {
		return false
	}
	grants := h.parts[i].grants
	k := sort.Search(len(grants), func(k int) bool { return grants[k].From > due }) - 1
	return k >= 0 && due < grants[k].To
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
