package hpa

import (
	"errors"
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
)

// Spec is the autoscaler's spec as users write it.
type Spec = autoscalingv2.HorizontalPodAutoscalerSpec

// WithDefaults is a copy of spec as the API server would store it (rule 17): min 1, CPU at 80 %, and where there is any
// behavior both of its directions filled up. Without behavior it stays without: that is another path (rule 16). The
// downscale window of a behavior stays open; the controller's configuration fills it.
func WithDefaults(spec *Spec) *Spec {
	out := spec.DeepCopy()
	if out.MinReplicas == nil {
		out.MinReplicas = new(int32(1))
	}
	if len(out.Metrics) == 0 {
		out.Metrics = []autoscalingv2.MetricSpec{{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{
				Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(80)),
			}},
		}}
	}
	if out.Behavior != nil {
		out.Behavior.ScaleUp = filled(out.Behavior.ScaleUp, autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: new(int32(0)),
			Policies: []autoscalingv2.HPAScalingPolicy{
				{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 15},
				{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15},
			},
		})
		out.Behavior.ScaleDown = filled(out.Behavior.ScaleDown, autoscalingv2.HPAScalingRules{
			Policies: []autoscalingv2.HPAScalingPolicy{
				{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15},
			},
		})
	}
	return out
}

// WriteOut is a copy of spec with every default written out, behavior and its downscale window too, so that two
// clusters with different configurations do the same. It is not what an autoscaler without behavior does (rule 16).
func WriteOut(spec *Spec, cfg Config) *Spec {
	out := spec.DeepCopy()
	if out.Behavior == nil {
		out.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{}
	}
	out = WithDefaults(out)
	if down := out.Behavior.ScaleDown; down.StabilizationWindowSeconds == nil {
		down.StabilizationWindowSeconds = new(int32(cfg.DownscaleStabilization.Seconds()))
	}
	return out
}

func filled(rules *autoscalingv2.HPAScalingRules, defaults autoscalingv2.HPAScalingRules) *autoscalingv2.HPAScalingRules {
	if rules == nil {
		rules = &autoscalingv2.HPAScalingRules{}
	}
	if rules.SelectPolicy == nil {
		rules.SelectPolicy = new(autoscalingv2.MaxChangePolicySelect)
	}
	if rules.StabilizationWindowSeconds == nil {
		rules.StabilizationWindowSeconds = defaults.StabilizationWindowSeconds
	}
	if rules.Policies == nil {
		rules.Policies = defaults.Policies
	}
	return rules
}

// resource is what a metric is measured in.
type resource uint8

const (
	otherResource resource = iota // one that no container has, and custom metrics
	cpu
	memory
)

// kind is how a metric is computed.
type kind uint8

const (
	utilisation kind = iota // of the requests, in percent
	average                 // of the pods' usage
	podsAverage             // of a custom metric over the pods
	total                   // a value against a target for all ready pods
	perPod                  // a value divided among the replicas
)

// metric is one metric of the spec, ready for use.
type metric struct {
	kind      kind
	resource  resource
	container string
	series    bool   // External: the answer is a series to add up, not one value
	target    int64  // percent or thousandths
	failed    string // ScalingActive's reason when it is invalid
}

// rules is one direction of a behavior, ready for use.
type rules struct {
	window   time.Duration
	choose   autoscalingv2.ScalingPolicySelect
	policies []policy
	longest  time.Duration
}

type policy struct {
	percent bool
	value   int32
	period  time.Duration
}

// compiled is a spec with everything looked up that a sync would otherwise look up each time.
type compiled struct {
	min, max         int32
	metrics          []metric
	behavior         bool
	up, down         rules
	tolUp, tolDown   float64 // relative
	downscaleDefault time.Duration
}

func compile(spec *Spec, cfg Config) (compiled, error) {
	if spec == nil {
		return compiled{}, errors.New("hpa: no spec")
	}
	spec = WithDefaults(spec)
	out := compiled{
		min: *spec.MinReplicas, max: spec.MaxReplicas, tolUp: cfg.Tolerance, tolDown: cfg.Tolerance,
		downscaleDefault: cfg.DownscaleStabilization,
	}
	valued := false // some metric can be seen without a pod
	for i := range spec.Metrics {
		m, err := compileMetric(&spec.Metrics[i])
		if err != nil {
			return compiled{}, fmt.Errorf("hpa: spec.metrics[%d].%w", i, err)
		}
		valued = valued || m.kind == total || m.kind == perPod
		out.metrics = append(out.metrics, m)
	}
	switch {
	case out.min < 0 || out.min == 0 && !valued:
		return compiled{}, fmt.Errorf("hpa: spec.minReplicas is %d, want at least 1 (0 needs an Object or External metric)", out.min)
	case out.max < 1 || out.max < out.min:
		return compiled{}, fmt.Errorf("hpa: spec.maxReplicas is %d, want at least 1 and at least minReplicas (%d)", out.max, out.min)
	}
	if spec.Behavior == nil {
		return out, nil
	}
	if err := out.compileBehavior(spec.Behavior); err != nil {
		return compiled{}, err
	}
	return out, nil
}

func (s *compiled) compileBehavior(b *autoscalingv2.HorizontalPodAutoscalerBehavior) (err error) {
	s.behavior = true
	window := time.Duration(int32(s.downscaleDefault.Seconds())) * time.Second
	if s.up, err = compileRules(b.ScaleUp, window, &s.tolUp); err != nil { // its own window is never open
		return fmt.Errorf("hpa: spec.behavior.scaleUp.%w", err)
	}
	if s.down, err = compileRules(b.ScaleDown, window, &s.tolDown); err != nil {
		return fmt.Errorf("hpa: spec.behavior.scaleDown.%w", err)
	}
	return nil
}

func compileRules(in *autoscalingv2.HPAScalingRules, window time.Duration, tolerance *float64) (rules, error) {
	out := rules{window: window, choose: *in.SelectPolicy}
	if s := in.StabilizationWindowSeconds; s != nil {
		if *s < 0 || *s > 3600 {
			return out, fmt.Errorf("stabilizationWindowSeconds is %d, want 0 to 3600", *s)
		}
		out.window = time.Duration(*s) * time.Second
	}
	switch out.choose {
	case autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect:
	default:
		return out, fmt.Errorf("selectPolicy is %q, want Max, Min or Disabled", out.choose)
	}
	if len(in.Policies) == 0 {
		return out, errors.New("policies is empty, want at least one")
	}
	for i, p := range in.Policies {
		if p.Type != autoscalingv2.PodsScalingPolicy && p.Type != autoscalingv2.PercentScalingPolicy {
			return out, fmt.Errorf("policies[%d].type is %q, want Pods or Percent", i, p.Type)
		}
		if p.Value <= 0 || p.PeriodSeconds <= 0 || p.PeriodSeconds > 1800 {
			return out, fmt.Errorf("policies[%d] has value %d and periodSeconds %d, want more than 0 and 1 to 1800", i, p.Value, p.PeriodSeconds)
		}
		period := time.Duration(p.PeriodSeconds) * time.Second
		out.policies = append(out.policies, policy{p.Type == autoscalingv2.PercentScalingPolicy, p.Value, period})
		out.longest = max(out.longest, period)
	}
	if in.Tolerance != nil {
		if in.Tolerance.Sign() < 0 {
			return out, fmt.Errorf("tolerance is %v, want at least 0", in.Tolerance)
		}
		*tolerance = in.Tolerance.AsApproximateFloat64()
	}
	return out, nil
}

func compileMetric(in *autoscalingv2.MetricSpec) (metric, error) {
	switch {
	case in.Type == autoscalingv2.ResourceMetricSourceType && in.Resource != nil:
		return compileResource("resource", in.Resource.Name, "", &in.Resource.Target, "FailedGetResourceMetric")
	case in.Type == autoscalingv2.ContainerResourceMetricSourceType && in.ContainerResource != nil:
		source := in.ContainerResource
		if source.Container == "" {
			return metric{}, errors.New("containerResource.container is empty")
		}
		return compileResource("containerResource", source.Name, source.Container, &source.Target, "FailedGetContainerResourceMetric")
	case in.Type == autoscalingv2.PodsMetricSourceType && in.Pods != nil:
		return compileValue("pods", podsAverage, &in.Pods.Target, "FailedGetPodsMetric")
	case in.Type == autoscalingv2.ObjectMetricSourceType && in.Object != nil:
		k := total
		if in.Object.Target.Type == autoscalingv2.AverageValueMetricType {
			k = perPod
		}
		return compileValue("object", k, &in.Object.Target, "FailedGetObjectMetric")
	case in.Type == autoscalingv2.ExternalMetricSourceType && in.External != nil:
		k := total
		if in.External.Target.AverageValue != nil {
			k = perPod
		}
		m, err := compileValue("external", k, &in.External.Target, "FailedGetExternalMetric")
		m.series = true
		return m, err
	}
	return metric{}, fmt.Errorf("type is %q, want Resource, ContainerResource, Pods, Object or External, and the block of that name", in.Type)
}

func compileResource(field string, name corev1.ResourceName, container string, target *autoscalingv2.MetricTarget, failed string) (metric, error) {
	out := metric{container: container, failed: failed}
	switch name {
	case corev1.ResourceCPU:
		out.resource = cpu
	case corev1.ResourceMemory:
		out.resource = memory
	}
	switch {
	case target.AverageValue != nil:
		out.kind, out.target = average, target.AverageValue.MilliValue()
	case target.AverageUtilization != nil:
		out.kind, out.target = utilisation, int64(*target.AverageUtilization)
	}
	if out.target <= 0 {
		return metric{}, fmt.Errorf("%s.target: want a positive averageUtilization or averageValue", field)
	}
	return out, nil
}

func compileValue(field string, k kind, target *autoscalingv2.MetricTarget, failed string) (metric, error) {
	out := metric{kind: k, failed: failed}
	quantity, name := target.AverageValue, "averageValue"
	if k == total {
		quantity, name = target.Value, "value"
	}
	if quantity != nil {
		out.target = quantity.MilliValue()
	}
	if out.target <= 0 {
		return metric{}, fmt.Errorf("%s.target: want a positive %s", field, name)
	}
	return out, nil
}
