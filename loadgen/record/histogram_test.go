package record

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawHistogram(t *rapid.T, digits int) (*Histogram, []time.Duration) {
	values := rapid.SliceOfN(rapid.Custom(micro), 0, 60).Draw(t, "values")
	h := NewHistogram(digits)
	var durations []time.Duration
	for _, v := range values {
		d := time.Duration(v)*time.Microsecond + time.Duration(rapid.IntRange(0, 999).Draw(t, "ns"))
		if err := h.Add(d, 1); err != nil {
			t.Fatal(err)
		}
		durations = append(durations, d)
	}
	slices.Sort(durations)
	return h, durations
}

func counts(h *Histogram) string {
	var b strings.Builder
	h.Each(func(v time.Duration, n int64) { fmt.Fprintf(&b, "%d×%v ", n, v) })
	return b.String()
}

func merge(t *rapid.T, hs ...*Histogram) *Histogram {
	sum := NewHistogram(hs[0].Digits())
	for _, h := range hs {
		if err := sum.Merge(h); err != nil {
			t.Fatal(err)
		}
	}
	return sum
}

func TestMergeIsAssociativeAndCommutative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, x := drawHistogram(t, 3)
		b, y := drawHistogram(t, 3)
		c, z := drawHistogram(t, 3)
		want := counts(merge(t, a, b, c))
		for _, other := range []*Histogram{merge(t, c, a, b), merge(t, a, merge(t, b, c)), merge(t, merge(t, a, b), c)} {
			if counts(other) != want {
				t.Fatalf("another order gives %s, want %s", counts(other), want)
			}
		}
		whole := NewHistogram(3)
		for _, d := range slices.Concat(x, y, z) {
			if err := whole.Add(d, 1); err != nil {
				t.Fatal(err)
			}
		}
		if counts(whole) != want {
			t.Fatalf("the values together give %s, merged %s", counts(whole), want)
		}
	})
}

func TestMergeRefusesUnlikeLayouts(t *testing.T) {
	a, b := NewHistogram(3), NewHistogram(2)
	if err := a.Merge(b); err == nil || !strings.Contains(err.Error(), "3 digits up to 3600000000 µs, 2 digits") {
		t.Errorf("merge of 3 and 2 digits: %v", err)
	}
}

func TestMergeRefusesToOverflow(t *testing.T) {
	a, b := NewHistogram(3), NewHistogram(3)
	for _, h := range []*Histogram{a, b} {
		if err := h.Add(time.Second, math.MaxInt64); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Merge(b); err == nil {
		t.Error("twice the largest count was merged without an error")
	}
}

func TestCloneIsIndependent(t *testing.T) {
	a := NewHistogram(3)
	if err := a.Add(time.Second, 2); err != nil {
		t.Fatal(err)
	}
	b := a.Clone()
	if err := b.Add(time.Minute, 1); err != nil {
		t.Fatal(err)
	}
	if a.Count() != 2 || b.Count() != 3 || a.Max() > 2*time.Second {
		t.Errorf("original %s, clone %s", counts(a), counts(b))
	}
}

// The q-quantile of n sorted values is the value of rank ⌈q·n⌉; the histogram may round it up within its digits.
func TestQuantileIsThatOfTheSortedSamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.IntRange(2, 3).Draw(t, "digits")
		h, sorted := drawHistogram(t, digits)
		if len(sorted) == 0 {
			if h.Quantile(0.5) != 0 || h.Max() != 0 || h.Mean() != 0 {
				t.Fatalf("an empty histogram has quantile %v", h.Quantile(0.5))
			}
			return
		}
		q := rapid.SampledFrom([]float64{0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1}).Draw(t, "q")
		rank := max(int(math.Ceil(q*float64(len(sorted))-1e-9)), 1)
		exact := sorted[rank-1]
		precision := time.Duration(float64(exact)/math.Pow10(digits)) + time.Microsecond
		if got := h.Quantile(q); got < exact.Truncate(time.Microsecond) || got > exact+precision {
			t.Fatalf("%g-quantile of %v is %v, want %v to %v", q, sorted, got, exact, exact+precision)
		}
	})
}

func TestCountAboveIsThatOfTheSamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.IntRange(2, 3).Draw(t, "digits")
		h, sorted := drawHistogram(t, digits)
		limit := time.Duration(micro(t)) * time.Microsecond
		precision := time.Duration(float64(limit)/math.Pow10(digits)) + time.Microsecond
		above := func(d time.Duration) (n int64) {
			for _, v := range sorted {
				if v > d {
					n++
				}
			}
			return n
		}
		if got := h.CountAbove(limit); got > above(limit) || got < above(limit+precision) {
			t.Fatalf("above %v: %d, by the samples %d to %d", limit, got, above(limit+precision), above(limit))
		}
		if h.CountAbove(-1) != int64(len(sorted)) {
			t.Fatal("not every value is above a negative limit")
		}
	})
}

func TestMeanIsThatOfTheSamples(t *testing.T) {
	h := NewHistogram(3)
	for _, ms := range []int{10, 20, 60} {
		if err := h.Add(time.Duration(ms)*time.Millisecond, 1); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.Mean(); (got - 30*time.Millisecond).Abs() > 30*time.Microsecond {
		t.Errorf("mean %v, want 30 ms within a thousandth", got)
	}
}

// The middle is half-way from the least value of a counter to the least of the next.
func TestEachMiddle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, _ := drawHistogram(t, rapid.IntRange(1, 5).Draw(t, "digits"))
		var least, middle []time.Duration
		h.Each(func(v time.Duration, _ int64) { least = append(least, v) })
		h.EachMiddle(func(v time.Duration, _ int64) { middle = append(middle, v) })
		for i, v := range least {
			next := v + 2*(middle[i]-v)
			for d, same := range map[time.Duration]bool{v: true, next - time.Microsecond: true, next: false} {
				one := NewHistogram(h.Digits())
				if err := one.Add(d, 1); err != nil {
					t.Fatal(err)
				}
				one.Each(func(w time.Duration, _ int64) {
					if (w == v) != same && next <= highestMicros*time.Microsecond {
						t.Fatalf("%v is counted as %v; %v and its middle %v", d, w, v, middle[i])
					}
				})
			}
		}
	})
}
