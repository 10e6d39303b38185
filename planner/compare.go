package planner

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// Compare holds the plan's model, put on the platform and scenario of a fired run, against what the run measured.
func Compare(plan *Plan, rec *record.Record) ([]Comparison, error) {
	if plan == nil || rec == nil {
		return nil, errors.New("compare: a plan and a record are needed")
	}
	return compare(context.Background(), plan.Model, rec, func() {})
}

// compare predicts a recorded run with a model: the same scenario, platform and disruptions. tick is told of every world.
func compare(ctx context.Context, model *fit.Model, rec *record.Record, tick func()) ([]Comparison, error) {
	run := &rec.Run
	if run.Scenario == nil || run.Platform == nil {
		return nil, errors.New("compare: the record names no scenario or platform")
	}
	measured, err := measure(rec)
	if err != nil {
		return nil, err
	}
	f, err := newForge(run.Scenario, model)
	if err != nil {
		return nil, err
	}
	var predicted [][]float64
	for i := range bandWorlds {
		p, err := f.params(run.Platform, i)
		if err != nil {
			return nil, err
		}
		w := sim.World{Seed: run.Scenario.Arrivals.Seed + uint64(i)}
		w.Lost, w.At = disruption(p, run.Platform)
		r, err := sim.Run(ctx, p, w)
		if err != nil {
			return nil, fmt.Errorf("compare: %w", err)
		}
		predicted = append(predicted, figuresOf(r))
		tick()
	}
	var out []Comparison
	for k, fig := range figures {
		if math.IsNaN(measured[k]) {
			continue
		}
		var v []float64
		for _, row := range predicted {
			v = append(v, row[k])
		}
		slices.Sort(v)
		out = append(out, Comparison{
			Figure: fig.name, Unit: fig.unit, Predicted: v[len(v)/2], Low: v[1], High: v[len(v)-2], Measured: measured[k],
		})
	}
	return out, nil
}

// figures are what is compared, in the order of figuresOf and measure.
var figures = []struct {
	name scenarios.Text
	unit string
}{
	{scenarios.Text{"de": "Beantwortete Anfragen je Sekunde, höchste Minute", "en": "Requests answered per second, highest minute"}, "1/s"},
	{scenarios.Text{"de": "Antwortzeit, 95 % aller Anfragen, Median der Sekunden", "en": "Response time, 95 % of all requests, median of the seconds"}, "s"},
	{scenarios.Text{"de": "CPU-Verbrauch aller Pods", "en": "CPU used by all pods"}, "core-h"},
	{scenarios.Text{"de": "Replikate, alle Mandanten, höchster Stand", "en": "Replicas of all tenants, highest"}, "1"},
	{scenarios.Text{"de": "Anteil fehlgeschlagener Anfragen", "en": "Share of failed requests"}, "1"},
	{scenarios.Text{"de": "Wartezeit im Warteraum, längste", "en": "Wait in the waiting room, longest"}, "s"},
}

func figuresOf(r *sim.Result) []float64 {
	s := r.Series
	cores := 0.0
	for _, x := range s.Cores {
		cores += x
	}
	var p95 []float64
	for i, x := range s.P95 {
		if s.Offered[i] > 0 {
			p95 = append(p95, x)
		}
	}
	longest := math.NaN()
	if r.Waiting != nil {
		longest = r.Waiting.Most
	}
	failed := (r.Flow.Refused + r.Flow.Lost + r.Flow.Left) / math.Max(1, r.Flow.Arrived)
	return []float64{busiest(s.Served, 60, len(s.Served)), median(p95), cores / 3600, slices.Max(s.Desired), failed, longest}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

// measure takes the same figures from a record; NaN where it does not hold them.
func measure(rec *record.Record) ([]float64, error) {
	windows, err := rec.Windows(func(k record.Key, _ time.Duration) bool {
		return k.Tenant == "" && (k.Measure == record.Response || k.Measure == record.Waited || k.Measure == record.Service && k.Outcome == record.OK)
	})
	if err != nil {
		return nil, fmt.Errorf("compare: read the record's windows: %w", err)
	}
	events, err := rec.Timeline()
	if err != nil {
		return nil, fmt.Errorf("compare: read the record's timeline: %w", err)
	}
	var served []float64
	shots, failed := 0.0, 0.0
	bySecond := map[int]*record.Histogram{}
	doored, longest := rec.Run.WaitingRoom != "", 0.0
	for _, w := range windows {
		sec := int(w.Start / time.Second)
		n := float64(w.Histogram.Count())
		if w.Measure == record.Waited {
			longest = max(longest, w.Histogram.Max().Seconds())
			continue
		}
		if w.Measure == record.Service {
			for len(served) <= sec {
				served = append(served, 0)
			}
			served[sec] += n
		} else {
			shots += n
			if w.Outcome != record.OK {
				failed += n
			}
		}
		if doored != (w.Measure == record.Service) { // behind a waiting room the model's response time begins at being let in
			continue
		}
		if h := bySecond[sec]; h == nil {
			bySecond[sec] = w.Histogram.Clone()
		} else if err := h.Merge(w.Histogram); err != nil {
			return nil, fmt.Errorf("compare: %w", err)
		}
	}
	var p95 []float64
	for _, h := range bySecond {
		if h.Count() > 0 {
			p95 = append(p95, h.Quantile(0.95).Seconds())
		}
	}
	none := math.NaN()
	out := []float64{none, median(p95), none, none, none, none}
	if doored {
		out[5] = longest
	}
	if len(served) > 0 {
		out[0] = busiest(served, 60, len(served))
	}
	out[2], out[3] = fromTimeline(events)
	if shots > 0 {
		out[4] = failed / shots
	}
	return out, nil
}

// fromTimeline is the CPU used, in core-hours, and the largest sum of desired replicas.
func fromTimeline(events []record.Event) (hours, replicas float64) {
	type series struct {
		first, last float64
	}
	cpu := map[string]*series{}
	desired := map[string]int32{}
	sum, most, any := int32(0), int32(0), false
	for _, e := range events {
		switch e.Kind {
		case record.KindMetrics:
			x, has := e.Values["cpu_seconds"]
			if !has {
				continue
			}
			s := cpu[e.Tenant]
			if s == nil {
				s = &series{first: x}
				cpu[e.Tenant] = s
			}
			s.last = x
		case record.KindReplicas:
			any = true
			sum += e.Desired - desired[e.Tenant]
			desired[e.Tenant] = e.Desired
			most = max(most, sum)
		}
	}
	total := 0.0
	for _, s := range cpu {
		total += s.last - s.first
	}
	hours, replicas = total/3600, float64(most)
	if len(cpu) == 0 {
		hours = math.NaN()
	}
	if !any {
		replicas = math.NaN()
	}
	return hours, replicas
}
