package fit

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// curve is a model of observations: it fills dst with the residuals at parameters p.
type curve func(dst, p []float64)

// least is what marquardt found.
type least struct {
	// P are the parameters, RSS the residual sum of squares there.
	P   []float64
	RSS float64
	// Rounds is how many steps were tried.
	Rounds int
}

const (
	mostRounds = 500
	// stepTolerance ends the search when a step moves no parameter by more than this part of itself.
	stepTolerance = 1e-12
)

// marquardt minimises the sum of squares of n residuals over the parameters, starting at p.
//
// The method of Levenberg (1944) and Marquardt (1963): each step solves min ‖J·δ + r‖² + μ‖D·δ‖², here by QR of the
// stacked matrix [J; √μ·D], which does not square the condition number as the normal equations would. D are the
// columns' largest norms so far (Moré 1978, section 6), which makes it indifferent to the parameters' units; μ follows
// the gain ratio (Nielsen 1999, Damping parameter in Marquardt's method, eq. 2.3).
func marquardt(f curve, n int, p []float64) (least, error) {
	k := len(p)
	if n < k || k == 0 {
		return least{}, fmt.Errorf("curve fit: %d observations for %d parameters", n, k)
	}
	at := least{P: append([]float64(nil), p...)}
	r, next := make([]float64, n), make([]float64, n)
	f(r, at.P)
	at.RSS = square(r)
	if !finite(at.RSS) {
		return least{}, fmt.Errorf("curve fit: the model has no value at its start %v", p)
	}
	d := make([]float64, k)
	j := mat.NewDense(n, k, nil)
	mu, grow := 1e-3, 2.0
	jacobian(j, f, at.P)
	for at.Rounds = range mostRounds {
		for c := range k {
			d[c] = math.Max(d[c], mat.Norm(j.ColView(c), 2))
			if d[c] == 0 {
				d[c] = 1
			}
		}
		step, ok := damped(j, r, d, mu)
		if ok && small(step, at.P) {
			return at, nil
		}
		trial := make([]float64, k)
		for c := range k {
			trial[c] = at.P[c]
			if ok {
				trial[c] += step[c]
			}
		}
		f(next, trial)
		rss := square(next)
		if gain := (at.RSS - rss) / predicted(j, step, r); ok && finite(rss) && gain > 0 {
			at.P, at.RSS = trial, rss
			r, next = next, r
			jacobian(j, f, at.P)
			mu *= math.Max(1.0/3, 1-math.Pow(2*gain-1, 3))
			grow = 2
			continue
		}
		mu, grow = mu*grow, grow*2
		if math.IsInf(mu, 1) {
			return at, nil // no direction goes down any more: as exact as the arithmetic allows
		}
	}
	return at, fmt.Errorf("curve fit: %w in %d rounds", errNoSolution, mostRounds)
}

// damped solves one damped step.
func damped(j *mat.Dense, r, d []float64, mu float64) ([]float64, bool) {
	n, k := j.Dims()
	stacked, rhs := mat.NewDense(n+k, k, nil), mat.NewVecDense(n+k, nil)
	for i := range n {
		for c := range k {
			stacked.Set(i, c, j.At(i, c))
		}
		rhs.SetVec(i, -r[i])
	}
	for c := range k {
		stacked.Set(n+c, c, math.Sqrt(mu)*d[c])
	}
	var qr mat.QR
	qr.Factorize(stacked)
	var step mat.VecDense
	if err := qr.SolveVecTo(&step, false, rhs); err != nil {
		if _, bad := err.(mat.Condition); !bad || math.IsInf(qr.Cond(), 1) {
			return make([]float64, k), false
		}
	}
	out := make([]float64, k)
	for c := range out {
		out[c] = step.AtVec(c)
		if !finite(out[c]) {
			return out, false
		}
	}
	return out, true
}

// predicted is how much the linear model says a step takes off the sum of squares.
func predicted(j *mat.Dense, step, r []float64) float64 {
	n, k := j.Dims()
	var before, after float64
	for i := range n {
		v := r[i]
		before += v * v
		for c := range k {
			v += j.At(i, c) * step[c]
		}
		after += v * v
	}
	return math.Max(before-after, math.SmallestNonzeroFloat64)
}

// jacobian by central differences: accurate to about two thirds of the digits, which is enough for full convergence.
func jacobian(j *mat.Dense, f curve, p []float64) {
	n, _ := j.Dims()
	up, down := make([]float64, n), make([]float64, n)
	q := append([]float64(nil), p...)
	for c := range p {
		h := 6e-6 * math.Max(math.Abs(p[c]), 1e-8)
		q[c] = p[c] + h
		f(up, q)
		q[c] = p[c] - h
		f(down, q)
		q[c] = p[c]
		for i := range n {
			j.Set(i, c, (up[i]-down[i])/(2*h))
		}
	}
}

// small says whether a step moves nothing any more.
func small(step, p []float64) bool {
	for c := range step {
		if math.Abs(step[c]) > stepTolerance*(math.Abs(p[c])+stepTolerance) {
			return false
		}
	}
	return true
}

func square(r []float64) float64 {
	var s float64
	for _, x := range r {
		s += x * x
	}
	return s
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
