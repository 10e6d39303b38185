package planner

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/scenarios"
)

// stepAt is a step of a journey.
type stepAt struct{ journey, step int }

// optional are the steps whose share can be changed.
func (d *designer) optional() []stepAt {
	var out []stepAt
	for j, journey := range d.sc.Journeys {
		for i, step := range journey.Steps {
			if step.Share != nil && *step.Share < 1 {
				out = append(out, stepAt{j, i})
			}
		}
	}
	return out
}

// mix is the n-th calibration run, with these optional steps common and all others rare.
func (d *designer) mix(n int, length time.Duration, often ...stepAt) (ProposedRun, error) {
	share := func(j, i int) float64 {
		if slices.Contains(often, stepAt{j, i}) {
			return common
		}
		return rare
	}
	e, err := mixture(d.sc, d.pf, fmt.Sprintf("calibration-%d", n), share, uint64(n), length, d.shots, d.peak)
	run := ProposedRun{Name: e.Name, Experiment: e, Why: scenarios.Text{
		"de": "Feste Replikate, die Rate in Stufen, Wahlschritte selten: was ein Schritt und was ein leerer Pod kostet",
		"en": "Fixed replicas, the rate in steps, optional steps rare: what a step costs, and an idle pod",
	}}
	if len(often) > 0 {
		run.Why = scenarios.Text{
			"de": "Dasselbe mit anderem Mischungsverhältnis: erst der Unterschied trennt die Schritte",
			"en": "The same with another mix: only the difference tells the steps apart",
		}
	}
	return run, err
}

// mixes are runs with fixed replicas and unlike mixes, the fewest with which the steps can be told apart: one; one more
// with all optional steps common; or one more for each of them. Their condition numbers go into told. Steps that no mix
// tells apart count as one.
func (d *designer) mixes(told map[string]float64) ([]ProposedRun, error) {
	optional := d.optional()
	designs := [][][]stepAt{{nil}}
	if len(optional) > 0 {
		each := [][]stepAt{nil}
		for _, o := range optional {
			each = append(each, []stepAt{o})
		}
		designs = append(designs, [][]stepAt{nil, optional}, each)
	}
	lay := func(design [][]stepAt) (runs []ProposedRun, err error) {
		for i, often := range design {
			run, err := d.mix(i+1, d.enough(len(design)), often...)
			if err != nil {
				return nil, err
			}
			runs = append(runs, run)
		}
		return runs, nil
	}
	most, err := lay(designs[len(designs)-1])
	if err != nil {
		return nil, err
	}
	if err := d.together(most); err != nil {
		return nil, err
	}
	for i, design := range designs {
		runs, err := lay(design)
		if err != nil {
			return nil, err
		}
		c, err := d.condition(runs)
		if err != nil {
			return nil, err
		}
		if largestOf(c) <= fit.Harmful || i == len(designs)-1 {
			maps.Copy(told, c)
			return runs, nil
		}
	}
	return nil, nil // not reached: the last design is always taken
}

// enough is how long each of so many mixes must last for the scrapes that the demand of all steps takes.
func (d *designer) enough(runs int) time.Duration {
	steps := 0
	for _, w := range d.pf.Workloads {
		steps = max(steps, len(w.Steps))
	}
	scrapes := (fit.LeastScrapes(steps) + runs - 1) / runs
	return max(calibrationLength, time.Duration(scrapes)*d.pf.Autoscaling.WithDefaults().MetricResolution)
}

func largestOf(m map[string]float64) float64 {
	most := 0.0
	for _, x := range m {
		most = math.Max(most, x)
	}
	return most
}

// condition is how well the runs' pods and step rates can be told apart, by workload: a row for each level of each run.
func (d *designer) condition(runs []ProposedRun) (map[string]float64, error) {
	rows := map[string][][]float64{}
	for _, r := range runs {
		rates, pods, err := r.Experiment.rates()
		if err != nil {
			return nil, err
		}
		for name, n := range pods {
			for _, level := range calibrationSteps {
				row := make([]float64, 1+len(rates))
				row[0] = n
				for k, ref := range d.sc.AllSteps() {
					if d.serves(name, ref.Name) {
						row[1+d.with[k]] += level * rates[k]
					}
				}
				rows[name] = append(rows[name], row)
			}
		}
	}
	out := map[string]float64{}
	for name, design := range rows {
		out[name] = math.Min(1e16, fit.Condition(design)) // JSON knows no infinity
	}
	return out, nil
}

// rates are an experiment's shots a second by step at its highest level, and the pods of each workload.
func (e *Experiment) rates() ([]float64, map[string]float64, error) {
	p, err := paramsOf(e.Scenario, e.Platform, nil)
	if err != nil {
		return nil, nil, err
	}
	_, peak := mustPeak(e.Scenario)
	rates := perPerson(p, e.Scenario)
	for k := range rates {
		rates[k] *= peak
	}
	pods, of := map[string]float64{}, servers(e.Platform)
	for _, t := range e.Scenario.Tenants.List {
		pods[of(t.Name).Name] += float64(of(t.Name).Replicas)
	}
	return rates, pods, nil
}

func mustPeak(sc *scenarios.Scenario) (time.Duration, float64) {
	curve, err := sc.Curve()
	if err != nil {
		return 0, 0
	}
	return curve.Peak()
}

func (d *designer) serves(workload, step string) bool {
	return slices.ContainsFunc(d.pf.Workloads, func(w scenarios.Workload) bool {
		_, known := w.Steps[step]
		return w.Name == workload && known
	})
}

// together finds the steps whose rates keep one ratio in all runs: of those only what they cost together can be told.
func (d *designer) together(runs []ProposedRun) error {
	rates := make([][]float64, len(runs))
	for i, r := range runs {
		var err error
		if rates[i], _, err = r.Experiment.rates(); err != nil {
			return err
		}
	}
	steps := d.sc.AllSteps()
	d.with = make([]int, len(steps))
	for k := range steps {
		d.with[k] = k
		for l := range k {
			one := true
			for i := range rates {
				one = one && math.Abs(rates[i][k]*rates[0][l]-rates[i][l]*rates[0][k]) <= 1e-6*rates[i][k]*rates[0][l]
			}
			if !one {
				continue
			}
			d.with[k] = l
			for _, step := range []string{steps[k].Name, steps[l].Name} {
				d.left[fit.KindDemand+" "+step] = scenarios.Text{
					"de": "Sie stehen in jedem Mischungsverhältnis im selben Verhältnis zueinander: messbar ist nur, was sie zusammen kosten.",
					"en": "Their rates keep one ratio in every mix: only what they cost together can be measured.",
				}
			}
			break
		}
	}
	return nil
}
