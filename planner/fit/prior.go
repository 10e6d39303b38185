package fit

import (
	"math"
	"math/rand/v2"

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
	waits []float64 // seconds at back ends by step
	sigma float64   // of the regression's residuals
}

// beliefOf scales a description to the slots; nil where it says nothing of the division.
func beliefOf(described *scenarios.Workload, steps []string, slots []slot, a *mat.Dense, b, x []float64) *belief {
	if described == nil {
		return nil
	}
	p := &belief{mean: make([]float64, len(steps)), waits: make([]float64, len(steps))}
	said := 0
	for k, step := range steps {
		work := described.Steps[step]
		p.mean[k] = work.CPU.Mean().Seconds()
		for _, wait := range work.Backends {
			p.waits[k] += wait.Seconds()
		}
		if p.mean[k] > 0 {
			said++
		}
	}
	var both, square, measured float64
	for i := range slots {
		told := 0.0
		for k := range steps {
			told += a.At(i, 1+k) * p.mean[k]
		}
		both, square, measured = both+told*b[i], square+told*told, measured+b[i]*b[i]
	}
	if said < 2 || both <= 0 {
		return nil
	}
	for k := range p.mean {
		p.mean[k] *= both / square
	}
	off := 0.0
	for i := range slots {
		left := b[i]
		for k := range x {
			left -= a.At(i, k) * x[k]
		}
		off += left * left
	}
	// Where nothing is left over the description still has to break a tie.
	p.sigma = math.Sqrt(math.Max(off/math.Max(1, float64(len(slots)-len(x))), 1e-12*measured/float64(len(slots))))
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

// divided says of which steps the slots tell so little that the description counts: by half of how vague it is, or worse.
func (p *belief) divided(a *mat.Dense) []bool {
	if p == nil {
		return nil
	}
	out := make([]bool, len(p.mean))
	var square, inverse mat.Dense
	square.Mul(a.T(), a)
	square.Set(0, 0, math.Max(square.At(0, 0), 1)) // where it was taken out
	for k, mean := range p.mean {
		if at := square.At(1+k, 1+k); mean > 0 {
			square.Set(1+k, 1+k, at+math.Pow(p.sigma/(faint*vague*mean), 2))
		} else {
			square.Set(1+k, 1+k, math.Max(at, 1e-12))
		}
	}
	if err := inverse.Inverse(&square); err != nil {
		return out
	}
	for k, mean := range p.mean {
		out[k] = math.Sqrt(inverse.At(1+k, 1+k))*p.sigma > vague/2*mean && mean > 0
	}
	return out
}

// behind is how long a step waits for back ends as described, in seconds.
func (p *belief) behind(step int) float64 {
	if p == nil {
		return 0
	}
	return p.waits[step]
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
