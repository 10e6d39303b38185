package planner

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

const (
	predictionStep = 5 // seconds
	bandWorlds     = 16
)

// predict is the platform in the surge as expected, with the band of the worlds in which no node is lost.
func (s *search) predict(ctx context.Context, pf *scenarios.Platform) (Prediction, error) {
	n := s.shown(bandWorlds)
	return s.f.predict(ctx, pf, s.opts.Seed, n, s.opts.ticks(StagePredict, 1+n))
}

// predict has a band of so many worlds: of sixteen the least and the most at every moment are left out, of fewer none.
func (f *forge) predict(ctx context.Context, pf *scenarios.Platform, seed uint64, worlds int, tick func()) (Prediction, error) {
	p, err := f.params(pf, -1)
	if err != nil {
		return Prediction{}, err
	}
	expected, err := sim.Run(ctx, p, sim.World{Seed: seed + 1, Demand: demandAt(f.model, 0.5)})
	if err != nil {
		return Prediction{}, fmt.Errorf("plan: predict: %w", err)
	}
	tick()
	out := predictionOf(expected)
	band, err := f.band(ctx, pf, seed, worlds, tick)
	if err != nil {
		return Prediction{}, err
	}
	for i := range out.P95 {
		low, high := out.P95[i], out.P95[i]
		var v []float64
		for _, b := range band {
			if i < len(b) {
				v = append(v, b[i])
			}
		}
		if slices.Sort(v); len(v) > 2 {
			trim := worlds / bandWorlds
			low, high = math.Min(low, v[trim]), math.Max(high, v[len(v)-1-trim])
		}
		out.P95Low = append(out.P95Low, low)
		out.P95High = append(out.P95High, high)
	}
	return out, nil
}

// band are the 95 % percentiles over time in worlds of all demands and draws.
func (f *forge) band(ctx context.Context, pf *scenarios.Platform, seed uint64, worlds int, tick func()) ([][]float64, error) {
	out := make([][]float64, worlds)
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range worlds {
		group.Go(func() error {
			mu.Lock()
			p, err := f.params(pf, i)
			mu.Unlock()
			if err != nil {
				return err
			}
			q := (float64(i) + 0.5) / float64(worlds)
			r, err := sim.Run(ctx, p, sim.World{Seed: seed + 1000 + uint64(i), Demand: demandAt(f.model, q)})
			if err != nil {
				return err
			}
			out[i] = thin(r.Series.P95, largest)
			tick()
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("plan: predict the band: %w", err)
	}
	return out, nil
}

func predictionOf(r *sim.Result) Prediction {
	return Prediction{
		Step:    predictionStep * time.Second,
		Offered: thin(r.Series.Offered, mean), Served: thin(r.Series.Served, mean),
		Desired: thin(r.Series.Desired, mean), Ready: thin(r.Series.Ready, mean),
		P95: thin(r.Series.P95, largest), AtDoor: thin(r.Series.AtDoor, largest), SlowWorst: r.Slow,
	}
}

// thin takes predictionStep seconds together.
func thin(x []float64, join func([]float64) float64) []float64 {
	var out []float64
	for i := 0; i < len(x); i += predictionStep {
		out = append(out, join(x[i:min(len(x), i+predictionStep)]))
	}
	return out
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

func largest(x []float64) float64 { return slices.Max(x) }
