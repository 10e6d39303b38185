package fit

import (
	"math"
	"slices"

	"github.com/ansturm/ansturm/scenarios"
)

// describedWarmUp is what the platform of one of the runs says about a workload's warm-up.
func describedWarmUp(name string, runs []*run) scenarios.WarmUp {
	if w := describedWorkload(name, runs); w != nil {
		return w.Start.WarmUp
	}
	return scenarios.WarmUp{}
}

const (
	// leastFresh is the share of the load on young pods from which a slot says anything about them.
	leastFresh = 0.02
	// leastWarmUp is the number of such slots a warm-up is estimated from.
	leastWarmUp = 5
)

// fitWarmUp estimates how much dearer work is on young pods, and for how long: C − c₀·n = Σ d·λ · (1 + (f−1)·φ), with φ
// the share of the load on pods younger than W. f−1 is linear given W; W is the length that leaves the
// smallest residuals. Slots with failed requests are left out. Where too few are left, what the platform's description
// says is taken: to assume no warm-up would be the bolder guess, and a pod lost on the way up shows it.
func (f *demandFit) fitWarmUp(all []slot, described scenarios.WarmUp, opts Options, warn *warnings, name string) (factor, length Estimate, seen bool) {
	in := slices.DeleteFunc(slices.Clone(all), func(s slot) bool {
		return s.fresh[len(s.fresh)-1] < leastFresh || s.bad > dirty || s.strained || sum(s.rate) <= 0
	})
	if len(in) < leastWarmUp {
		warn.noWarmUp(name, len(in))
		return constant(math.Max(1, described.Factor), "1", opts), constant(described.For.Seconds(), "s", opts), false
	}
	rows := make([]int, len(in))
	for i := range rows {
		rows[i] = i
	}
	value, seconds := warmUp(in, rows, f.x)
	rng := source(opts, streamWarmUp)
	var factors, lengths []float64
	for d := range opts.Draws {
		x := make([]float64, len(f.x))
		for c := range x {
			x[c] = f.draws[c][d]
		}
		v, s := warmUp(in, resample(rng, len(in)), x)
		factors, lengths = append(factors, v), append(lengths, s)
	}
	factor, length = estimate(value, factors, "1", opts), estimate(seconds, lengths, "s", opts)
	factor.Low = math.Max(1, factor.Low)
	return factor, length, true
}

// warmUp is the least-squares factor and length over the slots named by rows; factor 1, length 0 where there is no rise.
// Between two of the lengths tried φ is taken to go in a straight line from one to the other.
func warmUp(in []slot, rows []int, x []float64) (factor, length float64) {
	xy, xx, across := make([]float64, len(warmUps)), make([]float64, len(warmUps)), make([]float64, len(warmUps))
	for _, r := range rows {
		s := in[r]
		expected := at(x, s)
		work, extra := expected-x[0]*s.pods, s.cores-expected
		weight := (s.to - s.from) / math.Max(s.cores, 1e-9) * work
		for w, share := range s.fresh {
			xy[w] += weight * share * extra
			xx[w] += weight * work * share * share
			if w > 0 {
				across[w] += weight * work * share * s.fresh[w-1]
			}
		}
	}
	factor, best := 1.0, 0.0 // what the fit takes off the sum of squares
	take := func(y, x, age float64) {
		if x > 0 && y > 0 && y*y/x > best {
			factor, length, best = 1+y/x, age, y*y/x
		}
	}
	for w, age := range warmUps {
		if w > 0 {
			p := steepest(xy[w-1], xy[w], xx[w-1], across[w], xx[w])
			take(xy[w-1]+p*(xy[w]-xy[w-1]), (1-p)*(1-p)*xx[w-1]+2*p*(1-p)*across[w]+p*p*xx[w], warmUps[w-1]+p*(age-warmUps[w-1]))
		}
		take(xy[w], xx[w], age)
	}
	return factor, length
}

// steepest is where on the way from one regressor (0) to the next (1) the fit takes most off: y(p)²/x(p), with y a line from y0
// to y1 and x the parabola of the regressors' products x00, x01 and x11, has its only peak where the derivative is 0.
func steepest(y0, y1, x00, x01, x11 float64) float64 {
	b, d, e := y1-y0, x01-x00, x11-2*x01+x00
	p := (y0*d - b*x00) / (b*d - y0*e)
	if !(p > 0 && p < 1) { // also where there is none
		return 0
	}
	return p
}
