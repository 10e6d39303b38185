package fit

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/ansturm/ansturm/scenarios"
)

const (
	// leastMemory is the number of scrapes below which nothing is said of a pod's memory.
	leastMemory = 8
	// leastFalls is the number of scrapes with at most half of the requests in flight seen before, from which on it is said
	// what of a rise stays.
	leastFalls = 4
	// ratchetStep is how far apart the shares that stay are that are tried first; finest is how near the best is then sought.
	ratchetStep = 0.05
	finest      = 1e-4
	// mostResiduals bounds the chart.
	mostResiduals = 400
	// kept is the share of a rise from which memory is said to stay: an autoscaler would not come down again on it.
	kept = 0.5
)

// What became of memory when the load fell.
const (
	MemoryFalls = "falls"
	MemoryStays = "stays"
)

// memoryFit is the regression M = base + slope·max(n, ratchet·most) of a pod's bytes on its requests in flight n and the
// most it had so far. On the rising flank n is the most, and the line is base + slope·n; on the falling one it bends where the
// ratchet holds it.
type memoryFit struct {
	in     []filling
	shares []float64   // ratchets tried
	level  [][]float64 // max(n, ratchet·most) by ratchet and scrape
}

func newMemoryFit(in []filling, falls bool) *memoryFit {
	f := &memoryFit{in: in, shares: []float64{0}}
	for r := ratchetStep; falls && r < 1+ratchetStep/2; r += ratchetStep {
		f.shares = append(f.shares, math.Min(1, r))
	}
	for _, r := range f.shares {
		f.level = append(f.level, f.at(r))
	}
	return f
}

// at is max(n, ratchet·most) of every scrape.
func (f *memoryFit) at(ratchet float64) []float64 {
	z := make([]float64, len(f.in))
	for i, x := range f.in {
		z[i] = math.Max(x.open, ratchet*x.most)
	}
	return z
}

// solve gives base, slope and ratchet, the ratchet that leaves the smallest residuals and the line least squares gives
// with it, and what the line is drawn over. A mean over more pods is worth more.
func (f *memoryFit) solve(y []float64) (base, slope, ratchet float64, z []float64) {
	best, least := 0, math.Inf(1)
	for i, level := range f.level {
		if _, _, rss := f.line(level, y); rss < least*(1-1e-12) {
			best, least = i, rss
		}
	}
	ratchet, z = f.shares[best], f.level[best]
	if len(f.shares) > 1 {
		if r, rss := f.refined(ratchet, y); rss < least {
			ratchet, z = r, f.at(r)
		}
	}
	base, slope, _ = f.line(z, y)
	return base, slope, ratchet, z
}

// refined seeks the best ratchet about one of those tried, by golden section (Kiefer 1953).
func (f *memoryFit) refined(about float64, y []float64) (ratchet, rss float64) {
	leaves := func(r float64) float64 {
		_, _, rss := f.line(f.at(r), y)
		return rss
	}
	golden := (math.Sqrt(5) - 1) / 2
	low, high := math.Max(0, about-ratchetStep), math.Min(1, about+ratchetStep)
	a, b := high-golden*(high-low), low+golden*(high-low)
	atA, atB := leaves(a), leaves(b)
	for high-low > finest {
		if atA <= atB {
			high, b, atB = b, a, atA
			a = high - golden*(high-low)
			atA = leaves(a)
		} else {
			low, a, atA = a, b, atB
			b = low + golden*(high-low)
			atB = leaves(b)
		}
	}
	return (low + high) / 2, leaves((low + high) / 2)
}

// line is the weighted least-squares line with both coefficients at least 0, and what it leaves.
func (f *memoryFit) line(z, y []float64) (base, slope, rss float64) {
	var n, mz, my float64
	for i, x := range f.in {
		n, mz, my = n+x.pods, mz+x.pods*z[i], my+x.pods*y[i]
	}
	mz, my = mz/n, my/n
	var zz, zy float64
	for i, x := range f.in {
		zz += x.pods * (z[i] - mz) * (z[i] - mz)
		zy += x.pods * (z[i] - mz) * (y[i] - my)
	}
	if zz > 0 {
		slope = math.Max(0, zy/zz)
	}
	if base = my - slope*mz; base < 0 { // through nought
		base = 0
		if q := zz + n*mz*mz; q > 0 {
			slope = math.Max(0, (zy+n*mz*my)/q)
		}
	}
	for i, x := range f.in {
		d := y[i] - base - slope*z[i]
		rss += x.pods * d * d
	}
	return base, slope, rss
}

// fitMemory fits a pod's working set to the calibration runs, else to all. Nil where memory was not scraped.
func fitMemory(name string, runs []*run, opts Options, warn *warnings) *Memory {
	var in, calm []filling
	for i, r := range runs {
		seen := r.fillings(i, name)
		in = append(in, seen...)
		if r.Run.Purpose == "calibration" {
			calm = append(calm, seen...)
		}
	}
	if len(calm) >= leastMemory {
		in = calm
	}
	if len(in) < leastMemory {
		return nil
	}
	fell := 0
	y := make([]float64, len(in))
	a := mat.NewDense(len(in), 2, nil)
	for i, x := range in {
		y[i] = x.bytes
		a.SetRow(i, []float64{math.Sqrt(x.pods), math.Sqrt(x.pods) * x.open})
		if x.open <= x.most/2 && x.most > 0 {
			fell++
		}
	}
	f := newMemoryFit(in, fell >= leastFalls)
	out := &Memory{Scrapes: len(in), FallSeen: fell >= leastFalls}
	base, slope, ratchet, z := f.solve(y)
	fitted := make([]float64, len(in))
	for i := range in {
		fitted[i] = base + slope*z[i]
		out.Residuals = append(out.Residuals, Residual{Run: in[i].id, At: in[i].at, Tenant: in[i].tenant, Observed: y[i], Predicted: fitted[i]})
	}
	draws := f.bootstrap(y, fitted, []float64{base, slope, ratchet}, opts)
	out.Base, out.PerRequest = estimate(base, draws[0], "bytes", opts), estimate(slope, draws[1], "bytes", opts)
	out.Ratchet = estimate(ratchet, draws[2], "1", opts)
	out.Ratchet.High = math.Min(1, out.Ratchet.High)
	out.Known = condition(a) <= Harmful && out.PerRequest.Low > 0
	out.judge()
	out.Residuals = thinnedResiduals(out.Residuals)
	warn.memory(name, out, describedWorkload(name, runs))
	return out
}

// judge says whether memory comes down again with the load.
func (m *Memory) judge() {
	switch {
	case !m.Known || !m.FallSeen:
		m.FallSeen = m.FallSeen && m.Known
	case m.Ratchet.High < kept:
		m.Flank = MemoryFalls
	case m.Ratchet.Low > kept:
		m.Flank = MemoryStays
	}
}

// bootstrap draws base, slope and ratchet: moving blocks of residuals within each run, put back onto the fitted values.
func (f *memoryFit) bootstrap(y, fitted, value []float64, opts Options) (draws [3][]float64) {
	n, cols := len(y), 2
	if len(f.shares) > 1 {
		cols = 3
	}
	rng, wide := source(opts, streamMemory), f.shrunk(value[1], value[2], cols)
	residual := make([]float64, n)
	for i := range y {
		residual[i] = math.Sqrt(f.in[i].pods) * (y[i] - fitted[i]) * wide
	}
	centre, again := mean(residual), make([]float64, n)
	for range opts.Draws {
		for _, p := range f.runs() {
			for i, k := range resample(rng, p[1]-p[0]) {
				again[p[0]+i] = fitted[p[0]+i] + (residual[p[0]+k]-centre)/math.Sqrt(f.in[p[0]+i].pods)
			}
		}
		base, slope, ratchet, _ := f.solve(again)
		for i, v := range []float64{base, slope, ratchet} {
			draws[i] = append(draws[i], v)
		}
	}
	for i := range draws {
		stretch(draws[i], value[i], 1, n-blockOf(n)-cols, opts.Level)
	}
	for i := range draws[2] {
		draws[2][i] = math.Min(1, draws[2][i])
	}
	return draws
}

// runs are the ranges of scrapes that belong to one run.
func (f *memoryFit) runs() [][2]int {
	var out [][2]int
	for i, x := range f.in {
		if i == 0 || x.run != f.in[i-1].run {
			out = append(out, [2]int{i, i})
		}
		out[len(out)-1][1] = i + 1
	}
	return out
}

// shrunk is by how much a block's sum of residuals is smaller than one of errors, which a fit always makes it: with the hat
// matrix H = QQᵀ of the line and the ratchet, a block B of L errors keeps L − 1ᵀH_B1 of its variance. That is the leverage
// (Wu 1986) of blocks; single residuals' own would miss that neighbours lie on one level of the load and share its error.
func (f *memoryFit) shrunk(slope, ratchet float64, cols int) float64 {
	all := make([][]float64, cols)
	for k := range all {
		all[k] = make([]float64, len(f.in))
	}
	for i, x := range f.in {
		w := math.Sqrt(x.pods)
		all[0][i], all[1][i] = w, w*math.Max(x.open, ratchet*x.most)
		if cols == 3 && ratchet*x.most > x.open {
			all[2][i] = w * slope * x.most
		}
	}
	span := orthonormal(all)
	var errors, left float64
	for _, p := range f.runs() {
		block := blockOf(p[1] - p[0])
		for from := p[0]; from+block <= p[1]; from++ {
			errors += float64(block)
			left += float64(block)
			for _, q := range span {
				sum := floats.Sum(q[from : from+block])
				left -= sum * sum
			}
		}
	}
	return math.Sqrt(errors / math.Max(left, errors/20))
}

// At is the working set in bytes of a pod with n requests in flight that never had more than most.
func (m *Memory) At(n, most float64) float64 {
	return m.Base.Value + m.PerRequest.Value*math.Max(n, m.Ratchet.Value*most)
}

// thinnedResiduals keeps what a chart can show, evenly.
func thinnedResiduals(all []Residual) []Residual {
	if len(all) <= mostResiduals {
		return all
	}
	out := make([]Residual, mostResiduals)
	for i := range out {
		out[i] = all[i*len(all)/mostResiduals]
	}
	return slices.Clip(out)
}

// describedWorkload is a workload as the first platform that has it describes it; nil where none does.
func describedWorkload(name string, runs []*run) *scenarios.Workload {
	for _, r := range runs {
		if r.Run.Platform == nil {
			continue
		}
		for i := range r.Run.Platform.Workloads {
			if w := &r.Run.Platform.Workloads[i]; w.Name == name {
				return w
			}
		}
	}
	return nil
}
