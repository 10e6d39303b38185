package hpa

import "math"

// byTotal is a value against a target for all (rule 15): it scales the ready pods, from zero it stands for itself.
func (s *compiled) byTotal(m *metric, value *Value, in *Input) (int32, Current, error) {
	if value == nil || len(value.Milli) == 0 {
		return 0, Current{}, ErrNoSamples
	}
	usage := value.Milli[0]
	if m.series {
		usage = sum(value.Milli)
	}
	current := Current{Valid: true, Milli: usage}
	ratio := float64(usage) / float64(m.target)
	switch {
	case in.SpecReplicas == 0:
		return int32(math.Ceil(ratio)), current, nil
	case s.within(ratio):
		return in.SpecReplicas, current, nil
	case len(in.Pods) == 0:
		return 0, Current{}, ErrNoPods
	}
	ready := 0
	for i := range in.Pods {
		if in.Pods[i].Phase == Running && in.Pods[i].Ready == Ready {
			ready++
		}
	}
	return ceil(ratio * float64(ready)), current, nil
}

// byShare is a value divided among the replicas that the status names (rules 3 and 15).
func (s *compiled) byShare(m *metric, value *Value, in *Input) (int32, Current, error) {
	if value == nil || len(value.Milli) == 0 {
		return 0, Current{}, ErrNoSamples
	}
	usage := value.Milli[0]
	if m.series {
		usage = sumOrMost(value.Milli)
	}
	replicas := in.StatusReplicas
	ratio := float64(usage) / (float64(m.target) * float64(replicas))
	if !s.within(ratio) {
		if wanted := float64(usage) / float64(m.target); m.series {
			replicas = ceil(wanted)
		} else {
			replicas = int32(math.Ceil(wanted)) // for an object the controller lets it run over
		}
	}
	current := Current{Valid: true, Milli: math.MaxInt64}
	if !m.series || float64(usage) < math.MaxInt64 {
		current.Milli = int64(math.Ceil(float64(usage) / float64(in.StatusReplicas)))
	}
	return replicas, current, nil
}

// sum adds a series up, held at the largest number where it would run over.
func sum(series []int64) int64 {
	total := int64(0)
	for _, v := range series {
		if v > 0 && total > math.MaxInt64-v {
			return math.MaxInt64
		}
		total += v
	}
	return total
}

// sumOrMost adds a series up, but whatever falls below zero counts as run over: the controller tells overflow by the
// sign here, so a negative series asks for the maximum.
func sumOrMost(series []int64) int64 {
	total := int64(0)
	for _, v := range series {
		if total += v; total < 0 {
			return math.MaxInt64
		}
	}
	return total
}

// ceil rounds up, held at the largest count.
func ceil(replicas float64) int32 {
	if replicas > math.MaxInt32 {
		return math.MaxInt32
	}
	return int32(math.Ceil(replicas))
}
