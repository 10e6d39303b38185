package fit

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// errNoSolution says that a numerical method ended without an answer.
var errNoSolution = errors.New("no solution found")

// nnls minimises ‖A·x − b‖ over x ≥ 0. A has at least as many rows as columns.
//
// The active-set method of Lawson and Hanson (1974, Solving Least Squares Problems, chapter 23): a column enters the
// passive set while its gradient is positive; each subproblem is solved by QR, so the condition number is not squared.
// A column that is a combination of those already in stays out, at 0.
func nnls(a *mat.Dense, b []float64) ([]float64, error) {
	rows, cols := a.Dims()
	if rows != len(b) || rows < cols || cols == 0 {
		return nil, fmt.Errorf("least squares: %d rows, %d columns, %d values", rows, cols, len(b))
	}
	s := &activeSet{a: a, b: b, x: make([]float64, cols), passive: make([]bool, cols), barred: make([]bool, cols)}
	for range 30 * cols {
		j := s.enter()
		if j < 0 {
			return s.x, nil
		}
		s.passive[j] = true
		if err := s.settle(j); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("non-negative least squares: %w in %d rounds", errNoSolution, 30*cols)
}

// activeSet is the state of nnls.
type activeSet struct {
	a               *mat.Dense
	b, x            []float64
	passive, barred []bool
}

// enter finds the column to let in: the one with the largest gradient, by its scale; −1 at the optimum.
func (s *activeSet) enter() int {
	rows, cols := s.a.Dims()
	r := make([]float64, rows)
	for i := range r {
		r[i] = s.b[i]
		for j := range cols {
			r[i] -= s.a.At(i, j) * s.x[j]
		}
	}
	scale := mat.Norm(mat.NewVecDense(rows, s.b), 2)
	best, at := 1e-11*scale, -1
	for j := range cols {
		if s.passive[j] || s.barred[j] {
			continue
		}
		var g, norm float64
		for i := range rows {
			g += s.a.At(i, j) * r[i]
			norm += s.a.At(i, j) * s.a.At(i, j)
		}
		if norm > 0 && g/math.Sqrt(norm) > best {
			best, at = g/math.Sqrt(norm), j
		}
	}
	return at
}

// settle solves on the passive set and lets columns out until all of it is positive. entered is the newest column.
func (s *activeSet) settle(entered int) error {
	for range 3*len(s.x) + 3 {
		z, ok := s.solve()
		if !ok || (s.x[entered] == 0 && z[entered] <= 0) {
			// Linearly dependent, or pushed back by rounding: this column cannot improve anything.
			s.passive[entered], s.barred[entered], s.x[entered] = false, true, 0
			if z, ok = s.solve(); !ok {
				return fmt.Errorf("non-negative least squares: %w: columns depend on each other", errNoSolution)
			}
		}
		step, all := 1.0, true
		for j, in := range s.passive {
			if in && z[j] <= 0 {
				all = false
				step = math.Min(step, s.x[j]/(s.x[j]-z[j]))
			}
		}
		for j, in := range s.passive {
			if in {
				s.x[j] += step * (z[j] - s.x[j])
			}
		}
		if all {
			return nil
		}
		for j, in := range s.passive {
			if in && (s.x[j] <= 1e-15*math.Abs(z[j]) || (z[j] <= 0 && s.x[j] <= 1e-14*math.Abs(z[j]))) {
				s.passive[j], s.x[j] = false, 0
			}
		}
	}
	return fmt.Errorf("non-negative least squares: %w: the active set does not settle", errNoSolution)
}

// solve is least squares on the passive columns; false where they depend on each other.
func (s *activeSet) solve() ([]float64, bool) {
	rows, cols := s.a.Dims()
	var in []int
	for j, p := range s.passive {
		if p {
			in = append(in, j)
		}
	}
	z := make([]float64, cols)
	if len(in) == 0 {
		return z, true
	}
	sub := mat.NewDense(rows, len(in), nil)
	norms := make([]float64, len(in))
	for k, j := range in {
		norms[k] = mat.Norm(s.a.ColView(j), 2)
		for i := range rows {
			sub.Set(i, k, s.a.At(i, j)/norms[k])
		}
	}
	var qr mat.QR
	qr.Factorize(sub)
	if c := qr.Cond(); math.IsNaN(c) || c > 1e12 {
		return z, false
	}
	var v mat.VecDense
	if err := qr.SolveVecTo(&v, false, mat.NewVecDense(rows, s.b)); err != nil {
		return z, false
	}
	for k, j := range in {
		z[j] = v.AtVec(k) / norms[k]
	}
	return z, true
}

// Condition is the condition number of a design: its rows are observations, its columns what is to be told apart.
func Condition(rows [][]float64) float64 {
	if len(rows) == 0 {
		return math.Inf(1)
	}
	a := mat.NewDense(len(rows), len(rows[0]), nil)
	for i, row := range rows {
		a.SetRow(i, row)
	}
	return condition(a)
}

// condition is the condition number of a's columns, each scaled to length 1 (Belsley, Kuh and Welsch 1980, Regression
// Diagnostics, section 3.2, where 30 is the bound of harm): the ratio of the largest to the least singular value.
// Columns of zeros are left out; +Inf where the others depend on each other.
func condition(a *mat.Dense) float64 {
	rows, cols := a.Dims()
	var kept [][]float64
	for j := range cols {
		col := mat.Col(nil, j, a)
		if n := mat.Norm(mat.NewVecDense(rows, col), 2); n > 0 {
			for i := range col {
				col[i] /= n
			}
			kept = append(kept, col)
		}
	}
	if len(kept) == 0 {
		return math.Inf(1)
	}
	scaled := mat.NewDense(rows, len(kept), nil)
	for j, col := range kept {
		scaled.SetCol(j, col)
	}
	var svd mat.SVD
	if !svd.Factorize(scaled, mat.SVDNone) {
		return math.Inf(1)
	}
	v := svd.Values(nil)
	if least := v[len(v)-1]; least > 1e-15*v[0] {
		return v[0] / least
	}
	return math.Inf(1)
}
