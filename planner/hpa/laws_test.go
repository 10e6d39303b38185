package hpa

import (
	"math"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

func drawRules(t *rapid.T, name string) *autoscalingv2.HPAScalingRules {
	rules := window(rapid.Int32Range(0, 120).Draw(t, name+" window"))
	rules.Policies = nil
	for range rapid.IntRange(1, 3).Draw(t, name+" policies") {
		rules.Policies = append(rules.Policies, autoscalingv2.HPAScalingPolicy{
			Type:          rapid.SampledFrom([]autoscalingv2.HPAScalingPolicyType{autoscalingv2.PodsScalingPolicy, autoscalingv2.PercentScalingPolicy}).Draw(t, "type"),
			Value:         rapid.Int32Range(1, 150).Draw(t, "value"),
			PeriodSeconds: rapid.Int32Range(1, 90).Draw(t, "period"),
		})
	}
	return choosing(rapid.SampledFrom([]autoscalingv2.ScalingPolicySelect{
		autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect,
	}).Draw(t, name+" select"), rules)
}

func drawSpec(t *rapid.T) *Spec {
	least := rapid.Int32Range(1, 20).Draw(t, "min")
	spec := cpuSpec(least, least+rapid.Int32Range(0, 60).Draw(t, "span"), rapid.Int32Range(1, 150).Draw(t, "target"))
	if rapid.Bool().Draw(t, "behavior") {
		spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: drawRules(t, "up"), ScaleDown: drawRules(t, "down")}
	}
	return spec
}

func drawPod(t *rapid.T, now time.Duration) Pod {
	age := time.Duration(rapid.Int64Range(0, 600).Draw(t, "age")) * time.Second
	p := readyPod(now, rapid.Int64Range(0, 2000).Draw(t, "usage"))
	p.Start = now - age
	p.ReadyChanged = p.Start + time.Duration(rapid.Int64Range(0, 60).Draw(t, "ready after"))*time.Second
	p.Ready = rapid.SampledFrom([]Readiness{Ready, Ready, Ready, NotReady, NoCondition, UnknownReadiness}).Draw(t, "ready")
	p.Phase = rapid.SampledFrom([]Phase{Running, Running, Running, Running, Pending, Failed}).Draw(t, "phase")
	p.Deleting = rapid.IntRange(0, 9).Draw(t, "deleting") == 0
	p.Sample.Has = rapid.IntRange(0, 5).Draw(t, "sample") > 0
	return p
}

func TestWhateverHappensTheBoundsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		c, err := New(spec, Default())
		if err != nil {
			t.Fatal(err)
		}
		current, now := rapid.Int32Range(0, 90).Draw(t, "current"), noon
		for range rapid.IntRange(1, 12).Draw(t, "syncs") {
			now += time.Duration(rapid.Int64Range(1, 40).Draw(t, "pause")) * time.Second
			in := &Input{Now: now, SpecReplicas: current, StatusReplicas: current}
			for range rapid.IntRange(0, 8).Draw(t, "pods") {
				in.Pods = append(in.Pods, drawPod(t, now))
			}
			d := c.Sync(in)
			checkBounds(t, spec, in, d)
			current = d.Desired
		}
	})
}

func checkBounds(t *rapid.T, spec *Spec, in *Input, d Decision) {
	current := in.SpecReplicas
	switch {
	case d.Scale != (d.Desired != current):
		t.Fatalf("scale does not say whether %d differs from %d: %+v", d.Desired, current, d)
	case current == 0 && d.Desired != 0:
		t.Fatalf("switched off, yet %+v", d)
	case current != 0 && (d.Desired < *spec.MinReplicas || d.Desired > spec.MaxReplicas) && d.Err == nil:
		t.Fatalf("%d is not within %d to %d", d.Desired, *spec.MinReplicas, spec.MaxReplicas)
	case d.Err != nil && d.Scale:
		t.Fatalf("the only metric is invalid, yet %+v", d)
	case d.Metric >= 0 && d.Stabilized >= current && d.Desired < current:
		t.Fatalf("a limit of the way up crossed the current %d: %+v", current, d)
	case d.Metric >= 0 && d.Stabilized <= current && d.Desired > current:
		t.Fatalf("a limit of the way down crossed the current %d: %+v", current, d)
	}
}

func TestMoreUsageNeverAsksForFewer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		replicas := rapid.Int32Range(1, 12).Draw(t, "replicas")
		low, high := input(noon, replicas, 0), input(noon, replicas, 0)
		for i := range low.Pods {
			usage := rapid.Int64Range(0, 1500).Draw(t, "usage")
			low.Pods[i].Containers[0].Usage.CPU = usage
			high.Pods[i].Containers[0].Usage.CPU = usage + rapid.Int64Range(0, 500).Draw(t, "more")
		}
		a, err := New(spec, Default())
		if err != nil {
			t.Fatal(err)
		}
		b := &Controller{}
		b.CopyFrom(a)
		if less, more := a.Sync(low), b.Sync(high); less.Proposed > more.Proposed || less.Desired > more.Desired {
			t.Fatalf("less usage: %+v, more usage: %+v", less, more)
		}
	})
}

func TestCopiesAreIndependent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		a, err := New(spec, Default())
		if err != nil {
			t.Fatal(err)
		}
		inputs := make([]*Input, rapid.IntRange(2, 10).Draw(t, "syncs"))
		for i := range inputs {
			at := noon + time.Duration(i)*15*time.Second
			inputs[i] = input(at, rapid.Int32Range(1, 12).Draw(t, "replicas"), rapid.Int64Range(0, 2000).Draw(t, "usage"))
		}
		half := len(inputs) / 2
		for _, in := range inputs[:half] {
			a.Sync(in)
		}
		b, disturbed := &Controller{}, &Controller{}
		b.CopyFrom(a)
		disturbed.CopyFrom(a)
		for i, in := range inputs[half:] {
			disturbed.Sync(inputs[i%half])
			if x, y := a.Sync(in), b.Sync(in); x != y {
				t.Fatalf("original %+v, copy %+v", x, y)
			}
		}
		a.Reset()
		fresh, err := New(spec, Default())
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range inputs {
			if x, y := a.Sync(in), fresh.Sync(in); x != y {
				t.Fatalf("after Reset %+v, new %+v", x, y)
			}
		}
	})
}

func TestSyncDoesNotAllocate(t *testing.T) {
	for name, spec := range map[string]*Spec{
		"none":    cpuSpec(1, 100, 60),
		"written": WriteOut(cpuSpec(1, 100, 60), Default()),
		"three":   by(resourceMetric(corev1.ResourceCPU, percent(60)), resourceMetric(corev1.ResourceMemory, averageValue("1Gi")), external(averageValue("1"))),
	} {
		c, low, high := mustNew(t, spec), input(0, 10, 100), input(0, 10, 900)
		now, up := noon, false
		sync := func() {
			now += 15 * time.Second
			in := low
			if up = !up; up {
				in = high
			}
			in.Now = now
			for i := range in.Pods {
				in.Pods[i].Sample.Time = now
			}
			c.Sync(in)
		}
		for range 100 { // fill the history
			sync()
		}
		if n := testing.AllocsPerRun(100, sync); n != 0 {
			t.Errorf("%s: %v allocations a sync in the steady state, want 0", name, n)
		}
	}
}

func TestAbsurdAmountsStayWithinBounds(t *testing.T) {
	extreme := rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1, math.MaxInt32, math.MaxInt64 / 2, math.MaxInt64/2 + 1, math.MaxInt64})
	rapid.Check(t, func(t *rapid.T) {
		spec := by(resourceMetric(corev1.ResourceCPU, percent(60)), resourceMetric(corev1.ResourceMemory, averageValue("1m")), external(averageValue("1m")), podsMetric(averageValue("1m")))
		c, err := New(spec, Default())
		if err != nil {
			t.Fatal(err)
		}
		in := &Input{Now: noon, SpecReplicas: rapid.Int32Range(1, 9).Draw(t, "current"), Values: make([]Value, 4)}
		for range rapid.IntRange(1, 5).Draw(t, "pods") {
			p := drawPod(t, noon)
			p.Containers[0].Request = Of(extreme.Draw(t, "request"), extreme.Draw(t, "bytes"))
			p.Containers[0].Usage = Of(extreme.Draw(t, "usage"), extreme.Draw(t, "used bytes"))
			in.Pods = append(in.Pods, p)
			in.Values[3].Pods = append(in.Values[3].Pods, PodValue{true, extreme.Draw(t, "value")})
		}
		in.Values[2].Milli = []int64{extreme.Draw(t, "series"), extreme.Draw(t, "series")}
		if d := c.Sync(in); d.Desired < 1 || d.Desired > spec.MaxReplicas {
			t.Fatalf("%+v", d)
		}
	})
}

// Pods that count say the same whether each is named or all together.
func TestAlikePodsSayTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		spec := drawSpec(rt)
		named, alike := mustNew(t, spec), mustNew(t, spec)
		t := rt
		current, now := rapid.Int32Range(1, 40).Draw(t, "current"), noon
		for range rapid.IntRange(1, 6).Draw(t, "syncs") {
			now += time.Duration(rapid.Int64Range(1, 40).Draw(t, "pause")) * time.Second
			in := &Input{Now: now, SpecReplicas: current, StatusReplicas: current}
			some := *in
			some.Alike = Alike{Usage: Of(0, 0), Request: Of(0, 0)}
			for range rapid.IntRange(0, 8).Draw(t, "pods") {
				p := drawPod(t, now)
				in.Pods = append(in.Pods, p)
				usage, has := p.usage(&named.spec.metrics[0])
				request, err := p.request(&named.spec.metrics[0])
				if err != nil || !has || p.class(&named.cfg, cpu, has, now) != counted {
					some.Pods = append(some.Pods, p)
					continue
				}
				some.Alike.Pods++
				some.Alike.Usage.CPU += usage
				some.Alike.Request.CPU += request
			}
			a, b := named.Sync(in), alike.Sync(&some)
			if a != b {
				t.Fatalf("%d pods named: %+v; %d of them alike: %+v", len(in.Pods), a, some.Alike.Pods, b)
			}
			current = a.Desired
		}
	})
}
