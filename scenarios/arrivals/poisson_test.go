package arrivals

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// The arrival law. A Poisson process with a curve, given that it has n arrivals, is n independent times with the
// curve's density: put through the curve's integral (time rescaling: Papangelou 1972; Brown et al. 2002) they are n
// independent uniform numbers. A share, which is a random part of the arrivals, is such a process again. For each of
// 1,000 seeds three things are looked at:
//
//	times  the Kolmogorov–Smirnov p-value of the rescaled times
//	gaps   the same of the gaps. Given n they are no independent exponentials, since they add up to 1; but
//	       (u₁/u₂)¹, (u₂/u₃)², … (uₙ/1)ⁿ of the ordered times are independent and uniform (Malmquist 1950): −ln of the
//	       i-th is i gaps' worth of an exponential, and nothing has to be estimated
//	bins   χ² of the counts in 20 bins of equal mass. Given n they are multinomial: the variance of a count is
//	       (1 − 1/20) of its mean, so that χ²/19, not χ²/20, has the expectation 1
//
// Under the law the 1,000 p-values are uniform themselves, which a second Kolmogorov–Smirnov test asks: it sees too
// good a fit as well as too bad a one. The index of dispersion, the mean of χ²/19 over the seeds, has a standard
// deviation of √(2/19/1000) = 0.010.
const (
	lawSeeds   = 1000
	lawBins    = 20
	lawTotal   = 640
	leastP     = 1e-4
	dispersing = 0.05 // how far the index of dispersion may be from 1
)

// findings are what the law's three looks gave for one process over the seeds.
type findings struct {
	times, gaps float64 // p-values of the second level
	dispersion  float64
	seeds       int
}

// broken says which parts of the law the process breaks.
func (f findings) broken() (parts []string) {
	if !(f.times > leastP) {
		parts = append(parts, fmt.Sprintf("times (p = %.2g)", f.times))
	}
	if !(f.gaps > leastP) {
		parts = append(parts, fmt.Sprintf("gaps (p = %.2g)", f.gaps))
	}
	if !(math.Abs(f.dispersion-1) <= dispersing) {
		parts = append(parts, fmt.Sprintf("dispersion (%.3f)", f.dispersion))
	}
	return parts
}

// look gathers findings, a seed's process after the other.
type look struct {
	times, gaps []float64
	chi         float64
	ks          ks
	ratios      []float64
	u           []float64
}

// add takes one seed's rescaled times, in order.
func (l *look) add(u []float64) {
	n := len(u)
	l.times = append(l.times, l.ks.p(u))
	l.ratios = l.ratios[:0]
	lower := math.Log(u[0])
	for i := range u {
		upper := 0.0
		if i+1 < n {
			upper = math.Log(u[i+1])
		}
		l.ratios = append(l.ratios, math.Exp(float64(i+1)*(lower-upper)))
		lower = upper
	}
	l.gaps = append(l.gaps, l.ks.p(l.ratios))
	mean := float64(n) / lawBins
	for _, c := range binned(u) {
		l.chi += (c - mean) * (c - mean) / mean / (lawBins - 1)
	}
}

func binned(u []float64) (count [lawBins]float64) {
	for _, x := range u {
		count[min(max(int(x*lawBins), 0), lawBins-1)]++
	}
	return count
}

func (l *look) findings() findings {
	var second ks
	return findings{second.p(l.times), second.p(l.gaps), l.chi / float64(len(l.times)), len(l.times)}
}

// shaped is a shape with its integral done by hand: the share of the arrivals expected by t seconds.
type shaped struct {
	name   string
	over   time.Duration
	shapes []scenarios.Shape
	before func(t float64) float64
}

// within is the share of an integral's mass between from and to that lies before t.
func within(integral func(float64) float64, from, to float64) func(float64) float64 {
	low, mass := integral(from), integral(to)-integral(from)
	return func(t float64) float64 { return (integral(min(max(t, from), to)) - low) / mass }
}

// The integrals of the named shapes, in seconds.
func constantMass(t float64) float64 { return t }

func rampMass(start, end, from, to float64) func(float64) float64 {
	return func(t float64) float64 { return start*(t-from) + (end-start)*(t-from)*(t-from)/(2*(to-from)) }
}

func stepMass(at, start, end float64) func(float64) float64 {
	return func(t float64) float64 { return start*min(t, at) + end*max(0, t-at) }
}

func spikeMass(at, width float64) func(float64) float64 {
	return func(t float64) float64 {
		x := min(max((t-at)/(width/2), -1), 1)
		if x < 0 {
			return (1 + x) * (1 + x) / 2
		}
		return 1 - (1-x)*(1-x)/2
	}
}

func bellMass(at, width float64) func(float64) float64 {
	return func(t float64) float64 { return math.Erf((t - at) / (width * math.Sqrt2)) }
}

func dailyMass(at, base float64) func(float64) float64 {
	const omega = 2 * math.Pi / 86400
	return func(t float64) float64 { return base*t + (1-base)/2*(t+math.Sin(omega*(t-at))/omega) }
}

func deadlineMass(at, width float64) func(float64) float64 {
	return func(t float64) float64 {
		if t < at {
			return math.Exp((t - at) / width)
		}
		return 1 + (1-math.Exp(-8*(t-at)/width))/8
	}
}

func pointsMass(points []scenarios.Point) func(float64) float64 {
	return func(t float64) (mass float64) {
		for i := 1; i < len(points); i++ {
			a, b := points[i-1].At.Seconds(), points[i].At.Seconds()
			if x := min(t, b); x > a {
				mass += points[i-1].Rate*(x-a) + (points[i].Rate-points[i-1].Rate)*(x-a)*(x-a)/(2*(b-a))
			}
		}
		return mass
	}
}

// lawShapes is one of every named kind, and a sum of several.
func lawShapes() []shaped {
	const minute = time.Minute
	one := shapes()
	list := []shaped{
		{"constant", 10 * minute, nil, within(constantMass, 0, 600)},
		{"ramp", 10 * minute, nil, within(rampMass(1, 5, 0, 600), 0, 600)},
		{"step", 10 * minute, nil, within(stepMass(240, 1, 6), 0, 600)},
		{"spike", 10 * minute, nil, within(spikeMass(300, 180), 0, 600)},
		{"gaussian", 10 * minute, nil, within(bellMass(300, 60), 0, 600)},
		{"daily", 24 * time.Hour, []scenarios.Shape{{Kind: "daily", At: 11 * time.Hour, Base: 0.1}}, within(dailyMass(39600, 0.1), 0, 86400)},
		{"deadline", 10 * minute, nil, within(deadlineMass(540, 120), 0, 600)},
		{"points", 10 * minute, nil, within(pointsMass(one["points"].Points), 0, 600)},
	}
	for i := range list {
		if list[i].shapes == nil {
			list[i].shapes = []scenarios.Shape{one[list[i].name]}
		}
	}
	ramp, bell := within(rampMass(3, 1, 60, 600), 60, 600), within(bellMass(200, 30), 0, 600)
	spike, flat := within(spikeMass(420, 60), 0, 600), within(constantMass, 100, 500)
	return append(list, shaped{"sum", 10 * minute, []scenarios.Shape{
		{Kind: "ramp", Start: 3, End: 1, From: minute, Weight: 3},
		{Kind: "gaussian", At: 200 * time.Second, Width: 30 * time.Second, Weight: 2},
		{Kind: "spike", At: 420 * time.Second, Width: time.Minute},
		{Kind: "constant", From: 100 * time.Second, To: 500 * time.Second, Weight: 4},
	}, func(t float64) float64 { return (3*ramp(t) + 2*bell(t) + spike(t) + 4*flat(t)) / 10 }})
}

// schedule of the shape with one seed, in blocks of at most aim arrivals in the mean.
func (c shaped) schedule(t testing.TB, total int64, process string, seed uint64, aim int64) *Schedule {
	s, err := newSchedule(scenario(total, c.over, process, seed, c.shapes...), aim)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rescale appends the set's times, put through the integral.
func (c shaped) rescale(s *Schedule, set Set, u []float64) []float64 {
	for a := range s.All(set) {
		u = append(u, min(max(c.before(a.Due.Seconds()), 1e-12), 1-1e-12))
	}
	return u
}

// deal is how a process was dealt to shares: χ² of the shares' sizes, and of the counts in all bins of all shares, which
// are multinomial together.
type deal struct {
	sizes, cells float64
	seeds        int
}

// add takes one seed's counts by set and bin; the sets make the whole.
func (d *deal) add(counts [][lawBins]float64, sets []Set) {
	of := len(counts)
	sizes, cells := 0.0, 0.0
	for index, bins := range counts {
		mean, size := lawTotal*float64(sets[index].Len())/float64(sets[index].Of()), 0.0
		for _, c := range bins {
			size += c
			cells += (c - mean/lawBins) * (c - mean/lawBins) / (mean / lawBins)
		}
		sizes += (size - mean) * (size - mean) / mean
	}
	d.sizes += sizes / float64(of-1)
	d.cells += cells / float64(of*lawBins-1)
	d.seeds++
}

// check holds both indices of dispersion against 1, to five standard deviations √(2/degrees of freedom).
func (d *deal) check(t *testing.T, of int) {
	t.Helper()
	for what, x := range map[string][2]float64{
		"sizes of the shares": {d.sizes, float64(of - 1)}, "bins of all shares": {d.cells, float64(of*lawBins - 1)},
	} {
		got, most := x[0]/float64(d.seeds), 5*math.Sqrt(2/(x[1]*float64(d.seeds)))
		if math.Abs(got-1) > most {
			t.Errorf("the %s of %d have the dispersion %.3f, which may be off by %.3f", what, of, got, most)
		}
	}
}

// TestArrivalLaw: on every named shape and a sum of several, the whole and every single share of 2, 7 and 16 is a
// Poisson process with that curve, and the shares are independent but for their sum. Blocks are made small, so that
// the tree that deals the arrivals out has levels.
func TestArrivalLaw(t *testing.T) {
	deals := map[int]*deal{2: {}, 7: {}, 16: {}}
	for i, c := range lawShapes() {
		t.Run(c.name, func(t *testing.T) {
			var looks [17][16]look // by number of shares and share
			for seed := range uint64(lawSeeds) {
				s := c.schedule(t, lawTotal, "poisson", uint64(i)<<32|seed, 160)
				for _, of := range []int{1, 2, 7, 16} {
					sets := shares(of)
					counts := c.lookAt(s, sets, looks[of][:of])
					if of > 1 {
						deals[of].add(counts, sets)
					}
				}
			}
			for of := range looks {
				for index := range of {
					if looks[of][index].times == nil {
						continue
					}
					f := looks[of][index].findings()
					if broken := f.broken(); broken != nil {
						t.Errorf("share %d of %d breaks the law of %v", index, of, broken)
					}
					if of == 1 {
						t.Logf("the whole: times p = %.2g, gaps p = %.2g, dispersion %.3f", f.times, f.gaps, f.dispersion)
					}
				}
			}
		})
	}
	for of, d := range deals {
		d.check(t, of)
	}
}

// shares are the sets of that many workers.
func shares(of int) []Set {
	sets := make([]Set, of)
	for index := range sets {
		sets[index] = Share{index, of}.Set()
	}
	return sets
}

// lookAt adds one schedule's sets to their looks, and counts them by bin.
func (c shaped) lookAt(s *Schedule, sets []Set, looks []look) [][lawBins]float64 {
	counts := make([][lawBins]float64, len(looks))
	for index := range looks {
		l := &looks[index]
		l.u = c.rescale(s, sets[index], l.u[:0])
		l.add(l.u)
		counts[index] = binned(l.u)
	}
	return counts
}

// TestLawInLargeBlocks is the law with the blocks that a run has, on the shape that a rush has.
func TestLawInLargeBlocks(t *testing.T) {
	if testing.Short() {
		t.Skip("two seconds")
	}
	var l look
	c := lawShapes()[6]
	for seed := range uint64(lawSeeds) {
		s := c.schedule(t, 10_000, "poisson", 1<<40|seed, blockAim)
		l.u = c.rescale(s, Set{}, l.u[:0])
		l.add(l.u)
	}
	if broken := l.findings().broken(); broken != nil {
		t.Errorf("%s breaks the law of %v", c.name, broken)
	}
}
