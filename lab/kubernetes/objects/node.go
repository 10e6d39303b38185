package objects

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ansturm/ansturm/scenarios"
)

// Node makes one node of a pool, as its kubelet would register it: not ready yet, that is for the agent to say.
func Node(ref scenarios.NodeRef) *corev1.Node {
	labels := map[string]string{
		LabelPool:                ref.Pool.Name,
		corev1.LabelHostname:     ref.Name,
		corev1.LabelOSStable:     "linux",
		corev1.LabelArchStable:   "amd64",
		"ansturm.dev/kind":       ref.Pool.Kind,
		corev1.LabelTopologyZone: ref.Pool.Site,
	}
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	capacity := corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(scenarios.DefaultPods, resource.DecimalSI)}
	maps.Copy(capacity, ref.Pool.Capacity)
	return &corev1.Node{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{Name: ref.Name, Labels: labels},
		Spec:       corev1.NodeSpec{ProviderID: "ansturm://" + ref.Pool.Name + "/" + ref.Name},
		Status:     corev1.NodeStatus{Capacity: capacity, Allocatable: allocatable(capacity, ref.Pool.Reserved)},
	}
}

// allocatable is capacity less reservation, none below zero.
func allocatable(capacity, reserved corev1.ResourceList) corev1.ResourceList {
	left := capacity.DeepCopy()
	for name, quantity := range left {
		quantity.Sub(reserved[name])
		if quantity.Sign() < 0 {
			quantity.Set(0)
		}
		left[name] = quantity
	}
	return left
}
