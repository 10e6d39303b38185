package fit

import (
	"context"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

const (
	// leastLoud is by how much of a pool's cores the neighbours' use must have differed before anything is said of its effect.
	leastLoud = 0.1
	// mostVague is the half width of Eta's interval above which it is not known: what a request costs on nodes that others use
	// wholly would be known to a quarter of itself at best.
	mostVague = 0.25
	// mostSteps bounds the Gauss–Newton steps; settled is the change of the result, relative to it, that ends them.
	mostSteps = 40
	settled   = 1e-9
)

// crowd is by how much a request gets dearer for each unit of pressure, a number a pool.
type crowd struct {
	pools []string
	eta   []float64
	draws [][]float64 // by pool
}

// on is the share by which requests of a slot cost more, with the fit's value (draw −1) or one of its draws.
func (c *crowd) on(s slot, draw int) float64 {
	if c == nil {
		return 0
	}
	var more float64
	for g, press := range s.press {
		eta := c.eta[g]
		if draw >= 0 {
			eta = c.draws[g][draw]
		}
		more += eta * press
	}
	return more
}

// drawn is a demand regression's matrix with the pressure's effect as in one draw: what is not known of the neighbours is
// not known of the demand either.
func (c *crowd) drawn(a *mat.Dense, slots []slot, draw int) *mat.Dense {
	if c == nil {
		return a
	}
	out := mat.DenseCopyOf(a)
	_, cols := a.Dims()
	for i, s := range slots {
		scale := (1 + c.on(s, draw)) / (1 + s.dearer)
		for k := 1; k < cols; k++ {
			out.Set(i, k, scale*a.At(i, k))
		}
	}
	return out
}

// street is the joint regression C_w = c_w·n + Σ_k d_wk·λ_k·(1 + Σ_g η_g·P_g) of all workloads w: the neighbours' effect
// belongs to the pool g, not to the tenant.
type street struct {
	subjects []*subject
	pools    []int // those whose pressure varied, indexes into slot.press
	cols     int   // of all demands; the pools' columns follow
	idle     bool  // the pods' own use is a column
}

// fitNeighbours fits the effect of neighbours on a pool's requests, from slots in which they were quiet and in which they
// were loud. Nil where there are none, or where the runs do not tell: then the pools are warned of and listed as open.
func fitNeighbours(ctx context.Context, subjects []*subject, pools []string, opts Options, warn *warnings) (*crowd, map[string]*Neighbours, error) {
	seen := map[string]*Neighbours{}
	st := &street{subjects: subjects, idle: true}
	for g, pool := range pools {
		low, high := math.Inf(1), 0.0
		for _, s := range subjects {
			for _, at := range s.chosen {
				if at.press != nil && at.press[g] > 0 {
					low, high = math.Min(low, at.press[g]), math.Max(high, at.press[g])
				}
			}
		}
		if high == 0 {
			continue
		}
		seen[pool] = &Neighbours{Least: low, Most: high}
		if high-low >= leastLoud {
			st.pools = append(st.pools, g)
		}
	}
	for _, s := range subjects {
		st.cols += 1 + len(s.steps)
	}
	c := &crowd{pools: pools, eta: make([]float64, len(pools)), draws: make([][]float64, len(pools))}
	for g := range pools {
		c.draws[g] = make([]float64, opts.Draws)
	}
	told, err := st.fit(ctx, c, opts)
	if err != nil {
		return nil, nil, err
	}
	for _, pool := range slices.Sorted(maps.Keys(seen)) {
		g := slices.Index(pools, pool)
		if told && slices.Contains(st.pools, g) {
			eta := estimate(c.eta[g], c.draws[g], "1", opts)
			seen[pool].Eta, seen[pool].Known = eta, (eta.High-eta.Low)/2 <= mostVague
		}
		if seen[pool].Known {
			continue
		}
		c.eta[g], c.draws[g] = 0, make([]float64, opts.Draws)
		if slices.ContainsFunc(subjects, func(s *subject) bool { return s.overcommitted }) {
			warn.neighboursUnknown(pool)
		}
	}
	if !told {
		return nil, seen, nil
	}
	return c, seen, nil
}

// fit solves and draws; false where the neighbours' effect cannot be told from the rest.
func (st *street) fit(ctx context.Context, c *crowd, opts Options) (bool, error) {
	if len(st.pools) == 0 {
		return false, nil
	}
	y := st.observed()
	x := make([]float64, st.cols+len(st.pools))
	for k := range st.cols {
		x[k] = 1 // the first step is then one with pressure felt alike by all steps
	}
	x, a, err := st.solve(y, x)
	if err != nil { // it does not settle: then nothing is known of neighbours, and all else as without them
		return false, nil
	}
	if condition(a) > Harmful && st.idle { // as for the demand: idle pods may look like requests
		st.idle = false
		if x, a, err = st.solve(y, x); err != nil {
			return false, nil
		}
	}
	n := len(y)
	if condition(a) > Harmful || n-blockOf(n)-len(x) < 1 {
		return false, nil
	}
	weight, fitted := st.weights(), st.predicted(x)
	lever := leverage(a, x)
	residual := make([]float64, n)
	for i := range n {
		residual[i] = weight[i] * (y[i] - fitted[i]) / math.Sqrt(math.Max(0.05, 1-lever[i]))
	}
	centre, rng := mean(residual), source(opts, streamNeighbours)
	for d := range opts.Draws {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		again := slices.Clone(fitted)
		for _, p := range st.parts() {
			for i, k := range resample(rng, p[1]-p[0]) {
				again[p[0]+i] += (residual[p[0]+k] - centre) / weight[p[0]+i]
			}
		}
		z, _, err := st.solve(again, x)
		if err != nil {
			return false, nil
		}
		for i, g := range st.pools {
			c.draws[g][d] = z[st.cols+i]
		}
	}
	for i, g := range st.pools {
		c.eta[g] = x[st.cols+i]
		stretch(c.draws[g], c.eta[g], math.Sqrt(float64(n)/float64(n-blockOf(n))), n-blockOf(n)-len(x), opts.Level)
	}
	return true, nil
}

// solve finds the coefficients, none of them negative, by Gauss–Newton from x: the products d·η make it not linear, but
// hardly so. It gives the last step's matrix too.
func (st *street) solve(y, x []float64) ([]float64, *mat.Dense, error) {
	weight := st.weights()
	for range mostSteps {
		a, b := mat.NewDense(len(y), len(x), nil), make([]float64, len(y))
		row, first := 0, 0
		for _, s := range st.subjects {
			for _, at := range s.chosen {
				w := weight[row]
				work, more := st.work(x, first, at)
				if st.idle {
					a.Set(row, first, w*at.pods)
				}
				for k, rate := range at.rate {
					a.Set(row, first+1+k, w*rate*(1+more))
				}
				for i, g := range st.pools {
					if at.press != nil {
						a.Set(row, st.cols+i, w*work*at.press[g])
					}
				}
				b[row] = w * (y[row] + work*more)
				row++
			}
			first += 1 + len(s.steps)
		}
		next, err := nnls(a, b)
		if err != nil {
			return nil, nil, err
		}
		change := 0.0
		for i := range x {
			change = math.Max(change, math.Abs(next[i]-x[i])/math.Max(math.Abs(next[i]), 1e-6))
		}
		if x = next; change < settled {
			return x, a, nil
		}
	}
	return nil, nil, errNoSolution
}

// work is what a slot's requests cost without neighbours, and by what share more with them.
func (st *street) work(x []float64, first int, s slot) (work, more float64) {
	for k, rate := range s.rate {
		work += x[first+1+k] * rate
	}
	if s.press != nil {
		for i, g := range st.pools {
			more += x[st.cols+i] * s.press[g]
		}
	}
	return work, more
}

// predicted are the fitted cores of all slots.
func (st *street) predicted(x []float64) []float64 {
	var out []float64
	first := 0
	for _, s := range st.subjects {
		for _, at := range s.chosen {
			work, more := st.work(x, first, at)
			out = append(out, x[first]*at.pods+work*(1+more))
		}
		first += 1 + len(s.steps)
	}
	return out
}

func (st *street) observed() []float64 {
	var out []float64
	for _, s := range st.subjects {
		for _, at := range s.chosen {
			out = append(out, at.cores)
		}
	}
	return out
}

func (st *street) weights() []float64 {
	var out []float64
	for _, s := range st.subjects {
		_, _, w := rows(s.chosen, len(s.steps))
		out = append(out, w...)
	}
	return out
}

// parts are the stretches of neighbouring scrapes: of one workload in one run.
func (st *street) parts() [][2]int {
	var out [][2]int
	before := 0
	for _, s := range st.subjects {
		for _, p := range byRun(s.chosen) {
			out = append(out, [2]int{before + p[0], before + p[1]})
		}
		before += len(s.chosen)
	}
	return out
}
