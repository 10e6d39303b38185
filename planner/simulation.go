package planner

import (
	"context"
	"fmt"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// Simulation is a surge in virtual time: what `ansturm simulate` prints.
type Simulation struct {
	// Stands is pass when no promise is broken in the surge as expected.
	Stands     gate.Result       `json:"stands"`
	SLOs       []SimulatedSLO    `json:"slos"`
	Prediction Prediction        `json:"prediction"`
	Tenants    []SimulatedTenant `json:"tenants"`
	// ReplicaHours of all tenants; Scalings is the number of changes of a replica count.
	ReplicaHours float64 `json:"replicaHours"`
	Scalings     int     `json:"scalings"`
	// Warnings are about promises that contradict each other, and about what the simulation does not cover.
	Warnings []record.Warning `json:"warnings,omitempty"`
}

// SimulatedSLO is one promise in a simulated surge.
type SimulatedSLO struct {
	Name   string      `json:"name"`
	Result gate.Result `json:"result"`
	Judged int         `json:"judged"` // windows
	Broken int         `json:"broken"`
	// Worst is the largest share of slow or failed shots in a window, 0 to 1; WorstTenant whose it was, empty for all.
	Worst       float64 `json:"worst"`
	WorstTenant string  `json:"worstTenant,omitempty"`
}

// SimulatedTenant is one tenant in a simulated surge.
type SimulatedTenant struct {
	Tenant string  `json:"tenant"`
	Peak   int32   `json:"peak"`   // replicas
	Worst  float64 `json:"worst"`  // share of slow or failed shots in its worst window
	Broken bool    `json:"broken"` // of any promise
}

// Simulate runs the surge in virtual time, the platform's disruptions included. With a nil model the platform file's
// own figures are taken for the truth. Of the options only Seed and Progress are read.
func Simulate(ctx context.Context, sc *scenarios.Scenario, pf *scenarios.Platform, model *fit.Model, opts Options) (*Simulation, error) {
	opts = opts.withDefaults()
	if err := fitsSomewhere(sc, pf); err != nil {
		return nil, err
	}
	p, err := paramsOf(sc, pf, model)
	if err != nil {
		return nil, err
	}
	world := sim.World{Seed: sc.Arrivals.Seed + opts.Seed}
	world.Lost, world.At = disruption(p, pf)
	runner := sim.Runner{Detail: true, Told: func(done, end int) { opts.Progress("simulate", int64(done), int64(end)) }}
	r, err := runner.Run(ctx, p, world)
	if err != nil {
		return nil, fmt.Errorf("simulate: %w", err)
	}
	opts.Progress("simulate", 1, 1)
	out := &Simulation{
		Stands: gate.Pass, Prediction: predictionOf(r), ReplicaHours: r.ReplicaSeconds / 3600, Scalings: r.Scalings,
		SLOs: simulatedSLOs(sc, p, r), Warnings: append(contradictions(sc), record.UncoveredMetrics(pf)...),
	}
	out.Prediction.P95Low, out.Prediction.P95High = out.Prediction.P95, out.Prediction.P95
	judged := 0
	for _, q := range r.Promises {
		judged += q.Judged
	}
	switch {
	case r.Broken:
		out.Stands = gate.Fail
	case judged == 0:
		out.Stands = gate.Inconclusive
	}
	for i, t := range p.Tenants {
		out.Tenants = append(out.Tenants, SimulatedTenant{t.Name, int32(r.Peak[i]), r.TenantSlow[i], r.TenantBroken[i]})
	}
	return out, nil
}

// disruption is the first planned loss of a node: its number from 1 and when, in seconds.
func disruption(p *sim.Params, pf *scenarios.Platform) (int, float64) {
	for _, d := range pf.Disruptions {
		for i, n := range p.Nodes {
			if n.Name == d.LoseNode {
				return i + 1, d.At.Seconds()
			}
		}
	}
	return 0, 0
}

func simulatedSLOs(sc *scenarios.Scenario, p *sim.Params, r *sim.Result) []SimulatedSLO {
	out := make([]SimulatedSLO, len(sc.SLOs))
	for i, slo := range sc.SLOs {
		out[i] = SimulatedSLO{Name: slo.Name, Result: gate.Inconclusive}
	}
	for q, promise := range p.Promises {
		s, res := &out[promise.SLO], r.Promises[q]
		s.Judged += res.Judged
		s.Broken += res.Broken
		if share := res.Worst.Share(); res.Judged > 0 && share >= s.Worst {
			s.Worst, s.WorstTenant = share, ""
			if res.Worst.Tenant >= 0 {
				s.WorstTenant = p.Tenants[res.Worst.Tenant].Name
			}
		}
	}
	for i := range out {
		switch {
		case out[i].Broken > 0:
			out[i].Result = gate.Fail
		case out[i].Judged > 0:
			out[i].Result = gate.Pass
		}
	}
	return out
}
