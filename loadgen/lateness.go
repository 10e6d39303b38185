package loadgen

import (
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// lateness counts how late shots went out, in wall time, in buckets of 1/16 of an octave (at most 6 % wide): enough
// to hold against a limit, and one atomic increment a shot.
type lateness struct {
	counts [latenessBuckets]atomic.Uint32
	max    atomic.Int64
}

const latenessBuckets = 16 * 30 // up to 2^30 µs ≈ 18 minutes

// latenessCounts is a copy of the counts at one instant, by bucket; those beyond its end are 0.
type latenessCounts []int64

func latenessBucket(d time.Duration) int {
	us := uint64(max(0, d.Microseconds()))
	if us < 16 {
		return int(us)
	}
	octave := bits.Len64(us) - 5 // 0 for 16..31
	return min(16+octave*16+int(us>>octave)-16, latenessBuckets-1)
}

// latenessUpper is the largest whole microsecond of a bucket.
func latenessUpper(bucket int) time.Duration {
	if bucket < 16 {
		return time.Duration(bucket) * time.Microsecond
	}
	octave, sub := bucket/16-1, bucket%16
	return time.Duration((17+sub)<<octave-1) * time.Microsecond
}

func (l *lateness) add(d time.Duration) {
	l.counts[latenessBucket(d)].Add(1)
	for {
		old := l.max.Load()
		if int64(d) <= old || l.max.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

func (l *lateness) snapshot() latenessCounts {
	c := make(latenessCounts, latenessBuckets)
	for i := range l.counts {
		c[i] = int64(l.counts[i].Load())
	}
	return c
}

// add adds o's counts.
func (c latenessCounts) add(o latenessCounts) {
	for i, n := range o {
		c[i] += n
	}
}

// since gives the counts that came after the earlier snapshot.
func (c latenessCounts) since(earlier latenessCounts) latenessCounts {
	d := slices.Clone(c)
	for i, n := range earlier {
		d[i] -= n
	}
	return d
}

// trimmed are the counts up to the last that is not 0.
func (c latenessCounts) trimmed() latenessCounts {
	for len(c) > 0 && c[len(c)-1] == 0 {
		c = c[:len(c)-1]
	}
	return c
}

func (c latenessCounts) total() (n int64) {
	for _, k := range c {
		n += k
	}
	return n
}

// quantile gives the upper edge of the bucket in which the q-quantile lies; 0 where nothing was counted.
func (c latenessCounts) quantile(q float64) time.Duration {
	total := c.total()
	if total == 0 {
		return 0
	}
	rank := max(1, int64(q*float64(total)+0.999999))
	for i, k := range c {
		if rank -= k; rank <= 0 {
			return latenessUpper(i)
		}
	}
	return latenessUpper(latenessBuckets - 1)
}
