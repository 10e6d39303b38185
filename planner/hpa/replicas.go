package hpa

import (
	"math"
	"time"
)

// replicas is what the i-th metric asks for, and what it stands at.
func (s *compiled) replicas(cfg *Config, i int, in *Input) (int32, Current, error) {
	m := &s.metrics[i]
	var value *Value
	if i < len(in.Values) {
		value = &in.Values[i]
		if value.Err != nil {
			return 0, Current{}, value.Err
		}
	}
	switch m.kind {
	case total:
		return s.byTotal(m, value, in)
	case perPod:
		return s.byShare(m, value, in)
	case podsAverage:
		t := tally{}
		t.addValues(value, in.Pods)
		return s.byPods(m, &t, in)
	}
	t := tally{}
	t.addPods(cfg, m, in)
	return s.byPods(m, &t, in)
}

// within is the tolerance, both ends included (rule 7).
func (s *compiled) within(ratio float64) bool {
	return (1.0-s.tolDown) <= ratio && ratio <= (1.0+s.tolUp)
}

// tally is what one pass over the pods finds: how many are of which class (rule 8), and the sums with which every
// second look of rules 11 to 13 can be answered without a second pass.
type tally struct {
	answered bool // the metrics API named any pod
	pods     int  // of the selector
	noReq    error

	counted, unready, missing, strays int64
	// usage and request of those counted; usage of strays enters averages, not utilisation.
	usage, strayUsage, request int64
	// of the missing and the unready
	missingRequest, missingFallback, unreadyRequest int64
}

// addPods sorts the pods by class for a resource metric.
func (t *tally) addPods(cfg *Config, m *metric, in *Input) {
	t.pods = len(in.Pods)
	for i := range in.Pods {
		p := &in.Pods[i]
		t.answered = t.answered || p.Sample.Has
		request := int64(0)
		if m.kind == utilisation {
			var err error
			if request, err = p.request(m); err != nil {
				t.noReq = err
			}
		}
		t.addPod(cfg, m, p, request, in.Now)
	}
	for i := range in.Strays {
		t.answered = t.answered || in.Strays[i].Sample.Has
		if usage, has := in.Strays[i].usage(m); has {
			t.strays++
			t.strayUsage += usage
		}
	}
}

// addPod is rule 8.
func (t *tally) addPod(cfg *Config, m *metric, p *Pod, request int64, now time.Duration) {
	if p.Deleting || p.Phase == Failed {
		return
	}
	usage, has := p.usage(m)
	switch {
	case p.Phase != Pending && !has:
		t.missing++
		t.missingRequest += request
		t.missingFallback += request * max(100, m.target) / 100
	case p.Phase == Pending || m.resource == cpu && p.unreadyForCPU(cfg, now):
		t.unready++
		t.unreadyRequest += request
	default:
		t.counted++
		t.usage += usage
		t.request += request
	}
}

// addValues sorts the pods by class for a custom metric.
func (t *tally) addValues(value *Value, pods []Pod) {
	t.pods = len(pods)
	if value == nil {
		return
	}
	for i := range value.Pods {
		t.answered = t.answered || value.Pods[i].Has
		if i >= len(pods) && value.Pods[i].Has {
			t.strays++
			t.strayUsage += value.Pods[i].Milli
		}
	}
	for i := range pods {
		switch p := &pods[i]; {
		case p.Deleting || p.Phase == Failed:
		case p.Phase == Pending:
			t.unready++
		case i >= len(value.Pods) || !value.Pods[i].Has:
			t.missing++
		default:
			t.counted++
			t.usage += value.Pods[i].Milli
		}
	}
}

// unreadyForCPU is the last part of rule 8.
func (p *Pod) unreadyForCPU(cfg *Config, now time.Duration) bool {
	switch {
	case p.Ready == NoCondition || !p.HasStart:
		return true
	case p.Start+cfg.CPUInitializationPeriod > now:
		return p.Ready == NotReady || p.Sample.Time < p.ReadyChanged+p.Sample.Window
	}
	return p.Ready == NotReady && p.Start+cfg.InitialReadinessDelay > p.ReadyChanged
}

// request is the pod's request in thousandths (rule 9).
func (p *Pod) request(m *metric) (int64, error) {
	if p.PodLevel && m.container == "" {
		return p.podLevelRequest(m.resource)
	}
	sum := int64(0)
	for i := range p.Containers {
		c := &p.Containers[i]
		if c.UsageOnly || m.container != "" && m.container != c.Name {
			continue
		}
		request, has := c.Request.milli(m.resource)
		if !has {
			return 0, ErrNoRequest
		}
		sum += request
		if m.container != "" {
			return sum, nil
		}
	}
	if m.container != "" {
		return 0, ErrNoContainer
	}
	return sum, nil
}

// podLevelRequest is the pod's own request, or for a resource it does not name what its containers add up to.
func (p *Pod) podLevelRequest(r resource) (sum int64, err error) {
	if request, has := p.Request.milli(r); has {
		return request, nil
	}
	err = ErrNoRequest
	for i := range p.Containers {
		if c := &p.Containers[i]; !c.UsageOnly {
			if request, has := c.Request.milli(r); has {
				sum, err = sum+request, nil
			}
		}
	}
	return sum, err
}

// usage is the pod's usage in thousandths; false where its sample is missing or incomplete (rule 20).
func (p *Pod) usage(m *metric) (sum int64, has bool) {
	if !p.Sample.Has {
		return 0, false
	}
	for i := range p.Containers {
		c := &p.Containers[i]
		if c.Unlisted || m.container != "" && m.container != c.Name {
			continue
		}
		usage, given := c.Usage.milli(m.resource)
		if !given {
			return 0, false
		}
		sum, has = sum+usage, true
		if m.container != "" {
			return sum, true
		}
	}
	return sum, has
}

// milli is the amount of one resource in thousandths of its unit, as the controller counts.
func (a *Amount) milli(r resource) (int64, bool) {
	switch r {
	case cpu:
		return a.CPU, a.HasCPU
	case memory:
		return a.Memory * 1000, a.HasMemory
	}
	return 0, false
}

// byPods is rules 11 to 14 for everything that is measured pod by pod: a first look at the pods that count, and a second
// one if others might change the answer.
func (s *compiled) byPods(m *metric, t *tally, in *Input) (int32, Current, error) {
	if err := t.check(m); err != nil {
		return 0, Current{}, err
	}
	ratio, current := t.ratio(m)
	unready := t.unready > 0 && ratio > 1
	if unready || t.missing > 0 {
		replicas, err := s.secondLook(m, t, ratio, unready, in.SpecReplicas)
		return replicas, current, err
	}
	if s.within(ratio) {
		return in.SpecReplicas, current, nil
	}
	return int32(math.Ceil(ratio * float64(t.counted))), current, nil
}

// check says why there is nothing to go by, in the order in which the controller finds out (rule 14).
func (t *tally) check(m *metric) error {
	switch {
	case !t.answered:
		return ErrNoSamples
	case t.pods == 0:
		return ErrNoPods
	case t.counted+t.strays == 0:
		return ErrNoUsableSample
	case t.noReq != nil:
		return t.noReq
	case m.kind == utilisation && t.request == 0:
		return ErrNothingMatched
	}
	return nil
}

// secondLook takes the missing and the unready pods in (rule 12) and holds the current count where that leaves no reason
// to change it, or turns the direction (rule 13).
func (s *compiled) secondLook(m *metric, t *tally, ratio float64, unready bool, current int32) (int32, error) {
	if t.missing > 0 && ratio != 1 {
		t.counted += t.missing
		t.request += t.missingRequest
		if ratio < 1 {
			t.usage += t.absent(m)
		}
	}
	if unready {
		t.counted += t.unready
		t.request += t.unreadyRequest
	}
	if m.kind == utilisation && t.request == 0 { // requests so large that they ran over
		return 0, ErrNothingMatched
	}
	second, _ := t.ratio(m)
	if s.within(second) || ratio < 1 && second > 1 || ratio > 1 && second < 1 {
		return current, nil
	}
	replicas := int32(math.Ceil(second * float64(t.counted+t.strays)))
	if second < 1 && replicas > current || second > 1 && replicas < current {
		return current, nil
	}
	return replicas, nil
}

// absent is what the missing pods are taken to use when the others ask for fewer (rule 12).
func (t *tally) absent(m *metric) int64 {
	if m.kind == utilisation {
		return t.missingFallback
	}
	return t.missing * m.target
}

// ratio is usage over target, truncated as the controller truncates: whole percent, or the integer mean (rule 10).
func (t *tally) ratio(m *metric) (float64, Current) {
	current := Current{Valid: true}
	if m.kind == utilisation {
		current.Utilisation = int32(t.usage * 100 / t.request)
		if t.counted > 0 { // beside absurd requests always
			current.Milli = t.usage / t.counted
		}
		return float64(current.Utilisation) / float64(int32(m.target)), current
	}
	current.Milli = (t.usage + t.strayUsage) / (t.counted + t.strays)
	return float64(current.Milli) / float64(m.target), current
}
