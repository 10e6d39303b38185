package record

import (
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram counts durations in microseconds, from 1 µs to 1 h. It keeps only the counters that are not zero
// (hdrhistogram-go's packed form): a dense one takes 188 kB, and a run has ten thousand of them.
//
// It is not safe for concurrent change.
type Histogram struct{ h *hdrhistogram.PackedHistogram }

// NewHistogram is an empty histogram with that many significant digits (1 to 5): 3 merges with the windows of all
// tenants, 2 with those of single tenants.
func NewHistogram(digits int) *Histogram {
	return &Histogram{hdrhistogram.NewPacked(lowestMicros, highestMicros, min(max(digits, 1), mostDigits))}
}

// Add counts n durations of length d; what lies outside 0 to 1 h is counted as the nearer end.
// It takes time linear in the number of different values: right for tests and models, not for the way of each shot.
func (h *Histogram) Add(d time.Duration, n int64) error {
	v, _ := micros(d)
	if err := h.h.RecordValues(v, n); err != nil {
		return fmt.Errorf("record: add to histogram: %w", err)
	}
	return nil
}

// micros is d in whole microseconds, brought into the histograms' range, and whether it had to be.
func micros(d time.Duration) (v int64, clamped bool) {
	switch v = int64(d / time.Microsecond); {
	case d < 0:
		return 0, true
	case v > highestMicros:
		return highestMicros, true
	default:
		return v, false
	}
}

// Count is the number of values.
func (h *Histogram) Count() int64 { return h.h.TotalCount() }

// Digits is the number of significant digits.
func (h *Histogram) Digits() int { return int(h.h.SignificantFigures()) }

// Quantile gives the q-quantile (0 to 1): the value of rank ⌈q·n⌉ among the n counted, the least that at least the
// share q does not pass, rounded up to the end of its counter's range. Zero where there is no value.
//
// The library's own quantile rounds the rank to the nearest, so that of eight values the 0.9-quantile is the seventh:
// too kind for a promise.
func (h *Histogram) Quantile(q float64) time.Duration {
	// The product may come out a hair above a whole number that it is.
	rank := int64(math.Ceil(q * float64(h.Count()) * (1 - 1e-15)))
	rank = min(max(rank, 1), h.Count())
	var found int64
	var seen int64
	h.h.ForEachBucket(func(value, count int64) bool {
		found = value
		seen += count
		return seen < rank
	})
	if h.Count() == 0 {
		return 0
	}
	l := layouts[h.Digits()]
	return time.Duration(l.value(l.index(found)+1)-1) * time.Microsecond
}

// CountAbove is the number of values above d. Values that the histogram cannot tell from d are not above it.
func (h *Histogram) CountAbove(d time.Duration) int64 {
	if d < 0 {
		return h.Count()
	}
	limit := int64(d / time.Microsecond)
	var above int64
	h.h.ForEachBucket(func(value, count int64) bool {
		if value > limit {
			above += count
		}
		return true
	})
	return above
}

// Mean of the values, each taken as the middle of its counter's range. Zero where there is no value.
func (h *Histogram) Mean() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.Mean() * float64(time.Microsecond))
}

// Max is the largest value, rounded up within the precision. Zero where there is no value.
func (h *Histogram) Max() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.Max()) * time.Microsecond
}

// Each calls do with every counter that is not zero, in ascending order: the least value it stands for and its count.
func (h *Histogram) Each(do func(value time.Duration, count int64)) {
	h.h.ForEachBucket(func(value, count int64) bool {
		do(time.Duration(value)*time.Microsecond, count)
		return true
	})
}

// EachMiddle calls do as Each does, with the middle of the values that a counter stands for: what a mean rests on. Least
// values would be too small by up to a 256th with two digits.
func (h *Histogram) EachMiddle(do func(value time.Duration, count int64)) {
	exact := bits.Len64(uint64(2*math.Pow10(int(h.h.SignificantFigures())) - 1)) // so many bits are kept
	h.h.ForEachBucket(func(value, count int64) bool {
		each := time.Microsecond << max(0, bits.Len64(uint64(value))-exact)
		do(time.Duration(value)*time.Microsecond+each/2, count)
		return true
	})
}

// Merge adds o's counts; it refuses a histogram of another layout. Merging counts is exact: in any order and grouping
// the result is the same.
func (h *Histogram) Merge(o *Histogram) error {
	if h.h.SignificantFigures() != o.h.SignificantFigures() ||
		h.h.LowestTrackableValue() != o.h.LowestTrackableValue() ||
		h.h.HighestTrackableValue() != o.h.HighestTrackableValue() {
		return fmt.Errorf("record: merge: histograms of different layout: %d digits up to %d µs, %d digits up to %d µs",
			h.h.SignificantFigures(), h.h.HighestTrackableValue(), o.h.SignificantFigures(), o.h.HighestTrackableValue())
	}
	if dropped := h.h.Merge(o.h); dropped != 0 {
		return fmt.Errorf("record: merge: %d values are too many to be counted", dropped)
	}
	return nil
}

// Clone is an independent copy.
func (h *Histogram) Clone() *Histogram { return &Histogram{h.h.Clone()} }
