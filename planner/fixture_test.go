package planner

import (
	"math/rand/v2"
	"testing"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/scenarios"
)

// shipped is a scenario of the library with its platform.
func shipped(t testing.TB, name string) (*scenarios.Scenario, *scenarios.Platform) {
	t.Helper()
	e, err := scenarios.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	sc, err := scenarios.Parse(name+".yaml", e.YAML, nil)
	if err != nil {
		t.Fatal(err)
	}
	pf, err := scenarios.ParsePlatform(name+".platform.yaml", e.PlatformYAML)
	if err != nil {
		t.Fatal(err)
	}
	return sc, pf
}

// modelOf is a model as a fit would give it if it found the platform file's figures, 2 % uncertain.
func modelOf(sc *scenarios.Scenario, pf *scenarios.Platform) *fit.Model {
	rng := rand.New(rand.NewPCG(1, 2))
	around := func(x float64, unit string) fit.Estimate {
		e := fit.Estimate{Value: x, Low: 0.967 * x, High: 1.033 * x, Unit: unit}
		for range 64 {
			e.Draws = append(e.Draws, x*(1+0.02*rng.NormFloat64()))
		}
		return e
	}
	m := &fit.Model{Level: 0.9, Workloads: map[string]*fit.WorkloadModel{}, Demand: fit.Estimate{Value: 1, Low: 0.9, High: 1.1}}
	for i := range pf.Workloads {
		w := &pf.Workloads[i]
		wm := &fit.WorkloadModel{
			Steps: map[string]*fit.StepModel{}, Condition: 4, Chain: map[string]*fit.Delay{
				record.PhasePulled:  {Shift: 5, Mu: 1.3, Sigma: 0.3, Observed: 40},
				record.PhaseStarted: {Shift: 1, Mu: 0.7, Sigma: 0.2, Observed: 200},
				record.PhaseReady:   {Shift: 7, Mu: 1.4, Sigma: 0.3, Observed: 200},
			},
			WarmUpFactor: around(1.5, "1"), WarmUpSeconds: around(15, "s"),
		}
		for _, ref := range sc.AllSteps() {
			if spec, ok := w.Steps[ref.Name]; ok {
				wm.Steps[ref.Name] = &fit.StepModel{
					Demand: around(spec.CPU.Mean().Seconds(), "s"), Spread: fit.Estimate{Value: 0.04}, Floor: around(2*spec.CPU.Mean().Seconds(), "s"),
				}
			}
		}
		m.Workloads[w.Name] = wm
	}
	return m
}
