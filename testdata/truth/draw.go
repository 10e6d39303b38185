package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

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

// workloads are one to three kinds of them, each for some of the tenants.
func (d drawer) workloads(s *scenarios.Scenario) []scenarios.Workload {
	kinds := min(len(s.Tenants.List), 1+d.IntN(3))
	out := make([]scenarios.Workload, kinds)
	for i := range out {
		out[i] = d.workload(fmt.Sprintf("app-%d", i+1), s)
	}
	for i, t := range s.Tenants.List {
		w := &out[i%kinds]
		w.Tenants = append(w.Tenants, t.Name)
	}
	return out
}

func (d drawer) workload(name string, s *scenarios.Scenario) scenarios.Workload {
	limit := int64(one(d, 250, 500, 1000, 2000))
	request := limit
	if d.chance(0.4) { // its neighbours have lent it what it takes above that
		request = int64(float64(limit) * (0.4 + 0.4*d.Float64()))
	}
	w := scenarios.Workload{
		Name: name, Replicas: int32(1 + d.IntN(3)), Threads: one(d, 4, 8, 16, 32), Backlog: one(d, 8, 16, 32, 64),
		Resources: corev1.ResourceRequirements{Requests: resources(request, 256), Limits: resources(limit, 256)},
		Start: scenarios.Start{
			Pull: d.delay(time.Second, 12*time.Second), Start: d.delay(500*time.Millisecond, 4*time.Second), Ready: d.delay(time.Second, 20*time.Second),
		},
		Memory: scenarios.Memory{Base: 128 << 20, PerRequest: 1 << 20, Ratchet: 0.2},
		Steps:  map[string]scenarios.Work{},
	}
	if d.chance(0.4) {
		w.Start.WarmUp = scenarios.WarmUp{For: d.span(10*time.Second, time.Minute), Factor: 1.3 + 1.2*d.Float64()}
	}
	if d.chance(0.85) {
		w.HPA = d.autoscaler(w.Replicas)
	}
	for _, ref := range s.AllSteps() {
		mean := d.span(15*time.Millisecond, 80*time.Millisecond)
		if ref.Name == "submit" {
			mean = d.span(40*time.Millisecond, 300*time.Millisecond)
		}
		w.Steps[ref.Name] = scenarios.Work{CPU: d.work(mean), Accepts: ref.Name == "submit"}
	}
	return w
}

func resources(milli, mebi int64) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewMilliQuantity(milli, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(mebi<<20, resource.BinarySI),
	}
}

// delay is a uniform one.
func (d drawer) delay(low, high time.Duration) *scenarios.Distribution {
	least := d.span(low, high)
	return &scenarios.Distribution{Uniform: &scenarios.Uniform{Min: least, Max: time.Duration(float64(least) * (1.1 + d.Float64()))}}
}

// work is a distribution of about that mean, of one of four kinds.
func (d drawer) work(mean time.Duration) scenarios.Distribution {
	switch d.IntN(4) {
	case 0:
		return scenarios.Distribution{Fixed: &mean}
	case 1:
		return scenarios.Distribution{Exponential: &mean}
	case 2:
		return scenarios.Distribution{Uniform: &scenarios.Uniform{Min: mean / 2, Max: mean * 3 / 2}}
	}
	return scenarios.Distribution{LogNormal: &scenarios.LogNormal{Median: mean * 9 / 10, P95: time.Duration(float64(mean) * (1.2 + d.Float64()))}}
}

// autoscaler is on CPU; in half of them how fast it may go is written out.
func (d drawer) autoscaler(least int32) *autoscalingv2.HorizontalPodAutoscalerSpec {
	target := int32(40 + 5*d.IntN(10))
	h := &autoscalingv2.HorizontalPodAutoscalerSpec{
		MinReplicas: &least,
		Metrics: []autoscalingv2.MetricSpec{{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{
				Name:   corev1.ResourceCPU,
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &target},
			},
		}},
	}
	if d.chance(0.5) {
		policies := []autoscalingv2.HPAScalingPolicy{
			{Type: autoscalingv2.PodsScalingPolicy, Value: int32(1 + d.IntN(4)), PeriodSeconds: one[int32](d, 15, 30, 60)},
			{Type: autoscalingv2.PercentScalingPolicy, Value: one[int32](d, 50, 100, 200), PeriodSeconds: one[int32](d, 15, 30, 60)},
		}
		h.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp: &autoscalingv2.HPAScalingRules{
				StabilizationWindowSeconds: new(one[int32](d, 0, 0, 15, 60)), SelectPolicy: new(autoscalingv2.MaxChangePolicySelect),
				Policies: policies[:1+d.IntN(2)],
			},
			ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: new(one[int32](d, 30, 60, 120, 300))},
		}
	}
	return h
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
	perPerson := 0.0
	for _, t := range s.Tenants.List {
		perPerson += t.Weight / weights(s) * costs(s, x.platform.WorkloadOf(t.Name))
	}
	cores := min(30, float64(len(s.Tenants.List))*d.between(1, 4))
	total := min(mostArrivals, float64(s.Arrivals.Total)*cores/(perPerson*peak))
	peak *= total / float64(s.Arrivals.Total)
	s.Arrivals.Total = int64(total)
	for i := range x.platform.Workloads {
		w := &x.platform.Workloads[i]
		most := 0.0
		for _, t := range s.Tenants.List {
			if slices.Contains(w.Tenants, t.Name) {
				most = max(most, peak*t.Weight/weights(s)*costs(s, w)/w.CPULimit())
			}
		}
		if w.HPA == nil { // as many as somebody thought
			w.Replicas = max(1, int32(math.Round(most*d.between(0.8, 2))))
			continue
		}
		w.HPA.MaxReplicas = max(w.Replicas, int32(math.Ceil(most*d.between(0.8, 2.5))))
	}
	return peak, nil
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

// backends gives half of the platforms a shared service behind submit: one that never minds, or one whose best throughput
// is about what the peak brings, and which does less when more is asked of it.
func (d drawer) backends(x *subject, peak float64) {
	kind := d.IntN(4)
	if kind < 2 {
		return
	}
	b := scenarios.Backend{Name: "register", Cores: 64, Contention: 0.0005}
	work := d.span(5*time.Millisecond, 40*time.Millisecond)
	if kind == 3 {
		b.Cores, b.Contention, b.Coherency = float64(4+d.IntN(13)), d.between(0.002, 0.02), d.between(0.0002, 0.002)
		_, most := best(&b)
		work = time.Duration(math.Min(most*d.between(0.7, 1.4)/peak, 0.4) * float64(time.Second))
	}
	x.platform.Backends = []scenarios.Backend{b}
	for i := range x.platform.Workloads {
		w := x.platform.Workloads[i].Steps["submit"]
		w.Backends = map[string]time.Duration{b.Name: work}
		x.platform.Workloads[i].Steps["submit"] = w
	}
}

// best is the number of requests in service at which a back end does most, and how much that is, in seconds of work a
// second (Gunther 2007, eq. 4.31, as package lab has it).
func best(b *scenarios.Backend) (at int, most float64) {
	for n := 1; n <= 10_000; n++ {
		m := float64(n)
		x := min(m, b.Cores) / (1 + b.Contention*(m-1) + b.Coherency*m*(m-1))
		if x > most {
			at, most = n, x
		}
	}
	return at, most
}

// pools makes nodes for all that the autoscalers may make, or too few.
func (d drawer) pools(x *subject) {
	cores := one(d, 4, 8, 16)
	var most, least, largest float64
	for _, t := range x.surge.Tenants.List {
		w := x.platform.WorkloadOf(t.Name)
		least += float64(w.Replicas) * w.CPURequest()
		largest = max(largest, w.CPURequest())
		if w.HPA == nil {
			most += float64(w.Replicas) * w.CPURequest()
		} else {
			most += float64(w.HPA.MaxReplicas) * w.CPURequest()
		}
	}
	usable := float64(cores) - 0.5
	// A node that has no room for one more pod has less than the largest left: the initial ones are sure to find theirs.
	count := max(math.Ceil(most*d.between(0.7, 1.5)/usable), math.Ceil(least/(usable-largest)))
	x.platform.Pools = []scenarios.NodePool{{
		Name: "vm", Count: int(count), Kind: "vm",
		Capacity: corev1.ResourceList{
			corev1.ResourceCPU: *resource.NewQuantity(int64(cores), resource.DecimalSI), corev1.ResourceMemory: resource.MustParse("128Gi"),
			corev1.ResourcePods: *resource.NewQuantity(110, resource.DecimalSI),
		},
		Reserved: resources(500, 1024),
	}}
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
