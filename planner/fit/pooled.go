package fit

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"gonum.org/v1/gonum/floats"
)

// leastMinutes is the number of quiet minutes from which they show how unlike they are.
const leastMinutes = 4

// pooled are the quiet minutes' counts over one common list of values, so that a resample is a sum of rows.
type pooled struct {
	values []float64 // seconds, ascending
	rows   [][]entry
}

type entry struct {
	value int
	count float64
}

func pool(minutes []quiet) pooled {
	seen := map[time.Duration]int{}
	var values []time.Duration
	for _, q := range minutes {
		q.EachMiddle(func(v time.Duration, _ int64) {
			if _, ok := seen[v]; !ok {
				seen[v] = 0
				values = append(values, v)
			}
		})
	}
	slices.Sort(values)
	p := pooled{values: make([]float64, len(values))}
	for i, v := range values {
		seen[v], p.values[i] = i, v.Seconds()
	}
	for _, q := range minutes {
		var row []entry
		q.EachMiddle(func(v time.Duration, n int64) { row = append(row, entry{seen[v], float64(n)}) })
		p.rows = append(p.rows, row)
	}
	return p
}

// all are the counts by value.
func (p pooled) all() []float64 {
	counts := make([]float64, len(p.values))
	for _, row := range p.rows {
		for _, e := range row {
			counts[e.value] += e.count
		}
	}
	return counts
}

// again are the counts of a resample. Minutes are drawn one by one, for hardly anything reaches from a quiet one into the
// next; where there are few of them, requests.
func (p pooled) again(rng *rand.Rand) []float64 {
	counts := make([]float64, len(p.values))
	if len(p.rows) >= leastMinutes {
		for range p.rows {
			for _, e := range p.rows[rng.IntN(len(p.rows))] {
				counts[e.value] += e.count
			}
		}
		return counts
	}
	upTo := p.all()
	floats.CumSum(upTo, upTo)
	n := p.units()
	for range n {
		counts[sort.SearchFloat64s(upTo, float64(rng.IntN(n)+1))]++
	}
	return counts
}

// units is how many things again draws from.
func (p pooled) units() int {
	if len(p.rows) >= leastMinutes {
		return len(p.rows)
	}
	return int(floats.Sum(p.all()))
}

// freedom of the variance's own error (Satterthwaite 1946, Biometrics Bulletin 2): what the units add to the variance varies
// too, the more the rarer the requests are that make it. One less than there are units where they add much the same.
func (p pooled) freedom(average, variance float64) int {
	var n, second, fourth float64
	unit := func(adds, times float64) {
		n, second, fourth = n+times, second+times*adds*adds, fourth+times*adds*adds*adds*adds
	}
	for _, row := range p.rows {
		var minute float64
		for _, e := range row {
			off := p.values[e.value] - average
			if minute += e.count * (off*off - variance); len(p.rows) < leastMinutes {
				unit(off*off-variance, e.count)
			}
		}
		if len(p.rows) >= leastMinutes {
			unit(minute, 1)
		}
	}
	if more := fourth - second*second/n; more > 0 {
		return int(math.Min(float64(p.units()-1), 2*second*second/more))
	}
	return p.units() - 1
}

// moments of counts: median, mean and variance.
func (p pooled) moments(counts []float64) (median, mean, variance float64) {
	n := floats.Sum(counts)
	if n == 0 {
		return 0, 0, 0
	}
	var below, second float64
	for i, c := range counts {
		mean += c * p.values[i] / n
		second += c * p.values[i] * p.values[i] / n
		if below < n/2 && below+c >= n/2 {
			median = p.values[i]
		}
		below += c
	}
	return median, mean, math.Max(0, second-mean*mean)
}
