package observe

import (
	"bytes"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What follows drops of each object whatever is not looked at: a list of a thousand pods is some ten megabytes untrimmed,
// and a tenth of that trimmed.

// trimMeta keeps of the managers' fields one entry: when the object was last written.
func trimMeta(o metav1.Object) {
	o.SetAnnotations(nil)
	o.SetFinalizers(nil)
	last := written(o)
	if last.IsZero() {
		o.SetManagedFields(nil)
		return
	}
	t := metav1.NewTime(last)
	o.SetManagedFields([]metav1.ManagedFieldsEntry{{Time: &t}})
}

func trimPod(p *corev1.Pod) {
	trimMeta(p)
	p.Spec = corev1.PodSpec{NodeName: p.Spec.NodeName, Containers: trimContainers(p.Spec.Containers), InitContainers: trimContainers(p.Spec.InitContainers)}
	statuses := p.Status.ContainerStatuses
	for i := range statuses {
		statuses[i] = corev1.ContainerStatus{Name: statuses[i].Name, State: statuses[i].State, RestartCount: statuses[i].RestartCount}
	}
	p.Status = corev1.PodStatus{Phase: p.Status.Phase, Reason: p.Status.Reason, Conditions: p.Status.Conditions, ContainerStatuses: statuses}
}

func trimContainers(list []corev1.Container) []corev1.Container {
	for i := range list {
		list[i] = corev1.Container{Name: list[i].Name, Resources: list[i].Resources, RestartPolicy: list[i].RestartPolicy}
	}
	return list
}

func trimNode(n *corev1.Node) {
	trimMeta(n)
	n.Spec = corev1.NodeSpec{}
	n.Status = corev1.NodeStatus{Conditions: n.Status.Conditions}
}

// trimDeployment keeps of the managers' fields the one that wrote the replicas, and the last one.
func trimDeployment(d *appsv1.Deployment) {
	who, known := scaledBy(d)
	trimMeta(d)
	if known {
		d.ManagedFields = append(d.ManagedFields, who)
	}
	d.Spec.Template, d.Status = corev1.PodTemplateSpec{}, appsv1.DeploymentStatus{}
}

// scaledBy is the manager that wrote spec.replicas last, with nothing but this field. One that wrote them through the
// subresource scale takes them from the others, and has no time: the API server loses it on the way.
func scaledBy(d *appsv1.Deployment) (last metav1.ManagedFieldsEntry, known bool) {
	for _, m := range d.ManagedFields {
		if m.Subresource == "status" || m.FieldsV1 == nil || !bytes.Contains(m.FieldsV1.Raw, []byte(`"f:replicas"`)) {
			continue
		}
		if !known || m.Subresource == "scale" || last.Subresource != "scale" && stampOf(m.Time).After(stampOf(last.Time)) {
			last, known = m, true
		}
	}
	if known {
		last.FieldsV1 = &metav1.FieldsV1{Raw: []byte(`{"f:spec":{"f:replicas":{}}}`)}
	}
	return last, known
}

func trimSet(r *appsv1.ReplicaSet) {
	trimMeta(r)
	r.Spec.Template, r.Status = corev1.PodTemplateSpec{}, appsv1.ReplicaSetStatus{}
}

func trimHPA(h *autoscalingv2.HorizontalPodAutoscaler) {
	trimMeta(h)
	h.Spec.Behavior = nil
}

func trimSlice(s *discoveryv1.EndpointSlice) {
	trimMeta(s)
	for i, e := range s.Endpoints {
		s.Endpoints[i] = discoveryv1.Endpoint{Conditions: e.Conditions, TargetRef: e.TargetRef}
	}
}

func trimNotice(e *corev1.Event) { trimMeta(e) }

// stampOf is a stamp, or zero.
func stampOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
