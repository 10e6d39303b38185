package planner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/scenarios"
)

// Options steer a search. The zero value means the defaults each field names.
type Options struct {
	// Forecast is the surge to plan for; nil means the scenario of the surge run.
	Forecast *scenarios.Scenario
	// Growth multiplies the number of persons; zero means 1. LoseSite is a site that is lost. NoNewNodes plans with the
	// nodes there are. The plan's WhatIf then says who loses, when, and what it would take.
	Growth     float64
	LoseSite   string
	NoNewNodes bool
	// Delta is the accepted probability that a promise is broken, 0 to 1. Zero means 0.01.
	Delta float64
	// Worlds is how many futures the chosen plan is tried in. Zero means 512.
	Worlds int
	Seed   uint64
	// LoseNodes is how many nodes may be lost at a time, 0 or 1. Nil means 1.
	LoseNodes *int
	// Candidates are plans for neighbouring questions, more load, a stricter promise or one node more to lose: what holds
	// there holds here, so the plan is never dearer than the cheapest of them that holds here too.
	Candidates []*Plan
	// Progress is told how far a stage is, once for each world simulated; a stage may be gone through several times. total 0
	// means unknown. It may be called by several goroutines. Nil means no one listens.
	Progress func(stage string, done, total int64)
}

// The stages of a plan, in their order, as [Options].Progress names them.
const (
	StageFit         = "fit"
	StageStands      = "stands"      // does the platform as it is stand the surge?
	StageSearch      = "search"      // the fewest nodes and the highest target in the worst worlds
	StageCertify     = "certify"     // what was found, in all worlds
	StagePolish      = "polish"      // what is near it, in small fleets
	StageAdmission   = "admission"   // a waiting room as another way
	StagePredict     = "predict"     // the surge as expected, and its band
	StageNotch       = "notch"       // what the plan must not survive
	StageSensitivity = "sensitivity" // which assumption moves the answer most
	StageFrontier    = "frontier"    // cost against risk
	StageWhatIf      = "what if"     // who loses
	StageCompare     = "compare"     // the prediction of the run with what it measured
)

// ticks says a stage's progress, one of total at a time.
func (o Options) ticks(stage string, total int) func() {
	var done atomic.Int64
	return func() { o.Progress(stage, done.Add(1), int64(total)) }
}

// Make fits a model to the runs' records and searches for the cheapest plan that keeps the promises, on the platform of
// the surge run: the last one whose purpose is "surge", else the last of all. The surge is also predicted and held
// against what was measured.
func Make(ctx context.Context, runs []*record.Record, opts Options) (*Plan, error) {
	if len(runs) == 0 {
		return nil, errors.New("plan: no run to plan from")
	}
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("plan: options: %w", err)
	}
	opts = opts.withDefaults()
	surge := surgeOf(runs)
	if surge.Run.Platform == nil {
		return nil, fmt.Errorf("plan: run %s names no platform", surge.Run.ID)
	}
	sc := opts.Forecast
	if sc == nil {
		sc = surge.Run.Scenario
	}
	if sc == nil {
		return nil, fmt.Errorf("plan: run %s names no scenario", surge.Run.ID)
	}
	if err := askable(sc, surge.Run.Platform, opts); err != nil {
		return nil, err
	}
	if err := forSameTenants(opts.Candidates, sc); err != nil {
		return nil, err
	}
	opts.Progress(StageFit, 0, 1)
	model, err := fit.Fit(ctx, runs, fit.Options{Seed: opts.Seed})
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if err := settling(model, sc, surge.Run.Platform, surge.Run.Speed); err != nil {
		return nil, err
	}
	opts.Progress(StageFit, 1, 1)
	plan, err := Search(ctx, model, sc, surge.Run.Platform, opts)
	if err != nil {
		return nil, err
	}
	plan.Warnings = append(plan.Warnings, uncovered(runs)...)
	plan.Validation, err = compare(ctx, model, surge, opts.ticks(StageCompare, bandWorlds))
	if err != nil {
		plan.Warnings = append(plan.Warnings, record.Warning{Code: "not-validated", Text: scenarios.Text{
			"de": "Der Lauf ließ sich nicht mit der Vorhersage vergleichen: " + err.Error(),
			"en": "The run could not be held against the prediction: " + err.Error(),
		}})
	}
	return plan, nil
}

// askable says what is wrong with the question itself: before the fit, which takes its time, and would find other fault
// with a run in which no pod ever found a node.
func askable(sc *scenarios.Scenario, pf *scenarios.Platform, opts Options) error {
	q, err := ask(sc, pf, opts)
	if err != nil {
		return err
	}
	if q != nil {
		sc, pf = q.asked, q.pf
	}
	return fitsSomewhere(sc, pf)
}

// forSameTenants says which candidate is not for the scenario's tenants.
func forSameTenants(candidates []*Plan, sc *scenarios.Scenario) error {
	for i, c := range candidates {
		for _, t := range sc.Tenants.List {
			if !slices.ContainsFunc(c.Tenants, func(p TenantPlan) bool { return p.Tenant == t.Name }) {
				return fmt.Errorf("plan: candidate %d says nothing of tenant %q: only a plan for the same tenants can be a candidate", i+1, t.Name)
			}
		}
	}
	return nil
}

// uncovered are the warnings of the runs about what no model covers, each once: they hold for the plan too.
func uncovered(runs []*record.Record) []record.Warning {
	var out []record.Warning
	add := func(w record.Warning) {
		if !slices.ContainsFunc(out, func(o record.Warning) bool { return maps.Equal(o.Text, w.Text) }) {
			out = append(out, w)
		}
	}
	for _, r := range runs {
		for _, w := range r.Run.Warnings {
			if w.Uncovered() {
				add(w)
			}
		}
		if r.Run.Platform != nil {
			for _, w := range record.UncoveredMetrics(r.Run.Platform) {
				add(w)
			}
		}
	}
	return out
}

func surgeOf(runs []*record.Record) *record.Record {
	for i := len(runs) - 1; i >= 0; i-- {
		if runs[i].Run.Purpose == "surge" {
			return runs[i]
		}
	}
	return runs[len(runs)-1]
}
