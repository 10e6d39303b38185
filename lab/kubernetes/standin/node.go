package standin

import (
	"context"
	"encoding/json"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/ansturm/ansturm/lab/kubernetes/objects"
)

// lease is a node's sign of life; worked on by one worker at a time.
type lease struct {
	object *coordinationv1.Lease
	due    time.Time
}

// renewal is the time between two signs of life: four chances within the time after which a node counts as lost.
func (a *Agent) renewal() time.Duration {
	return max(time.Second, min(10*time.Second, a.config.Platform.Autoscaling.WithDefaults().NodeLossDetection/4))
}

// lost says that a node's power has failed.
func (a *Agent) lost(node string) bool {
	object, err := a.nodes.Get(node)
	return err == nil && object.Annotations[objects.AnnotationLost] != ""
}

func (a *Agent) handleNode(ctx context.Context, name string) (time.Duration, error) {
	node, err := a.nodes.Get(name)
	if err != nil || node.Labels[objects.LabelPool] == "" {
		return 0, nil // gone, or not ours
	}
	if a.lost(name) {
		a.loseNode(name)
		return 0, nil
	}
	if !nodeReady(node) {
		if err := a.sayReady(ctx, node); err != nil {
			return 0, err
		}
	}
	return a.renew(ctx, node)
}

// loseNode forgets the pods of a node.
func (a *Agent) loseNode(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.leases, name)
	for key, p := range a.running {
		if p.node == name {
			delete(a.running, key)
		}
	}
}

func (a *Agent) sayReady(ctx context.Context, node *corev1.Node) error {
	now := metav1.Now()
	body, err := json.Marshal(map[string]any{"status": map[string]any{
		"conditions": []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: now, LastTransitionTime: now,
		}},
		"addresses": []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}, {Type: corev1.NodeHostName, Address: node.Name}},
		"nodeInfo":  corev1.NodeSystemInfo{KubeletVersion: "v1.35.4", OperatingSystem: "linux", Architecture: "amd64", ContainerRuntimeVersion: "ansturm://lab"},
	}})
	if err != nil {
		return err
	}
	_, err = a.config.Client.CoreV1().Nodes().Patch(ctx, node.Name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
	return err
}

// renew renews the lease when it is due; changes of the node in between renew nothing.
func (a *Agent) renew(ctx context.Context, node *corev1.Node) (time.Duration, error) {
	a.mu.Lock()
	l := a.leases[node.Name]
	a.mu.Unlock()
	if l != nil && time.Until(l.due) > 0 {
		return 0, nil // its time is in the queue already
	}
	period := a.renewal()
	now, leases := metav1.NewMicroTime(time.Now()), a.config.Client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	var object *coordinationv1.Lease
	var err error
	if l == nil {
		object, err = leases.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: node.Name, OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID,
			}}},
			Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr.To(node.Name), LeaseDurationSeconds: ptr.To(int32(40)), RenewTime: &now},
		}, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			object, err = leases.Get(ctx, node.Name, metav1.GetOptions{})
		}
	} else {
		l.object.Spec.RenewTime = &now
		object, err = leases.Update(ctx, l.object, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			a.loseLease(node.Name)
		}
	}
	if err != nil {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leases[node.Name] = &lease{object: object, due: time.Now().Add(period - 10*time.Millisecond)}
	return period, nil
}

func (a *Agent) loseLease(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.leases, name)
}

func nodeReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
