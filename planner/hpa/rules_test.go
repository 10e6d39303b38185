package hpa

import (
	"errors"
	"math"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
)

// noon is the time of the tests that need only one sync: later than every window.
const noon = 12 * time.Hour

// unlimited is a behavior that lets every proposal through at once, so that a test sees what the metrics asked for.
func unlimited(spec *Spec) *Spec {
	rules := func() *autoscalingv2.HPAScalingRules {
		return &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: new(int32(0)),
			Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 1000, PeriodSeconds: 1}},
		}
	}
	spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: rules(), ScaleDown: rules()}
	return spec
}

func resourceMetric(name corev1.ResourceName, target autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{
		Type:     autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{Name: name, Target: target},
	}
}

func percent(target int32) autoscalingv2.MetricTarget {
	return autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &target}
}

func averageValue(quantity string) autoscalingv2.MetricTarget {
	return autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: new(apiresource.MustParse(quantity))}
}

func plainValue(quantity string) autoscalingv2.MetricTarget {
	return autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: new(apiresource.MustParse(quantity))}
}

func external(target autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Target: target}}
}

func object(target autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{Target: target}}
}

func podsMetric(target autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Target: target}}
}

func by(metrics ...autoscalingv2.MetricSpec) *Spec {
	return unlimited(&Spec{MinReplicas: new(int32(1)), MaxReplicas: 1000, Metrics: metrics})
}

// young is a pod that uses 900m, started so long ago and turned ready or unready so long ago, sampled a second ago.
func young(started, changed time.Duration, ready Readiness) Pod {
	p := readyPod(noon, 900)
	p.Start, p.ReadyChanged, p.Ready = noon-started, noon-changed, ready
	return p
}

func with(p Pod, change func(*Pod)) Pod {
	change(&p)
	return p
}

func repeat(n int, p Pod) (pods []Pod) {
	for range n {
		pods = append(pods, p)
	}
	return pods
}

// TestPodClasses shows rule 8 by its effect: 10 replicas wanted, two old pods at 90 % of 1000m with a target of 60 %,
// and a third pod in question that uses 210 %. Counted as it is, 390/3 = 130 % ask for 7; ignored, 90 % of two ask for 3;
// as nothing (missing on the way up, or unready), 180/3 = 60 % hold the 10.
func TestPodClasses(t *testing.T) {
	const counted, ignored, zero = 7, 3, 10
	busy := func(p Pod) Pod {
		p.Containers = []Container{{Name: "app", Request: Of(1000, 1<<30), Usage: Of(2100, 1<<29)}}
		return p
	}
	for _, test := range []struct {
		name string
		pod  Pod
		want int32
	}{
		{"old and ready", young(time.Hour, time.Hour-time.Minute, Ready), counted},
		{"deleting", with(young(time.Hour, time.Minute, Ready), func(p *Pod) { p.Deleting = true }), ignored},
		{"failed", with(young(time.Hour, time.Minute, Ready), func(p *Pod) { p.Phase = Failed }), ignored},
		{"deleting goes before pending", with(young(time.Hour, time.Minute, Ready), func(p *Pod) { p.Deleting, p.Phase = true, Pending }), ignored},
		{"pending", with(young(time.Hour, time.Minute, Ready), func(p *Pod) { p.Phase = Pending }), zero},
		{"succeeded counts by its sample", with(young(time.Hour, time.Minute, Ready), func(p *Pod) { p.Phase = Succeeded }), counted},
		{"no sample", with(young(time.Hour, time.Minute, Ready), func(p *Pod) { p.Sample.Has = false }), zero},
		{"no Ready condition", with(young(time.Hour, time.Minute, Ready), func(p *Pod) { p.Ready = NoCondition }), zero},
		{"no start time", with(young(time.Hour, time.Minute, Ready), func(p *Pod) { p.HasStart = false }), zero},
		{"young, unready", young(time.Minute, 50*time.Second, NotReady), zero},
		{"young, readiness unknown is not unready", young(time.Minute, 50*time.Second, UnknownReadiness), counted},
		{"young, sample exactly one window after ready", young(time.Minute, 16*time.Second, Ready), counted},
		{"young, sample a little less than one window after ready", young(time.Minute, 16*time.Second-1, Ready), zero},
		{"not quite 5 min old, sample too early", young(5*time.Minute-1, time.Second, Ready), zero},
		{"exactly 5 min old is old", young(5*time.Minute, time.Second, Ready), counted},
		{"old, unready since 30 s after start", young(time.Hour, time.Hour-30*time.Second, NotReady), counted},
		{"old, unready since just under 30 s after start", young(time.Hour, time.Hour-30*time.Second+1, NotReady), zero},
		{"old, ready that early", young(time.Hour, time.Hour-time.Second, Ready), counted},
	} {
		in := &Input{Now: noon, SpecReplicas: 10, Pods: append(repeat(2, readyPod(noon, 900)), busy(test.pod))}
		d := mustNew(t, by(resourceMetric(corev1.ResourceCPU, percent(60)))).Sync(in)
		if d.Err != nil || d.Proposed != test.want {
			t.Errorf("%s: proposed %d (%v), want %d", test.name, d.Proposed, d.Err, test.want)
		}
	}
}

func TestMemoryAndCustomMetricsCountUnreadyPods(t *testing.T) { // rule 8
	pods := repeat(2, young(time.Minute, 50*time.Second, NotReady)) // 512 MiB of 1 GiB each
	for _, test := range []struct {
		name   string
		metric autoscalingv2.MetricSpec
		values []Value
		want   int32
	}{
		{"memory utilisation 50 of 25", resourceMetric(corev1.ResourceMemory, percent(25)), nil, 4},
		{"memory 512 of 128 MiB", resourceMetric(corev1.ResourceMemory, averageValue("128Mi")), nil, 8},
		{"30 of 10 a pod", podsMetric(averageValue("10")), []Value{{Pods: []PodValue{{true, 30_000}, {true, 30_000}}}}, 6},
		{"a custom metric's stray counts in the mean, not in the pods", podsMetric(averageValue("10")), []Value{{Pods: []PodValue{{true, 30_000}, {true, 30_000}, {true, 90_000}}}}, 10},
		{"a custom metric's missing pod is 0 on the way up", podsMetric(averageValue("10")), []Value{{Pods: []PodValue{{true, 50_000}}}}, 5},
		{"and the target on the way down", podsMetric(averageValue("10")), []Value{{Pods: []PodValue{{true, 1_000}}}}, 2},
		{"the last of them too", podsMetric(averageValue("10")), []Value{{Pods: []PodValue{{true, 50_000}, {false, 90_000}}}}, 5},
		{"a stray without a value is none", podsMetric(averageValue("10")), []Value{{Pods: []PodValue{{true, 30_000}, {true, 30_000}, {false, 90_000}}}}, 6},
	} {
		d := mustNew(t, by(test.metric)).Sync(&Input{Now: noon, SpecReplicas: 2, Pods: pods, Values: test.values})
		if d.Err != nil || d.Proposed != test.want {
			t.Errorf("%s: proposed %d (%v), want %d", test.name, d.Proposed, d.Err, test.want)
		}
	}
	d := mustNew(t, by(resourceMetric(corev1.ResourceCPU, percent(25)))).Sync(&Input{Now: noon, SpecReplicas: 2, Pods: pods})
	if !errors.Is(d.Err, ErrNoUsableSample) || d.Desired != 2 || d.Scale {
		t.Errorf("cpu of unready pods only: %+v, want frozen at 2", d) // rule 14
	}
}

func TestCustomMetricsOfPodsThatGo(t *testing.T) { // rule 8
	// 30 of 10 a pod for two; a deleted and a failed pod's 90 do not count, a pending one's counts as 0: 60/3 = 20 for 3
	pods := []Pod{
		readyPod(noon, 0), readyPod(noon, 0),
		with(readyPod(noon, 0), func(p *Pod) { p.Deleting = true }),
		with(readyPod(noon, 0), func(p *Pod) { p.Phase = Failed }),
		with(readyPod(noon, 0), func(p *Pod) { p.Phase = Pending }),
	}
	values := []Value{{Pods: []PodValue{{true, 30_000}, {true, 30_000}, {true, 90_000}, {true, 90_000}, {true, 90_000}}}}
	for _, test := range []struct{ pods, want int }{{2, 6}, {4, 6}, {5, 6}} {
		in := &Input{Now: noon, SpecReplicas: 2, Pods: pods[:test.pods], Values: []Value{{Pods: values[0].Pods[:test.pods]}}}
		if d := mustNew(t, by(podsMetric(averageValue("10")))).Sync(in); d.Err != nil || int(d.Proposed) != test.want {
			t.Errorf("%d pods: proposed %d (%v), want %d", test.pods, d.Proposed, d.Err, test.want)
		}
	}
}

func TestNothingToGoBy(t *testing.T) { // rule 14
	silent := with(readyPod(noon, 0), func(p *Pod) { p.Sample.Has = false })
	spoilt := with(silent, func(p *Pod) { p.Containers = []Container{{}} })
	down := errors.New("the metrics API is down")
	for _, test := range []struct {
		name string
		in   Input
		want error
	}{
		{"no sample of any pod", Input{Pods: repeat(2, silent)}, ErrNoSamples},
		{"no sample goes before no pod", Input{}, ErrNoSamples},
		{"samples, but of pods that are gone", Input{Strays: repeat(1, readyPod(noon, 1))}, ErrNoPods},
		{"pods, but the samples are others'", Input{Pods: repeat(2, silent), Strays: repeat(1, readyPod(noon, 1))}, ErrNothingMatched},
		{"no usable sample goes before no request", Input{Pods: []Pod{spoilt}, Strays: []Pod{{Sample: Sample{Has: true}}}}, ErrNoUsableSample},
		{"the API failed", Input{Pods: repeat(2, readyPod(noon, 900)), Values: []Value{{Err: down}}}, down},
	} {
		test.in.Now, test.in.SpecReplicas = noon, 2
		d := mustNew(t, by(resourceMetric(corev1.ResourceCPU, percent(60)))).Sync(&test.in)
		if !errors.Is(d.Err, test.want) || d.Scale || d.Desired != 2 || d.Metric != -1 || d.FirstInvalid != 0 {
			t.Errorf("%s: %+v, want frozen by %v", test.name, d, test.want)
		}
		if d.Conditions.ScalingActive != (Condition{false, "FailedGetResourceMetric"}) {
			t.Errorf("%s: %+v", test.name, d.Conditions)
		}
	}
}

// TestAverages shows rules 7 and 10 to 13: current pods, usages in millicores of requests of 1000m, the rest of the
// pods missing or unready.
func TestAverages(t *testing.T) {
	missing := with(readyPod(noon, 0), func(p *Pod) { p.Sample.Has = false })
	pending := with(readyPod(noon, 0), func(p *Pod) { p.Phase = Pending })
	used := func(usages ...int64) (pods []Pod) {
		for _, u := range usages {
			pods = append(pods, readyPod(noon, u))
		}
		return pods
	}
	for _, test := range []struct {
		name    string
		target  autoscalingv2.MetricTarget
		current int32
		pods    []Pod
		want    int32
	}{
		{"7: ratio exactly 0.9 holds", percent(60), 2, used(540, 540), 2},
		{"7: ratio exactly 1.1 holds", percent(60), 2, used(660, 660), 2},
		{"7: below 0.9 moves", percent(60), 20, append(used(530), used(530, 530, 530, 530, 530, 530, 530, 530, 530)...), 9},
		{"7: above 1.1 moves", percent(60), 2, used(670, 670), 3},
		{"10: 66.99 % is 66 %", percent(60), 2, used(669, 670), 2},
		{"10: the mean of millicores is cut off", averageValue("100m"), 2, used(110, 111), 2},
		{"10: 111 is over", averageValue("100m"), 2, used(111, 111), 3},
		{"11: in tolerance returns the spec's count, not the pods'", percent(60), 5, used(600, 600), 5},
		{"11: out of tolerance scales the counted pods", percent(60), 5, used(1200, 1200), 4},
		{"11: on the way down unready pods drop out", percent(60), 4, append(used(300, 300), pending, pending), 1},
		{"12: on the way down a missing pod is at 100 % of its request", percent(60), 4, append(used(100, 100, 100), missing), 3},
		{"12: or at the target where that is more", percent(200), 3, append(used(100, 100), missing), 2},
		{"12: or at the raw target", averageValue("600m"), 4, append(used(0, 0, 0), missing), 1},
		{"12: on the way up a missing pod is at 0", percent(60), 4, append(used(1200, 1200, 1200), missing), 6},
		{"12: an unready pod is at 0 on the way up", percent(60), 4, append(used(1200, 1200, 1200), pending), 6},
		{"12: exactly 100 % also where the target is less", percent(60), 4, append(used(80), missing), 4},
		{"12: exactly 100 %: with a hundredth less it would not hold", percent(100), 4, append(used(800), missing), 4},
		{"12: exactly 100 %: with a hundredth more it would hold", percent(100), 4, append(used(790), missing), 2},
		{"12: an unready pod can turn the direction", percent(60), 1, append(used(700), pending), 1},
		{"12: on the way down an unready pod is left out", percent(60), 4, append(used(350, 350), missing, pending), 4},
		{"12: at a ratio of 1.8 a missing pod is at 0", percent(60), 5, append(used(1080, 1080, 1080, 1080), missing), 8},
		{"12: both", percent(60), 5, append(used(1200, 1200, 1200), missing, pending), 6},
		{"12: at a ratio of 1 an unready pod changes nothing", percent(60), 3, append(used(600, 600), pending), 3},
		{"12: at a ratio of 1 a missing pod changes nothing", percent(60), 3, append(used(600, 600), missing), 3},
		{"13: hold when the second look is in tolerance", percent(60), 4, append(used(800, 800, 800), missing), 4},
		{"13: hold when the second look turns down", percent(60), 4, append(used(800), missing, missing, missing), 4},
		{"13: hold when the second look turns up", percent(60), 4, append(used(500), missing, missing, missing), 4},
		{"13: hold when the count turns down", percent(60), 9, append(used(1200, 1200, 1200), missing), 9},
		{"13: hold when the count turns up, by one", percent(60), 1, append(used(10, 10, 10, 10), missing), 1},
		{"13: hold when the count turns up", percent(60), 2, append(used(10, 10, 10, 10), missing), 2},
	} {
		d := mustNew(t, by(resourceMetric(corev1.ResourceCPU, test.target))).Sync(&Input{Now: noon, SpecReplicas: test.current, Pods: test.pods})
		if d.Err != nil || d.Proposed != test.want {
			t.Errorf("%s: proposed %d (%v), want %d", test.name, d.Proposed, d.Err, test.want)
		}
	}
}

func TestMissingPodsAtTheTarget(t *testing.T) { // rule 12: (0+0+0+10)/4 of 10 a pod
	in := &Input{Now: noon, SpecReplicas: 4, Pods: repeat(4, readyPod(noon, 0)), Values: []Value{{Pods: []PodValue{{true, 0}, {true, 0}, {true, 0}}}}}
	if d := mustNew(t, by(podsMetric(averageValue("10")))).Sync(in); d.Proposed != 1 || d.Err != nil {
		t.Errorf("proposed %d (%v), want 1", d.Proposed, d.Err)
	}
}

func TestStraysCountInTheLengthOnly(t *testing.T) { // rule 13 with samples of pods that are gone
	missing := with(readyPod(noon, 0), func(p *Pod) { p.Sample.Has = false })
	in := input(noon, 3, 1200)
	in.Pods = append(in.Pods, missing)
	in.SpecReplicas, in.Strays = 4, repeat(1, readyPod(noon, 5000))
	// 3600 of 4 requests are 90 %: 1.5 of the 4 pods and the stray = 8
	d := mustNew(t, by(resourceMetric(corev1.ResourceCPU, percent(60)))).Sync(in)
	if d.Proposed != 8 {
		t.Errorf("proposed %d, want 8", d.Proposed)
	}
	silent := *in
	silent.Strays = append(silent.Strays, Pod{})
	if again := mustNew(t, by(resourceMetric(corev1.ResourceCPU, percent(60)))).Sync(&silent); again.Proposed != 8 {
		t.Errorf("with a stray without a sample proposed %d (%v), want 8", again.Proposed, again.Err)
	}
	// averages take the stray's usage in: 8600/5 = 1720 of 600 for 5 pods
	d = mustNew(t, by(resourceMetric(corev1.ResourceCPU, averageValue("600m")))).Sync(in)
	if d.Proposed != 15 {
		t.Errorf("proposed %d, want 15", d.Proposed)
	}
}

// TestRequests is rules 9 and 20: two containers of 1000m and 500m, using 600m and 900m; target 50 %.
func TestRequests(t *testing.T) {
	pod := func(change func(*Pod)) Pod {
		p := readyPod(noon, 600)
		p.Containers = append(p.Containers, Container{Name: "proxy", Request: Of(500, 1<<20), Usage: Of(900, 1<<20)})
		change(&p)
		return p
	}
	same := func(*Pod) {}
	ofContainer := func(name string) autoscalingv2.MetricSpec {
		return autoscalingv2.MetricSpec{
			Type:              autoscalingv2.ContainerResourceMetricSourceType,
			ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: corev1.ResourceCPU, Container: name, Target: percent(50)},
		}
	}
	all := resourceMetric(corev1.ResourceCPU, percent(50))
	for _, test := range []struct {
		name   string
		metric autoscalingv2.MetricSpec
		pod    Pod
		want   int32
		err    error
	}{
		{"sum of the containers: 1500 of 1500", all, pod(same), 20, nil},
		{"one container: 600 of 1000", ofContainer("app"), pod(same), 12, nil},
		{"the other: 900 of 500", ofContainer("proxy"), pod(same), 36, nil},
		{"no such container has no sample", ofContainer("none"), pod(same), 0, ErrNoUsableSample},
		{"one without request", all, pod(func(p *Pod) { p.Containers[1].Request = Amount{} }), 0, ErrNoRequest},
		{"without request, but not asked for", ofContainer("app"), pod(func(p *Pod) { p.Containers[1].Request = Amount{} }), 12, nil},
		{"pod-level requests of 1000", all, pod(func(p *Pod) { p.PodLevel, p.Request = true, Of(1000, 1) }), 30, nil},
		{"a container's name goes before them", ofContainer("proxy"), pod(func(p *Pod) { p.PodLevel, p.Request = true, Of(3000, 1) }), 36, nil},
		{"pod-level without cpu: the containers'", all, pod(func(p *Pod) { p.PodLevel = true }), 20, nil},
		{"pod-level without cpu: those containers' that have one", all, pod(func(p *Pod) { p.PodLevel, p.Containers[0].Request = true, Amount{} }), 60, nil},
		{"pod-level without cpu, nor has a container", all, pod(func(p *Pod) { p.PodLevel, p.Containers[0].Request, p.Containers[1].Request = true, Amount{}, Amount{} }), 0, ErrNoRequest},
		{"pod-level without cpu: not an ephemeral container's", all, pod(func(p *Pod) {
			p.PodLevel, p.Containers[0].Request, p.Containers[1].UsageOnly = true, Amount{}, true
		}), 0, ErrNoRequest},
		{"a container that only uses", all, pod(func(p *Pod) { p.Containers[1].UsageOnly = true }), 30, nil},
		{"20: a container without usage", all, pod(func(p *Pod) { p.Containers[1].Usage = Amount{} }), 0, ErrNoUsableSample},
		{"20: it does not matter to the other", ofContainer("app"), pod(func(p *Pod) { p.Containers[1].Usage = Amount{} }), 12, nil},
		{"20: a container that the sample leaves out: 600 of 1500", all, pod(func(p *Pod) { p.Containers[1].Unlisted = true }), 8, nil},
		{"requests of zero", all, pod(func(p *Pod) { p.Containers[0].Request, p.Containers[1].Request = Of(0, 0), Of(0, 0) }), 0, ErrNothingMatched},
		{"a resource no one measures", resourceMetric("ephemeral-storage", percent(50)), pod(same), 0, ErrNoUsableSample},
	} {
		d := mustNew(t, by(test.metric)).Sync(&Input{Now: noon, SpecReplicas: 11, Pods: repeat(10, test.pod)})
		if !errors.Is(d.Err, test.err) || d.Proposed != test.want {
			t.Errorf("%s: proposed %d (%v), want %d (%v)", test.name, d.Proposed, d.Err, test.want, test.err)
		}
	}
	// one pod without a request spoils the metric even if it is deleting or has no sample
	bad := with(pod(func(p *Pod) { p.Containers[0].Request = Amount{} }), func(p *Pod) { p.Deleting = true })
	d := mustNew(t, by(all)).Sync(&Input{Now: noon, SpecReplicas: 2, Pods: []Pod{pod(same), bad}})
	if !errors.Is(d.Err, ErrNoRequest) {
		t.Errorf("a deleting pod without a request: %v, want %v", d.Err, ErrNoRequest)
	}
	d = mustNew(t, by(all)).Sync(&Input{Now: noon, SpecReplicas: 2, Pods: []Pod{bad, pod(same)}})
	if !errors.Is(d.Err, ErrNoRequest) {
		t.Errorf("the first one: %v, want %v", d.Err, ErrNoRequest)
	}
	d = mustNew(t, by(resourceMetric(corev1.ResourceCPU, averageValue("500m")))).Sync(&Input{Now: noon, SpecReplicas: 2, Pods: []Pod{pod(same), bad}})
	if d.Err != nil || d.Proposed != 3 {
		t.Errorf("an average asks for no request: %d (%v), want 3", d.Proposed, d.Err)
	}
	// of pods that are told together one request is told too
	alike := Alike{Pods: 4, Usage: Of(3000, 0)}
	d = mustNew(t, by(all)).Sync(&Input{Now: noon, SpecReplicas: 4, Alike: alike})
	if !errors.Is(d.Err, ErrNoRequest) {
		t.Errorf("alike and without a request: %v, want %v", d.Err, ErrNoRequest)
	}
	d = mustNew(t, by(resourceMetric(corev1.ResourceCPU, averageValue("500m")))).Sync(&Input{Now: noon, SpecReplicas: 4, Alike: alike})
	if d.Err != nil || d.Proposed != 6 {
		t.Errorf("an average of pods alike asks for no request: %d (%v), want 6", d.Proposed, d.Err)
	}
	// a request below 0, which no API server lets through, must not divide by 0 once it is taken in
	below := pod(func(p *Pod) { p.Containers, p.Sample.Has = []Container{{Request: Of(-1500, 0)}}, false })
	d = mustNew(t, by(all)).Sync(&Input{Now: noon, SpecReplicas: 2, Pods: []Pod{pod(same), below}})
	if !errors.Is(d.Err, ErrNothingMatched) {
		t.Errorf("requests that add up to 0: %v, want %v", d.Err, ErrNothingMatched)
	}
	late := pod(func(p *Pod) { p.Containers = p.Containers[:1]; p.Containers[0].Name = "other"; p.Sample.Has = false })
	d = mustNew(t, by(ofContainer("app"))).Sync(&Input{Now: noon, SpecReplicas: 2, Pods: []Pod{pod(same), late}})
	if !errors.Is(d.Err, ErrNoContainer) {
		t.Errorf("a pod without the container: %v, want %v", d.Err, ErrNoContainer)
	}
}

func TestValues(t *testing.T) { // rules 3 and 15
	unready := with(readyPod(noon, 0), func(p *Pod) { p.Ready = NotReady })
	leaving := with(readyPod(noon, 0), func(p *Pod) { p.Deleting = true })
	pending := with(readyPod(noon, 0), func(p *Pod) { p.Phase = Pending })
	pods := append(repeat(3, readyPod(noon, 0)), unready, leaving, pending) // 4 that count: deleting ones are still ready
	for _, test := range []struct {
		name         string
		metric       autoscalingv2.MetricSpec
		spec, status int32
		milli        []int64
		want         int32
	}{
		{"value: 2.5 times for 4 ready", external(plainValue("100")), 6, 6, []int64{150_000, 100_000}, 10},
		{"value in tolerance: the spec's count", external(plainValue("100")), 6, 6, []int64{110_000}, 6},
		{"value of an object takes one value", object(plainValue("100")), 6, 6, []int64{250_000, 9}, 10},
		{"value from zero: the ratio itself", external(plainValue("100")), 0, 0, []int64{250_000}, 3},
		{"value from zero knows no tolerance", external(plainValue("100")), 0, 0, []int64{105_000}, 2},
		{"average: 250 among 10 a pod", external(averageValue("10")), 6, 6, []int64{250_000}, 25},
		{"average in tolerance: the status' count", external(averageValue("10")), 6, 9, []int64{95_000}, 9},
		{"average of an object", object(averageValue("10")), 6, 6, []int64{251_000}, 26},
		{"a series below zero runs over", external(averageValue("10")), 6, 6, []int64{-1}, 1000},
		{"too large for a count", external(plainValue("1m")), 6, 6, []int64{math.MaxInt64, math.MaxInt64}, 1000},
	} {
		spec := by(test.metric)
		spec.MinReplicas = new(int32(0))
		d := mustNew(t, spec).Sync(&Input{Now: noon, SpecReplicas: test.spec, StatusReplicas: test.status, Pods: pods, Values: []Value{{Milli: test.milli}}})
		if d.Err != nil || d.Desired != test.want {
			t.Errorf("%s: desired %d (%v), want %d", test.name, d.Desired, d.Err, test.want)
		}
	}
	d := mustNew(t, by(external(plainValue("100")))).Sync(&Input{Now: noon, SpecReplicas: 2, Values: []Value{{Milli: []int64{1}}}})
	if !errors.Is(d.Err, ErrNoPods) {
		t.Errorf("a value without a pod: %v, want %v", d.Err, ErrNoPods)
	}
}

func TestCurrent(t *testing.T) {
	c := mustNew(t, by(
		resourceMetric(corev1.ResourceCPU, percent(60)), resourceMetric(corev1.ResourceMemory, averageValue("1Gi")),
		external(plainValue("100")), external(averageValue("10")), podsMetric(averageValue("1")),
	))
	in := input(noon, 3, 333)
	in.Pods[0].Containers[0].Usage.CPU = 335 // 1001 of 3000
	in.Values = []Value{{}, {}, {Milli: []int64{80_000}}, {Milli: []int64{100_000}}}
	c.Sync(in)
	for i, want := range []Current{{true, 33, 333}, {true, 0, 1000 << 29}, {true, 0, 80_000}, {true, 0, 33_334}, {}, {}} {
		if got := c.Current(i); got != want {
			t.Errorf("metric %d stands at %+v, want %+v", i, got, want)
		}
	}
	in.StatusReplicas = 0
	in.Values[2] = Value{Milli: []int64{math.MaxInt64, 1}}
	in.Values[3] = Value{Milli: []int64{math.MaxInt64}}
	c.Sync(in)
	for i, want := range []Current{2: {true, 0, math.MaxInt64}, 3: {true, 0, math.MaxInt64}} {
		if got := c.Current(i); i >= 2 && got != want {
			t.Errorf("metric %d stands at %+v, want %+v", i, got, want)
		}
	}
	in.Values = in.Values[:2]
	if d := c.Sync(in); d.Invalid != 3 || d.FirstInvalid != 2 || !errors.Is(d.Err, ErrNoSamples) || c.Current(2).Valid {
		t.Errorf("three answers are missing: %+v", d)
	}
}

func TestSeveralMetrics(t *testing.T) { // rule 5
	failed := errors.New("no answer")
	three := by(external(averageValue("1")), external(averageValue("1")), external(averageValue("1")))
	value := func(n int64) Value { return Value{Milli: []int64{n * 1000}} }
	bad := Value{Err: failed}
	for _, test := range []struct {
		name            string
		values          []Value
		desired, metric int32
		invalid         int
	}{
		{"the maximum", []Value{value(20), value(30), value(25)}, 30, 1, 0},
		{"the first wins a tie", []Value{value(20), value(30), value(30)}, 30, 1, 0},
		{"one invalid, more wanted: the others carry it", []Value{value(20), bad, value(30)}, 30, 2, 1},
		{"one invalid, fewer wanted: nothing", []Value{value(5), bad, value(4)}, 10, -1, 1},
		{"one invalid, the same wanted: valid", []Value{value(10), bad, value(4)}, 10, 0, 1},
		{"all invalid: nothing", []Value{bad, bad, bad}, 10, -1, 3},
		{"a missing answer is invalid", []Value{value(5), value(4)}, 10, -1, 1},
	} {
		d := mustNew(t, three).Sync(&Input{Now: noon, SpecReplicas: 10, StatusReplicas: 10, Pods: repeat(10, readyPod(noon, 0)), Values: test.values})
		if d.Desired != test.desired || int32(d.Metric) != test.metric || d.Invalid != test.invalid {
			t.Errorf("%s: desired %d by metric %d with %d invalid, want %d, %d, %d", test.name, d.Desired, d.Metric, d.Invalid, test.desired, test.metric, test.invalid)
		}
		if active := d.Conditions.ScalingActive; active.True != (test.metric >= 0) {
			t.Errorf("%s: ScalingActive is %+v", test.name, active)
		}
	}
}

func TestClamp(t *testing.T) { // rule 4
	for _, test := range []struct {
		name           string
		current, wants int32
		cause          Cause
	}{
		{"switched off", 0, 0, NoCause},
		{"above max", 21, 20, AboveMax},
		{"below min", 1, 2, BelowMin},
		{"at max the metrics are asked", 20, 20, NoCause},
	} {
		c := mustNew(t, unlimited(cpuSpec(2, 20, 60)))
		d := c.Sync(input(noon, test.current, 600))
		if d.Desired != test.wants || d.Cause != test.cause || d.Scale != (test.wants != test.current) {
			t.Errorf("%s: %+v, want %d", test.name, d, test.wants)
		}
	}
	// the clamp passes the rate by, and counts in it: 50 → 20, then at most 1 a minute less
	spec := cpuSpec(2, 20, 60)
	spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{
		StabilizationWindowSeconds: new(int32(0)),
		Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 31, PeriodSeconds: 60}},
	}}
	c := mustNew(t, spec)
	if d := c.Sync(input(noon, 50, 0)); d.Desired != 20 {
		t.Fatalf("desired %d, want 20", d.Desired)
	}
	if d := c.Sync(input(noon+15*time.Second, 20, 60)); d.Desired != 19 {
		t.Errorf("desired %d after a clamp of 30 with a rate of 31 a minute, want 19", d.Desired)
	}
}

// TestSumRunsOverOnlyBeyondTheLargest: a sum that is just the largest number goes on to be added to.
func TestSumRunsOverOnlyBeyondTheLargest(t *testing.T) {
	for _, test := range []struct {
		series []int64
		want   int64
	}{
		{[]int64{math.MaxInt64 - 1, 1, -5}, math.MaxInt64 - 5},
		{[]int64{math.MaxInt64 - 1, 2, -5}, math.MaxInt64},
		{[]int64{math.MaxInt64, 0, -5}, math.MaxInt64 - 5},
		{[]int64{-1, -2}, -3},
	} {
		if got := sum(test.series); got != test.want {
			t.Errorf("the sum of %v is %d, want %d", test.series, got, test.want)
		}
	}
}
