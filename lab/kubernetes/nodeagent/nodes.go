package nodeagent

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/ansturm/ansturm/lab/kubernetes/objects"
	"github.com/ansturm/ansturm/scenarios"
)

// kubeletVersion is what the nodes say they run.
const kubeletVersion = "v1.35.4"

// heartbeat is how often a node's status is written though nothing has changed, as a kubelet does.
const heartbeat = 5 * time.Minute

// node is one node's upkeep. Its fields but the first two belong to who holds Agent.mu.
type node struct {
	name   string
	number uint64
	uid    types.UID
	lost   bool
	// since is when it became ready; due and said are its next renewal and its last status.
	since, due, said time.Time
	lease            *coordinationv1.Lease
}

// sawNode follows a Node object: a new one is taken into service, one marked as lost dies, one that the control plane has
// given up says that it is alive.
func (a *Agent) sawNode(object any) {
	o, ok := object.(*corev1.Node)
	if !ok || o.Labels[objects.LabelPool] == "" {
		return
	}
	lost := o.Annotations[objects.AnnotationLost] != ""
	a.mu.Lock()
	n := a.nodes[o.Name]
	fresh := n == nil && !lost
	back := n != nil && n.lost && !lost
	falls := n != nil && !n.lost && lost
	switch {
	case fresh:
		n = &node{name: o.Name, number: uint64(len(a.nodes)), uid: o.UID}
		a.nodes[o.Name] = n
	case back:
		n.lost, n.uid, n.lease = false, o.UID, nil
	case falls:
		n.lost = true
	}
	if fresh || back {
		n.since = time.Now()
		// Spread over the period, so that the leases of many nodes are not one burst.
		n.due = n.since.Add(time.Duration(n.number*0x9e3779b97f4a7c15>>40) * a.config.RenewEvery >> 24)
	}
	a.mu.Unlock()
	switch {
	case fresh || back:
		a.raise(n, o)
	case falls:
		a.fell(n.name)
	case n != nil && !lost && !isTrue(o.Status.Conditions, corev1.NodeReady):
		a.writers.post(n.number, func(ctx context.Context) { a.sayNode(ctx, n) })
	}
}

// raise takes a node into service. Pods that were on it before it was lost begin anew, as do those that were bound to it
// before it was known.
func (a *Agent) raise(n *node, o *corev1.Node) {
	if err := a.ground.AddNode(scenarios.NodeRef{Name: n.name, Pool: a.pool(o)}); err != nil {
		a.config.Say("node %s: %v", n.name, err)
	}
	a.journal.write(n.since, Entry{Stage: StageNodeReady, Node: n.name})
	a.writers.post(n.number, func(ctx context.Context) {
		a.renew(ctx, n)
		a.sayNode(ctx, n)
	})
	for _, p := range a.on(n.name) {
		a.forget(p)
	}
	for _, object := range a.store.List() {
		if o, ok := object.(*corev1.Pod); ok && o.Spec.NodeName == n.name {
			a.sawPod(o)
		}
	}
}

// pool is a node's pool as the platform knows it; of an unknown pool the node itself says what it has.
func (a *Agent) pool(o *corev1.Node) *scenarios.NodePool {
	name := o.Labels[objects.LabelPool]
	for i := range a.config.Platform.Pools {
		if p := &a.config.Platform.Pools[i]; p.Name == name {
			return p
		}
	}
	return &scenarios.NodePool{Name: name, Capacity: o.Status.Allocatable}
}

// sawNodeGo follows a Node object's deletion: what it stood for is gone too.
func (a *Agent) sawNodeGo(object any) {
	o, ok := object.(*corev1.Node)
	if !ok {
		return
	}
	a.mu.Lock()
	n := a.nodes[o.Name]
	alive := n != nil && !n.lost
	if n != nil {
		n.lost = true
		delete(a.nodes, o.Name)
	}
	a.mu.Unlock()
	if alive {
		a.fell(o.Name)
	}
}

// fell ends a node: its pods die at once, and nobody is left to say so.
func (a *Agent) fell(name string) {
	now := time.Now()
	for _, p := range a.on(name) {
		p.die() // first, so that nobody says how it ended
	}
	a.ground.LoseNode(name)
	a.journal.write(now, Entry{Stage: StageNodeLost, Node: name})
}

// on lists the pods of a node.
func (a *Agent) on(name string) (list []*pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pods {
		if p.node == name {
			list = append(list, p)
		}
	}
	return list
}

// sayNode writes that the node is ready.
func (a *Agent) sayNode(ctx context.Context, n *node) {
	a.mu.Lock()
	lost, since := n.lost, metav1.NewTime(n.since)
	n.said = time.Now()
	a.mu.Unlock()
	if lost {
		return
	}
	now := metav1.Now()
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) corev1.NodeCondition {
		return corev1.NodeCondition{
			Type: kind, Status: status, Reason: reason, Message: message, LastHeartbeatTime: now, LastTransitionTime: since,
		}
	}
	body, err := json.Marshal(map[string]any{"status": map[string]any{
		"conditions": []corev1.NodeCondition{
			condition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
			condition(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
			condition(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
			condition(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"),
		},
		"addresses": []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: hostIP}, {Type: corev1.NodeHostName, Address: n.name}},
		"nodeInfo": corev1.NodeSystemInfo{
			KubeletVersion: kubeletVersion, OperatingSystem: "linux", Architecture: runtime.GOARCH, OSImage: "Ansturm's lab",
			ContainerRuntimeVersion: "ansturm://lab",
		},
	}})
	if err != nil {
		return // it holds nothing that could not be encoded
	}
	a.retry(ctx, func() error {
		_, err := a.config.Client.CoreV1().Nodes().Patch(ctx, n.name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
		return err
	})
}

// renewLeases keeps the nodes' leases until ctx ends.
func (a *Agent) renewLeases(ctx context.Context) {
	tick := time.NewTicker(min(250*time.Millisecond, a.config.RenewEvery/4))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var group errgroup.Group
		group.SetLimit(4)
		for _, n := range a.due(time.Now()) {
			group.Go(func() error { a.renew(ctx, n); return nil })
		}
		_ = group.Wait()
	}
}

// due lists the nodes whose lease is to be renewed now, and has those whose status is old say it again.
func (a *Agent) due(now time.Time) (list []*node) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.nodes {
		if n.lost || n.due.After(now) {
			continue
		}
		list = append(list, n)
		n.due = n.due.Add(a.config.RenewEvery)
		if n.due.Before(now) { // the API server was away
			n.due = now.Add(a.config.RenewEvery)
		}
		if now.Sub(n.said) > heartbeat {
			n.said = now
			a.writers.post(n.number, func(ctx context.Context) { a.sayNode(ctx, n) })
		}
	}
	slices.SortFunc(list, func(x, y *node) int { return x.due.Compare(y.due) })
	return list
}

// renew writes one sign of life. One that fails is not repeated: the next is due soon.
func (a *Agent) renew(ctx context.Context, n *node) {
	a.mu.Lock()
	lease, lost := n.lease, n.lost
	a.mu.Unlock()
	if lost {
		return
	}
	now, leases := metav1.NowMicro(), a.config.Client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	var err error
	if lease == nil {
		lease, err = leases.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: n.name, Namespace: corev1.NamespaceNodeLease, OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "Node", Name: n.name, UID: n.uid,
			}}},
			Spec: coordinationv1.LeaseSpec{HolderIdentity: &n.name, LeaseDurationSeconds: ptr.To(int32(40)), RenewTime: &now},
		}, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			lease, err = leases.Get(ctx, n.name, metav1.GetOptions{})
		}
	} else {
		lease = lease.DeepCopy()
		lease.Spec.RenewTime = &now
		lease, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	}
	if err != nil {
		lease = nil
		if ctx.Err() == nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			a.journal.write(time.Now(), Entry{Stage: StageError, Node: n.name, Message: fmt.Sprintf("lease: %v", err)})
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n.lease = lease
}

func isTrue(conditions []corev1.NodeCondition, kind corev1.NodeConditionType) bool {
	return slices.ContainsFunc(conditions, func(c corev1.NodeCondition) bool { return c.Type == kind && c.Status == corev1.ConditionTrue })
}
