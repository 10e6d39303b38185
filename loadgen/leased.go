package loadgen

import (
	"cmp"
	"slices"
	"time"

	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// leased gives one shard its arrivals by a lease. Which shard a part is of never changes: else one would begin what another
// has begun.
type leased struct {
	lease    *Lease
	schedule *arrivals.Schedule
	shard    arrivals.Share

	seen   *held  // what the rest was made for
	spans  []span // of its grants
	next   int    // the first block that has not been read
	limit  int    // the first block of which nothing is promised: it is not read
	reader *arrivals.Reader
	ranges []arrivals.Range // that the reader reads

	// Of the blocks before next, what seen grants and has not been taken, in order: what may begin in its time, and what was
	// overdue when it was granted.
	pending, overdue []arrivals.Arrival
	stale            time.Duration // what of pending is due before was overdue when a lapsed lease came back

	front time.Duration // nothing due then or later has been taken
	lost  []Grant       // of what is before, what is not granted any more
}

// span is the blocks that have arrivals of a grant.
type span struct{ first, last int }

func newLeased(lease *Lease, schedule *arrivals.Schedule, shard arrivals.Share) *leased {
	l := &leased{lease: lease, schedule: schedule, shard: shard, seen: &held{}}
	l.reader = l.read(nil)
	return l
}

// peek gives the next arrival and what the lease says of it at an instant of the run's clock; what is forgone comes first.
// Late is the Due of what is overdue by then, in platform time. It is false where nothing is left of what is promised, as yet,
// and for good once the lease is fenced.
func (l *leased) peek(clock, late time.Duration) (arrivals.Arrival, ruling, bool) {
	if _, fenced := l.lease.Fenced(); fenced {
		return arrivals.Arrival{}, waits, false
	}
	if h := l.lease.held.Load(); h != l.seen {
		l.renew(h, clock, late)
	}
	if len(l.overdue) > 0 && l.seen.rule(l.overdue[0], clock, never) == forgone {
		return l.overdue[0], forgone, true
	}
	for len(l.pending) == 0 {
		if l.next >= l.limit {
			return arrivals.Arrival{}, waits, false
		}
		l.readOn()
	}
	return l.pending[0], l.seen.rule(l.pending[0], clock, l.stale), true
}

// rest gives what has not been taken of the grants that are the epoch's last.
func (l *leased) rest(grants []Grant) []arrivals.Arrival {
	parts, err := byPart(grants, l.lease.of)
	if err != nil {
		panic(err) // the lease has checked them
	}
	l.renew(&held{Holding{Grants: grants, Until: never, Expires: never}, parts}, 0, 0)
	rest, end := append(l.overdue, l.pending...), 0
	for _, s := range l.spans {
		end = max(end, min(s.last+1, l.schedule.Blocks()))
	}
	for l.next < end {
		l.readOn()
		rest = append(rest, l.pending...)
	}
	l.overdue, l.pending = nil, nil
	return rest
}

// over says that nothing is left of what is held, and that what will be held is not in the schedule any more.
func (l *leased) over(now time.Duration) bool {
	all := l.schedule.Blocks()
	return len(l.pending) == 0 && len(l.overdue) == 0 && l.next >= all && l.schedule.FirstBlock(now) == all
}

// take takes what peek gave.
func (l *leased) take(a arrivals.Arrival) {
	l.front = max(l.front, a.Due+1)
	if len(l.overdue) > 0 && l.overdue[0] == a {
		l.overdue = l.overdue[1:]
	} else {
		l.pending = l.pending[1:]
	}
}

// readOn reads the next block.
func (l *leased) readOn() {
	var ranges []arrivals.Range
	for i, g := range l.seen.Grants {
		if l.spans[i].first <= l.next && l.next <= l.spans[i].last {
			ranges = append(ranges, arrivals.Range{Lo: g.Lo, Hi: g.Hi})
		}
	}
	if !slices.Equal(ranges, l.ranges) {
		l.ranges, l.reader = ranges, l.read(ranges)
	}
	l.pending = slices.DeleteFunc(l.reader.Block(l.next, nil), l.isForeign)
	l.next++
}

// read reads the shard's arrivals in those ranges.
func (l *leased) read(ranges []arrivals.Range) *arrivals.Reader {
	set, err := arrivals.Parts(l.lease.of, ranges...)
	if err != nil {
		panic(err) // the lease has checked them
	}
	return l.schedule.Reader(set.Share(l.shard))
}

func (l *leased) isForeign(a arrivals.Arrival) bool { return !l.seen.has(int(a.Part), a.Due) }

// renew goes over to another holding. What it does not grant any more is dropped; of what it grants anew the blocks that have
// been read are read again. What may have been taken before it was lost does not come back: no coordinator grants it again,
// and one that does must not make an arrival begin twice.
func (l *leased) renew(h *held, clock, late time.Duration) {
	old := l.seen
	if clock > old.Expires {
		l.stale = late
	}
	l.seen = h
	if h.Until != old.Until {
		l.limit = min(l.schedule.FirstBlock(h.Until)+1, l.schedule.Blocks())
	}
	if slices.Equal(h.Grants, old.Grants) {
		return
	}
	l.spans = l.spans[:0]
	for _, g := range h.Grants {
		l.spans = append(l.spans, l.span(g))
	}
	for _, g := range beyond(old.Grants, h.Grants) {
		if g.To = min(g.To, l.front); !g.empty() {
			l.lost = append(l.lost, g)
		}
	}
	l.pending = slices.DeleteFunc(l.pending, l.isForeign)
	l.overdue = slices.DeleteFunc(l.overdue, l.isForeign)
	for _, g := range beyond(beyond(h.Grants, old.Grants), l.lost) {
		l.readAgain(g, late)
	}
	slices.SortFunc(l.pending, inOrder)
	slices.SortFunc(l.overdue, inOrder)
}

func (l *leased) span(g Grant) span {
	return span{l.schedule.FirstBlock(g.From), l.schedule.FirstBlock(g.To)}
}

// readAgain adds what a grant has in the blocks that have been read, none of which lies beyond what is promised.
func (l *leased) readAgain(g Grant, late time.Duration) {
	blocks := l.span(g)
	reader := l.read([]arrivals.Range{{Lo: g.Lo, Hi: g.Hi}})
	for b := blocks.first; b < min(l.next, blocks.last+1); b++ {
		for _, a := range reader.Block(b, nil) {
			switch {
			case a.Due < g.From || a.Due >= g.To:
			case a.Due < late:
				l.overdue = append(l.overdue, a)
			default:
				l.pending = append(l.pending, a)
			}
		}
	}
}

// inOrder compares arrivals as a schedule orders them.
func inOrder(a, b arrivals.Arrival) int {
	return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.Seq, b.Seq))
}
