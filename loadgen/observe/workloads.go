package observe

import (
	"cmp"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ansturm/ansturm/loadgen/record"
)

// workload is a Deployment and its pods.
type workload struct {
	tenant, name string
	desired      int32
	pods         map[types.UID]*pod
	shown        *counts
}

// counts are a workload's replicas, of the same meaning as the embedded platform's: current are the pods that are neither
// leaving nor done for.
type counts struct{ desired, current, ready int32 }

func (o *Observer) workloadOf(namespace, name string) *workload {
	key := namespace + "/" + name
	w := o.workloads[key]
	if w == nil {
		w = &workload{tenant: namespace, name: name, pods: map[types.UID]*pod{}}
		o.workloads[key] = w
	}
	return w
}

// report says the counts when they changed. They are counted here, from the pods: the Deployment's own status is written
// later.
func (o *Observer) report(w *workload, s seen) {
	if o.emit == nil {
		return
	}
	now := counts{desired: w.desired}
	for _, p := range w.pods {
		if p.counts() {
			now.current++
			if p.ready {
				now.ready++
			}
		}
	}
	if w.shown != nil && *w.shown == now {
		return
	}
	w.shown = &now
	o.say(record.Event{
		Kind: record.KindReplicas, Tenant: w.tenant, Workload: w.name, Desired: now.desired, Current: now.current, Ready: now.ready,
	}, s.around(time.Time{}), s)
}

// deploymentDigest is what matters of a Deployment.
type deploymentDigest struct {
	namespace, name string
	replicas        int32
	// by wrote the replicas last, in the second that begins at, if that is known.
	by string
	at time.Time
}

func digestDeployment(d *appsv1.Deployment) deploymentDigest {
	out := deploymentDigest{namespace: d.Namespace, name: d.Name, replicas: 1}
	if d.Spec.Replicas != nil {
		out.replicas = *d.Spec.Replicas
	}
	if who, known := scaledBy(d); known {
		out.by, out.at = cmp.Or(who.Manager, "unknown"), stampOf(who.Time)
		if who.Subresource != "" {
			out.by += "/" + who.Subresource
		}
	}
	return out
}

// deploymentChanged follows spec.replicas, which is the truth about a scaling: the HPA's status is written later, and
// only when it changes, and its events are rate-limited.
func (o *Observer) deploymentChanged(was, is *deploymentDigest, s seen) {
	if is == nil {
		w := o.workloadOf(was.namespace, was.name)
		w.desired = 0
		o.report(w, s)
		return
	}
	w := o.workloadOf(is.namespace, is.name)
	w.desired = is.replicas
	if was != nil && was.replicas != is.replicas {
		o.say(record.Event{
			Kind: record.KindScale, Tenant: w.tenant, Workload: w.name, From: was.replicas, Desired: is.replicas, Message: is.by,
		}, s.around(is.at), s)
	}
	o.report(w, s)
}

// setDigest is what matters of a ReplicaSet.
type setDigest struct {
	namespace, name, deployment string
	replicas                    int32
}

func digestSet(r *appsv1.ReplicaSet) setDigest {
	d := setDigest{namespace: r.Namespace, name: r.Name, replicas: 1}
	if r.Spec.Replicas != nil {
		d.replicas = *r.Spec.Replicas
	}
	for _, o := range r.OwnerReferences {
		if o.Kind == "Deployment" {
			d.deployment = o.Name
		}
	}
	return d
}

// setChanged follows what the Deployment's controller makes of a scaling or of a rollout.
func (o *Observer) setChanged(was, is *setDigest, s seen) {
	var from, to int32
	var d setDigest
	if was != nil {
		from, d = was.replicas, *was
	}
	if is != nil {
		to, d = is.replicas, *is
	}
	if from == to {
		return
	}
	o.say(record.Event{
		Kind: record.KindReplicaSet, Tenant: d.namespace, Workload: cmp.Or(d.deployment, d.name), Object: d.name, From: from, Desired: to,
	}, s.around(time.Time{}), s)
}
