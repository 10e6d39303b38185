package fit

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// source is the random source of one part of the fit. Parts have streams of their own, so that one more draw in one
// part does not change the others.
func source(opts Options, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(opts.Seed, stream)) }

// The streams.
const (
	streamDemand uint64 = iota + 1
	streamFloor
	streamWarmUp
	streamCapacity
	streamAmplitude
	streamChain
	streamNeighbours
	streamMemory
	streamBackend
	streamBelief
)

// resample draws a moving-block resample of the numbers 0 to n−1 (Künsch 1989): blocks of neighbours are drawn together,
// because what is measured in one scrape reaches into the next. The length n^(1/3) is the optimal order for a variance
// (Hall, Horowitz and Jing 1995).
func resample(rng *rand.Rand, n int) []int {
	length := blockOf(n)
	out := make([]int, 0, n+length)
	for len(out) < n {
		at := rng.IntN(n - length + 1)
		for i := range length {
			out = append(out, at+i)
		}
	}
	return out[:n]
}

// blockOf is the length of the blocks for n neighbours.
func blockOf(n int) int { return max(1, int(math.Round(math.Cbrt(float64(n))))) }

// estimate is a value with its draws; the interval is value ± z·deviation of the draws, not their quantiles: with 64
// draws a 5 % quantile rests on three of them. Nothing here can be negative.
func estimate(value float64, draws []float64, unit string, opts Options) Estimate {
	e := Estimate{Value: value, Low: value, High: value, Unit: unit, Draws: draws}
	if len(draws) < 2 {
		return e
	}
	half := interval(draws, value, opts.Level)
	e.Low, e.High = math.Max(0, value-half), value+half
	return e
}

// interval is half the width of the interval about value that draws tell of.
func interval(draws []float64, value, level float64) float64 {
	var sum float64
	for _, d := range draws {
		sum += (d - value) * (d - value)
	}
	return distuv.UnitNormal.Quantile((1+level)/2) * math.Sqrt(sum/float64(len(draws)))
}

// positive is an estimate of what cannot be negative, though its value and its draws may be: how far they are off is told
// before they are cut, else what is next to nothing would seem known for certain.
func positive(e Estimate) Estimate {
	e.Value, e.Low, e.High = math.Max(0, e.Value), math.Max(0, e.Low), math.Max(0, e.High)
	for i := range e.Draws {
		e.Draws[i] = math.Max(0, e.Draws[i])
	}
	return e
}

// proportional is an estimate whose error grows with its value, as that of a variance does: the interval is that of its
// logarithm.
func proportional(value float64, draws []float64, unit string, opts Options) Estimate {
	if value <= 0 || len(draws) < 2 {
		return estimate(value, draws, unit, opts)
	}
	half := interval(logs(draws, value), 0, opts.Level)
	return Estimate{Value: value, Low: value * math.Exp(-half), High: value * math.Exp(half), Unit: unit, Draws: draws}
}

// logs of draws over their value; of what is next to nothing beside it, that of a hundredth.
func logs(draws []float64, value float64) []float64 {
	out := make([]float64, len(draws))
	for i, d := range draws {
		out[i] = math.Log(math.Max(d/value, 0.01))
	}
	return out
}

// stretchLog is stretch for the logarithms of draws.
func stretchLog(draws []float64, value, factor float64, freedom int, level float64) {
	if value <= 0 {
		return
	}
	wide := logs(draws, value)
	widen(wide, 0, factor, freedom, level)
	for i, w := range wide {
		draws[i] = value * math.Exp(w)
	}
}

// constant is an estimate nothing is known against: every draw is the value.
func constant(value float64, unit string, opts Options) Estimate {
	draws := make([]float64, opts.Draws)
	for i := range draws {
		draws[i] = value
	}
	return Estimate{Value: value, Low: value, High: value, Unit: unit, Draws: draws}
}

// stretch widens draws around value by a factor, and for what a residual bootstrap cannot know: that the variance itself
// is estimated, from few degrees of freedom.
func stretch(draws []float64, value, factor float64, freedom int, level float64) {
	widen(draws, value, factor, freedom, level)
	for i := range draws {
		draws[i] = math.Max(0, draws[i])
	}
}

// widen is stretch where values may be below 0.
func widen(draws []float64, value, factor float64, freedom int, level float64) {
	if freedom < 1 {
		freedom = 1
	}
	p := (1 + level) / 2
	wide := factor * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(freedom)}.Quantile(p) / distuv.UnitNormal.Quantile(p)
	for i := range draws {
		draws[i] = value + wide*(draws[i]-value)
	}
}

// amplitude is the surge's own uncertainty: how much larger than forecast it may be. Past events would say; without
// them it is an assumption, a lognormal between 0.9 and 1.1. Its draws are the distribution's own quantiles in random
// order, so that few of them cover it evenly.
func amplitude(opts Options) Estimate {
	low, high := opts.Amplitude.Low, opts.Amplitude.High
	mid := opts.Amplitude.Value
	sigma := math.Log(high/low) / 2 / distuv.UnitNormal.Quantile((1+opts.Level)/2)
	e := Estimate{Value: mid, Low: low, High: high, Unit: "1", Draws: make([]float64, opts.Draws)}
	for i, place := range source(opts, streamAmplitude).Perm(opts.Draws) {
		e.Draws[i] = mid * math.Exp(sigma*distuv.UnitNormal.Quantile((float64(place)+0.5)/float64(opts.Draws)))
	}
	return e
}

func mean(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return stat.Mean(v, nil)
}
