package planner

import (
	"context"
	"errors"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/scenarios"
)

var errNotBuilt = errors.New("planner: not built yet")

// Options steer a search. The zero value means the defaults each field names.
type Options struct {
	// Forecast is the surge to plan for; nil means the scenario of the surge run.
	Forecast *scenarios.Scenario
	// Delta is the accepted probability that a promise is broken, 0 to 1. Zero means 0.01.
	Delta float64
	// Worlds is how many futures the chosen plan is tried in. Zero means 512.
	Worlds int
	Seed   uint64
	// LoseNodes is how many nodes may be lost at a time, 0 or 1. Nil means 1.
	LoseNodes *int
	// Progress is told how far a stage ("fit", "search", "certify", "notch") is; it may be called by several
	// goroutines. Nil means no one listens.
	Progress func(stage string, done, total int64)
}

// Make fits a model to the runs' records and searches for the cheapest plan that keeps the promises.
func Make(ctx context.Context, runs []*record.Record, opts Options) (*Plan, error) {
	return nil, errNotBuilt
}

// Search finds the cheapest nodes and autoscaling that keep the scenario's promises on the platform, as far as the
// model knows it. It is a pure function of its arguments.
func Search(ctx context.Context, model *fit.Model, sc *scenarios.Scenario, pf *scenarios.Platform, opts Options) (*Plan, error) {
	return nil, errNotBuilt
}

// Simulate runs the surge in virtual time. With a nil model the platform file's own figures are taken for the truth.
func Simulate(ctx context.Context, sc *scenarios.Scenario, pf *scenarios.Platform, model *fit.Model, opts Options) (*Simulation, error) {
	return nil, errNotBuilt
}

// Compare holds the plan's prediction against a run fired on the planned platform.
func Compare(plan *Plan, rec *record.Record) ([]Comparison, error) { return nil, errNotBuilt }
