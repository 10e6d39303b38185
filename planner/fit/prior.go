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
	sigma float64   // of the regression's residuals
}

// beliefOf scales a description to the slots; nil where it says nothing of the division.
func beliefOf(described *scenarios.Workload, steps []string, slots []slot, a *mat.Dense, b, x []float64) *belief {
	if described == nil {
		return nil
	}
	p := &belief{mean: make([]float64, len(steps))}
	said := 0
	for k, step := range steps {
		if work, known := described.Steps[step]; known {
			p.mean[k] = work.CPU.Mean().Seconds()
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

// divided says of which steps the description tells more than the slots do.
func (p *belief) divided(a *mat.Dense) []bool {
	if p == nil {
		return nil
	}
	out := make([]bool, len(p.mean))
	stacked, _ := p.over(a, make([]float64, a.RawMatrix().Rows), nil)
	var square, inverse mat.Dense
	square.Mul(stacked.T(), stacked)
	for j := range square.RawMatrix().Rows { // columns that were taken out
		if square.At(j, j) == 0 {
			square.Set(j, j, 1)
		}
	}
	if inverse.Inverse(&square) != nil {
		return out
	}
	for k, mean := range p.mean {
		out[k] = mean > 0 && inverse.At(1+k, 1+k)*p.sigma*p.sigma > vague*vague*mean*mean/2
	}
	return out
}
