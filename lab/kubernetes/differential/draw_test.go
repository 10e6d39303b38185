package differential

import (
	"fmt"
	"math/rand/v2"
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

// author draws a world. A planner/hpa of its own shows the way, so that the counts follow what is decided.
type author struct {
	dice
	w       *world
	guide   *hpa.Controller
	spec    *hpa.Spec // as edited
	period  int       // of the syncs, in seconds
	now     time.Duration
	current int32
	mood    mood
	slow    bool // its metrics APIs are, now and then
}

// draw is the world of a seed.
func draw(seed uint64) *world {
	d := dice{rand.New(rand.NewPCG(seed, grammar))}
	a := &author{dice: d, w: &world{Config: d.config()}}
	a.period = int(a.w.Config.SyncPeriod / time.Second)
	a.w.Spec = d.spec(a.period)
	a.spec = a.w.Spec
	var err error
	if a.guide, err = hpa.New(a.spec, a.w.Config); err != nil {
		panic(fmt.Sprintf("seed %d: %v", seed, err))
	}
	if d.one(8) {
		from := d.IntN(steps / 2)
		a.w.Rival = &rival{From: from, To: from + 2 + d.IntN(steps/2), Partly: d.one(2)}
	}
	a.slow = a.w.Rival == nil && d.one(4)
	a.current, a.mood = of[int32](d, 0, 1, 1, 2, 3, 5, 10, 20), d.mood()
	for range steps {
		s := a.step()
		a.follow(&s)
		a.w.Steps = append(a.w.Steps, s)
	}
	return a.w
}

// step is what befalls the next sync.
func (a *author) step() (s step) {
	a.now += a.w.Config.SyncPeriod
	if a.one(25) {
		a.current = of[int32](a.dice, 0, 1, 2, 3, 5, 10, 20, 200)
	}
	if a.one(5) {
		a.mood = a.dice.mood()
	}
	if a.one(30) {
		a.spec = a.edit(a.spec, a.period)
		s.Edit = a.spec
	}
	a.mishaps(&s, a.w.Rival != nil, a.current)
	a.scene(&s, a.spec, &a.w.Config, a.mood, a.current)
	if a.w.Rival != nil && a.w.Rival.Partly {
		a.overlap(&s, &a.w.Config, a.mood)
	}
	if a.slow {
		a.dawdle(&s, a.w.Config.SyncPeriod)
	}
	return s
}

// follow lets the guide live through the step.
func (a *author) follow(s *step) {
	if s.Edit != nil {
		if err := a.guide.SetSpec(s.Edit); err != nil {
			panic(fmt.Sprintf("an edit of %v: %v", a.w, err))
		}
	}
	if s.Restart {
		a.guide.Restart()
	}
	if s.Object == recreated {
		a.guide.Reset()
		a.now += a.w.Config.SyncPeriod
	}
	in := s.input(a.now)
	fail(in, a.spec, s.Down)
	decision := a.guide.Decide(in)
	a.now += decision.Took
	if decision.Scale && !s.Refused && s.Conflicts < tries {
		a.guide.Commit(a.now, in, &decision)
		a.current = decision.Desired
	}
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

// rivalSpec is the rival's: one that follows the same pods' CPU.
func rivalSpec() *hpa.Spec {
	return &hpa.Spec{MinReplicas: new(int32(1)), MaxReplicas: 9, Metrics: []autoscalingv2.MetricSpec{{
		Type: autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{
			Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(70)),
		}},
	}}}
}
