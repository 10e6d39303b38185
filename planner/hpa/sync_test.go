package hpa

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
)

func warnings(reasons ...string) (out []Event) {
	for _, reason := range reasons {
		out = append(out, Event{Warning: true, Reason: reason})
	}
	return out
}

// TestFailures are the syncs that end before a metric is asked, and those whose metrics fail: conditions, events, error.
func TestFailures(t *testing.T) {
	down := errors.New("the API is down")
	spec := func() *Spec { return by(external(averageValue("1")), resourceMetric(corev1.ResourceCPU, percent(60))) }
	in := func(change func(*Input)) *Input {
		in := asking(noon, 10, 10)
		in.Pods = repeat(10, readyPod(noon, 600))
		change(in)
		return in
	}
	read := Condition{true, "SucceededGetScale"}
	for _, test := range []struct {
		name   string
		in     *Input
		want   Conditions
		events []Event
		err    error
	}{
		{"nothing", in(func(*Input) {}), Conditions{Condition{true, readyForNew}, Condition{true, "ValidMetricFound"}, Condition{false, withinRange}}, nil, nil},
		{"the scale cannot be read", in(func(in *Input) { in.ScaleErr = down }), Conditions{AbleToScale: Condition{false, "FailedGetScale"}}, warnings("FailedGetScale"), down},
		{"switched off", in(func(in *Input) { in.SpecReplicas, in.Selection = 0, Shared }), Conditions{read, Condition{false, "ScalingDisabled"}, Condition{}}, nil, nil},
		{"no selector", in(func(in *Input) { in.Selection = NoSelector }), Conditions{read, Condition{false, "InvalidSelector"}, Condition{}}, warnings("SelectorRequired", "FailedComputeMetricsReplicas"), ErrNoSelector},
		{"a bad selector", in(func(in *Input) { in.Selection = BadSelector }), Conditions{read, Condition{false, "InvalidSelector"}, Condition{}}, warnings("InvalidSelector", "FailedComputeMetricsReplicas"), ErrBadSelector},
		{"pods of two", in(func(in *Input) { in.Selection = Shared }), Conditions{read, Condition{false, "AmbiguousSelector"}, Condition{}}, warnings("AmbiguousSelector", "FailedComputeMetricsReplicas"), ErrShared},
		{
			"both metrics fail", in(func(in *Input) { in.Pods, in.Values = nil, []Value{{Err: down}} }),
			Conditions{read, Condition{false, "FailedGetExternalMetric"}, Condition{}},
			warnings("FailedGetExternalMetric", "FailedGetResourceMetric", "FailedComputeMetricsReplicas"), down,
		},
		{
			"one fails, the other carries", in(func(in *Input) { in.Values = []Value{{Err: down}} }),
			Conditions{Condition{true, readyForNew}, Condition{true, "ValidMetricFound"}, Condition{false, withinRange}},
			warnings("FailedGetExternalMetric"), down,
		},
	} {
		c := mustNew(t, spec())
		d := c.Sync(test.in)
		if d.Conditions != test.want || !slices.Equal(c.Events(), test.events) || !errors.Is(d.Err, test.err) || d.Scale || d.Desired != test.in.SpecReplicas {
			t.Errorf("%s: %+v, events %+v, want %+v, %+v, %v", test.name, d, c.Events(), test.want, test.events, test.err)
		}
		asked := test.err == nil && test.in.SpecReplicas > 0 || test.name == "one fails, the other carries"
		if (d.Metric >= 0) != asked || !asked && d.Metric != -1 {
			t.Errorf("%s: the metric is %d", test.name, d.Metric)
		}
		if first := map[bool]int{false: -1, true: 0}[d.Invalid > 0]; d.FirstInvalid != first {
			t.Errorf("%s: the first invalid metric is %d, want %d", test.name, d.FirstInvalid, first)
		}
		if c.Sync(in(func(*Input) {})); len(c.Events()) != 0 {
			t.Errorf("%s: a sync later there still are %+v", test.name, c.Events())
		}
	}
	c := mustNew(t, spec())
	if c.Sync(in(func(in *Input) { in.ScaleErr = down })); len(c.recommendations) != 0 {
		t.Errorf("a scale that could not be read left %+v", c.recommendations)
	}
}

// TestFailedMetrics are the reasons of each kind of metric.
func TestFailedMetrics(t *testing.T) {
	container := autoscalingv2.MetricSpec{
		Type:              autoscalingv2.ContainerResourceMetricSourceType,
		ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: corev1.ResourceCPU, Container: "app", Target: percent(50)},
	}
	for reason, metric := range map[string]autoscalingv2.MetricSpec{
		"FailedGetResourceMetric": resourceMetric(corev1.ResourceMemory, percent(1)), "FailedGetContainerResourceMetric": container,
		"FailedGetPodsMetric": podsMetric(averageValue("1")), "FailedGetObjectMetric": object(averageValue("1")), "FailedGetExternalMetric": external(plainValue("1")),
	} {
		for name, in := range map[string]*Input{"no answer": {Now: noon, SpecReplicas: 2}, "an empty one": {Now: noon, SpecReplicas: 2, Values: []Value{{}}}} {
			d := mustNew(t, by(metric)).Sync(in)
			if d.Conditions.ScalingActive != (Condition{false, reason}) || d.Err != ErrNoSamples {
				t.Errorf("%s, %s: %+v", reason, name, d)
			}
		}
	}
}

// TestNothingWanted are proposals of 0 and below, and workloads without replicas.
func TestNothingWanted(t *testing.T) {
	whole := func(n int64) Value { return Value{Milli: []int64{n * 1000}} }
	spec := func(least int32, metrics ...autoscalingv2.MetricSpec) *Spec {
		s := by(metrics...)
		s.MinReplicas = &least
		return s
	}
	one := external(averageValue("1"))
	for _, test := range []struct {
		name                          string
		spec                          *Spec
		current                       int32
		values                        []Value
		desired, stabilized, proposed int32
		metric                        int
	}{
		{"0 is a proposal", spec(1, one), 5, []Value{whole(0)}, 1, 0, 0, 0},
		{"below 0 is held at 0", spec(1, object(plainValue("1"))), 5, []Value{whole(-5)}, 1, 0, -25, 0},
		{"1 is more than 0", spec(1, one, one), 5, []Value{whole(1), whole(0)}, 1, 1, 1, 0},
		{"0 after 0 is no more", spec(1, one, one, one), 5, []Value{whole(0), whole(0), whole(0)}, 1, 0, 0, 2},
		{"a failure beside 0 carries nothing", spec(0, one, one), 0, []Value{whole(0), {Err: ErrNoSamples}}, 0, 0, 0, 0},
		{"all failed, none there", spec(0, one), 0, []Value{{Err: ErrNoSamples}}, 0, 0, 0, -1},
	} {
		d := mustNew(t, test.spec).Sync(&Input{Now: noon, SpecReplicas: test.current, StatusReplicas: test.current, Pods: repeat(5, readyPod(noon, 0)), Values: test.values})
		if d.Desired != test.desired || d.Stabilized != test.stabilized || d.Proposed != test.proposed || d.Metric != test.metric {
			t.Errorf("%s: %+v", test.name, d)
		}
		if active := d.Conditions.ScalingActive.True; active != (test.metric >= 0) {
			t.Errorf("%s: %+v", test.name, d.Conditions)
		}
	}
}

func TestWritten(t *testing.T) {
	for _, test := range []struct {
		name    string
		wanted  int32
		cause   Cause
		desired int32
	}{{"up", 20, AboveTarget, 20}, {"down", 5, BelowTarget, 5}} {
		c := mustNew(t, by(external(averageValue("1"))))
		in := asking(noon, 10, test.wanted)
		d := c.Decide(in)
		if !d.Scale || d.Cause != test.cause || d.Desired != test.desired || len(c.added)+len(c.removed) != 0 {
			t.Errorf("%s: %+v", test.name, d)
		}
		c.Commit(noon, in, &d)
		if want := (Condition{true, "SucceededRescale"}); d.Conditions.AbleToScale != want || !slices.Equal(c.Events(), []Event{{Reason: "SuccessfulRescale"}}) {
			t.Errorf("%s: %+v, events %+v", test.name, d, c.Events())
		}
		d = c.Decide(in)
		refused := errors.New("refused")
		c.Reject(&d, refused)
		if want := (Condition{false, "FailedUpdateScale"}); d.Conditions.AbleToScale != want || d.Err != refused || !slices.Equal(c.Events(), warnings("FailedRescale")) {
			t.Errorf("%s: %+v, events %+v", test.name, d, c.Events())
		}
	}
}

// TestTheTimeOfTheWriteCounts: retries of a write take time (rule 21).
func TestTheTimeOfTheWriteCounts(t *testing.T) {
	c := mustNew(t, exact(99, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(0, pods(4, 60)), ScaleDown: window(0)}))
	in := asking(noon, 10, 90)
	d := c.Decide(in)
	c.Commit(noon+50*time.Millisecond, in, &d)
	if d := c.Sync(asking(noon+time.Minute, 14, 90)); d.Desired != 14 {
		t.Errorf("a minute after the sync, not quite after the write: %d, want 14", d.Desired)
	}
	if d := c.Sync(asking(noon+time.Minute+50*time.Millisecond, 14, 90)); d.Desired != 18 {
		t.Errorf("a minute after the write: %d, want 18", d.Desired)
	}
}

func TestConditionsLiveInTheObject(t *testing.T) {
	c := mustNew(t, cpuSpec(1, 9, 60))
	before := c.Sync(input(noon, 2, 600)).Conditions
	c.Sync(&Input{Now: noon + time.Minute, SpecReplicas: 2, Selection: Shared})
	c.SetConditions(before)
	if d := c.Sync(&Input{Now: noon + 2*time.Minute, ScaleErr: ErrNoPods}); d.Conditions.ScalingActive != before.ScalingActive {
		t.Errorf("%+v, want what was set: %+v", d.Conditions, before)
	}
}

// TestTheLongestPeriodOfItsDirection decides when a change is forgotten (rule 19): one of 4 at noon is still in a minute's
// budget 40 s later although another policy's period is over, and although the other direction's are.
func TestTheLongestPeriodOfItsDirection(t *testing.T) {
	least := func(r *autoscalingv2.HPAScalingRules) *autoscalingv2.HPAScalingRules {
		return choosing(autoscalingv2.MinChangePolicySelect, r)
	}
	both := []autoscalingv2.HPAScalingPolicy{pods(10, 60), pods(4, 15)}
	c := mustNew(t, exact(99, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: least(window(0, both...)), ScaleDown: window(0)}))
	tell(t, "up", c, 10, []step{{0, 90, 14}, {20, 90, 18}, {40, 90, 20}})
	c = mustNew(t, exact(99, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(0), ScaleDown: least(window(0, both...))}))
	tell(t, "down", c, 40, []step{{0, 1, 36}, {20, 1, 32}, {40, 1, 30}})
}

// TestChangesWithoutBehaviorAreNotKept: a behavior that comes later knows nothing of them.
func TestChangesWithoutBehaviorAreNotKept(t *testing.T) {
	c := mustNew(t, exact(99, nil))
	tell(t, "without", c, 10, []step{{0, 20, 20}})
	if err := c.SetSpec(exact(99, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(0, pods(4, 60)), ScaleDown: window(0)})); err != nil {
		t.Fatal(err)
	}
	tell(t, "with", c, 20, []step{{15, 90, 24}})
}

func TestLargePercentages(t *testing.T) { // rule 18: where a percent more or less shows
	behavior := &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(0, percentage(100, 60)), ScaleDown: window(0, percentage(50, 60))}
	tell(t, "up by 100 %", mustNew(t, exact(2000, behavior)), 500, []step{{0, 2000, 1000}})
	tell(t, "down by 50 %", mustNew(t, exact(2000, behavior)), 500, []step{{0, 1, 250}})
}

// TestCopiesShareNothing writes into every slot of a copy.
func TestCopiesShareNothing(t *testing.T) {
	a := mustNew(t, exact(99, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(0), ScaleDown: window(0)}))
	tell(t, "fill", a, 10, []step{{0, 20, 20}, {15, 10, 10}, {30, 20, 20}, {45, 10, 10}})
	a.Sync(&Input{Now: time.Minute, SpecReplicas: 10, Selection: Shared})
	b := &Controller{}
	b.CopyFrom(a)
	if !slices.Equal(a.recommendations, b.recommendations) || !slices.Equal(a.added, b.added) || !slices.Equal(a.removed, b.removed) ||
		!slices.Equal(a.current, b.current) || !slices.Equal(a.events, b.events) || len(a.added) == 0 || len(a.removed) == 0 || len(a.events) == 0 {
		t.Fatalf("%+v was copied to %+v", a, b)
	}
	b.recommendations[0].replicas, b.added[0].change, b.removed[0].change, b.current[0].Milli, b.events[0].Reason = 77, 77, 77, 77, "77"
	if a.recommendations[0].replicas == 77 || a.added[0].change == 77 || a.removed[0].change == 77 || a.current[0].Milli == 77 || a.events[0].Reason == "77" {
		t.Errorf("a write to the copy changed the original: %+v", a)
	}
	a.Reset()
	if len(a.Events()) != 0 || a.Current(0) != (Current{}) || a.conditions != (Conditions{}) {
		t.Errorf("reset: %+v", a)
	}
	if b.Current(-1) != (Current{}) || b.Current(1) != (Current{}) {
		t.Error("a metric that is not there stands at something")
	}
}

// TestLargeValues are sums at which 64 bits or a count of 32 run over.
func TestLargeValues(t *testing.T) {
	pods := repeat(4, readyPod(noon, 0))
	for _, test := range []struct {
		name    string
		metric  autoscalingv2.MetricSpec
		milli   []int64
		desired int32
		stands  int64
	}{
		{"a value and one below 0", external(plainValue("1")), []int64{5000, -3000}, 8, 2000},
		{"exactly the largest", external(plainValue("1m")), []int64{math.MaxInt64 - 1, 1}, 1000, math.MaxInt64},
		{"a fraction rounds up", external(plainValue("10")), []int64{26_000}, 11, 26_000},
		{"an object's average below 0", object(averageValue("10")), []int64{-8000}, 1, -2000},
		{"an object's average of the largest", object(averageValue("4611686018427387")), []int64{math.MaxInt64}, 3, 1 << 61},
		{"an external's average of the largest", external(averageValue("4611686018427387")), []int64{math.MaxInt64}, 3, math.MaxInt64},
	} {
		c := mustNew(t, by(test.metric))
		d := c.Sync(&Input{Now: noon, SpecReplicas: 4, StatusReplicas: 4, Pods: pods, Values: []Value{{Milli: test.milli}}})
		if d.Err != nil || d.Desired != test.desired || c.Current(0) != (Current{true, 0, test.stands}) {
			t.Errorf("%s: %+v, stands at %+v, want %d and %d", test.name, d, c.Current(0), test.desired, test.stands)
		}
	}
}
