package fit

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// usl is the universal scalability law with its three parameters.
type usl struct{ gamma, alpha, beta float64 }

// at is the throughput of n replicas (Gunther 2007, Guerrilla Capacity Planning, eq. 4.31, times γ).
func (u usl) at(n float64) float64 {
	return u.gamma * n / (1 + u.alpha*(n-1) + u.beta*n*(n-1))
}

// knee is the number of replicas beyond which throughput falls; +Inf where it never does.
func (u usl) knee() float64 {
	if u.beta <= 0 {
		return math.Inf(1)
	}
	return math.Sqrt(math.Max(0, 1-u.alpha) / u.beta)
}

// fitUSL fits the law to throughputs x at replicas n, with α, β ≥ 0.
//
// The start is exact algebra: N/X = 1/γ + α/γ·(N−1) + β/γ·N(N−1) is linear, and solved with all coefficients ≥ 0. As that
// weighs the residuals of N/X, not of X, Marquardt's method finishes it on X. Where a parameter ends below 0 the fit is
// repeated without it, and the best of those inside the bounds is taken: with two bounds that is every case.
func fitUSL(n, x []float64) (usl, error) {
	if len(n) != len(x) || distinct(n) < 3 {
		return usl{}, fmt.Errorf("scalability law: %d different numbers of replicas, need 3", distinct(n))
	}
	a, b := mat.NewDense(len(n), 3, nil), make([]float64, len(n))
	for i := range n {
		if n[i] <= 0 || x[i] <= 0 {
			return usl{}, fmt.Errorf("scalability law: replicas %g and throughput %g must be positive", n[i], x[i])
		}
		a.SetRow(i, []float64{1, n[i] - 1, n[i] * (n[i] - 1)})
		b[i] = n[i] / x[i]
	}
	s, err := nnls(a, b)
	if err != nil {
		return usl{}, fmt.Errorf("scalability law: %w", err)
	}
	start := usl{gamma: x[0] / n[0]}
	if s[0] > 0 {
		start = usl{1 / s[0], s[1] / s[0], s[2] / s[0]}
	}
	best, found := usl{}, math.Inf(1)
	for _, free := range [][2]bool{{true, true}, {true, false}, {false, true}, {false, false}} {
		u, rss, err := fitFree(n, x, start, free)
		if err == nil && u.gamma > 0 && u.alpha >= 0 && u.beta >= 0 && rss < found*(1-1e-12) {
			best, found = u, rss
			if free == [2]bool{true, true} { // inside the bounds already: nothing that is held at one can be better
				break
			}
		}
	}
	if math.IsInf(found, 1) {
		return usl{}, fmt.Errorf("scalability law: %w", errNoSolution)
	}
	return best, nil
}

// fitFree fits γ and those of α and β that are free; the others are 0.
func fitFree(n, x []float64, start usl, free [2]bool) (usl, float64, error) {
	unpack := func(p []float64) usl {
		u, i := usl{gamma: p[0]}, 1
		if free[0] {
			u.alpha, i = p[i], i+1
		}
		if free[1] {
			u.beta = p[i]
		}
		return u
	}
	p := []float64{start.gamma}
	if free[0] {
		p = append(p, math.Max(start.alpha, 1e-4))
	}
	if free[1] {
		p = append(p, math.Max(start.beta, 1e-6))
	}
	got, err := marquardt(func(dst, p []float64) {
		u := unpack(p)
		for i := range n {
			dst[i] = u.at(n[i]) - x[i]
		}
	}, len(n), p)
	if got.P == nil {
		return usl{}, 0, err
	}
	return unpack(got.P), got.RSS, err
}

// distinct counts different values.
func distinct(v []float64) int {
	return len(slices.Compact(slices.Sorted(slices.Values(v))))
}
