package main

import (
	"fmt"
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/scenarios"
)

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
