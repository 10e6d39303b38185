package reports

import (
	"strconv"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
)

// span is the least and the largest of some settings.
type span struct {
	low, high int32
	any       bool
}

func (s *span) add(v int32) {
	if !s.any {
		s.low, s.high, s.any = v, v, true
		return
	}
	s.low, s.high = min(s.low, v), max(s.high, v)
}

// text writes "45 %" or "2–7", a dash for nothing.
func (s span) text(unit string) string {
	switch {
	case !s.any:
		return "–"
	case s.low == s.high:
		return strconv.Itoa(int(s.low)) + unit
	default:
		return strconv.Itoa(int(s.low)) + "–" + strconv.Itoa(int(s.high)) + unit
	}
}

// spans are an autoscaling's settings over many tenants.
type spans struct{ target, min, max span }

func valueOr(p *int32, otherwise int32) int32 {
	if p == nil {
		return otherwise
	}
	return *p
}

// cpuTarget is the CPU utilisation an autoscaling aims at, in percent of the request; 0 where it names none.
func cpuTarget(spec *autoscalingv2.HorizontalPodAutoscalerSpec) int32 {
	for _, m := range spec.Metrics {
		if m.Resource != nil && m.Resource.Name == corev1.ResourceCPU {
			return valueOr(m.Resource.Target.AverageUtilization, 0)
		}
	}
	return 0
}
