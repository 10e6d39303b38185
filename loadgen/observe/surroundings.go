package observe

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/record"
)

// nodeState is what matters of a node.
type nodeState struct {
	name, pool string
	ready      bool
	since      time.Time
	why        string
}

func digestNode(n *corev1.Node) nodeState {
	d := nodeState{name: n.Name, pool: cluster.PoolOf(n.Labels)}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			d.ready, d.since = c.Status == corev1.ConditionTrue, c.LastTransitionTime.Time
			if !d.ready {
				d.why = cmp.Or(c.Reason, string(c.Status))
			}
		}
	}
	return d
}

func (o *Observer) nodeChanged(was, is *nodeState, s seen) {
	switch {
	case is == nil:
		delete(o.nodes, was.name)
		if was.ready {
			gone := *was
			gone.ready, gone.since, gone.why = false, time.Time{}, "removed"
			o.sayNode(was.name, &gone, s)
		}
	case was == nil || was.ready != is.ready:
		o.nodes[is.name] = is
		o.sayNode(is.name, is, s)
	default:
		o.nodes[is.name] = is
	}
}

// sayNode says what a node is; of one that was there before the run, as it is at its start.
func (o *Observer) sayNode(name string, n *nodeState, s seen) {
	phase := "lost"
	if n.ready {
		phase = "ready"
	}
	m := s.around(n.since)
	if s.version == "" && !s.late { // Attach
		m = moment{at: o.start, from: o.start, to: o.start}
	}
	o.say(record.Event{Kind: record.KindNode, Object: name, Workload: n.pool, Phase: phase, Message: n.why}, m, s)
}

// hpaState is what matters of an HPA; comparable, so that a status written anew without news says nothing.
type hpaState struct {
	namespace, name, workload string
	current, desired          int32
	held                      string // reasons of conditions that hold it back
	used, target              int32  // CPU utilisation in percent; -1: not known
}

func digestHPA(h *autoscalingv2.HorizontalPodAutoscaler) hpaState {
	d := hpaState{
		namespace: h.Namespace, name: h.Name, workload: h.Spec.ScaleTargetRef.Name,
		current: h.Status.CurrentReplicas, desired: h.Status.DesiredReplicas, used: -1, target: -1,
	}
	var held []string
	for _, c := range h.Status.Conditions {
		limited := c.Type == autoscalingv2.ScalingLimited
		if (c.Status == corev1.ConditionTrue) == limited && c.Reason != "" {
			held = append(held, c.Reason)
		}
	}
	slices.Sort(held)
	d.held = strings.Join(held, " ")
	for _, m := range h.Spec.Metrics {
		if t, ok := utilisationTarget(&m); ok {
			d.target = t
			break
		}
	}
	for _, m := range h.Status.CurrentMetrics {
		if m.Resource != nil && m.Resource.Name == corev1.ResourceCPU && m.Resource.Current.AverageUtilization != nil {
			d.used = *m.Resource.Current.AverageUtilization
		}
		if m.ContainerResource != nil && m.ContainerResource.Name == corev1.ResourceCPU && m.ContainerResource.Current.AverageUtilization != nil {
			d.used = *m.ContainerResource.Current.AverageUtilization
		}
	}
	return d
}

// utilisationTarget is the CPU utilisation a metric asks for.
func utilisationTarget(m *autoscalingv2.MetricSpec) (int32, bool) {
	var t *autoscalingv2.MetricTarget
	switch {
	case m.Resource != nil && m.Resource.Name == corev1.ResourceCPU:
		t = &m.Resource.Target
	case m.ContainerResource != nil && m.ContainerResource.Name == corev1.ResourceCPU:
		t = &m.ContainerResource.Target
	}
	if t == nil || t.AverageUtilization == nil {
		return 0, false
	}
	return *t.AverageUtilization, true
}

func (o *Observer) hpaChanged(was, is *hpaState, s seen) {
	if is == nil {
		delete(o.hpas, was.namespace+"/"+was.name)
		return
	}
	o.hpas[is.namespace+"/"+is.name] = is
	if was == nil || *was != *is {
		o.sayAutoscaler(is, s)
	}
}

func (o *Observer) sayAutoscaler(h *hpaState, s seen) {
	values := map[string]float64{}
	if h.used >= 0 {
		values["utilisation_percent"] = float64(h.used)
	}
	if h.target >= 0 {
		values["target_percent"] = float64(h.target)
	}
	o.say(record.Event{
		Kind: record.KindAutoscaler, Tenant: h.namespace, Workload: h.workload, Object: h.name,
		Current: h.current, Desired: h.desired, Phase: h.held, Values: values,
	}, s.around(time.Time{}), s)
}

// warnBlind warns of autoscalers that know no utilisation when the run begins, as on a platform that has just been brought up:
// they scale later than they would on one that has stood.
func (o *Observer) warnBlind() {
	var blind []string
	for _, key := range slices.Sorted(maps.Keys(o.hpas)) {
		if h := o.hpas[key]; h.target >= 0 && h.used < 0 {
			blind = append(blind, key)
		}
	}
	if len(blind) == 0 {
		return
	}
	few := strings.Join(blind[:min(3, len(blind))], ", ")
	if len(blind) > 3 {
		few += ", …"
	}
	o.warn("autoscalers-blind",
		fmt.Sprintf("%d von %d HPAs kannten zu Beginn keine Auslastung (%s): bis sie eine kennen, skalieren sie nicht. Steht die Plattform erst seit Kurzem, skaliert sie in diesem Lauf später als am Tag selbst.", len(blind), len(o.hpas), few),
		fmt.Sprintf("%d of %d HPAs knew no utilisation when the run began (%s): until they do, they do not scale. On a platform that was brought up just before, this run scales later than the day itself would.", len(blind), len(o.hpas), few))
}

// sliceDigest are the pods that an EndpointSlice has as ready, and when it was written.
type sliceDigest struct {
	ready   map[string]bool // by namespace/name
	written time.Time
}

func digestSlice(e *discoveryv1.EndpointSlice) sliceDigest {
	d := sliceDigest{ready: map[string]bool{}, written: written(e)}
	for _, p := range e.Endpoints {
		if p.TargetRef != nil && p.TargetRef.Kind == "Pod" && (p.Conditions.Ready == nil || *p.Conditions.Ready) {
			d.ready[e.Namespace+"/"+p.TargetRef.Name] = true
		}
	}
	return d
}

func (o *Observer) sliceChanged(was, is *sliceDigest, s seen) {
	if is == nil {
		return
	}
	for key := range is.ready {
		if was != nil && was.ready[key] {
			continue
		}
		switch p := o.byName[key]; {
		case p != nil:
			o.tell(p, record.PhaseRotation, "", s.around(is.written), s)
		case o.emit != nil:
			o.earlyRoutes[key] = early{s, is.written}
		}
	}
}
