package planner

import (
	"context"
	"fmt"

	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// Foresee runs the surge as expected, with the model's own values (nil: the platform file's figures) and the platform's
// disruptions, in n worlds that differ by chance alone, every one second by second. The same seed gives the same worlds.
func Foresee(ctx context.Context, model *fit.Model, sc *scenarios.Scenario, pf *scenarios.Platform, n int, seed uint64) ([]*sim.Result, error) {
	p, err := paramsOf(sc, pf, model)
	if err != nil {
		return nil, err
	}
	runner := &sim.Runner{Detail: true, Tails: true}
	out := make([]*sim.Result, n)
	for i := range out {
		w := sim.World{Seed: seed + uint64(i)}
		w.Lost, w.At = disruption(p, pf)
		if out[i], err = runner.Run(ctx, p, w); err != nil {
			return nil, fmt.Errorf("foresee: %w", err)
		}
	}
	return out, nil
}
