package differential

import (
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	metricsapi "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/ansturm/ansturm/planner/hpa"
)

// sidecar and ephemeral are the names by which a container of a world becomes a restartable init container, or one that
// only the metrics know.
const (
	sidecar   = "sidecar"
	ephemeral = "debug"
)

// The labels of pods that are the world's own, that a partly overlapping rival finds too, and that it alone finds.
var (
	own     = map[string]string{"app": "x"}
	common  = map[string]string{"app": "x", "team": "y"}
	foreign = map[string]string{"team": "y"}
)

// autoscaler is the object of a spec, with the defaults that the API server writes into it.
func autoscaler(name, workload string, spec *hpa.Spec) *autoscalingv2.HorizontalPodAutoscaler {
	out := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: space}}
	out.Spec = *specOf(workload, spec)
	return out
}

func specOf(workload string, spec *hpa.Spec) *hpa.Spec {
	out := hpa.WithDefaults(spec)
	out.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: workload}
	return out
}

// identity is a UID of its own for every sync, so that the client that writes events sees each event for the first time:
// it would drop them otherwise.
func identity(sync int) types.UID { return types.UID(fmt.Sprintf("sync-%d", sync)) }

func list(a hpa.Amount) corev1.ResourceList {
	out := corev1.ResourceList{}
	if a.HasCPU {
		out[corev1.ResourceCPU] = *resource.NewMilliQuantity(a.CPU, resource.DecimalSI)
	}
	if a.HasMemory {
		out[corev1.ResourceMemory] = *resource.NewQuantity(a.Memory, resource.BinarySI)
	}
	return out
}

// pod is the object of a pod whose times count from began.
func pod(name string, labels map[string]string, p *hpa.Pod, began time.Time) *corev1.Pod {
	at := func(d time.Duration) metav1.Time { return metav1.NewTime(began.Add(d)) }
	out := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: space, Labels: labels}}
	if p.Deleting {
		out.DeletionTimestamp = new(at(0))
	}
	out.Status.Phase = []corev1.PodPhase{corev1.PodRunning, corev1.PodPending, corev1.PodSucceeded, corev1.PodFailed, corev1.PodUnknown}[p.Phase]
	if p.HasStart {
		out.Status.StartTime = new(at(p.Start))
	}
	out.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}
	if p.Ready != hpa.NoCondition {
		out.Status.Conditions = append(out.Status.Conditions, corev1.PodCondition{
			Type:   corev1.PodReady,
			Status: []corev1.ConditionStatus{"", corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown}[p.Ready], LastTransitionTime: at(p.ReadyChanged),
		})
	}
	for i := range p.Containers {
		container := corev1.Container{Name: p.Containers[i].Name, Resources: corev1.ResourceRequirements{Requests: list(p.Containers[i].Request)}}
		switch {
		case p.Containers[i].UsageOnly:
		case container.Name == sidecar:
			container.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
			out.Spec.InitContainers = append(out.Spec.InitContainers, container)
		default:
			out.Spec.Containers = append(out.Spec.Containers, container)
		}
	}
	if p.PodLevel {
		podLevel(out, p)
	} else { // an init container that is over counts for nothing, whatever it requests
		out.Spec.InitContainers = append(out.Spec.InitContainers, corev1.Container{Name: "init", Resources: corev1.ResourceRequirements{
			Requests: list(hpa.Of(64_000, 1<<40)),
		}})
	}
	return out
}

// podLevel writes the pod's own requests: part of the CPU as the pod's overhead, which is added to them. What the world
// does not give the containers add up to; a resource that the page on pod-level requests does not know makes sure that
// the requests count as set.
func podLevel(out *corev1.Pod, p *hpa.Pod) {
	own := list(p.Request)
	if p.Request.HasCPU && p.Request.CPU > 20 {
		own[corev1.ResourceCPU] = *resource.NewMilliQuantity(p.Request.CPU-20, resource.DecimalSI)
		out.Spec.Overhead = list(hpa.Amount{HasCPU: true, CPU: 20})
	}
	if len(own) == 0 {
		own[corev1.ResourceHugePagesPrefix+"2Mi"] = resource.MustParse("2Mi")
	}
	out.Spec.Resources = &corev1.ResourceRequirements{Requests: own}
}

// sample is a pod's usage as the metrics API names it.
func sample(name string, p *hpa.Pod, began time.Time) metricsapi.PodMetrics {
	out := metricsapi.PodMetrics{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: space},
		Timestamp:  metav1.NewTime(began.Add(p.Sample.Time)), Window: metav1.Duration{Duration: p.Sample.Window},
	}
	for i := range p.Containers {
		if c := &p.Containers[i]; !c.Unlisted {
			out.Containers = append(out.Containers, metricsapi.ContainerMetrics{Name: c.Name, Usage: list(c.Usage)})
		}
	}
	return out
}

// show puts the step's pods and metrics into the caches and the metrics APIs. others are pods that the rival alone finds.
func (p *plant) show(s *step, in *hpa.Input, others []hpa.Pod, spec *hpa.Spec, began time.Time) {
	objects := make([]any, 0, len(in.Pods)+len(others))
	p.samples[selector], p.samples[partly] = p.samples[selector][:0], p.samples[partly][:0]
	put := func(name string, labels map[string]string, x *hpa.Pod) {
		objects = append(objects, pod(name, labels, x, began))
		p.measure(name, labels, x, began)
	}
	for i := range in.Pods {
		labels := own
		if i < s.Common {
			labels = common
		}
		put(p.names(i), labels, &in.Pods[i])
	}
	for i := range others {
		put(fmt.Sprintf("foreign-%d", i), foreign, &others[i])
	}
	for i := range in.Strays {
		p.measure(fmt.Sprintf("gone-%d", i), own, &in.Strays[i], began)
	}
	if err := p.pods.store.Replace(objects, ""); err != nil {
		panic(err)
	}
	p.down = s.Down
	p.values, p.delays = map[string]value{}, p.delays[:0]
	for i, v := range s.Values {
		if i >= len(spec.Metrics) {
			break
		}
		if name := metricName(&spec.Metrics[i]); name != "" {
			p.values[name] = v
		} else {
			p.delays = append(p.delays, v.Took)
		}
	}
}

// measure has the API of resource metrics know a pod's sample, if it has one.
func (p *plant) measure(name string, labels map[string]string, x *hpa.Pod, began time.Time) {
	if !x.Sample.Has {
		return
	}
	if labels["app"] != "" {
		p.samples[selector] = append(p.samples[selector], sample(name, x, began))
	}
	if labels["team"] != "" {
		p.samples[partly] = append(p.samples[partly], sample(name, x, began))
	}
}

// metricName is the name of a custom or external metric; empty for resource metrics.
func metricName(m *autoscalingv2.MetricSpec) string {
	switch {
	case m.Pods != nil:
		return m.Pods.Metric.Name
	case m.Object != nil:
		return m.Object.Metric.Name
	case m.External != nil:
		return m.External.Metric.Name
	}
	return ""
}
