package scenarios

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func fixed(d time.Duration) *time.Duration { return &d }

func TestDistributionQuantiles(t *testing.T) {
	for _, test := range []struct {
		name           string
		d              Distribution
		u              float64
		quantile, mean time.Duration
	}{
		{"none", Distribution{}, 0.3, 0, 0},
		{"fixed", Distribution{Fixed: fixed(3 * time.Second)}, 0.9, 3 * time.Second, 3 * time.Second},
		{"uniform", Distribution{Uniform: &Uniform{time.Second, 5 * time.Second}}, 0.25, 2 * time.Second, 3 * time.Second},
		{"exponential", Distribution{Exponential: fixed(time.Second)}, 1 - 1/math.E, time.Second, time.Second},
		// μ = ln 8, σ = ln(20/8)/1.644854 = 0.557064; mean = 8·exp(σ²/2) = 9.3427 s
		{"lognormal median", Distribution{LogNormal: &LogNormal{Median: 8 * time.Second, P95: 20 * time.Second}}, 0.5, 8 * time.Second, 9342740 * time.Microsecond},
		{"lognormal p95", Distribution{LogNormal: &LogNormal{Median: 8 * time.Second, P95: 20 * time.Second}}, 0.95, 20 * time.Second, 9342740 * time.Microsecond},
		// above a shift of 2 s: the median and p95 are still those of the whole; 2 + 6·exp(0.66790²/2) = 9.4993 s
		{"shifted p95", Distribution{LogNormal: &LogNormal{Median: 8 * time.Second, P95: 20 * time.Second, Shift: 2 * time.Second}}, 0.95, 20 * time.Second, 9499300 * time.Microsecond},
	} {
		if got := test.d.Quantile(test.u); (got - test.quantile).Abs() > time.Microsecond {
			t.Errorf("%s: quantile %v is %s, want %s", test.name, test.u, got, test.quantile)
		}
		if got := test.d.Mean(); (got - test.mean).Abs() > 5*time.Millisecond {
			t.Errorf("%s: mean %s, want %s", test.name, got, test.mean)
		}
	}
}

// TestMeanIsTheMeanOfTheQuantiles integrates the quantile function: the mean must come out.
func TestMeanIsTheMeanOfTheQuantiles(t *testing.T) {
	for _, d := range []Distribution{
		{Exponential: fixed(3 * time.Second)},
		{Uniform: &Uniform{time.Second, 4 * time.Second}},
		{LogNormal: &LogNormal{Median: 8 * time.Second, P95: 20 * time.Second, Shift: 2 * time.Second}},
	} {
		const n = 200_000
		sum := 0.0
		for i := range n {
			sum += d.Quantile((float64(i) + 0.5) / n).Seconds()
		}
		if got, want := sum/n, d.Mean().Seconds(); math.Abs(got-want) > 1e-3*want {
			t.Errorf("the quantiles' mean is %v, Mean %v", got, want)
		}
	}
}

func TestQuantilesRiseAndNeverOverflow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDistribution().Draw(t, "distribution")
		if d.Validate() != nil {
			t.Skip("not valid")
		}
		a, b := rapid.Float64().Draw(t, "a"), rapid.Float64().Draw(t, "b")
		if a > b {
			a, b = b, a
		}
		if qa, qb := d.Quantile(a), d.Quantile(b); qa < 0 || qa > qb {
			t.Fatalf("quantiles %v and %v are %s and %s", a, b, qa, qb)
		}
	})
}

func anyDuration() *rapid.Generator[time.Duration] {
	return rapid.Map(rapid.Int64Range(0, int64(90*time.Minute)), func(ns int64) time.Duration { return time.Duration(ns) })
}

func anyDistribution() *rapid.Generator[Distribution] {
	return rapid.Custom(func(t *rapid.T) Distribution {
		a, b, c := anyDuration().Draw(t, "a"), anyDuration().Draw(t, "b"), anyDuration().Draw(t, "c")
		low, middle, high := min(a, b, c), max(min(a, b), min(max(a, b), c)), max(a, b, c)
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			return Distribution{Fixed: &a}
		case 1:
			return Distribution{Uniform: &Uniform{low, high}}
		case 2:
			return Distribution{Exponential: &a}
		}
		return Distribution{LogNormal: &LogNormal{Median: middle, P95: high, Shift: low}}
	})
}
