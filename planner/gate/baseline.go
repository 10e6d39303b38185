package gate

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

const (
	// worseBy is the rise above the baseline that is worth a warning.
	worseBy = 0.10
	// blocks is how many stretches a run is cut into for the interval: enough for a t quantile near the normal one,
	// few enough that what happens in one hardly reaches into the next.
	blocks = 20
	// confidence of the intervals.
	confidence = 0.95
)

// compare holds the run against an earlier one; it fails where the two are runs of unlike scenarios.
func (v *Verdict) compare(in, before facts) error {
	if !alike(in.Run.Scenario, before.Run.Scenario) {
		return fmt.Errorf("baseline %s is a run of another scenario (arrivals, tenants or journeys differ): compare runs of the same one", before.Run.ID)
	}
	if len(invalidity(before.Run)) > 0 || len(missingData(before)) > 0 {
		v.Warnings = append(v.Warnings, record.Warning{Code: "baseline-unfit", Text: both(
			"Der Vergleichslauf ist ungültig oder unvollständig; es wird nicht verglichen.",
			"The baseline run is invalid or incomplete; nothing is compared.")})
		return nil
	}
	base := &Baseline{Run: before.Run.ID, Dir: before.Dir, Steps: []StepChange{}}
	length := blockLength(in.cells, before.cells)
	now, then := bySteps(in.cells), bySteps(before.cells)
	for _, step := range slices.Sorted(maps.Keys(now)) {
		if then[step] == nil {
			continue
		}
		change := StepChange{
			Step:   step,
			P95:    quantileChange(now[step], then[step], 0.95, length),
			P99:    quantileChange(now[step], then[step], 0.99, length),
			Errors: errorChange(now[step], then[step], length),
		}
		base.Steps = append(base.Steps, change)
		v.Warnings = append(v.Warnings, change.warnings()...)
	}
	v.Baseline = base
	return nil
}

// alike says whether two scenarios offer the same load; the seed, the promises and the texts may differ.
func alike(a, b *scenarios.Scenario) bool {
	if a == nil || b == nil {
		return false
	}
	x, y := a.Arrivals, b.Arrivals
	x.Seed, y.Seed = 0, 0
	return a.Name == b.Name && reflect.DeepEqual(x, y) && reflect.DeepEqual(a.Tenants, b.Tenants) &&
		reflect.DeepEqual(a.Journeys, b.Journeys)
}

// bySteps are the cells of all tenants together, by step.
func bySteps(cells []cell) map[string][]cell {
	out := map[string][]cell{}
	for _, c := range cells {
		if c.tenant == "" {
			out[c.step] = append(out[c.step], c)
		}
	}
	return out
}

// blockLength cuts the longer of two runs into blocks, whole seconds each.
func blockLength(runs ...[]cell) time.Duration {
	var end time.Duration
	for _, cells := range runs {
		for _, c := range cells {
			end = max(end, c.start+c.length)
		}
	}
	return max(time.Second, (end/blocks + time.Second - 1).Truncate(time.Second))
}

// quantileChange compares a response-time quantile.
func quantileChange(now, then []cell, q float64, length time.Duration) Change {
	limit := quantile(then, q)
	beyond := func(c cell) int64 { return c.CountAbove(limit) }
	ch := shift(now, then, beyond, length)
	ch.Before, ch.After = limit.Seconds(), quantile(now, q).Seconds()
	ch.Worse = ch.After > ch.Before*(1+worseBy) && ch.Low > 0
	return ch
}

// errorChange compares the share of failed shots.
func errorChange(now, then []cell, length time.Duration) Change {
	failed := func(c cell) int64 {
		if c.failed {
			return c.Count()
		}
		return 0
	}
	ch := shift(now, then, failed, length)
	ch.Before, ch.After = sharedBy(then, failed), sharedBy(now, failed)
	ch.Worse = ch.After > ch.Before*(1+worseBy) && ch.Low > 0
	return ch
}

// sharedBy is the share of all shots that hit counts.
func sharedBy(cells []cell, hit func(cell) int64) float64 {
	var hits, n int64
	for _, c := range cells {
		hits += hit(c)
		n += c.Count()
	}
	return share(hits, n)
}

// shift is the change in the share of shots that hit counts, with its interval.
//
// Shots of one moment share their fate, so a binomial interval over shots would be far too narrow: the unit is a block
// of the run, the estimator a difference of two ratios, its variance the linearised one (Cochran 1977, Sampling
// Techniques, eq. 2.39), paired by block. It is never taken smaller than the binomial variance.
func shift(now, then []cell, hit func(cell) int64, length time.Duration) Change {
	a, b := tally(now, hit, length), tally(then, hit, length)
	pa, pb := a.share(), b.share()
	var sum float64
	keys := map[int64]bool{}
	for k := range a.n {
		keys[k] = true
	}
	for k := range b.n {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		e := a.residual(k, pa) - b.residual(k, pb)
		sum += e * e
	}
	m := float64(len(keys))
	binomial := pa*(1-pa)/math.Max(a.total, 1) + pb*(1-pb)/math.Max(b.total, 1)
	variance, reach := binomial, distuv.UnitNormal.Quantile((1+confidence)/2)
	if m > 1 {
		variance = math.Max(binomial, sum*m/(m-1))
		reach = distuv.StudentsT{Mu: 0, Sigma: 1, Nu: m - 1}.Quantile((1 + confidence) / 2)
	}
	half := reach * math.Sqrt(variance)
	return Change{Shift: pa - pb, Low: pa - pb - half, High: pa - pb + half}
}

// tallied are hits and shots by block.
type tallied struct {
	hits, n    map[int64]float64
	hit, total float64
}

func tally(cells []cell, hit func(cell) int64, length time.Duration) tallied {
	t := tallied{hits: map[int64]float64{}, n: map[int64]float64{}}
	for _, c := range cells {
		k, h, n := int64(c.start/length), float64(hit(c)), float64(c.Count())
		t.hits[k] += h
		t.n[k] += n
		t.hit += h
		t.total += n
	}
	return t
}

// share of all shots that hit.
func (t tallied) share() float64 {
	if t.total == 0 {
		return 0
	}
	return t.hit / t.total
}

// residual is a block's part in the ratio's error.
func (t tallied) residual(block int64, p float64) float64 {
	if t.total == 0 {
		return 0
	}
	return (t.hits[block] - p*t.n[block]) / t.total
}

// warnings tells what became worse.
func (s StepChange) warnings() []record.Warning {
	var out []record.Warning
	for _, f := range []struct {
		name  string
		c     Change
		write func(float64, string) string
	}{
		{"p95", s.P95, inSeconds},
		{"p99", s.P99, inSeconds},
		{"errors", s.Errors, percent},
	} {
		if !f.c.Worse {
			continue
		}
		de, en := f.name, f.name
		if f.name == "errors" {
			de, en = "Fehleranteil", "error share"
		}
		out = append(out, record.Warning{Code: "worse-than-baseline", Text: both(
			fmt.Sprintf("Schritt %s ist schlechter als im Vergleichslauf: %s %s statt %s.", s.Step, de, f.write(f.c.After, "de"), f.write(f.c.Before, "de")),
			fmt.Sprintf("Step %s is worse than in the baseline: %s %s instead of %s.", s.Step, en, f.write(f.c.After, "en"), f.write(f.c.Before, "en")))})
	}
	return out
}

func inSeconds(s float64, lang string) string {
	return scenarios.Span(time.Duration(s*float64(time.Second)), lang)
}
