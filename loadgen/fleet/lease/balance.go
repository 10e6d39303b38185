package lease

import (
	"math"
	"time"
)

// When parts go from one worker to others because it has too much to do.
const (
	tooBusy      = 0.75 // of a worker's shards, or
	tooLate      = 0.5  // its lateness by the limit,
	tooLong      = 3 * time.Second
	idle         = 0.6 // as busy at most is who gets some
	shiftsApart  = 5 * time.Second
	mostShifted  = 8 // an eighth of its parts at a time
	capacityOver = 10 * time.Second
)

// Load is how many parts one of the living has.
type Load struct {
	Owner
	Parts int
}

// Shift is parts to be taken from one worker, and how many of them each of the others gets, in the order of the loads.
type Shift struct {
	From  Owner
	Parts int
	To    []int
}

// Balance finds out who has too much to do by what the workers' heartbeats say: how busy, how late, and with how many arrivals.
// The zero Balance knows nothing. Not safe for concurrent use.
type Balance struct {
	workers map[Owner]*measured
	last    time.Duration
	shifted bool
}

// measured is what is known of one worker.
type measured struct {
	Facts
	at       time.Duration
	capacity float64       // arrivals a second that would keep it busy all the time, a mean over the last seconds
	strained time.Duration // since when it has had too much to do
	strains  bool
}

// Heard is a heartbeat.
func (b *Balance) Heard(o Owner, f Facts, now time.Duration) {
	if b.workers == nil {
		b.workers = map[Owner]*measured{}
	}
	w := b.workers[o]
	if w == nil {
		w = &measured{at: now}
		b.workers[o] = w
	}
	if f.Rate > 0 && f.Busy > 0 {
		c, age := f.Rate/f.Busy, max(0, now-w.at)
		if w.capacity > 0 {
			c = w.capacity + (c-w.capacity)*(1-math.Exp(-age.Seconds()/capacityOver.Seconds()))
		}
		w.capacity = c
	}
	strains := f.Busy > tooBusy || f.Late > tooLate
	if strains && !w.strains {
		w.strained = now
	}
	w.Facts, w.at, w.strains = f, now, strains
}

// due says whether anything may be shifted again, and anybody has too much to do.
func (b *Balance) due(now time.Duration) bool {
	if b.shifted && now-b.last < shiftsApart {
		return false
	}
	for _, w := range b.workers {
		if w.strainedFor(now) > tooLong {
			return true
		}
	}
	return false
}

// strainedFor is how long it has had too much to do, if it still says so.
func (w *measured) strainedFor(now time.Duration) time.Duration {
	if !w.strains || now-w.at > LostAfter {
		return 0
	}
	return now - w.strained
}

// Next is what to shift, given all who are living: from the one that has had too much to do for the longest time, to those with
// little to do, so that all of them have parts by their capacity, but an eighth of its parts at most and not before five seconds
// have gone by. It takes what it says for done.
func (b *Balance) Next(loads []Load, now time.Duration) (Shift, bool) {
	if !b.due(now) {
		return Shift{}, false
	}
	from, longest := -1, tooLong
	for i, l := range loads {
		if w := b.workers[l.Owner]; w != nil && w.capacity > 0 && w.strainedFor(now) > longest {
			from, longest = i, w.strainedFor(now)
		}
	}
	if from < 0 {
		return Shift{}, false
	}
	fair := b.fair(loads, from)
	wants, n := make([]float64, len(loads)), min(loads[from].Parts-fair[from], loads[from].Parts/mostShifted)
	some := false
	for i, l := range loads {
		if i != from && fair[i] > l.Parts {
			wants[i], some = float64(fair[i]-l.Parts), true
		}
	}
	if n <= 0 || !some {
		return Shift{}, false
	}
	b.last, b.shifted = now, true
	return Shift{loads[from].Owner, n, apportion(n, wants)}, true
}

// fair is how many parts by capacity the strained one and those with little to do would have of what they have together; 0 for all
// the others.
func (b *Balance) fair(loads []Load, from int) []int {
	capacities, all := make([]float64, len(loads)), 0
	for i, l := range loads {
		w := b.workers[l.Owner]
		if i == from || w != nil && w.capacity > 0 && w.Busy < idle && w.Late <= tooLate {
			capacities[i], all = w.capacity, all+l.Parts
		}
	}
	return apportion(all, capacities)
}
