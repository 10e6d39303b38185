package hpa

import (
	"reflect"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
)

func TestConfig(t *testing.T) {
	if got, want := Default(), (Config{"1.35", 15 * time.Second, 5 * time.Minute, 5 * time.Minute, 30 * time.Second, 0.1}); got != want {
		t.Errorf("the defaults are %+v, want %+v", got, want)
	}
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string // in the error; empty: none
	}{
		{"as it is", func(*Config) {}, ""},
		{"no version is 1.35", func(c *Config) { c.Version = "" }, ""},
		{"a later version", func(c *Config) { c.Version = "1.36" }, `no rules for Kubernetes "1.36", want 1.35`},
		{"a patch", func(c *Config) { c.Version = "1.35.4" }, `no rules for Kubernetes "1.35.4"`},
		{"the shortest period", func(c *Config) { c.SyncPeriod = 1 }, ""},
		{"no period", func(c *Config) { c.SyncPeriod = 0 }, "sync period is 0s"},
		{"no window", func(c *Config) { c.DownscaleStabilization = 0 }, ""},
		{"no initialisation", func(c *Config) { c.CPUInitializationPeriod = 0 }, ""},
		{"no delay", func(c *Config) { c.InitialReadinessDelay = 0 }, ""},
		{"window below 0", func(c *Config) { c.DownscaleStabilization = -1 }, "is negative"},
		{"initialisation below 0", func(c *Config) { c.CPUInitializationPeriod = -1 }, "is negative"},
		{"delay below 0", func(c *Config) { c.InitialReadinessDelay = -1 }, "is negative"},
		{"no tolerance", func(c *Config) { c.Tolerance = 0 }, ""},
		{"tolerance below 0", func(c *Config) { c.Tolerance = -0.01 }, "tolerance is -0.01"},
	} {
		c := Default()
		test.change(&c)
		if err := c.Validate(); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if next := Default().NextSync(time.Minute); next != 75*time.Second { // rule 1
		t.Errorf("after 1m0s the next sync is at %v, want 1m15s", next)
	}
}

func TestCauses(t *testing.T) {
	for cause, want := range map[Cause]string{
		NoCause: "", AboveMax: "above max", BelowMin: "below min", AboveTarget: "above target", BelowTarget: "below target", 99: "",
	} {
		if cause.String() != want {
			t.Errorf("cause %d is %q, want %q", cause, cause, want)
		}
	}
}

// TestDefaults holds the defaults of the API server, number by number (rule 17).
func TestDefaults(t *testing.T) {
	got := WithDefaults(&Spec{MaxReplicas: 9, Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{}})
	most := autoscalingv2.MaxChangePolicySelect
	want := &Spec{
		MinReplicas: new(int32(1)), MaxReplicas: 9,
		Metrics: []autoscalingv2.MetricSpec{resourceMetric(corev1.ResourceCPU, percent(80))},
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp: &autoscalingv2.HPAScalingRules{
				StabilizationWindowSeconds: new(int32(0)), SelectPolicy: &most, Policies: []autoscalingv2.HPAScalingPolicy{pods(4, 15), percentage(100, 15)},
			},
			ScaleDown: &autoscalingv2.HPAScalingRules{SelectPolicy: &most, Policies: []autoscalingv2.HPAScalingPolicy{percentage(100, 15)}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the defaults are %+v\n%+v, want\n%+v", got.Behavior.ScaleUp, got, want)
	}
	written := WriteOut(want, Default())
	if *written.Behavior.ScaleDown.StabilizationWindowSeconds != 300 {
		t.Errorf("written out: %+v", written.Behavior.ScaleDown)
	}
	own := &Spec{MaxReplicas: 9, Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(7), ScaleDown: window(8)}}
	if written = WriteOut(own, Default()); *written.Behavior.ScaleUp.StabilizationWindowSeconds != 7 || *written.Behavior.ScaleDown.StabilizationWindowSeconds != 8 {
		t.Errorf("a behavior that says it all became %+v", written.Behavior)
	}
}

func TestSpecErrors(t *testing.T) {
	up := func(rules *autoscalingv2.HPAScalingRules) *Spec {
		return &Spec{MaxReplicas: 1, Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: rules}}
	}
	ofMetric := func(m autoscalingv2.MetricSpec) *Spec { return by(external(averageValue("1")), m) }
	bounds := func(least, most int32, metrics ...autoscalingv2.MetricSpec) *Spec {
		return &Spec{MinReplicas: &least, MaxReplicas: most, Metrics: metrics}
	}
	misnamed := func(m autoscalingv2.MetricSpec) *Spec { m.Type = "Other"; return ofMetric(m) }
	container := func(name string, target autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
		return autoscalingv2.MetricSpec{
			Type:              autoscalingv2.ContainerResourceMetricSourceType,
			ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: corev1.ResourceCPU, Container: name, Target: target},
		}
	}
	tolerance := func(q string) *autoscalingv2.HPAScalingRules {
		return &autoscalingv2.HPAScalingRules{Tolerance: new(apiresource.MustParse(q))}
	}
	const block = "spec.metrics[1].type is "
	for _, test := range []struct {
		name string
		spec *Spec
		want string // in the error; empty: none
	}{
		{"none", nil, "no spec"},
		{"max below min", cpuSpec(3, 2, 60), "maxReplicas is 2"},
		{"max is min", cpuSpec(1, 1, 60), ""},
		{"max 0", bounds(0, 0, external(plainValue("1"))), "maxReplicas is 0"},
		{"min below 0", bounds(-1, 2, external(plainValue("1"))), "minReplicas is -1"},
		{"min 0 on cpu", cpuSpec(0, 2, 60), "minReplicas is 0"},
		{"min 0 on a value", bounds(0, 2, external(plainValue("1"))), ""},
		{"min 0 on an average beside cpu", bounds(0, 2, object(averageValue("1")), resourceMetric(corev1.ResourceCPU, percent(1))), ""},
		{"min 0 on pods", bounds(0, 2, podsMetric(averageValue("1"))), "minReplicas is 0"},
		{"target 0", ofMetric(resourceMetric(corev1.ResourceCPU, percent(0))), "spec.metrics[1].resource.target"},
		{"target 1", ofMetric(resourceMetric(corev1.ResourceCPU, percent(1))), ""},
		{"container's target 0", ofMetric(container("app", percent(0))), "spec.metrics[1].containerResource.target"},
		{"no container", ofMetric(container("", percent(60))), "containerResource.container is empty"},
		{"pods by utilisation", ofMetric(podsMetric(percent(50))), "spec.metrics[1].pods.target: want a positive averageValue"},
		{"object's value 0", ofMetric(object(plainValue("0"))), "spec.metrics[1].object.target: want a positive value"},
		{"external's value below 0", ofMetric(external(plainValue("-1"))), "spec.metrics[1].external.target: want a positive value"},
		{"external's average 0", ofMetric(external(averageValue("0"))), "spec.metrics[1].external.target: want a positive averageValue"},
		{"external without target", ofMetric(external(autoscalingv2.MetricTarget{})), "spec.metrics[1].external.target: want a positive value"},
		{"Resource without block", ofMetric(autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType}), block + `"Resource"`},
		{"ContainerResource without block", ofMetric(autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType}), block + `"ContainerResource"`},
		{"Pods without block", ofMetric(autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType}), block + `"Pods"`},
		{"Object without block", ofMetric(autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType}), block + `"Object"`},
		{"External without block", ofMetric(autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType}), block + `"External"`},
		{"resource misnamed", misnamed(resourceMetric(corev1.ResourceCPU, percent(60))), block + `"Other"`},
		{"container misnamed", misnamed(container("app", percent(60))), block + `"Other"`},
		{"pods misnamed", misnamed(podsMetric(averageValue("1"))), block + `"Other"`},
		{"object misnamed", misnamed(object(plainValue("1"))), block + `"Other"`},
		{"external misnamed", misnamed(external(plainValue("1"))), block + `"Other"`},
		{"no policies", up(&autoscalingv2.HPAScalingRules{Policies: []autoscalingv2.HPAScalingPolicy{}}), "spec.behavior.scaleUp.policies is empty"},
		{"select policy", up(&autoscalingv2.HPAScalingRules{SelectPolicy: new(autoscalingv2.ScalingPolicySelect("Most"))}), `selectPolicy is "Most"`},
		{"window 0", up(window(0)), ""},
		{"window of an hour", up(window(3600)), ""},
		{"window below 0", up(window(-1)), "stabilizationWindowSeconds is -1"},
		{"window over an hour", up(window(3601)), "stabilizationWindowSeconds is 3601"},
		{"policy of a type unknown", up(window(0, autoscalingv2.HPAScalingPolicy{Type: "Nodes", Value: 1, PeriodSeconds: 1})), `policies[0].type is "Nodes"`},
		{"second policy's value 0", up(window(0, pods(1, 1), percentage(0, 1))), "policies[1] has value 0"},
		{"policy's value below 0", up(window(0, pods(-1, 1))), "policies[0] has value -1"},
		{"policy's period 0", up(window(0, pods(1, 0))), "periodSeconds 0"},
		{"policy's period of half an hour", up(window(0, pods(1, 1800))), ""},
		{"policy's period over half an hour", up(window(0, pods(1, 1801))), "periodSeconds 1801"},
		{"tolerance 0", up(tolerance("0")), ""},
		{"tolerance below 0", &Spec{MaxReplicas: 1, Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: tolerance("-0.1")}}, "spec.behavior.scaleDown.tolerance is -100m"},
	} {
		if _, err := New(test.spec, Default()); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := New(cpuSpec(1, 2, 60), Config{}); err == nil {
		t.Error("an empty configuration: no error")
	}
}
