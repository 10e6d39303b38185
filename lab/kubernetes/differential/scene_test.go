package differential

import (
	"math"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/planner/hpa"
)

// mood is what a world is like for some syncs.
type mood struct {
	calm  bool // every pod is old, ready and measured
	aimed bool // usage is the target times ratio
	ratio float64
	level int64 // millicores otherwise
}

func (d dice) mood() mood {
	return mood{
		calm: d.one(2), aimed: !d.one(3), level: of[int64](d, 0, 10, 50, 100, 300, 600, 900),
		ratio: of(d, 0, 0.3, 0.5, 0.8, 0.89, 0.9, 0.9, 0.95, 0.99, 1, 1, 1.01, 1.05, 1.1, 1.1, 1.11, 1.2, 1.5, 2, 3, 9),
	}
}

// scene is what the sync sees: counts, pods, samples, values.
func (d dice) scene(s *step, spec *hpa.Spec, cfg *hpa.Config, m mood, current int32) {
	s.Replicas, s.Status = current, max(0, current+of[int32](d, 0, 0, 0, 0, 1, -1))
	count := min(max(0, int(current)+of(d, 0, 0, 0, 0, 0, 1, -1)), 12)
	if d.one(40) {
		count = 0
	}
	level := d.level(spec, m)
	beside := besides(spec)
	for i := range count {
		p := d.pod(cfg, m.calm, level, beside)
		if m.aimed && i%2 == 1 && i == count-1 && d.one(4) { // the mean just beside the aim
			p.Containers[0].Usage.CPU += of[int64](d, -1, 1)
		}
		s.Pods = append(s.Pods, p)
	}
	if d.one(15) {
		s.Strays = append(s.Strays, d.pod(cfg, m.calm, level, beside))
	}
	s.Down = d.one(40)
	for i := range spec.Metrics {
		s.Values = append(s.Values, d.value(&spec.Metrics[i], s, m))
	}
}

// overlap has a rival's selector find some of the pods, and others.
func (d dice) overlap(s *step, cfg *hpa.Config, m mood) {
	if d.one(2) {
		s.Common = d.IntN(len(s.Pods) + 1)
	}
	for range d.IntN(4) {
		s.Foreign = append(s.Foreign, d.pod(cfg, m.calm, m.level, ""))
	}
}

// dawdle has the metrics APIs take their time: with the pods' ages and the windows in whole seconds, a whole second brings
// them to their boundaries as the answer comes.
func (d dice) dawdle(s *step, period time.Duration) {
	for i := range s.Values {
		if d.one(3) {
			s.Values[i].Took = of(d, 1, 500*time.Millisecond, time.Second, time.Second, 5*time.Second, 30*time.Second, period, 2*period)
		}
	}
}

// level is what each pod should use of CPU, by the first CPU metric where the mood aims.
func (d dice) level(spec *hpa.Spec, m mood) int64 {
	if !m.aimed {
		return m.level
	}
	for i := range spec.Metrics {
		var target *autoscalingv2.MetricTarget
		switch x := &spec.Metrics[i]; {
		case x.Resource != nil && x.Resource.Name == corev1.ResourceCPU:
			target = &x.Resource.Target
		case x.ContainerResource != nil && x.ContainerResource.Name == corev1.ResourceCPU:
			target = &x.ContainerResource.Target
		default:
			continue
		}
		if target.AverageUtilization != nil {
			return int64(math.Round(float64(*target.AverageUtilization) * 10 * m.ratio))
		}
		return int64(math.Round(float64(target.AverageValue.MilliValue()) * m.ratio))
	}
	return m.level
}

// besides is the container that a metric of the spec asks for by name, other than the first one; empty if there is none.
func besides(spec *hpa.Spec) string {
	for i := range spec.Metrics {
		if c := spec.Metrics[i].ContainerResource; c != nil && c.Container != "app" {
			return c.Container
		}
	}
	return ""
}

// steady is an old, ready pod with 1000m of requests, of which it uses level.
func steady(level int64) hpa.Pod {
	return hpa.Pod{
		HasStart: true, Start: -time.Hour, Ready: hpa.Ready, ReadyChanged: -time.Hour + 10*time.Second,
		Containers: []hpa.Container{{Name: "app", Request: hpa.Of(1000, 1<<28), Usage: hpa.Of(level, 1<<27)}},
		Sample:     hpa.Sample{Has: true, Time: -time.Second, Window: 15 * time.Second},
	}
}

// pod is a pod with 1000m of requests in each container, that uses level there.
func (d dice) pod(cfg *hpa.Config, calm bool, level int64, beside string) hpa.Pod {
	p := steady(level)
	p.Sample = hpa.Sample{Has: true, Time: -d.seconds(0, 1, 5, 14, 15), Window: d.seconds(10, 15, 30)}
	p.Containers[0].Usage.Memory = of[int64](d, 1<<27, 1<<28, 1<<26)
	if beside != "" {
		p.Containers = append(p.Containers, p.Containers[0])
		p.Containers[1].Name = beside
	}
	if calm {
		return p
	}
	d.age(&p, cfg)
	d.fill(&p, level)
	return p
}

// age gives a pod a start, a readiness, a phase and a sample near every boundary of rule 8.
func (d dice) age(p *hpa.Pod, cfg *hpa.Config) {
	young, ready := cfg.CPUInitializationPeriod, cfg.InitialReadinessDelay
	if !d.one(3) {
		p.Start = -of(d, 0, 10*time.Second, 30*time.Second, 60*time.Second, young-time.Second, young, young, young+time.Second, young+1, time.Hour)
	}
	p.HasStart = !d.one(20)
	p.ReadyChanged = p.Start + of(d, 0, 5*time.Second, ready-1, ready, ready+1, ready+15*time.Second)
	if d.one(3) {
		p.Ready = of(d, hpa.NoCondition, hpa.NotReady, hpa.NotReady, hpa.NotReady, hpa.UnknownReadiness)
	}
	if d.one(8) {
		p.Phase = of(d, hpa.Pending, hpa.Pending, hpa.Failed, hpa.Succeeded, hpa.UnknownPhase)
	}
	p.Deleting = d.one(15)
	if d.one(3) { // stale, or exactly one window after the pod became ready
		p.Sample.Time = of(d, -60*time.Second, -5*time.Minute, p.ReadyChanged+p.Sample.Window, p.ReadyChanged+p.Sample.Window-1)
	}
	p.Sample.Has = !d.one(8)
}

// fill gives a pod further containers, and takes requests and usages away.
func (d dice) fill(p *hpa.Pod, level int64) {
	if beside := len(p.Containers) > 1; beside && d.one(8) {
		p.Containers = p.Containers[:1]
	}
	if d.one(2) {
		p.Containers[0].Usage.CPU = level * of[int64](d, 5, 9, 10, 11, 15) / 10
	}
	for _, name := range []string{"proxy", sidecar, ephemeral} {
		if known := slices.ContainsFunc(p.Containers, func(c hpa.Container) bool { return c.Name == name }); d.one(3) && !known {
			p.Containers = append(p.Containers, hpa.Container{
				Name: name, UsageOnly: name == ephemeral, Request: hpa.Of(of[int64](d, 100, 500, 1000), of[int64](d, 1<<20, 1000)),
				Usage: hpa.Of(of(d, level, level/2, 0), of[int64](d, 1<<20, 900, 1100)),
			})
		}
	}
	for i := range p.Containers {
		c := &p.Containers[i]
		switch d.IntN(150) {
		case 0:
			c.Request.HasCPU = false
		case 1:
			c.Request = hpa.Of(0, 0)
		case 2:
			c.Usage.HasCPU = false
		case 3:
			c.Usage.HasMemory = false
		case 4, 5:
			c.Unlisted = true
		case 6:
			c.Request.HasMemory = false
		}
	}
	if d.one(30) {
		p.PodLevel = true
		p.Request = hpa.Of(of[int64](d, 100, 500, 1000), of[int64](d, 1<<20, 1<<28))
		p.Request.HasCPU, p.Request.HasMemory = !d.one(3), !d.one(3)
	}
}

// extremes are amounts at which sums run over.
var extremes = []int64{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 - 1024, math.MaxInt64 / 2, math.MaxInt64/2 + 1, math.MaxInt32, math.MaxInt32 * 1000, -1, -100_000, math.MinInt64 + 1}

func (d dice) value(m *autoscalingv2.MetricSpec, s *step, mood mood) value {
	v := value{}
	if metricName(m) == "" {
		return v
	}
	if v.Down = d.one(20); v.Down {
		return v
	}
	near := func(aim float64) int64 {
		switch {
		case d.one(60):
			return of(d, extremes...)
		case mood.aimed:
			return int64(math.Round(aim*mood.ratio)) + of[int64](d, 0, 0, 0, 0, 1, -1)
		}
		return of[int64](d, 0, 100, 540, 600, 660, 900, 1000, 1100, 1234, 5000, 12_340)
	}
	switch {
	case m.Pods != nil:
		for range len(s.Pods) + of(d, 0, 0, 0, 0, 1) {
			v.Pods = append(v.Pods, hpa.PodValue{Has: mood.calm || !d.one(12), Milli: near(float64(m.Pods.Target.AverageValue.MilliValue()))})
		}
	case m.Object != nil:
		v.Milli = []int64{near(whole(&m.Object.Target, s))}
	default:
		count := of(d, 1, 1, 1, 2, 3)
		if d.one(30) {
			count = 0
		}
		for range count {
			v.Milli = append(v.Milli, near(whole(&m.External.Target, s)/float64(count)))
		}
	}
	return v
}

// whole is the value at which a target is met exactly.
func whole(t *autoscalingv2.MetricTarget, s *step) float64 {
	if t.AverageValue != nil {
		return float64(t.AverageValue.MilliValue()) * float64(s.Status)
	}
	return float64(t.Value.MilliValue())
}
