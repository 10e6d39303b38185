package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/ansturm/ansturm/lab/kubernetes/objects"
	"github.com/ansturm/ansturm/scenarios"
)

// The stages of a pod.
const (
	waiting = iota // for its image and its start
	started
	ready
)

// pod is what is known of a running pod.
type pod struct {
	namespace, name, node string
	uid                   types.UID
	containers            []string
	cores                 float64
	stage                 int
	due, started          time.Time // of the next stage, of the containers
	ip                    string
}

func (a *Agent) handlePod(ctx context.Context, key string) (time.Duration, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return 0, nil // no key of ours
	}
	object, err := a.pods.Pods(namespace).Get(name)
	if err != nil || a.lost(object.Spec.NodeName) {
		a.forget(key)
		return 0, nil
	}
	if object.DeletionTimestamp != nil {
		a.forget(key)
		now := metav1.NewDeleteOptions(0)
		now.Preconditions = metav1.NewUIDPreconditions(string(object.UID))
		err := a.config.Client.CoreV1().Pods(namespace).Delete(ctx, name, *now)
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return 0, nil
		}
		return 0, err
	}
	if object.Status.Phase == corev1.PodSucceeded || object.Status.Phase == corev1.PodFailed {
		a.forget(key)
		return 0, nil
	}
	return a.advance(ctx, key, object)
}

// advance writes the next stage when it is due.
func (a *Agent) advance(ctx context.Context, key string, object *corev1.Pod) (time.Duration, error) {
	p, readyAfter := a.known(key, object)
	if left := time.Until(p.due); left > 0 || p.stage == ready {
		return max(0, left), nil
	}
	next := started
	if p.stage == started || readyAfter == 0 {
		next = ready
	}
	if err := a.writeStatus(ctx, object, p, next == ready); err != nil {
		if apierrors.IsNotFound(err) {
			return 0, nil
		}
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	p.stage, p.due = next, time.Now().Add(readyAfter)
	if next == ready {
		return 0, nil
	}
	return readyAfter, nil
}

// known is the pod's own state, made when it is first seen; and its delay from started to ready.
func (a *Agent) known(key string, object *corev1.Pod) (*pod, time.Duration) {
	start := a.delays(object)
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.running[key]
	if p == nil || p.uid != object.UID {
		a.address++
		p = &pod{
			namespace: object.Namespace, name: object.Name, node: object.Spec.NodeName, uid: object.UID,
			ip: fmt.Sprintf("198.%d.%d.%d", 18+a.address>>16&1, a.address>>8&255, a.address&255),
		}
		for _, c := range object.Spec.Containers {
			p.containers = append(p.containers, c.Name)
			p.cores += c.Resources.Requests.Cpu().AsApproximateFloat64()
		}
		p.due = time.Now().Add(start.pull + start.start)
		if isReady(object) { // from before a restart of the agent
			p.stage, p.ip, p.started = ready, object.Status.PodIP, object.Status.StartTime.Time
		}
		a.running[key] = p
	}
	if p.stage == waiting && time.Until(p.due) <= 0 {
		p.started = time.Now()
	}
	return p, start.ready
}

type delays struct{ pull, start, ready time.Duration }

func (a *Agent) delays(object *corev1.Pod) delays {
	a.mu.Lock()
	begun := a.begun
	a.mu.Unlock()
	tenant := object.Labels[objects.LabelTenant]
	w := a.config.Platform.WorkloadOf(tenant)
	if !begun || tenant == "" || w == nil {
		return delays{}
	}
	draw := func(d *scenarios.Distribution, stage string) time.Duration {
		if d == nil {
			return 0
		}
		return d.Quantile(a.unit(string(object.UID), stage))
	}
	return delays{draw(w.Start.Pull, "pull"), draw(w.Start.Start, "start"), draw(w.Start.Ready, "ready")}
}

func (a *Agent) forget(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.running, key)
}

func (a *Agent) writeStatus(ctx context.Context, object *corev1.Pod, p *pod, isReady bool) error {
	began, now := metav1.NewTime(p.started), metav1.Now()
	status := corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: "127.0.0.1", PodIP: p.ip, PodIPs: []corev1.PodIP{{IP: p.ip}}, StartTime: &began,
	}
	for _, c := range object.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, ImageID: "lab", Ready: isReady, Started: &isReady,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: began}},
		})
	}
	for kind, good := range map[corev1.PodConditionType]bool{
		corev1.PodInitialized: true, corev1.ContainersReady: isReady, corev1.PodReady: isReady,
	} {
		status.Conditions = append(status.Conditions, corev1.PodCondition{Type: kind, Status: truth(good), LastTransitionTime: now})
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": object.UID}, "status": status})
	if err != nil {
		return err
	}
	_, err = a.config.Client.CoreV1().Pods(object.Namespace).Patch(ctx, object.Name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
	return err
}

func truth(yes bool) corev1.ConditionStatus {
	if yes {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}
