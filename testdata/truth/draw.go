package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// subject is a platform that nobody has seen, and the surges on it.
type subject struct {
	seed int64
	// platform is the truth. described is what its operators know: its settings and its back ends, but of what requests cost
	// and of how long a pod takes to start only a guess, off by up to a third. Fit and simulator see no other.
	platform, described *scenarios.Platform
	// rehearsal is fired with the autoscalers acting and is fitted, beside the calibration; surge is held out: another mix,
	// curve and total.
	rehearsal, surge *scenarios.Scenario
	// cores is what a calibration run may want; those that want more are left out. 0: any.
	cores float64
	// ground fires at it; nil: in virtual time.
	ground func(context.Context, firing) (*record.Record, error)
}

func (x *subject) fire(ctx context.Context, f firing) (*record.Record, error) {
	if x.ground == nil {
		return f.fire()
	}
	return x.ground(ctx, f)
}

const (
	keyHeader    = "Idempotency-Key"
	mostArrivals = 60_000
)

// drawer draws figures as they are among platforms: by ratios.
type drawer struct{ *rand.Rand }

func (d drawer) between(low, high float64) float64 { return low * math.Pow(high/low, d.Float64()) }

func (d drawer) chance(p float64) bool { return d.Float64() < p }

func (d drawer) span(low, high time.Duration) time.Duration {
	return time.Duration(d.between(float64(low), float64(high))).Round(time.Millisecond)
}

func one[T any](d drawer, of ...T) T { return of[d.IntN(len(of))] }

// draw makes the seed's subject.
func draw(seed int64) (*subject, error) {
	d := drawer{rand.New(rand.NewPCG(uint64(seed), 0x7472757468))}
	x := &subject{seed: seed}
	x.surge = d.surge()
	x.platform = &scenarios.Platform{Name: "drawn", Workloads: d.workloads(x.surge)}
	peak, err := d.size(x)
	if err != nil {
		return nil, err
	}
	d.backends(x, peak)
	d.pools(x)
	x.rehearsal = d.rehearsed(x.surge)
	for i, s := range []*scenarios.Scenario{x.surge, x.rehearsal} {
		s.Arrivals.Seed = uint64(seed)*16 + uint64(i)*8
	}
	x.described = d.guess(x.platform)
	return x, nil
}

// surge is a scenario whose total is still open.
func (d drawer) surge() *scenarios.Scenario {
	s := &scenarios.Scenario{
		Name:     "surge",
		Arrivals: scenarios.Arrivals{Total: mostArrivals, Over: time.Duration(6+d.IntN(7)) * time.Minute},
		SLOs:     []scenarios.SLO{{Step: "submit", Percentile: 95, Within: 5 * time.Second, Errors: 0.01}},
	}
	zipf := d.Float64()
	for i := range 1 + d.IntN(12) {
		s.Tenants.List = append(s.Tenants.List, scenarios.Tenant{Name: fmt.Sprintf("tenant-%d", i+1), Weight: math.Pow(float64(i+1), -zipf)})
	}
	s.Arrivals.Curve = d.curve(s.Arrivals.Over)
	j := scenarios.Journey{Name: "apply", Weight: 1}
	steps := 1 + d.IntN(3)
	if steps > 1 {
		j.Steps = append(j.Steps, d.step("form", true))
	}
	j.Steps = append(j.Steps, d.step("submit", false))
	if steps > 2 {
		j.Steps = append(j.Steps, d.step("receipt", d.chance(0.5)))
	}
	if d.chance(0.6) {
		patience := d.span(5*time.Second, 20*time.Second)
		pause := d.span(5*time.Second, 40*time.Second)
		reload := 0.4 * d.Float64()
		j.Impatience = &scenarios.Impatience{
			Patience: scenarios.Distribution{LogNormal: &scenarios.LogNormal{Median: patience, P95: patience * 5 / 2}},
			Reload:   reload, ComeBack: 0.2, GiveUp: 0.8 - reload, After: &scenarios.Distribution{Exponential: &pause}, Most: 2,
		}
	}
	s.Journeys = []scenarios.Journey{j}
	return s
}

func (d drawer) step(name string, optional bool) scenarios.Step {
	s := scenarios.Step{Name: name, URL: "/" + name, Timeout: one(d, 20*time.Second, 30*time.Second, time.Minute)}
	if optional {
		s.Share = new(0.15 + 0.7*d.Float64())
	}
	if name == "submit" {
		s.Method, s.Headers = "POST", map[string]string{keyHeader: "{{seq}}"}
	}
	if name != "form" {
		least := d.span(time.Second, 4*time.Second)
		s.Think = &scenarios.Distribution{Uniform: &scenarios.Uniform{Min: least, Max: 2 * least}}
	}
	return s
}

// curve is a floor and up to two shapes above it.
func (d drawer) curve(over time.Duration) []scenarios.Shape {
	at := func() time.Duration { return time.Duration((0.3 + 0.5*d.Float64()) * float64(over)).Round(time.Second) }
	out := []scenarios.Shape{{Kind: "constant", Weight: 1}}
	for range d.IntN(3) {
		weight := d.between(0.3, 1.5)
		switch d.IntN(4) {
		case 0:
			out = append(out, scenarios.Shape{Kind: "gaussian", Weight: weight, At: at(), Width: d.span(20*time.Second, 2*time.Minute)})
		case 1:
			out = append(out, scenarios.Shape{Kind: "ramp", Weight: weight, Start: d.Float64(), End: 1 + d.Float64()})
		case 2:
			out = append(out, scenarios.Shape{Kind: "step", Weight: weight, At: at(), Start: 0.5, End: 1 + d.Float64()})
		default:
			out = append(out, scenarios.Shape{Kind: "deadline", Weight: weight, At: at(), Width: d.span(30*time.Second, 3*time.Minute)})
		}
	}
	return out
}

// size sets the total, so that a tenant's peak takes one to four cores or the run has the most arrivals, and how many pods
// the autoscalers may make: from too few on. It gives the peak in persons a second.
func (d drawer) size(x *subject) (peak float64, err error) {
	s := x.surge
	curve, err := s.Curve()
	if err != nil {
		return 0, err
	}
	_, peak = curve.Peak()
	perPerson := x.perPerson(s)
	cores := min(30, float64(len(s.Tenants.List))*d.between(1, 4))
	total := min(mostArrivals, float64(s.Arrivals.Total)*cores/(perPerson*peak))
	peak *= total / float64(s.Arrivals.Total)
	s.Arrivals.Total = int64(total)
	for i := range x.platform.Workloads {
		w := &x.platform.Workloads[i]
		most := x.busiestPods(w, peak)
		if w.HPA == nil { // as many as somebody thought
			w.Replicas = max(1, int32(math.Round(most*d.between(0.8, 2))))
			continue
		}
		w.HPA.MaxReplicas = max(w.Replicas, int32(math.Ceil(most*d.between(0.8, 2.5))))
	}
	return peak, nil
}

// perPerson is the mean CPU time of one of the scenario's persons in seconds.
func (x *subject) perPerson(s *scenarios.Scenario) (sum float64) {
	for _, t := range s.Tenants.List {
		sum += t.Weight / weights(s) * costs(s, x.platform.WorkloadOf(t.Name))
	}
	return sum
}

// wants is how many cores the scenario's peak takes.
func (x *subject) wants(s *scenarios.Scenario) float64 {
	curve, err := s.Curve()
	if err != nil {
		return math.Inf(1)
	}
	_, peak := curve.Peak()
	return peak * x.perPerson(s)
}

// busiestPods is how many pods a workload's largest tenant keeps busy at a peak in persons a second.
func (x *subject) busiestPods(w *scenarios.Workload, peak float64) (most float64) {
	for _, t := range x.surge.Tenants.List {
		if slices.Contains(w.Tenants, t.Name) {
			most = max(most, peak*t.Weight/weights(x.surge)*costs(x.surge, w)/w.CPULimit())
		}
	}
	return most
}

func weights(s *scenarios.Scenario) (sum float64) {
	for _, t := range s.Tenants.List {
		sum += t.Weight
	}
	return sum
}

// costs is the mean CPU time of a person in seconds.
func costs(s *scenarios.Scenario, w *scenarios.Workload) (sum float64) {
	for _, ref := range s.AllSteps() {
		work := w.Steps[ref.Name]
		sum += share(ref) * work.CPU.Mean().Seconds()
	}
	return sum
}

func share(ref scenarios.StepRef) float64 {
	if ref.Share == nil {
		return 1
	}
	return *ref.Share
}

// rehearsed is another surge of the same people: other mix, curve and total.
func (d drawer) rehearsed(s *scenarios.Scenario) *scenarios.Scenario {
	out := s.Clone()
	out.Name = "rehearsal"
	out.Arrivals.Over = time.Duration(5+d.IntN(4)) * time.Minute
	rate := float64(s.Arrivals.Total) / s.Arrivals.Over.Seconds()
	out.Arrivals.Total = int64(math.Ceil(rate * d.between(0.5, 1) * out.Arrivals.Over.Seconds()))
	out.Arrivals.Curve = d.curve(out.Arrivals.Over)
	for i := range out.Journeys[0].Steps {
		if step := &out.Journeys[0].Steps[i]; step.Share != nil {
			step.Share = new(0.15 + 0.7*d.Float64())
		}
	}
	return out
}

// guess is the platform as its operators describe it.
func (d drawer) guess(p *scenarios.Platform) *scenarios.Platform {
	out := *p
	out.Workloads = slices.Clone(p.Workloads)
	about := func(x time.Duration) *time.Duration { return new(time.Duration(float64(x) * d.between(0.75, 1.33))) }
	for i := range out.Workloads {
		w := &out.Workloads[i]
		steps := w.Steps
		w.Steps = map[string]scenarios.Work{}
		for _, name := range []string{"form", "submit", "receipt"} { // in an order
			if work, known := steps[name]; known {
				work.CPU = scenarios.Distribution{Fixed: about(work.CPU.Mean())}
				w.Steps[name] = work
			}
		}
		for _, delay := range []**scenarios.Distribution{&w.Start.Pull, &w.Start.Start, &w.Start.Ready} {
			*delay = &scenarios.Distribution{Fixed: about((*delay).Mean())}
		}
		if w.Start.WarmUp.For > 0 {
			w.Start.WarmUp.For = *about(w.Start.WarmUp.For)
			w.Start.WarmUp.Factor = 1 + (w.Start.WarmUp.Factor-1)*d.between(0.75, 1.33)
		}
	}
	return &out
}

// enact is a described platform with other settings (a calibration's) as it is in truth.
func (x *subject) enact(described *scenarios.Platform) *scenarios.Platform {
	out := *described
	out.Workloads = slices.Clone(described.Workloads)
	for i := range out.Workloads {
		w := &out.Workloads[i]
		at := slices.IndexFunc(x.platform.Workloads, func(o scenarios.Workload) bool { return o.Name == w.Name })
		w.Steps, w.Start = x.platform.Workloads[at].Steps, x.platform.Workloads[at].Start
	}
	return &out
}

// another is the surge on another day: as many of the same people, other chances.
func (x *subject) another() *scenarios.Scenario {
	s := *x.surge
	s.Name = "another"
	s.Arrivals.Seed += 4
	return &s
}
