package hpa

import (
	"math"
	"time"
)

// replicas is what the i-th metric asks for, and what it stands at, with the answer there at now.
func (s *compiled) replicas(cfg *Config, i int, in *Input, now time.Duration) (int32, Current, error) {
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
		t.addValues(cfg, m, value, in, now)
		return s.byPods(m, &t, in)
	}
	t := tally{}
	t.addPods(cfg, m, in, now)
	return s.byPods(m, &t, in)
}

// within is the tolerance, both ends included (rule 7).
func (s *compiled) within(ratio float64) bool {
	return (1.0-s.tolDown) <= ratio && ratio <= (1.0+s.tolUp)
}

// class is what a pod's sample counts for.
type class uint8

const (
	ignored class = iota
	unready
	missing
	counted
	stray // of a pod that is gone: it enters averages, not utilisation
	classes
)

// sums are those of the pods of one class, in thousandths.
type sums struct{ pods, usage, request int64 }

func (s *sums) add(usage int64) {
	s.pods++
	s.usage += usage
}

// join takes the pods of another class in, at no usage.
func (s *sums) join(other *sums) {
	s.pods += other.pods
	s.request += other.request
}

// tally is what one pass over the pods finds: the sums by class, with which the second look of rules 11 to 13 can be
// answered without a second pass.
type tally struct {
	answered bool // the metrics API named any pod
	pods     int  // of the selector
	noReq    error
	of       [classes]sums
	fallback int64 // what the missing pods use when the others ask for fewer
}

// addPods sorts the pods by class for a resource metric.
func (t *tally) addPods(cfg *Config, m *metric, in *Input, now time.Duration) {
	t.pods = len(in.Pods)
	t.addAlike(m, &in.Alike)
	for i := range in.Pods {
		p := &in.Pods[i]
		t.answered = t.answered || p.Sample.Has
		usage, has := p.usage(m)
		class := p.class(cfg, m.resource, has, now)
		t.of[class].add(usage)
		switch {
		case m.kind == utilisation:
			t.addRequest(p, m, class)
		case class == missing:
			t.fallback += m.target
		}
	}
	for i := range in.Strays {
		t.answered = t.answered || in.Strays[i].Sample.Has
		if usage, has := in.Strays[i].usage(m); has {
			t.of[stray].add(usage)
		}
	}
}

// addAlike adds the pods that are known to count.
func (t *tally) addAlike(m *metric, a *Alike) {
	if a.Pods <= 0 {
		return
	}
	usage, _ := a.Usage.milli(m.resource)
	request, has := a.Request.milli(m.resource)
	if m.kind == utilisation && !has {
		t.noReq = ErrNoRequest
	}
	t.answered, t.pods = true, t.pods+a.Pods
	t.of[counted].join(&sums{int64(a.Pods), usage, request})
	t.of[counted].usage += usage
}

// addRequest adds what a pod requests. On the way down a missing pod is taken to use all of it, or the target's share where
// that is more (rule 12).
func (t *tally) addRequest(p *Pod, m *metric, class class) {
	request, err := p.request(m)
	if err != nil {
		t.noReq = err
	}
	t.of[class].request += request
	if class == missing {
		t.fallback += request * max(100, m.target) / 100
	}
}

// addValues sorts the pods by class for a custom metric.
func (t *tally) addValues(cfg *Config, m *metric, value *Value, in *Input, now time.Duration) {
	t.pods = len(in.Pods)
	if value == nil {
		return
	}
	for i := range value.Pods {
		t.answered = t.answered || value.Pods[i].Has
		if i >= len(in.Pods) && value.Pods[i].Has {
			t.of[stray].add(value.Pods[i].Milli)
		}
	}
	for i := range in.Pods {
		v := PodValue{}
		if i < len(value.Pods) {
			v = value.Pods[i]
		}
		class := in.Pods[i].class(cfg, m.resource, v.Has, now)
		t.of[class].add(v.Milli)
		if class == missing {
			t.fallback += m.target
		}
	}
}

// class is rule 8; measured says whether the metric has a sample of the pod.
func (p *Pod) class(cfg *Config, r resource, measured bool, now time.Duration) class {
	switch {
	case p.Deleting || p.Phase == Failed:
		return ignored
	case p.Phase == Pending:
		return unready
	case !measured:
		return missing
	case r == cpu && p.unreadyForCPU(cfg, now):
		return unready
	}
	return counted
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
	idle := t.of[unready].pods > 0 && ratio > 1
	if idle || t.of[missing].pods > 0 {
		replicas, err := s.secondLook(m, t, ratio, idle, in.SpecReplicas)
		if err != nil {
			return 0, Current{}, err
		}
		return replicas, current, nil
	}
	if s.within(ratio) {
		return in.SpecReplicas, current, nil
	}
	return int32(math.Ceil(ratio * float64(t.of[counted].pods))), current, nil
}

// samples is how many pods the ratio is taken over.
func (t *tally) samples() int64 { return t.of[counted].pods + t.of[stray].pods }

// check says why there is nothing to go by, in the order in which the controller finds out (rule 14).
func (t *tally) check(m *metric) error {
	switch {
	case !t.answered:
		return ErrNoSamples
	case t.pods == 0:
		return ErrNoPods
	case t.samples() == 0:
		return ErrNoUsableSample
	case t.noReq != nil:
		return t.noReq
	case m.kind == utilisation && t.of[counted].request == 0:
		return ErrNothingMatched
	}
	return nil
}

// secondLook takes the missing and, where idle says so, the unready pods in (rule 12) and holds the current count where
// that leaves no reason to change it, or turns the direction (rule 13).
func (s *compiled) secondLook(m *metric, t *tally, ratio float64, idle bool, current int32) (int32, error) {
	all := &t.of[counted]
	switch {
	case ratio < 1:
		all.join(&t.of[missing])
		all.usage += t.fallback
	case ratio > 1:
		all.join(&t.of[missing])
	}
	if idle {
		all.join(&t.of[unready])
	}
	if m.kind == utilisation && all.request == 0 { // requests so large that they ran over
		return 0, ErrNothingMatched
	}
	second, _ := t.ratio(m)
	if s.within(second) || ratio < 1 && second > 1 || ratio > 1 && second < 1 {
		return current, nil
	}
	replicas := int32(math.Ceil(second * float64(t.samples())))
	if second < 1 && replicas > current || second > 1 && replicas < current {
		return current, nil
	}
	return replicas, nil
}

// ratio is usage over target, truncated as the controller truncates: whole percent, or the integer mean (rule 10).
func (t *tally) ratio(m *metric) (float64, Current) {
	current := Current{Valid: true}
	all := &t.of[counted]
	if m.kind == utilisation {
		current.Utilisation = int32(all.usage * 100 / all.request)
		current.Milli = all.usage / all.pods // requests are not 0: some pod counts
		return float64(current.Utilisation) / float64(int32(m.target)), current
	}
	current.Milli = (all.usage + t.of[stray].usage) / t.samples()
	return float64(current.Milli) / float64(m.target), current
}
