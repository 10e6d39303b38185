package hpa

import (
	"errors"
	"fmt"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
)

// asking is an input whose one external metric asks for exactly that many replicas.
func asking(at time.Duration, current, wanted int32) *Input {
	return &Input{
		Now: at, SpecReplicas: current, StatusReplicas: current,
		Values: []Value{{Milli: []int64{int64(wanted) * 1000}}},
	}
}

// exact scales on an external metric of 1 a pod, without tolerance where behavior lets one say so.
func exact(most int32, behavior *autoscalingv2.HorizontalPodAutoscalerBehavior) *Spec {
	return &Spec{MinReplicas: new(int32(1)), MaxReplicas: most, Metrics: []autoscalingv2.MetricSpec{external(averageValue("1"))}, Behavior: behavior}
}

func window(seconds int32, policies ...autoscalingv2.HPAScalingPolicy) *autoscalingv2.HPAScalingRules {
	if len(policies) == 0 {
		policies = []autoscalingv2.HPAScalingPolicy{pods(1000, 1)}
	}
	return &autoscalingv2.HPAScalingRules{
		StabilizationWindowSeconds: &seconds, Policies: policies, Tolerance: new(apiresource.MustParse("0")),
	}
}

func pods(value, seconds int32) autoscalingv2.HPAScalingPolicy {
	return autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PodsScalingPolicy, Value: value, PeriodSeconds: seconds}
}

func percentage(value, seconds int32) autoscalingv2.HPAScalingPolicy {
	return autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy, Value: value, PeriodSeconds: seconds}
}

func choosing(how autoscalingv2.ScalingPolicySelect, rules *autoscalingv2.HPAScalingRules) *autoscalingv2.HPAScalingRules {
	rules.SelectPolicy = &how
	return rules
}

// step is one sync of a story: at that second the metric asks for wanted, and desired comes of it.
type step struct {
	second          int
	wanted, desired int32
}

// tell plays the steps; each starts with the count the one before decided on.
func tell(t *testing.T, name string, c *Controller, current int32, steps []step) {
	t.Helper()
	for _, s := range steps {
		d := c.Sync(asking(time.Duration(s.second)*time.Second, current, s.wanted))
		if d.Err != nil || d.Desired != s.desired {
			t.Fatalf("%s: at %d s, %d replicas, asked for %d: desired %d (%v), want %d", name, s.second, current, s.wanted, d.Desired, d.Err, s.desired)
		}
		current = d.Desired
	}
}

func TestWithoutBehavior(t *testing.T) { // rule 16
	for _, test := range []struct {
		name    string
		current int32
		steps   []step
	}{
		{"at most double", 10, []step{{0, 100, 20}, {15, 100, 40}, {30, 100, 80}, {45, 100, 90}}},
		{"or 4", 1, []step{{0, 100, 4}, {15, 100, 8}}},
		{"the highest of 5 minutes holds, the cutoff included", 10, []step{{0, 2, 10}, {300, 2, 10}, {301, 2, 2}}},
		{"it also lifts", 10, []step{{0, 40, 20}, {15, 20, 40}, {30, 20, 40}}},
		{"down there is no rate", 80, []step{{0, 80, 80}, {301, 1, 1}}},
	} {
		tell(t, test.name, mustNew(t, exact(90, nil)), test.current, test.steps)
	}
}

func TestStabilization(t *testing.T) { // rule 17
	both := func(up, down int32) *autoscalingv2.HorizontalPodAutoscalerBehavior {
		return &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(up), ScaleDown: window(down)}
	}
	for _, test := range []struct {
		name    string
		spec    *Spec
		current int32
		steps   []step
	}{
		{"down: strictly after the cutoff", exact(99, both(0, 60)), 10, []step{{0, 10, 10}, {15, 4, 10}, {59, 4, 10}, {60, 4, 4}}},
		{"down: the highest of the window", exact(99, both(0, 60)), 10, []step{{0, 10, 10}, {30, 7, 10}, {60, 4, 7}, {89, 4, 7}, {90, 4, 4}}},
		{"up: the lowest of the window", exact(99, both(60, 0)), 10, []step{{0, 10, 10}, {30, 15, 10}, {60, 20, 15}, {90, 20, 20}}},
		{"no window: at once", exact(99, both(0, 0)), 10, []step{{0, 50, 50}, {15, 5, 5}, {30, 50, 50}}},
		{"between the two the current count stays", exact(99, both(60, 60)), 10, []step{{0, 5, 10}, {15, 20, 10}, {30, 8, 10}}},
		{"the window left open is the configuration's 5 minutes", exact(99, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(0)}), 10, []step{{0, 10, 10}, {15, 4, 10}, {299, 4, 10}, {300, 4, 4}}},
	} {
		tell(t, test.name, mustNew(t, test.spec), test.current, test.steps)
	}
}

func TestPolicies(t *testing.T) { // rule 18
	up := func(rules *autoscalingv2.HPAScalingRules) *autoscalingv2.HorizontalPodAutoscalerBehavior {
		return &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: rules, ScaleDown: window(0)}
	}
	down := func(rules *autoscalingv2.HPAScalingRules) *autoscalingv2.HorizontalPodAutoscalerBehavior {
		return &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(0), ScaleDown: rules}
	}
	for _, test := range []struct {
		name     string
		behavior *autoscalingv2.HorizontalPodAutoscalerBehavior
		current  int32
		steps    []step
	}{
		{"up: pods a minute, an event at the cutoff no longer counts", up(window(0, pods(4, 60))), 10, []step{{0, 90, 14}, {15, 90, 14}, {59, 90, 14}, {60, 90, 18}}},
		{"up: percent rounds up", up(window(0, percentage(10, 60))), 1, []step{{0, 90, 2}, {60, 90, 3}}},
		{"up: the largest by default", up(window(0, pods(4, 60), percentage(100, 60))), 10, []step{{0, 90, 20}}},
		{"up: the smallest", up(choosing(autoscalingv2.MinChangePolicySelect, window(0, pods(4, 60), percentage(100, 60)))), 10, []step{{0, 90, 14}}},
		{"up: disabled", up(choosing(autoscalingv2.DisabledPolicySelect, window(0))), 10, []step{{0, 90, 10}, {15, 5, 5}, {30, 90, 5}}},
		{"up: what was taken away in the period may come back", up(window(0, pods(4, 60))), 10, []step{{0, 5, 5}, {15, 90, 14}}},
		{"up: never below the current count", up(window(0, pods(4, 60))), 10, []step{{0, 90, 14}, {1, 20, 14}}},
		{"up: at most max", up(window(0)), 10, []step{{0, 200, 99}}},
		{"down: pods a minute", down(window(0, pods(4, 60))), 30, []step{{0, 1, 26}, {15, 1, 26}, {59, 1, 26}, {60, 1, 22}}},
		{"down: percent is cut off", down(window(0, percentage(10, 60))), 15, []step{{0, 1, 13}, {60, 1, 11}}},
		{"down: the largest change by default", down(window(0, pods(4, 60), percentage(50, 60))), 30, []step{{0, 1, 15}}},
		{"down: the smallest change", down(choosing(autoscalingv2.MinChangePolicySelect, window(0, pods(4, 60), percentage(50, 60)))), 30, []step{{0, 1, 26}}},
		{"down: disabled", down(choosing(autoscalingv2.DisabledPolicySelect, window(0))), 30, []step{{0, 1, 30}, {15, 40, 40}, {30, 1, 40}}},
		{"down: what was added in the period may go", down(window(0, pods(4, 60))), 30, []step{{0, 40, 40}, {15, 1, 26}}},
		{"down: at least min", down(window(0)), 30, []step{{0, 0, 1}}},
	} {
		tell(t, test.name, mustNew(t, exact(99, test.behavior)), test.current, test.steps)
	}
}

func TestToleranceOfEachDirection(t *testing.T) { // rule 7
	behavior := &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(0), ScaleDown: window(0)}
	behavior.ScaleUp.Tolerance = new(apiresource.MustParse("0.05"))
	behavior.ScaleDown.Tolerance = new(apiresource.MustParse("0.5"))
	tell(t, "5 % up, 50 % down", mustNew(t, exact(1000, behavior)), 100, []step{{0, 105, 100}, {15, 106, 106}, {30, 53, 106}, {45, 52, 52}})
}

func TestSlotsAreReusedOneASync(t *testing.T) { // rule 19
	spec := func(seconds int32) *Spec {
		return exact(99, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(0), ScaleDown: window(seconds)})
	}
	c := mustNew(t, spec(60))
	tell(t, "fill", c, 10, []step{{0, 10, 10}, {15, 9, 10}, {30, 9, 10}, {45, 9, 10}})
	// at 200 s all five are expired; one slot is reused, the last: those of 0 s stay
	tell(t, "expired", c, 10, []step{{200, 3, 3}})
	if len(c.recommendations) != 5 {
		t.Fatalf("%d recommendations, want the 5 slots there were", len(c.recommendations))
	}
	if err := c.SetSpec(spec(300)); err != nil {
		t.Fatal(err)
	}
	tell(t, "a longer window revives the 10 of 0 s for the way down", c, 11, []step{{214, 3, 10}})

	for name, spec := range map[string]*Spec{"none": exact(99, nil), "behavior": spec(300)} {
		c := mustNew(t, spec)
		tell(t, name, c, 10, []step{{0, 10, 10}, {200, 10, 10}})
		c.recommendations = c.recommendations[1:] // one of 0 s, one of 200 s
		tell(t, name, c, 10, []step{{400, 5, 10}})
		if len(c.recommendations) != 2 || c.recommendations[0].replicas != 5 {
			t.Errorf("%s: %+v, want the first slot reused", name, c.recommendations)
		}
	}

	c = mustNew(t, spec(60))
	tell(t, "exactly at the cutoff", c, 10, []step{{0, 10, 10}, {60, 10, 10}})
	if len(c.recommendations) != 3 {
		t.Errorf("%+v: what is exactly as old as the window is not reused", c.recommendations)
	}

	events := []event{{at: 0, change: 1}, {at: 5 * time.Second, change: 2}}
	events = remember(events, event{at: 15 * time.Second, change: 3}, 15*time.Second)
	if len(events) != 3 {
		t.Fatalf("an event exactly at the cutoff was reused: %+v", events)
	}
	events = remember(events, event{at: 30 * time.Second, change: 4}, 15*time.Second)
	if fmt.Sprint(events[0].change, events[1].change, events[2].change, len(events)) != "1 4 3 3" {
		t.Errorf("events %+v, want the last outdated one replaced", events)
	}
	events = remember(events, event{at: 31 * time.Second, change: 5}, time.Hour)
	if events[0].change != 5 || len(events) != 3 {
		t.Errorf("events %+v: what was outdated once is reused even if periods have grown", events)
	}
}

func TestRestartForgets(t *testing.T) { // rule 2
	c := mustNew(t, exact(99, nil))
	tell(t, "before", c, 10, []step{{0, 10, 10}, {15, 2, 10}})
	c.Restart()
	tell(t, "the new leader takes the current count for the first recommendation", c, 8, []step{{30, 2, 8}, {331, 2, 2}})
}

func TestRejectedScaleLeavesNoEvent(t *testing.T) {
	c := mustNew(t, exact(99, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(0, pods(4, 60)), ScaleDown: window(0)}))
	d := c.Decide(asking(0, 10, 90))
	c.Reject(&d, errors.New("refused"))
	if d.Desired != 14 || d.Conditions.AbleToScale != (Condition{false, "FailedUpdateScale"}) {
		t.Errorf("rejected: %+v", d)
	}
	tell(t, "the rate is untouched", c, 14, []step{{15, 90, 18}})
}

func TestConditions(t *testing.T) {
	behavior := &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(30, pods(4, 60)), ScaleDown: window(60, pods(4, 60))}
	type want struct{ able, limited string }
	for _, test := range []struct {
		name             string
		behavior         *autoscalingv2.HorizontalPodAutoscalerBehavior
		seed             int32
		current, wanted  int32
		most             int32
		want             want
		isLimited, scale bool
	}{
		{"in range", behavior, 10, 10, 10, 99, want{"ReadyForNewScale", "DesiredWithinRange"}, false, false},
		{"waiting to go up", behavior, 10, 10, 12, 99, want{"ScaleUpStabilized", "DesiredWithinRange"}, false, false},
		{"waiting to go down", behavior, 10, 10, 8, 99, want{"ScaleDownStabilized", "DesiredWithinRange"}, false, false},
		{"up too fast", behavior, 40, 10, 40, 99, want{"SucceededRescale", "ScaleUpLimit"}, true, true},
		{"too many", behavior, 40, 10, 40, 12, want{"SucceededRescale", "TooManyReplicas"}, true, true},
		{"down too fast", behavior, 2, 10, 2, 99, want{"SucceededRescale", "ScaleDownLimit"}, true, true},
		{"too few", behavior, 0, 3, 0, 99, want{"SucceededRescale", "TooFewReplicas"}, true, true},
		{"none: up too fast", nil, 10, 10, 40, 99, want{"SucceededRescale", "ScaleUpLimit"}, true, true},
		{"none: too many", nil, 10, 10, 40, 12, want{"SucceededRescale", "TooManyReplicas"}, true, true},
		{"none: waiting to go down", nil, 10, 10, 2, 99, want{"ScaleDownStabilized", "DesiredWithinRange"}, false, false},
		{"up, max just at the rate's limit", behavior, 40, 10, 40, 14, want{"SucceededRescale", "TooManyReplicas"}, true, true},
		{"up, just at the rate's limit", behavior, 40, 10, 14, 99, want{"SucceededRescale", "DesiredWithinRange"}, false, true},
		{"down, min just at the rate's limit", behavior, 0, 5, 0, 99, want{"SucceededRescale", "TooFewReplicas"}, true, true},
		{"down, just at the rate's limit", behavior, 2, 10, 6, 99, want{"SucceededRescale", "DesiredWithinRange"}, false, true},
		{"none: max just at the limit", nil, 6, 6, 40, 12, want{"SucceededRescale", "TooManyReplicas"}, true, true},
		{"none: just at the limit", nil, 10, 10, 20, 99, want{"SucceededRescale", "DesiredWithinRange"}, false, true},
		{"none: just at min", nil, 1, 1, 1, 99, want{"ReadyForNewScale", "DesiredWithinRange"}, false, false},
		{"none: too few", nil, 0, 3, 0, 99, want{"SucceededRescale", "TooFewReplicas"}, true, true},
	} {
		c := mustNew(t, exact(test.most, test.behavior))
		c.recommendations = append(c.recommendations, recommendation{0, test.seed})
		d := c.Sync(asking(15*time.Second, test.current, test.wanted))
		got := want{d.Conditions.AbleToScale.Reason, d.Conditions.ScalingLimited.Reason}
		if got != test.want || !d.Conditions.AbleToScale.True || d.Conditions.ScalingLimited.True != test.isLimited || d.Scale != test.scale {
			t.Errorf("%s: %+v", test.name, d)
		}
	}
}

func TestWriteOut(t *testing.T) {
	spec := &Spec{MaxReplicas: 9}
	out := WriteOut(spec, Default())
	if spec.Behavior != nil || spec.MinReplicas != nil {
		t.Fatal("the caller's spec was changed")
	}
	if b := WithDefaults(spec).Behavior; b != nil {
		t.Errorf("the API server adds no behavior where there is none, got %+v", b)
	}
	up, down := out.Behavior.ScaleUp, out.Behavior.ScaleDown
	if *up.StabilizationWindowSeconds != 0 || len(up.Policies) != 2 || *down.StabilizationWindowSeconds != 300 || len(down.Policies) != 1 {
		t.Errorf("up %+v, down %+v", up, down)
	}
	if *out.MinReplicas != 1 || *out.Metrics[0].Resource.Target.AverageUtilization != 80 {
		t.Errorf("min %d, metrics %+v", *out.MinReplicas, out.Metrics)
	}
	half := WithDefaults(&Spec{MaxReplicas: 9, Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: window(7)}})
	if *half.Behavior.ScaleUp.StabilizationWindowSeconds != 7 || half.Behavior.ScaleDown.StabilizationWindowSeconds != nil || len(half.Behavior.ScaleDown.Policies) != 1 {
		t.Errorf("half a behavior became %+v", half.Behavior)
	}
}
