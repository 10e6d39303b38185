package differential

import (
	"math"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ansturm/ansturm/planner/hpa"
)

// The tests of this file go through the corners of a rule one by one, where TestSameAsTheController meets them by chance.

// unlimited is a spec whose every proposal is written at once.
func unlimited(metrics ...autoscalingv2.MetricSpec) *hpa.Spec {
	rules := func() *autoscalingv2.HPAScalingRules {
		return &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: new(int32(0)),
			Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 1000, PeriodSeconds: 1}},
		}
	}
	return &hpa.Spec{
		MinReplicas: new(int32(1)), MaxReplicas: 1000, Metrics: metrics,
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: rules(), ScaleDown: rules()},
	}
}

func resourceMetric(name corev1.ResourceName, target autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: name, Target: target}}
}

var (
	id      = autoscalingv2.MetricIdentifier{Name: "m0", Selector: &metav1.LabelSelector{}}
	percent = autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(60))}
	average = autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: resource.NewMilliQuantity(600, resource.DecimalSI)}
	valued  = autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: resource.NewMilliQuantity(600, resource.DecimalSI)}
)

// kinds are a metric of each kind, all with the same target in their units.
var kinds = map[string]autoscalingv2.MetricSpec{
	"cpu share":        resourceMetric(corev1.ResourceCPU, percent),
	"cpu average":      resourceMetric(corev1.ResourceCPU, average),
	"memory share":     resourceMetric(corev1.ResourceMemory, percent),
	"pods":             {Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: id, Target: average}},
	"external value":   {Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: id, Target: valued}},
	"external average": {Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: id, Target: average}},
	"object value":     {Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{Metric: id, Target: valued}},
	"object average":   {Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{Metric: id, Target: average}},
}

// playAll plays steps in worlds of a hundred.
func playAll(t *testing.T, name string, spec *hpa.Spec, all []step) {
	t.Helper()
	c := newCounts()
	for len(all) > 0 {
		n := min(100, len(all))
		w := &world{Config: hpa.Default(), Spec: spec, Steps: all[:n]}
		all = all[n:]
		if difference := play(t, w, c); difference != "" {
			small, difference := shrink(w, func(w *world) string { return play(t, w, newCounts()) })
			t.Fatalf("%s: %s\n%s", name, difference, small)
		}
	}
	t.Logf("%s: %d syncs, %d scales, %d errors", name, c.Syncs, c.Scales, c.Errors)
}

// TestEveryPodClass has two old pods and one in question at every corner of rule 8, by each metric that goes by pods.
func TestEveryPodClass(t *testing.T) {
	steps := everyPod(hpa.Default())
	for _, name := range []string{"cpu share", "cpu average", "memory share", "pods"} {
		for i := range steps {
			steps[i].Values = nil
			if name == "pods" {
				values := []hpa.PodValue{{Has: true, Milli: 900}, {Has: true, Milli: 900}, {Has: steps[i].Pods[2].Sample.Has, Milli: 2100}}
				steps[i].Values = []value{{Pods: values}}
			}
		}
		playAll(t, name, unlimited(kinds[name]), steps)
	}
}

func everyPod(cfg hpa.Config) (out []step) {
	old := steady(900)
	for _, start := range []time.Duration{0, 1 - cfg.CPUInitializationPeriod, -cfg.CPUInitializationPeriod, -1 - cfg.CPUInitializationPeriod, -time.Hour} {
		for _, changed := range []time.Duration{0, cfg.InitialReadinessDelay - 1, cfg.InitialReadinessDelay, cfg.InitialReadinessDelay + 1} {
			for _, sampled := range []time.Duration{-1, 0, 1, math.MaxInt64} { // beside a window after the change; the last: never
				for _, ready := range []hpa.Readiness{hpa.NoCondition, hpa.Ready, hpa.NotReady, hpa.UnknownReadiness} {
					for _, phase := range []hpa.Phase{hpa.Running, hpa.Pending, hpa.Succeeded, hpa.Failed, hpa.UnknownPhase} {
						p := old
						p.Containers = []hpa.Container{old.Containers[0]}
						p.Containers[0].Usage = hpa.Of(2100, 1<<29)
						p.Start, p.ReadyChanged, p.Ready, p.Phase = start, start+changed, ready, phase
						p.Sample.Has = sampled != math.MaxInt64
						if p.Sample.Has {
							p.Sample.Time = p.ReadyChanged + p.Sample.Window + sampled
						}
						for _, q := range []func(){func() {}, func() { p.HasStart = false }, func() { p.HasStart, p.Deleting = true, true }} {
							q()
							out = append(out, step{Replicas: 10, Status: 10, Pods: []hpa.Pod{old, old, p}})
						}
					}
				}
			}
		}
	}
	return out
}

// TestEveryRatio has every metric at every percent about its target, and beside the ends of the tolerance, for every count.
func TestEveryRatio(t *testing.T) {
	for name, metric := range kinds {
		var steps []step
		for replicas := range int32(13) {
			for at := int64(0); at <= 1200; at += 2 { // thousandths of the target
				s := step{Replicas: replicas, Status: replicas}
				usage := 600 * at / 1000
				for range replicas {
					p := steady(usage)
					p.Containers[0].Request.Memory, p.Containers[0].Usage.Memory = 1000, usage
					s.Pods = append(s.Pods, p)
				}
				v := value{Milli: []int64{usage}}
				if name == "external average" || name == "object average" {
					v.Milli[0] *= int64(replicas)
				}
				for range replicas {
					v.Pods = append(v.Pods, hpa.PodValue{Has: true, Milli: usage})
				}
				s.Values = []value{v}
				if at < 840 {
					at += 38
				}
				steps = append(steps, s)
			}
		}
		spec := unlimited(metric)
		if metricName(&metric) != "" && name != "pods" {
			spec.MinReplicas = new(int32(0))
		}
		playAll(t, name, spec, steps)
	}
}

// TestEveryCutoff has one change of the count, and syncs a nanosecond before, at, and after the end of every window and
// period that begins with it: periods and windows are whole seconds, so the syncs' own period is what moves.
func TestEveryCutoff(t *testing.T) {
	for _, period := range []time.Duration{15*time.Second - 1, 15 * time.Second, 15*time.Second + 1} {
		for _, seconds := range []int32{15, 30, 45, 60} {
			rules := func(windowed bool) *autoscalingv2.HPAScalingRules {
				r := &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: new(int32(0)), Policies: []autoscalingv2.HPAScalingPolicy{
					{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: seconds}, {Type: autoscalingv2.PercentScalingPolicy, Value: 30, PeriodSeconds: seconds},
				}}
				if windowed {
					r.StabilizationWindowSeconds = &seconds
				}
				return r
			}
			specs := []*hpa.Spec{unlimited(kinds["external average"]), unlimited(kinds["external average"]), unlimited(kinds["external average"])}
			specs[0].Behavior.ScaleUp, specs[0].Behavior.ScaleDown = rules(false), rules(false)
			specs[1].Behavior.ScaleUp, specs[1].Behavior.ScaleDown = rules(true), rules(true)
			specs[2].Behavior = nil
			for _, spec := range specs {
				w := &world{Config: hpa.Default(), Spec: spec}
				w.Config.SyncPeriod, w.Config.DownscaleStabilization = period, time.Duration(seconds)*time.Second
				current := int32(10)
				guide, err := hpa.New(spec, w.Config)
				if err != nil {
					t.Fatal(err)
				}
				for k := range 36 {
					wanted := []int64{20, 20, 20, 20, 20, 20, 3, 3, 3, 3, 3, 3, 9, 3, 12, 9, 2, 30}[k/2]
					s := step{Replicas: current, Status: current, Values: []value{{Milli: []int64{600 * wanted}}}}
					current = guide.Sync(s.input(time.Duration(k+1) * period)).Desired
					w.Steps = append(w.Steps, s)
				}
				if difference := play(t, w, newCounts()); difference != "" {
					t.Fatalf("every %v, %d s: %s\n%s", period, seconds, difference, w)
				}
			}
		}
	}
}
