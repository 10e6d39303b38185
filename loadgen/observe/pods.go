package observe

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ansturm/ansturm/loadgen/record"
)

// podDigest is what matters of a pod.
type podDigest struct {
	uid             types.UID
	namespace, name string
	// deployment is its owner's owner, by the names: a ReplicaSet is called like its Deployment, with the template's hash.
	deployment, node  string
	created           time.Time
	scheduled         time.Time // transition of the condition
	unschedulable     string    // why no node has room
	running           bool      // all containers
	started           time.Time // the last of them
	ready             bool
	readySince        time.Time
	leaving, terminal bool
	reason            string
	request           int64 // CPU of all containers, millicores
	containers        int
}

func digestPod(p *corev1.Pod) podDigest {
	d := podDigest{
		uid: p.UID, namespace: p.Namespace, name: p.Name, deployment: deploymentOf(p), node: p.Spec.NodeName,
		created: p.CreationTimestamp.Time, leaving: p.DeletionTimestamp != nil,
		terminal: p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded, reason: p.Status.Reason,
		containers: len(p.Spec.Containers) + len(p.Spec.InitContainers),
	}
	for _, c := range p.Spec.Containers {
		d.request += requestOf(&c)
	}
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			d.request += requestOf(&c)
		}
	}
	for _, c := range p.Status.Conditions {
		switch {
		case c.Type == corev1.PodScheduled && c.Status == corev1.ConditionTrue:
			d.scheduled = c.LastTransitionTime.Time
		case c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable:
			d.unschedulable = cmp.Or(c.Message, c.Reason)
		case c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue:
			d.ready, d.readySince = true, c.LastTransitionTime.Time
		}
	}
	d.running = len(p.Status.ContainerStatuses) > 0 && len(p.Status.ContainerStatuses) >= len(p.Spec.Containers)
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running == nil {
			d.running = false
		} else if t := c.State.Running.StartedAt.Time; t.After(d.started) {
			d.started = t
		}
	}
	return d
}

func requestOf(c *corev1.Container) int64 {
	q, said := c.Resources.Requests[corev1.ResourceCPU]
	if !said {
		q = c.Resources.Limits[corev1.ResourceCPU]
	}
	return q.MilliValue()
}

// deploymentOf is the name of the Deployment a pod is of; empty for a pod of something else, a Job for example.
func deploymentOf(p *corev1.Pod) string {
	hash := p.Labels["pod-template-hash"]
	for _, o := range p.OwnerReferences {
		if o.Controller != nil && *o.Controller && o.Kind == "ReplicaSet" && hash != "" {
			return strings.TrimSuffix(o.Name, "-"+hash)
		}
	}
	return ""
}

// pod is a pod and what was told of it.
type pod struct {
	podDigest
	workload *workload
	told     map[string]bool // phases
}

// early is a fact about a pod that came before the pod.
type early struct {
	seen
	stamp time.Time
}

// counts says whether the pod is one of its workload's replicas.
func (p *pod) counts() bool { return !p.leaving && !p.terminal }

func (o *Observer) podChanged(was, is *podDigest, s seen) {
	if is == nil {
		o.podGone(was, s)
		return
	}
	if is.deployment == "" {
		return
	}
	p := o.pods[is.uid]
	if p == nil {
		p = &pod{told: map[string]bool{}, workload: o.workloadOf(is.namespace, is.deployment)}
		o.pods[is.uid] = p
		p.workload.pods[is.uid] = p
		o.byName[is.namespace+"/"+is.name] = p
	}
	p.podDigest = *is
	if o.emit != nil {
		o.podStages(p, s)
		if why := is.unschedulable; why != "" && is.node == "" {
			o.tell(p, record.PhasePending, why, s.around(time.Time{}), s)
		}
	}
	o.report(p.workload, s)
}

// podStages tells what stages the pod has reached.
func (o *Observer) podStages(p *pod, s seen) {
	o.tell(p, record.PhaseCreated, "", s.around(p.created), s)
	if p.node != "" {
		o.tell(p, record.PhaseScheduled, "", s.around(p.scheduled), s)
	}
	if early := o.earlyPulls[p.uid]; early != nil {
		delete(o.earlyPulls, p.uid)
		o.pulled(p, early)
	}
	if p.running {
		o.tell(p, record.PhaseStarted, "", s.around(p.started), s)
	}
	if p.ready {
		o.tell(p, record.PhaseReady, "", s.around(p.readySince), s)
	}
	if e, ok := o.earlyRoutes[p.namespace+"/"+p.name]; ok {
		delete(o.earlyRoutes, p.namespace+"/"+p.name)
		o.tell(p, record.PhaseRotation, "", e.around(e.stamp), e.seen)
	}
}

func (o *Observer) podGone(was *podDigest, s seen) {
	p := o.pods[was.uid]
	if p == nil {
		return
	}
	delete(o.pods, was.uid)
	delete(p.workload.pods, was.uid)
	if key := was.namespace + "/" + was.name; o.byName[key] == p {
		delete(o.byName, key)
	}
	o.usage.leave(p)
	o.tell(p, record.PhaseDeleted, was.reason, s.around(time.Time{}), s)
	o.report(p.workload, s)
}

// introduce says of a pod that was there before the run what it is: a ready one in one word, as the embedded platform does.
func (o *Observer) introduce(p *pod, s seen) {
	m := moment{at: o.start, from: o.start, to: o.start}
	if p.ready || !p.counts() {
		for _, phase := range []string{
			record.PhaseCreated, record.PhaseScheduled, record.PhasePulled, record.PhaseStarted, record.PhaseRotation,
		} {
			p.told[phase] = true
		}
		if p.counts() {
			o.tell(p, record.PhaseReady, "initial", m, s)
		}
		return
	}
	o.tell(p, record.PhaseCreated, "initial", m, s)
	if p.unschedulable != "" && p.node == "" {
		o.tell(p, record.PhasePending, p.unschedulable, m, s)
	}
	if p.node != "" {
		o.tell(p, record.PhaseScheduled, "initial", m, s)
	}
	if p.running {
		o.tell(p, record.PhaseStarted, "initial", m, s)
	}
}

// tell says once that a pod reached a phase.
func (o *Observer) tell(p *pod, phase, message string, m moment, s seen) {
	if o.emit == nil || p.told[phase] {
		return
	}
	p.told[phase] = true
	o.say(record.Event{
		Kind: record.KindPod, Tenant: p.namespace, Workload: p.workload.name, Object: p.name, Phase: phase, Node: p.node, Message: message,
	}, m, s)
}

func sortedPods(pods map[types.UID]*pod) []*pod {
	return slices.SortedFunc(maps.Values(pods), func(a, b *pod) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name), cmp.Compare(a.uid, b.uid))
	})
}
