package differential

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ansturm/ansturm/planner/hpa"
)

// grammar is raised whenever the same seed draws another world, so that proofs of one grammar are not taken for another's.
const grammar = 2

const steps = 40 // syncs of a world

// dice draws from a seed.
type dice struct{ *rand.Rand }

func of[T any](d dice, values ...T) T         { return values[d.IntN(len(values))] }
func (d dice) one(in int) bool                { return d.IntN(in) == 0 }
func (d dice) seconds(v ...int) time.Duration { return time.Duration(of(d, v...)) * time.Second }

// draw is the world of a seed. A planner/hpa of its own shows the way, so that the counts follow what is decided.
func draw(seed uint64) *world {
	d := dice{rand.New(rand.NewPCG(seed, grammar))}
	w := &world{Config: d.config()}
	period := int(w.Config.SyncPeriod / time.Second)
	w.Spec = d.spec(period)
	guide, err := hpa.New(w.Spec, w.Config)
	if err != nil {
		panic(fmt.Sprintf("seed %d: %v", seed, err))
	}
	if d.one(8) {
		from := d.IntN(steps / 2)
		w.Rival = &rival{From: from, To: from + 2 + d.IntN(steps/2), Partly: d.one(2)}
	}
	slow := w.Rival == nil && d.one(4)
	current := of[int32](d, 0, 1, 1, 2, 3, 5, 10, 20)
	spec := w.Spec
	mood := d.mood()
	now := time.Duration(0)
	for range steps {
		now += w.Config.SyncPeriod
		s := step{}
		if d.one(25) {
			current = of[int32](d, 0, 1, 2, 3, 5, 10, 20, 200)
		}
		if d.one(5) {
			mood = d.mood()
		}
		if d.one(30) {
			s.Edit = d.edit(spec, period)
			spec = s.Edit
			if err := guide.SetSpec(spec); err != nil {
				panic(fmt.Sprintf("seed %d: %v", seed, err))
			}
		}
		d.mishaps(&s, w.Rival != nil, current)
		if s.Restart {
			guide.Restart()
		}
		if s.Object == recreated {
			guide.Reset()
			now += w.Config.SyncPeriod
		}
		d.scene(&s, spec, &w.Config, mood, current)
		if w.Rival != nil && w.Rival.Partly {
			d.overlap(&s, &w.Config, mood)
		}
		if slow {
			d.dawdle(&s, w.Config.SyncPeriod)
		}
		in := s.input(now)
		fail(in, spec, s.Down)
		decision := guide.Decide(in)
		now += decision.Took
		if decision.Scale && !s.Refused && s.Conflicts < tries {
			guide.Commit(now, in, &decision)
			current = decision.Desired
		}
		w.Steps = append(w.Steps, s)
	}
	return w
}

func (d dice) config() hpa.Config {
	c := hpa.Default()
	if d.one(3) {
		c.SyncPeriod = d.seconds(1, 5, 10, 30)
	}
	if d.one(3) {
		c.DownscaleStabilization = d.seconds(0, 15, 30, 60, 90) + of(d, 0, 0, 500*time.Millisecond)
	}
	if d.one(3) {
		c.Tolerance = of(d, 0, 0.01, 0.2, 0.5)
	}
	if d.one(4) {
		c.CPUInitializationPeriod = d.seconds(0, 60, 120)
	}
	if d.one(4) {
		c.InitialReadinessDelay = d.seconds(0, 10, 60)
	}
	return c
}

// mishaps are what befalls the controller's process, its object, and what it reads and writes.
func (d dice) mishaps(s *step, rival bool, current int32) {
	s.StatusRefused = d.one(60)
	s.Refused = d.one(40)
	if s.Unreadable = d.one(60); d.one(60) {
		s.Selection = of(d, hpa.NoSelector, hpa.BadSelector)
	}
	if d.one(60) {
		s.Object = replaced
	}
	if rival {
		return // these would bring the two autoscalers' syncs together
	}
	if d.one(20) {
		s.Conflicts, s.Meanwhile, s.Refetch = of(d, 1, 1, 2, 4, 5, 6), max(0, current+of[int32](d, -1, 1, 5)), d.one(4)
	}
	s.Restart = d.one(60)
	if d.one(120) {
		s.Object = recreated
	}
}

func (d dice) spec(period int) *hpa.Spec {
	least := of[int32](d, 1, 1, 1, 2, 5)
	s := &hpa.Spec{MaxReplicas: least + of[int32](d, 0, 1, 5, 10, 30, 100)}
	if !d.one(4) {
		s.MinReplicas = &least
	} else {
		s.MaxReplicas -= least - 1
	}
	count := 1
	if d.one(2) {
		count += d.IntN(3)
	}
	valued := false
	for i := range count {
		m := d.metric(i)
		valued = valued || m.Object != nil || m.External != nil
		s.Metrics = append(s.Metrics, m)
	}
	if valued && d.one(3) {
		s.MinReplicas = new(int32(0))
	}
	if d.one(40) {
		s.Metrics, s.MinReplicas = nil, nil
	}
	if d.one(3) {
		return s
	}
	s.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{}
	if !d.one(6) {
		s.Behavior.ScaleUp = d.rules(period)
	}
	if !d.one(6) {
		s.Behavior.ScaleDown = d.rules(period)
	}
	return s
}

// edit is what a user makes of a spec: another behavior, other bounds, or something else altogether.
func (d dice) edit(old *hpa.Spec, period int) *hpa.Spec {
	out := d.spec(period)
	if d.one(4) {
		return out
	}
	out.Metrics = old.Metrics
	if least := out.MinReplicas; least != nil && *least == 0 {
		out.MinReplicas = nil
	}
	return out
}

func (d dice) rules(period int) *autoscalingv2.HPAScalingRules {
	r := &autoscalingv2.HPAScalingRules{}
	if !d.one(3) {
		r.StabilizationWindowSeconds = new(int32(of(d, 0, 0, period, 2*period, 3*period, 4*period, 8*period, 7, 300)))
	}
	if d.one(2) {
		r.SelectPolicy = new(of(d, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect, autoscalingv2.MinChangePolicySelect))
	}
	if !d.one(3) {
		for range 1 + d.IntN(3) {
			r.Policies = append(r.Policies, autoscalingv2.HPAScalingPolicy{
				Type:          of(d, autoscalingv2.PodsScalingPolicy, autoscalingv2.PercentScalingPolicy),
				Value:         of[int32](d, 1, 1, 2, 3, 4, 7, 10, 33, 50, 100, 150),
				PeriodSeconds: int32(of(d, period, 2*period, 3*period, 4*period, 6*period, 1, 20, 90)),
			})
		}
	}
	if d.one(3) {
		r.Tolerance = new(resource.MustParse(of(d, "0", "0.05", "0.5", "0.1", "0.2", "75m")))
	}
	return r
}

func (d dice) target(kinds ...autoscalingv2.MetricTargetType) autoscalingv2.MetricTarget {
	t := autoscalingv2.MetricTarget{Type: of(d, kinds...)}
	quantity := resource.NewMilliQuantity(of[int64](d, 1, 100, 500, 600, 1000, 1234, 10_000, 20_000), resource.DecimalSI)
	switch t.Type {
	case autoscalingv2.UtilizationMetricType:
		t.AverageUtilization = new(of[int32](d, 1, 10, 30, 50, 60, 60, 70, 80, 100, 120, 200))
	case autoscalingv2.AverageValueMetricType:
		t.AverageValue = quantity
	case autoscalingv2.ValueMetricType:
		t.Value = quantity
	}
	return t
}

func (d dice) metric(i int) autoscalingv2.MetricSpec {
	id := autoscalingv2.MetricIdentifier{Name: fmt.Sprintf("m%d", i), Selector: &metav1.LabelSelector{}}
	const share, average, whole = autoscalingv2.UtilizationMetricType, autoscalingv2.AverageValueMetricType, autoscalingv2.ValueMetricType
	switch d.IntN(9) {
	default:
		return autoscalingv2.MetricSpec{
			Type:     autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU, Target: d.target(share, share, average)},
		}
	case 0:
		m := autoscalingv2.MetricSpec{
			Type:     autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceMemory, Target: d.target(share, average)},
		}
		if m.Resource.Target.AverageValue != nil {
			m.Resource.Target.AverageValue = resource.NewQuantity(of[int64](d, 1000, 1<<20, 1<<28), resource.BinarySI)
		}
		return m
	case 1, 2:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType, ContainerResource: &autoscalingv2.ContainerResourceMetricSource{
			Name: of(d, corev1.ResourceCPU, corev1.ResourceCPU, corev1.ResourceMemory), Container: of(d, "app", "app", "proxy", sidecar), Target: d.target(share, average),
		}}
	case 3:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: id, Target: d.target(average)}}
	case 4:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: id, Target: d.target(average, whole)}}
	case 5:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
			DescribedObject: autoscalingv2.CrossVersionObjectReference{Kind: of(d, "Service", "Namespace"), Name: "s"}, Metric: id, Target: d.target(average, whole),
		}}
	}
}

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

// rivalSpec is the rival's: one that follows the same pods' CPU.
func rivalSpec() *hpa.Spec {
	return &hpa.Spec{MinReplicas: new(int32(1)), MaxReplicas: 9, Metrics: []autoscalingv2.MetricSpec{{
		Type: autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{
			Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(70)),
		}},
	}}}
}
