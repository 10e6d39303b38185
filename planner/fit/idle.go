package fit

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// withoutIdle takes the pods' column out where it cannot be told apart from the steps (as many pods, as much load all the
// time). The idle cores then count as the requests' own: a tie broken the other way would make requests free. It says
// whether the steps themselves can be told apart.
func (f *demandFit) withoutIdle(name string, a *mat.Dense, warn *warnings) (apart bool) {
	if f.condition = condition(a); f.condition <= Harmful {
		return true
	}
	n, cols := a.Dims()
	pods, together := mat.Col(nil, 0, a), mat.NewDense(n, 2, nil)
	for i := range n {
		together.Set(i, 0, pods[i])
		for k := 1; k < cols; k++ {
			together.Set(i, 1, together.At(i, 1)+a.At(i, k))
		}
	}
	a.SetCol(0, make([]float64, n))
	if c := condition(a); c <= Harmful {
		f.condition = c
		warn.idleUnknown(name)
		return true
	}
	if condition(together) <= Harmful { // what pods use can be told, what one step does cannot
		a.SetCol(0, pods)
	}
	return false
}

// settleIdle takes idle cores over only where they can be told from nothing: a pod's own use goes to every pod, the busy and
// the idle ones, so a term that is noise makes tenants with many pods and few requests dear. What is not known of it stays
// in the draws, of which the others' intervals are made too.
func (f *demandFit) settleIdle(a *mat.Dense, b []float64, opts Options) error {
	most := 0.0
	if estimate(f.x[0], f.draws[0], "", opts).Low > 0 && f.foretells(a, b) {
		most = f.quietPod
	}
	if f.x[0] <= most {
		return nil
	}
	rest := make([]float64, len(b))
	for i := range b {
		rest[i] = b[i] - most*a.At(i, 0)
	}
	x, err := f.solve(noIdle(a), rest, nil)
	if err == nil {
		f.x, f.x[0] = x, most
	}
	return err
}

const (
	// quietPart is the part of the scrapes that may show less of a pod than it uses when idle: pods that start anew take what
	// they used with them. leastQuiet is how many scrapes that takes.
	quietPart  = 0.1
	leastQuiet = 20
)

// quietPod is what a pod of a workload uses at the least, in cores: no more than that can be its own use. +Inf where too
// little was scraped.
func quietPod(runs []*run, workload string) float64 {
	var out []float64
	for _, r := range runs {
		for _, t := range r.tenants {
			if t.workload != workload {
				continue
			}
			for i := 1; i < len(t.cpu.t); i++ {
				pods := math.Min(t.replicas(t.cpu.t[i-1]), t.replicas(t.cpu.t[i]))
				if used := t.cpu.v[i] - t.cpu.v[i-1]; used >= 0 && pods > 0 {
					out = append(out, used/(t.cpu.t[i]-t.cpu.t[i-1])/pods)
				}
			}
		}
	}
	if len(out) < leastQuiet {
		return math.Inf(1)
	}
	slices.Sort(out)
	return out[int(quietPart*float64(len(out)))]
}

func noIdle(a *mat.Dense) *mat.Dense {
	out := mat.DenseCopyOf(a)
	n, _ := a.Dims()
	out.SetCol(0, make([]float64, n))
	return out
}

// foretells says whether a fit with idle cores foretells runs that it has not seen better than one without: each run is
// foretold by the others. True where they are too few or too alike.
func (f *demandFit) foretells(a *mat.Dense, b []float64) bool {
	var with, without float64
	parts := byRun(f.slots)
	for _, p := range parts {
		rest, values := leftOut(a, b, p)
		if n, cols := rest.Dims(); len(parts) < 3 || n <= cols || condition(rest) > Harmful {
			continue
		}
		x, err := f.solve(rest, values, nil)
		y, errToo := f.solve(noIdle(rest), values, nil)
		if err == nil && errToo == nil {
			with, without = with+squares(a, b, x, p[0], p[1]), without+squares(a, b, y, p[0], p[1])
		}
	}
	return with <= without
}

// leftOut are the rows but for some.
func leftOut(a *mat.Dense, b []float64, p [2]int) (*mat.Dense, []float64) {
	n, cols := a.Dims()
	out, values := mat.NewDense(max(1, n-(p[1]-p[0])), cols, nil), []float64{}
	for i := range n {
		if i < p[0] || i >= p[1] {
			out.SetRow(len(values), a.RawRowView(i))
			values = append(values, b[i])
		}
	}
	return out, values
}

// squares is the sum of squares that coefficients leave of the rows from..to.
func squares(a *mat.Dense, b, x []float64, from, to int) (sum float64) {
	for i := from; i < to; i++ {
		left := b[i]
		for k := range x {
			left -= a.At(i, k) * x[k]
		}
		sum += left * left
	}
	return sum
}
