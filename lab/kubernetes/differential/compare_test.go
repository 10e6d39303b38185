package differential

import (
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/ansturm/ansturm/planner/hpa"
)

// tries is how often the controller writes a scale that meets conflicts.
const tries = 5

// status is what the object's status should say beside its conditions.
type status struct {
	current, desired int32
	scaled           time.Time
	asked            bool // the metrics
}

// compare holds the sync that has just been against planner/hpa on the same input.
func (s *stage) compare(a *actor, x *side, in *hpa.Input) string {
	if x.gets == 0 {
		return "no sync happened"
	}
	d := a.mine.Decide(in)
	var refused error
	switch {
	case !d.Scale:
	case x.step.Refused:
		refused = errRefused
	case x.step.Conflicts >= tries:
		refused = apierrors.NewConflict(schema.GroupResource{Resource: "deployments"}, a.workload, errRefused)
	}
	metric := d.Err // the metrics', which a refused write hides
	if refused != nil {
		a.mine.Reject(&d, refused)
	} else if d.Scale {
		at := x.last.Sub(s.began)
		a.mine.Commit(at, in, &d)
		a.changes = append(a.changes, change{at, d.Desired > in.SpecReplicas})
	}
	reached := in.ScaleErr == nil && d.Cause != hpa.AboveMax && d.Cause != hpa.BelowMin && d.Conditions.ScalingActive.Reason != "ScalingDisabled"
	a.looked = a.looked || reached && in.Selection != hpa.NoSelector && in.Selection != hpa.BadSelector
	s.counts.take(a, in, &d, x, reached)
	lost := x.step.StatusRefused && x.status > 0
	for _, difference := range []string{
		s.compareWrites(x, &d, refused),
		s.compareErrors(a, x, in, &d, metric, refused, lost),
		s.compareEvents(a, x, &d, lost),
		s.compareStatus(a, x, in, &d, reached && in.Selection == hpa.Selected, refused, lost),
	} {
		if difference != "" {
			return fmt.Sprintf("%s\nplanner/hpa: %+v\nerrors: %s", difference, d, s.text())
		}
	}
	return ""
}

func (s *stage) compareWrites(x *side, d *hpa.Decision, refused error) string {
	tried, succeeded := 0, 0
	switch {
	case !d.Scale:
	case refused == errRefused:
		tried = 1
	case refused != nil:
		tried = tries
	default:
		tried, succeeded = x.step.Conflicts+1, 1
	}
	switch {
	case x.tries != tried:
		return fmt.Sprintf("%d writes of the scale were tried, want %d", x.tries, tried)
	case len(x.writes) != succeeded:
		return fmt.Sprintf("%d writes of the scale succeeded, want %d", len(x.writes), succeeded)
	case succeeded > 0 && x.writes[0].Spec.Replicas != d.Desired:
		return fmt.Sprintf("the controller wrote %d", x.writes[0].Spec.Replicas)
	case x.gets != 1+tried-succeeded:
		return fmt.Sprintf("%d reads of the scale, want %d", x.gets, 1+tried-succeeded)
	}
	return ""
}

// compareErrors compares what the controller gave to the error handler, in order.
func (s *stage) compareErrors(a *actor, x *side, in *hpa.Input, d *hpa.Decision, metric, refused error, lost bool) string {
	var want []words
	if x.step.Refetch {
		for range x.tries - len(x.writes) {
			want = append(want, words{"error getting latest scale for Deployment/ns/" + a.workload, ""})
		}
	}
	main := s.failure(a, in, d, metric, refused)
	unwritten := words{"failed to update status for " + a.name, ""}
	switch early := in.ScaleErr != nil || refused != nil || d.Err != nil && d.Metric < 0; {
	case lost && early: // the controller goes on to return the other error
		want = append(want, unwritten, main)
	case lost:
		want = append(want, unwritten)
	case main != words{}:
		want = append(want, main)
	}
	if len(s.errs) != len(want) {
		return fmt.Sprintf("%d errors, want %d: %q", len(s.errs), len(want), want)
	}
	for i, err := range s.errs {
		if !want[i].in(err.Error()) {
			return fmt.Sprintf("error %q, want %q", err, want[i])
		}
	}
	return ""
}

// words are what an error of the controller starts with, and the cause in one of several ways, separated by bars.
type words struct{ start, cause string }

func (w words) in(text string) bool {
	return strings.HasPrefix(text, w.start) && slices.ContainsFunc(strings.Split(w.cause, "|"), func(cause string) bool { return strings.Contains(text, cause) })
}

// failure is what the controller's error should say, if there should be one.
func (s *stage) failure(a *actor, in *hpa.Input, d *hpa.Decision, metric, refused error) words {
	target := "Deployment/ns/" + a.workload + ": "
	switch {
	case refused != nil:
		return words{"failed to rescale " + target, refused.Error()}
	case metric == nil:
		return words{}
	case in.ScaleErr != nil:
		return words{"failed to query scale subresource for " + target, errDown.Error()}
	}
	start := ""
	if d.Metric < 0 {
		start = "failed to compute desired number of replicas based on listed metrics for " + target
	}
	if d.Invalid > 0 {
		metrics := hpa.WithDefaults(a.spec).Metrics
		start += fmt.Sprintf("invalid metrics (%d invalid out of %d), first error is: %s", d.Invalid, len(metrics), asking(&metrics[d.FirstInvalid]))
	}
	return words{start, strings.ReplaceAll(causes[metric], "SELECTOR", a.selector)}
}

// asking is how the controller's message begins for a metric.
func asking(m *autoscalingv2.MetricSpec) string {
	switch {
	case m.Resource != nil:
		return fmt.Sprintf("failed to get %s resource metric value: ", m.Resource.Name)
	case m.ContainerResource != nil:
		return fmt.Sprintf("failed to get %s container metric value: ", m.ContainerResource.Container)
	case m.Pods != nil:
		return "failed to get pods metric value: "
	case m.Object != nil:
		return "failed to get object metric value: "
	}
	return fmt.Sprintf("failed to get %s external metric value: ", m.External.Metric.Name)
}

// causes are the controller's words for the errors of planner/hpa. Which pod without a request it meets first is chance.
var causes = map[error]string{
	hpa.ErrNoSelector:     "selector is required",
	hpa.ErrBadSelector:    "couldn't convert selector into a corresponding internal selector object",
	hpa.ErrShared:         "pods by selector SELECTOR are controlled by multiple HPAs",
	hpa.ErrNoSamples:      "no metrics returned from",
	hpa.ErrNoPods:         "no pods returned by selector while calculating replica count",
	hpa.ErrNoUsableSample: "did not receive metrics for targeted pods (pods might be unready)",
	hpa.ErrNoRequest:      "missing request for |missing pod-level request for |not found in Pod",
	hpa.ErrNoContainer:    "not found in Pod|missing request for ",
	hpa.ErrNothingMatched: "no metrics returned matched known pods",
	errDown:               "the API is down",
}

// compareEvents compares type and reason of every event in order, and the words of those that tell of a new size.
func (s *stage) compareEvents(a *actor, x *side, d *hpa.Decision, lost bool) string {
	want := slices.Clone(a.mine.Events())
	if lost {
		at := len(want)
		if at > 0 && want[at-1].Reason == "FailedComputeMetricsReplicas" {
			at--
		}
		want = slices.Insert(want, at, hpa.Event{Warning: true, Reason: "FailedUpdateStatus"})
	}
	var got []hpa.Event
	for i := range s.events {
		e := &s.events[i]
		got = append(got, hpa.Event{Warning: e.Type == corev1.EventTypeWarning, Reason: e.Reason})
		if e.Reason == "SuccessfulRescale" || e.Reason == "FailedRescale" {
			if size := fmt.Sprintf("New size: %d; reason: %s", d.Desired, cause(a, d)); !strings.HasPrefix(e.Message, size) {
				return fmt.Sprintf("the event says %q, want %q", e.Message, size)
			}
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Sprintf("events %+v, want %+v", got, want)
	}
	return ""
}

// cause is the decision's cause in the controller's words.
func cause(a *actor, d *hpa.Decision) string {
	switch d.Cause {
	case hpa.AboveMax:
		return "Current number of replicas above Spec.MaxReplicas"
	case hpa.BelowMin:
		return "Current number of replicas below Spec.MinReplicas"
	case hpa.AboveTarget:
		return described(&hpa.WithDefaults(a.spec).Metrics[d.Metric]) + " above target"
	case hpa.BelowTarget:
		return "All metrics below target"
	}
	return "" // the history alone moved the count
}

// described is a metric in the controller's words.
func described(m *autoscalingv2.MetricSpec) string {
	switch {
	case m.Resource != nil && m.Resource.Target.AverageValue != nil:
		return string(m.Resource.Name) + " resource"
	case m.Resource != nil:
		return string(m.Resource.Name) + " resource utilization (percentage of request)"
	case m.ContainerResource != nil && m.ContainerResource.Target.AverageValue != nil:
		return string(m.ContainerResource.Name) + " resource"
	case m.ContainerResource != nil:
		return string(m.ContainerResource.Name) + " container resource utilization (percentage of request)"
	case m.Pods != nil:
		return "pods metric " + m.Pods.Metric.Name
	case m.Object != nil && m.Object.Target.Type == autoscalingv2.ValueMetricType:
		return fmt.Sprintf("%s metric %s", m.Object.DescribedObject.Kind, m.Object.Metric.Name)
	case m.Object != nil:
		return fmt.Sprintf("external metric %s(%+v)", m.Object.Metric.Name, m.Object.Metric.Selector)
	}
	return fmt.Sprintf("external metric %s(%+v)", m.External.Metric.Name, m.External.Metric.Selector)
}

// compareStatus compares the object's status, and takes note of one that could not be written.
func (s *stage) compareStatus(a *actor, x *side, in *hpa.Input, d *hpa.Decision, asked bool, refused error, lost bool) string {
	if lost {
		a.mine.SetConditions(a.conditions)
	} else {
		a.conditions = d.Conditions
		a.status.next(in, d, asked, refused, x.last)
	}
	got := &s.object(a.name).Status
	for _, c := range []struct {
		kind autoscalingv2.HorizontalPodAutoscalerConditionType
		want hpa.Condition
	}{{autoscalingv2.AbleToScale, a.conditions.AbleToScale}, {autoscalingv2.ScalingActive, a.conditions.ScalingActive}, {autoscalingv2.ScalingLimited, a.conditions.ScalingLimited}} {
		if is := condition(got, c.kind); is != c.want {
			return fmt.Sprintf("condition %s is %+v, want %+v", c.kind, is, c.want)
		}
	}
	want := &a.status
	scaled := time.Time{}
	if got.LastScaleTime != nil {
		scaled = got.LastScaleTime.Time
	}
	if got.CurrentReplicas != want.current || got.DesiredReplicas != want.desired || !scaled.Equal(want.scaled) {
		return fmt.Sprintf("the status says %d of %d, last scaled at %v, want %+v", got.CurrentReplicas, got.DesiredReplicas, got.LastScaleTime, *want)
	}
	if lost {
		return ""
	}
	return compareMetrics(a, got, want.asked && in.ScaleErr == nil)
}

// next is the status after a sync.
func (s *status) next(in *hpa.Input, d *hpa.Decision, asked bool, refused error, at time.Time) {
	if in.ScaleErr != nil {
		return
	}
	s.current, s.asked = in.SpecReplicas, asked
	if refused != nil || d.Err != nil && d.Metric < 0 {
		return
	}
	s.desired = d.Desired
	if d.Scale {
		s.scaled = at
	}
}

func condition(s *autoscalingv2.HorizontalPodAutoscalerStatus, kind autoscalingv2.HorizontalPodAutoscalerConditionType) hpa.Condition {
	for _, c := range s.Conditions {
		if c.Type == kind {
			return hpa.Condition{True: c.Status == corev1.ConditionTrue, Reason: c.Reason}
		}
	}
	return hpa.Condition{}
}

// compareMetrics compares what each metric stands at.
func compareMetrics(a *actor, got *autoscalingv2.HorizontalPodAutoscalerStatus, asked bool) string {
	if !asked {
		return ""
	}
	metrics := hpa.WithDefaults(a.spec).Metrics
	if len(got.CurrentMetrics) != len(metrics) {
		return fmt.Sprintf("the status has %d metrics, want %d", len(got.CurrentMetrics), len(metrics))
	}
	for i := range metrics {
		want, is := a.mine.Current(i), hpa.Current{}
		switch m := &got.CurrentMetrics[i]; m.Type {
		case autoscalingv2.ResourceMetricSourceType:
			is = stands(&m.Resource.Current)
		case autoscalingv2.ContainerResourceMetricSourceType:
			is = stands(&m.ContainerResource.Current)
		case autoscalingv2.PodsMetricSourceType:
			is = stands(&m.Pods.Current)
		case autoscalingv2.ObjectMetricSourceType:
			is = stands(&m.Object.Current)
		case autoscalingv2.ExternalMetricSourceType:
			is = stands(&m.External.Current)
		}
		if is != want {
			return fmt.Sprintf("metric %d stands at %+v, want %+v", i, is, want)
		}
	}
	return ""
}

func stands(s *autoscalingv2.MetricValueStatus) hpa.Current {
	out := hpa.Current{Valid: true}
	if s.AverageUtilization != nil {
		out.Utilisation = *s.AverageUtilization
	}
	for _, q := range []*resource.Quantity{s.AverageValue, s.Value} {
		if q != nil {
			out.Milli = q.MilliValue()
		}
	}
	return out
}
