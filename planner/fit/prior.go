package fit

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/ansturm/ansturm/scenarios"
)

// vague is how far, as a share, a step's described part of the work may be off, as a standard deviation.
const vague = 0.5

// belief is what the platform's description says of how the work is divided among the steps: that each costs its described
// time, all scaled by one factor so that the total is the measured one. It decides only where the runs cannot: where steps
// come together in every mix, or one is lost in another's noise. In the regression it is a row for each step (ridge
// regression towards a point: Hoerl and Kennard 1970), worth what a measurement with its deviation would be.
type belief struct {
	mean  []float64 // CPU seconds by step; 0: nothing is said
	sigma float64   // of the regression's residuals
}

// believe scales a description to the slots; nil where it says nothing of the division.
func (f *demandFit) believe(described *scenarios.Workload, a *mat.Dense, b []float64) *belief {
	if described == nil {
		return nil
	}
	p := &belief{mean: make([]float64, len(f.steps))}
	said := 0
	for k, step := range f.steps {
		if p.mean[k] = described.Steps[step].CPU.Mean().Seconds(); p.mean[k] > 0 {
			said++
		}
	}
	var both, square, measured float64
	idle := math.Min(f.x[0], f.quietPod) // which is no request's work
	for i := range b {
		told := 0.0
		for k, mean := range p.mean {
			told += a.At(i, 1+k) * mean
		}
		both, square, measured = both+told*(b[i]-idle*a.At(i, 0)), square+told*told, measured+b[i]*b[i]
	}
	if said < 2 || both <= 0 {
		return nil
	}
	for k := range p.mean {
		p.mean[k] *= both / square
	}
	off, n := squares(a, b, f.x, 0, len(b)), float64(len(b))
	// Where nothing is left over the description still has to break a tie.
	p.sigma = math.Sqrt(math.Max(off/math.Max(1, n-float64(len(f.x))), 1e-12*measured/n))
	return p
}

// over puts the belief's rows below a's and b's; z are the deviations in which a draw believes, nil for none.
func (p *belief) over(a *mat.Dense, b, z []float64) (*mat.Dense, []float64) {
	if p == nil {
		return a, b
	}
	n, cols := a.Dims()
	out := mat.NewDense(n+len(p.mean), cols, nil)
	out.Slice(0, n, 0, cols).(*mat.Dense).Copy(a)
	y := make([]float64, n+len(p.mean))
	copy(y, b)
	for k, mean := range p.mean {
		if mean <= 0 {
			continue
		}
		out.Set(n+k, 1+k, p.sigma/(vague*mean))
		y[n+k] = p.sigma / vague
		if z != nil {
			y[n+k] += p.sigma * z[k]
		}
	}
	return out, y
}

// deviations are a draw's: none so far that a step would cost less than nothing.
func (p *belief) deviations(rng *rand.Rand) []float64 {
	if p == nil {
		return nil
	}
	z := make([]float64, len(p.mean))
	for k := range z {
		z[k] = math.Max(-1/vague, rng.NormFloat64())
	}
	return z
}

// faint is how many times as vague the description is taken to be where it is asked what the slots tell without it.
const faint = 10

// divided says of which steps the slots tell so little that the description counts: by half of how vague it is, or worse. A
// step of which nothing is described is taken to cost what the others do on average; one that never came is not divided.
func (p *belief) divided(a *mat.Dense) []bool {
	if p == nil {
		return nil
	}
	out, cost, length := make([]bool, len(p.mean)), p.costs(), make([]float64, len(p.mean)+1)
	var square, inverse mat.Dense
	square.Mul(a.T(), a)
	for c := range length {
		if c > 0 && (p.mean[c-1] > 0 || square.At(c, c) > 0) {
			square.Set(c, c, square.At(c, c)+math.Pow(p.sigma/(faint*vague*cost[c-1]), 2))
		}
		length[c] = math.Sqrt(square.At(c, c))
	}
	for i, one := range length {
		for j, other := range length {
			if one > 0 && other > 0 { // in like units, else the inverse tells of these
				square.Set(i, j, square.At(i, j)/one/other)
			}
		}
		if one == 0 { // taken out
			square.Set(i, i, 1)
		}
	}
	err := inverse.Inverse(&square)
	for k, mean := range cost {
		told := err == nil && math.Sqrt(inverse.At(1+k, 1+k))/length[1+k]*p.sigma <= vague/2*mean // not if it is no number
		out[k] = length[1+k] > 0 && !told
	}
	return out
}

// costs are what the steps are taken to cost where it is asked how much the slots tell.
func (p *belief) costs() []float64 {
	out, said := slices.Clone(p.mean), 0.0
	for _, mean := range p.mean {
		if mean > 0 {
			said++
		}
	}
	for k := range out {
		if out[k] <= 0 {
			out[k] = sum(p.mean) / said
		}
	}
	return out
}

// waitOf is how long a step waits for back ends as described, in seconds.
func waitOf(described *scenarios.Workload, step string) (seconds float64) {
	if described == nil {
		return 0
	}
	for _, wait := range described.Steps[step].Backends {
		seconds += wait.Seconds()
	}
	return seconds
}

// undivided is the spread of a step whose demand is a described part of a sum. What its answers took beyond that is not all
// a back end's then: no more is taken off than is described, else a demand too low would make the rest look wild.
func (m *StepModel) undivided(described, limit float64) Estimate {
	out, work := m.Spread, m.Demand.Value/math.Min(limit, 1)
	if m.Backend.Value <= described || work <= 0 {
		return out
	}
	less := work / (work + m.Backend.Value - described)
	out.Draws = append([]float64(nil), out.Draws...)
	for i := range out.Draws {
		out.Draws[i] *= less * less
	}
	out.Value, out.Low, out.High = less*less*out.Value, less*less*out.Low, less*less*out.High
	return out
}
