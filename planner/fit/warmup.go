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
// the share of the load on pods younger than W. f−1 is linear given W; W is the length, of those tried, that leaves the
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
func warmUp(in []slot, rows []int, x []float64) (factor, length float64) {
	factor, best := 1.0, 0.0 // what the fit takes off the sum of squares
	for w, age := range warmUps {
		var xy, xx float64
		for _, r := range rows {
			s := in[r]
			work := at(x, s) - x[0]*s.pods
			extra, regressor := s.cores-at(x, s), work*s.fresh[w]
			weight := (s.to - s.from) / math.Max(s.cores, 1e-9)
			xy += weight * regressor * extra
			xx += weight * regressor * regressor
		}
		if xx > 0 && xy > 0 && xy*xy/xx > best {
			factor, length, best = 1+xy/xx, age, xy*xy/xx
		}
	}
	return factor, length
}
