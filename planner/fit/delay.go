package fit

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

const (
	// fewDelays is the number of observations below which a shift is not estimated.
	fewDelays = 12
	// leastDelay stands for a delay of nothing, in seconds, where a logarithm is taken.
	leastDelay = 1e-3
)

// fitDelay fits a shifted lognormal to observed delays in seconds.
//
// The shift makes the logarithms symmetric about the median, from three quantiles:
// c = (q₅·q₉₅ − q₅₀²) / (q₅ + q₉₅ − 2·q₅₀) (Aitchison and Brown 1957, The Lognormal Distribution, section 6.24). Maximum
// likelihood was rejected: it is unbounded as the shift approaches the least observation. A sample that is not skewed to
// the right, or small, gets no shift. Delays that do not vary become a lognormal of no width.
func fitDelay(seconds []float64, censored int) *Delay {
	d := &Delay{Observed: len(seconds), Censored: censored}
	if len(seconds) == 0 {
		return d
	}
	v := slices.Clone(seconds)
	for i := range v {
		v[i] = math.Max(v[i], leastDelay)
	}
	slices.Sort(v)
	q := func(p float64) float64 { return stat.Quantile(p, stat.LinInterp, v, nil) }
	low, mid, high := q(0.05), q(0.5), q(0.95)
	if curve := low + high - 2*mid; len(v) >= fewDelays && curve > 1e-3*(high-low) && high > low {
		d.Shift = math.Min(math.Max(0, (low*high-mid*mid)/curve), v[0]-1e-3*(mid-v[0])-1e-9)
		d.Shift = math.Max(0, d.Shift)
	}
	logs := make([]float64, len(v))
	for i, x := range v {
		logs[i] = math.Log(math.Max(x-d.Shift, 1e-6))
	}
	if len(logs) == 1 {
		d.Mu = logs[0]
		return d
	}
	d.Mu, d.Sigma = stat.MeanStdDev(logs, nil)
	return d
}

// Quantile is the delay in seconds that the share p (0 to 1, exclusive) does not pass.
func (d *Delay) Quantile(p float64) float64 {
	if d.Observed == 0 {
		return 0
	}
	z := math.Sqrt2 * math.Erfinv(2*p-1)
	return d.Shift + math.Exp(d.Mu+d.Sigma*z)
}

// Mean of the delay in seconds.
func (d *Delay) Mean() float64 {
	if d.Observed == 0 {
		return 0
	}
	return d.Shift + math.Exp(d.Mu+d.Sigma*d.Sigma/2)
}

// late is the share of the delays that Late is to cover.
const late = 0.95

// intervals resamples the pods: each went its own way.
func (d *Delay) intervals(seconds []float64, opts Options) {
	n := len(seconds)
	if n == 0 {
		return
	}
	rng := source(opts, streamChain)
	var draws [2][]float64
	again := make([]float64, n)
	for range opts.Draws {
		for i := range again {
			again[i] = seconds[rng.IntN(n)]
		}
		x := fitDelay(again, 0)
		draws[0], draws[1] = append(draws[0], x.Quantile(0.5)), append(draws[1], x.Quantile(late))
	}
	for i, to := range []*Estimate{&d.Median, &d.Late} {
		value := d.Quantile([]float64{0.5, late}[i])
		stretch(draws[i], value, math.Sqrt(float64(n)/math.Max(1, float64(n-1))), n-1, opts.Level)
		*to = estimate(value, draws[i], "s", opts)
	}
}
