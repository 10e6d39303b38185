package fit

import (
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// crowded is how many times as long as in its emptier seconds a back end takes for a request when it is under strain.
const crowded = 2

// span is a stretch of time in seconds.
type span struct{ from, to float64 }

// strain notes when a run's back ends were past what they do well: requests then wait for them for a time that nobody
// knows, or are given up, and the CPU time they had belongs to no answer of the same scrape. Nobody's work lies further off than
// anyone of the run waited, answered or not: a queue where nothing is served says nothing of how long it will last.
func strain(runs []*run, seen map[string][]serving) {
	for _, list := range seen {
		least := crowded * alone(list)
		for _, s := range list {
			if s.in >= leastCrowd && s.residence >= least {
				r := runs[s.run]
				reach := math.Min(s.residence, r.longest)
				r.strained = append(r.strained, span{s.from - reach, s.to + reach})
			}
		}
	}
}

// strainedIn says whether a back end was under strain in a stretch of time, or had been just before.
func (r *run) strainedIn(from, to float64) bool {
	return slices.ContainsFunc(r.strained, func(s span) bool { return s.from < to && s.to > from })
}

// restless says whether requests from before may still have waited in a tenant's minute: for a back end, or for its pods,
// which were not idle half of the minute before.
func (r *run) restless(t *tenant, from float64) bool {
	used, _, known := t.quietness(from-60, from)
	return known && used > loadedFloor || r.strainedIn(from, from+60)
}

// abandon counts shots that were sent and not answered in time. Where their answer would have been is not known, but
// their work was done about when they were sent: they count as answers of that second for what they cost, and as failed
// ones for whether the second can be trusted.
func (r *run) abandon(w record.Window) {
	switch w.Outcome {
	case record.TimedOut, record.Lost, record.Left:
	default:
		return
	}
	middle := (w.Start + w.Length/2).Seconds()
	w.Histogram.Each(func(waited time.Duration, n int64) {
		s := max(0, int(middle-waited.Seconds()))
		r.bad = grown(r.bad, s)
		r.bad[s] += float64(n)
		r.givenUp[w.Step] = grown(r.givenUp[w.Step], s)
		r.givenUp[w.Step][s] += float64(n)
	})
}
