package gate

import (
	"cmp"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// counts is what the gate needs of a histogram; *record.Histogram has it. Counts above a bound add up exactly over
// histograms of any layout, so nothing here ever merges one.
type counts interface {
	Count() int64
	CountAbove(d time.Duration) int64
	Quantile(q float64) time.Duration
}

// held says whether promises are held against a series: response time, from due on. Behind a waiting room a promise
// begins when a person is let in, and that is the service time, from the request that was let in to its answer; what
// failed is taken from the response windows there too, since what was refused has no service time.
func held(run *record.Run, k record.Key) bool {
	if run.WaitingRoom != "" && k.Outcome == record.OK {
		return k.Measure == record.Service
	}
	return k.Measure == record.Response
}

// cell is one recorded response window: shots of one tenant ("" for all), step and kind of outcome.
type cell struct {
	tenant, step  string
	failed        bool
	start, length time.Duration
	counts
}

// cellsOf keeps the windows that promises are held against.
func cellsOf(data *Data) []cell {
	cells := make([]cell, 0, len(data.Windows))
	for _, w := range data.Windows {
		if !held(data.Run, w.Key) || w.Histogram == nil {
			continue
		}
		cells = append(cells, cell{
			tenant: w.Tenant, step: w.Step, failed: w.Outcome != record.OK,
			start: w.Start, length: w.Length, counts: w.Histogram,
		})
	}
	return cells
}

// bucket is the cells of one tenant and step in one SLO window, or in several that were joined.
type bucket struct {
	start, end          time.Duration
	shots, slow, failed int64
	cells               []cell
}

// add counts a cell in; within is the SLO's bound on the response time.
func (b *bucket) add(c cell, within time.Duration) {
	n := c.Count()
	b.shots += n
	if c.failed {
		b.failed += n
		b.slow += n
	} else {
		b.slow += c.CountAbove(within)
	}
	b.cells = append(b.cells, c)
}

// join takes over a later bucket.
func (b *bucket) join(next *bucket) {
	b.end = max(b.end, next.end)
	b.shots += next.shots
	b.slow += next.slow
	b.failed += next.failed
	b.cells = append(b.cells, next.cells...)
}

// joined joins buckets in order of time until each holds at least least shots: one with fewer to the next, the last
// to the one before. Nil means that all of them together hold too few.
func joined(buckets []*bucket, least int64) []*bucket {
	slices.SortFunc(buckets, func(a, b *bucket) int { return cmp.Compare(a.start, b.start) })
	var out []*bucket
	var open *bucket
	for _, b := range buckets {
		if open == nil {
			open = &bucket{start: b.start}
		}
		open.join(b)
		if open.shots >= least {
			out, open = append(out, open), nil
		}
	}
	switch {
	case open == nil:
	case len(out) > 0:
		out[len(out)-1].join(open)
	}
	return out
}

// quantile is the q-quantile (0 to 1) over all cells together, to the resolution of their histograms. The quantile of
// a union lies between the least and the largest of the parts' quantiles; there it is found by halving, on counts.
func quantile(cells []cell, q float64) time.Duration {
	var total int64
	low, high := time.Duration(-1), time.Duration(0)
	for _, c := range cells {
		if n := c.Count(); n > 0 {
			total += n
			v := c.Quantile(q)
			high = max(high, v)
			if low < 0 || v < low {
				low = v
			}
		}
	}
	if total == 0 {
		return 0
	}
	allowed := int64((1-q)*float64(total) + 1e-9*float64(total))
	if above(cells, low) <= allowed {
		return low
	}
	for high-low > max(time.Microsecond, low/1000) {
		mid := low + (high-low)/2
		if above(cells, mid) <= allowed {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// above counts the cells' shots that took longer than d.
func above(cells []cell, d time.Duration) int64 {
	var n int64
	for _, c := range cells {
		n += c.CountAbove(d)
	}
	return n
}
