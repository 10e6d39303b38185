package scenarios

import (
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// validateHPA checks what every HPA must have, as the API server does on writing; its rules at work are package
// planner/hpa's.
func validateHPA(c *checker, path string, h *autoscalingv2.HorizontalPodAutoscalerSpec) {
	least := int32(1)
	if h.MinReplicas != nil {
		least = *h.MinReplicas
	}
	if least < 0 {
		c.add(path+".minReplicas", "is %d, must not be negative", least)
	}
	if h.MaxReplicas < 1 || h.MaxReplicas < least {
		c.add(path+".maxReplicas", "is %d, must be at least 1 and at least minReplicas, %d", h.MaxReplicas, least)
	}
	for i, m := range h.Metrics {
		validateMetric(c, fmt.Sprintf("%s.metrics[%d]", path, i), m)
	}
	if h.Behavior != nil {
		validateRules(c, path+".behavior.scaleUp", h.Behavior.ScaleUp)
		validateRules(c, path+".behavior.scaleDown", h.Behavior.ScaleDown)
	}
}

func validateMetric(c *checker, path string, m autoscalingv2.MetricSpec) {
	types := map[string]bool{
		"Resource": m.Resource != nil, "ContainerResource": m.ContainerResource != nil, "Pods": m.Pods != nil,
		"Object": m.Object != nil, "External": m.External != nil,
	}
	written, known := types[string(m.Type)]
	switch {
	case !known:
		c.known(path+".type", "type of metric", string(m.Type), sortedKeys(types))
	case !written:
		c.add(path, "type is %s, but its fields are missing", m.Type)
	}
	if m.Resource == nil {
		return
	}
	path += ".resource.target"
	switch t := m.Resource.Target; t.Type {
	case autoscalingv2.UtilizationMetricType:
		if t.AverageUtilization == nil || *t.AverageUtilization < 1 {
			c.add(path+".averageUtilization", "is missing or below 1, must be a percentage like 60")
		}
	case autoscalingv2.AverageValueMetricType:
		if t.AverageValue == nil || t.AverageValue.Sign() <= 0 {
			c.add(path+".averageValue", "is missing or not above 0")
		}
	default:
		c.add(path+".type", "is %q, must be Utilization or AverageValue for a resource", t.Type)
	}
}

func validateRules(c *checker, path string, r *autoscalingv2.HPAScalingRules) {
	if r == nil {
		return
	}
	if w := r.StabilizationWindowSeconds; w != nil && (*w < 0 || *w > 3600) {
		c.add(path+".stabilizationWindowSeconds", "is %d, must be 0 to 3600", *w)
	}
	if s := r.SelectPolicy; s != nil && !slices.Contains([]string{"Max", "Min", "Disabled"}, string(*s)) {
		c.add(path+".selectPolicy", "is %q, must be Max, Min or Disabled", *s)
	}
	for i, p := range r.Policies {
		at := fmt.Sprintf("%s.policies[%d]", path, i)
		if p.Type != autoscalingv2.PodsScalingPolicy && p.Type != autoscalingv2.PercentScalingPolicy {
			c.add(at+".type", "is %q, must be Pods or Percent", p.Type)
		}
		if p.Value < 1 {
			c.add(at+".value", "is %d, must be above 0", p.Value)
		}
		if p.PeriodSeconds < 1 || p.PeriodSeconds > 1800 {
			c.add(at+".periodSeconds", "is %d, must be 1 to 1800", p.PeriodSeconds)
		}
	}
}
