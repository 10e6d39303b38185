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
	f, err := newForge(sc, model)
	if err != nil {
		return nil, err
	}
	p, err := f.params(pf, -1)
	if err != nil {
		return nil, err
	}
	out := make([]*sim.Result, n)
	for i := range out {
		w := sim.World{Seed: seed + uint64(i)}
		w.Lost, w.At = disruption(p, pf)
		if out[i], err = sim.Run(ctx, p, w); err != nil {
			return nil, fmt.Errorf("foresee: %w", err)
		}
	}
	return out, nil
}
