package fit

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/ansturm/ansturm/scenarios"
)

// leastHeldOut is the number of scrapes below which nothing is said of the prediction of runs held out.
const leastHeldOut = 5

// dirty is the share of failed answers from which a slot says too little: failed requests used CPU too, nobody knows how much.
const dirty = 0.05

// Harmful is the condition number from which columns cannot be told apart (see Condition).
const Harmful = 30

// needed is the number of scrape intervals without which a demand is not fitted.
func needed(steps int) int { return 2 * (steps + 1) }

// LeastScrapes is the number of scrape intervals from which the demand of so many steps is told with sound intervals.
func LeastScrapes(steps int) int {
	n := needed(steps)
	for n-blockOf(n)-(steps+1) < leastFreedom {
		n++
	}
	return n
}

// demandFit is the regression C = c₀·n + Σ d_k·λ_k of one workload.
type demandFit struct {
	steps     []string
	slots     []slot // those the regression rests on
	x         []float64
	draws     [][]float64 // by column
	condition float64
	divided   []bool  // by step: the slots tell so little of it that the description counts
	belief    *belief // what the description says of the division
	crowd     *crowd  // what the neighbours do to it
	quietPod  float64 // cores that a pod uses at the least
}

// at is the predicted cores of a slot with coefficients x.
func at(x []float64, s slot) float64 {
	sum := x[0] * s.pods
	for k, rate := range s.rate {
		sum += x[1+k] * rate * (1 + s.dearer)
	}
	return sum
}

// fitDemand solves for the demand of a workload's chosen slots, and draws.
func fitDemand(ctx context.Context, s *subject, described *scenarios.Workload, crowd *crowd, opts Options, warn *warnings) (*demandFit, error) {
	name, f := s.name, &demandFit{steps: s.steps, slots: s.chosen, crowd: crowd, quietPod: s.quietPod}
	a, b, weight := rows(f.slots, len(f.steps))
	apart := f.withoutIdle(name, a, warn)
	var err error
	if f.x, err = f.solve(a, b, nil); err != nil {
		return nil, fmt.Errorf("fit: workload %s: demand: %w", name, err)
	}
	if f.belief = f.believe(described, a, b); f.belief != nil {
		if f.x, err = f.solve(a, b, nil); err != nil {
			return nil, fmt.Errorf("fit: workload %s: demand: %w", name, err)
		}
	}
	f.divide(name, a, apart, warn)
	if err := f.bootstrap(ctx, a, b, weight, opts); err != nil {
		return nil, err
	}
	if err := f.settleIdle(a, b, opts); err != nil {
		return nil, fmt.Errorf("fit: workload %s: demand: %w", name, err)
	}
	if free := f.freedom(); free < leastFreedom || f.exact() {
		warn.noFreedom(name, len(f.slots), free)
	}
	return f, nil
}

// solve is the regression with what the description says; z are a draw's deviations from that, nil for none.
func (f *demandFit) solve(a *mat.Dense, b, z []float64) ([]float64, error) {
	return nnls(f.belief.over(a, b, z))
}

// divide notes of which steps only what they cost together was measured.
func (f *demandFit) divide(name string, a *mat.Dense, apart bool, warn *warnings) {
	f.divided = make([]bool, len(f.steps))
	var named []string
	for k, divided := range f.belief.divided(a) {
		if f.divided[k] = divided; divided {
			named = append(named, f.steps[k])
		}
	}
	switch {
	case len(named) > 0:
		warn.divided(name, named)
	case !apart && f.belief == nil:
		warn.collinear(name, f.condition)
		for k := range f.divided {
			f.divided[k] = true
		}
	}
}

// choose keeps the slots of calibration runs, where replicas are fixed and the mix is varied; while an autoscaler acts,
// load and pods move together. Slots in which pods warmed up, requests failed or back ends were under strain are left out
// while enough others exist.
func choose(name string, all []slot, runs []*run, need int, warn *warnings) []slot {
	loaded := slices.DeleteFunc(slices.Clone(all), func(s slot) bool { return s.cores <= 0 && sum(s.rate) <= 0 })
	kept := slices.DeleteFunc(slices.Clone(loaded), func(s slot) bool { return runs[s.run].Run.Purpose != "calibration" })
	if len(kept) < need {
		kept = loaded
		warn.uncalibrated(name)
	}
	clean := slices.DeleteFunc(slices.Clone(kept), func(s slot) bool { return s.unsure() })
	if len(clean) >= need {
		return clean
	}
	if len(kept) >= need {
		warn.unclean(name, len(clean), need)
	}
	return kept
}

// unsure says whether what was used in a slot may be for something else than its answers.
func (s *slot) unsure() bool { return s.bad > dirty || s.strained || s.fresh[len(s.fresh)-1] > 0 }

// rows are the regression's rows, each weighted by the square root of what it is worth: requests come at random, so the
// variance of the work in a slot grows with the work itself and falls with the slot's length.
func rows(slots []slot, steps int) (a *mat.Dense, b, weight []float64) {
	var cores float64
	for _, s := range slots {
		cores += s.cores / float64(len(slots))
	}
	a, b = mat.NewDense(len(slots), steps+1, nil), make([]float64, len(slots))
	weight = make([]float64, len(slots))
	for i, s := range slots {
		w := math.Sqrt((s.to - s.from) / math.Max(s.cores, math.Max(cores/20, 1e-9)))
		weight[i] = w
		a.Set(i, 0, w*s.pods)
		for k, rate := range s.rate {
			a.Set(i, 1+k, w*rate*(1+s.dearer))
		}
		b[i] = w * s.cores
	}
	return a, b, weight
}

// bootstrap draws the coefficients: moving blocks of residuals, within each run, put back onto the fitted values.
// Residuals and not rows are drawn, because the design is fixed by the experiment: a resample of rows could miss one of
// the two mixes. Each residual is blown up by its leverage first (Wu 1986), which a fit always makes too small.
func (f *demandFit) bootstrap(ctx context.Context, a *mat.Dense, b, weight []float64, opts Options) error {
	n, cols := a.Dims()
	fitted, residual := make([]float64, n), make([]float64, n)
	lever := leverage(a, f.x)
	for i := range n {
		fitted[i] = weight[i] * at(f.x, f.slots[i])
		residual[i] = (b[i] - fitted[i]) / math.Sqrt(math.Max(0.05, 1-lever[i]))
	}
	parts, centre := byRun(f.slots), mean(residual)
	rng, believed := source(opts, streamDemand), source(opts, streamBelief)
	f.draws = make([][]float64, cols)
	y := make([]float64, n)
	for d := range opts.Draws {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, p := range parts {
			for i, k := range resample(rng, p[1]-p[0]) {
				y[p[0]+i] = fitted[p[0]+i] + residual[p[0]+k] - centre
			}
		}
		x, err := f.solve(f.crowd.drawn(a, f.slots, d), y, f.belief.deviations(believed))
		if err != nil {
			return fmt.Errorf("fit: bootstrap: %w", err)
		}
		for c := range cols {
			f.draws[c] = append(f.draws[c], x[c])
		}
	}
	// Blocks are drawn from the same n residuals they are centred on, which takes about one block's part of the variance.
	short := math.Sqrt(float64(n) / float64(n-blockOf(n)))
	for c := range cols {
		stretch(f.draws[c], f.x[c], short, n-blockOf(n)-cols, opts.Level)
	}
	return nil
}

// leastFreedom is the number of residual degrees of freedom below which the intervals are hardly more than a guess: at 4
// Student's quantile is a fifth above the normal one's, at 1 four times as large.
const leastFreedom = 4

// freedom is what is left for the residuals when the blocks and the columns have taken theirs.
func (f *demandFit) freedom() int {
	n := len(f.slots)
	return n - blockOf(n) - len(f.x)
}

// exact says whether the residuals are nought: then nothing is known about how far the fit may be off.
func (f *demandFit) exact() bool {
	var off, all float64
	for _, s := range f.slots {
		off += math.Abs(at(f.x, s) - s.cores)
		all += s.cores
	}
	return off <= 1e-9*all
}

// leverage is the diagonal of the hat matrix over the columns in use.
func leverage(a *mat.Dense, x []float64) []float64 {
	n, _ := a.Dims()
	h := make([]float64, n)
	var cols [][]float64
	for j := range x {
		if x[j] > 0 {
			cols = append(cols, mat.Col(nil, j, a))
		}
	}
	for _, q := range orthonormal(cols) {
		for i, x := range q {
			h[i] += x * x
		}
	}
	return h
}

// orthonormal spans what the columns span, by Gram–Schmidt gone through twice (Giraud, Langou and Rozložník 2005): a QR
// decomposition would make a square matrix as long as there are rows. Columns that depend on others are left out; the
// given ones are overwritten.
func orthonormal(cols [][]float64) [][]float64 {
	var out [][]float64
	for _, c := range cols {
		before := floats.Norm(c, 2)
		for range 2 {
			for _, q := range out {
				floats.AddScaled(c, -floats.Dot(q, c), q)
			}
		}
		if after := floats.Norm(c, 2); after > 1e-12*before {
			floats.Scale(1/after, c)
			out = append(out, c)
		}
	}
	return out
}

// byRun are the ranges of slots that belong to one run.
func byRun(slots []slot) [][2]int {
	var out [][2]int
	for i := range slots {
		if i == 0 || slots[i].run != slots[i-1].run {
			out = append(out, [2]int{i, i})
		}
		out[len(out)-1][1] = i + 1
	}
	return out
}

// residuals of the regression for the report.
func (f *demandFit) residuals(runs []*run) []Residual {
	out := make([]Residual, len(f.slots))
	for i, s := range f.slots {
		out[i] = Residual{Run: runs[s.run].Run.ID, At: time.Duration(s.from * float64(time.Second)), Observed: s.cores, Predicted: at(f.x, s)}
	}
	return out
}

// heldOut is the prediction error on slots of other runs than those fitted: the model's honest test.
func (f *demandFit) heldOut(all []slot) *HeldOut {
	used := map[int]bool{}
	for _, s := range f.slots {
		used[s.run] = true
	}
	var errs []float64
	for _, s := range all {
		if !used[s.run] && !s.unsure() && s.cores > 0 {
			errs = append(errs, math.Abs(at(f.x, s)-s.cores)/s.cores)
		}
	}
	if len(errs) < leastHeldOut {
		return nil
	}
	slices.Sort(errs)
	return &HeldOut{Scrapes: len(errs), Median: errs[len(errs)/2], P95: errs[min(len(errs)-1, len(errs)*95/100)]}
}

func sum(v []float64) float64 {
	var s float64
	for _, x := range v {
		s += x
	}
	return s
}
