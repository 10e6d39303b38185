package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/ansturm/ansturm/lab/kubernetes/controlplane"
	"github.com/ansturm/ansturm/lab/kubernetes/objects"
	"github.com/ansturm/ansturm/scenarios"
)

// roomless is after what time without any change a pod without room is given up: nodes may have come after the pods, and the
// scheduler tries again later and later.
const roomless = 5 * time.Second

// patience is how the lab waits for something: how often it looks, how often it says how far that is, and after what time it
// goes on all the same.
type patience struct{ look, tell, longest time.Duration }

var (
	forPods        = patience{look: 100 * time.Millisecond, tell: 2 * time.Second, longest: 3 * time.Minute}
	forAutoscalers = patience{look: time.Second, tell: 10 * time.Second, longest: 3 * time.Minute}
)

// wait looks until it is over; until then look says how far it is.
func (l *lab) wait(ctx context.Context, p patience, look func() (over bool, far string, err error)) error {
	deadline, tick := time.Now().Add(p.longest), time.NewTicker(p.look)
	defer tick.Stop()
	for told := time.Now(); ; {
		over, far, err := look()
		if over || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			l.say("after %s: %s; going on", p.longest, far)
			return nil
		}
		if time.Since(told) > p.tell {
			told = time.Now()
			l.say("%s", far)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settling is how far the pods have come.
type settling struct {
	ready, homeless int
	since           time.Time // it is so
}

// note takes a new look, and says whether there is nothing left to wait for.
func (s *settling) note(ready, homeless, wanted int, now time.Time) (over bool) {
	if s.since.IsZero() || s.ready != ready || s.homeless != homeless {
		*s = settling{ready, homeless, now}
	}
	return ready >= wanted || ready+homeless >= wanted && now.Sub(s.since) >= roomless
}

// hurry lets garbage lie while the lab starts; rest, once it stands, holds the memory down: from then on the process is
// idle most of the time, and collecting often costs little.
func hurry() {
	debug.SetGCPercent(200)
	debug.SetMemoryLimit(320 << 20)
}

func rest() {
	debug.SetGCPercent(80)
	debug.FreeOSMemory()
}

// settle waits until every pod of the platform is ready or has been found without room.
func (l *lab) settle(ctx context.Context) error {
	pods, wanted := l.plane.Informers().Core().V1().Pods().Lister(), l.set.Replicas()
	var s settling
	return l.wait(ctx, forPods, func() (bool, string, error) {
		list, err := pods.List(labels.Everything())
		if err != nil {
			return false, "", err
		}
		ready, homeless := count(list)
		over := s.note(ready, homeless, wanted, time.Now())
		if over && ready < wanted {
			l.say("no node has room for %d of %d pods", homeless, wanted)
		}
		return over, fmt.Sprintf("%d of %d pods are ready", ready, wanted), nil
	})
}

// awaitAutoscalers waits until every autoscaler could scale: two scrapes of every pod, and as much of its life as the
// controller wants to have seen. A platform that has stood for an hour is past that.
func (l *lab) awaitAutoscalers(ctx context.Context, client kubernetes.Interface) error {
	return l.wait(ctx, forAutoscalers, func() (bool, string, error) {
		list, err := client.AutoscalingV2().HorizontalPodAutoscalers(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, "", err
		}
		blind := 0
		for i := range list.Items {
			if !scales(&list.Items[i]) {
				blind++
			}
		}
		return blind == 0, fmt.Sprintf("%d of %d autoscalers wait for metrics of their pods", blind, len(list.Items)), nil
	})
}

func scales(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	return slices.ContainsFunc(h.Status.Conditions, func(c autoscalingv2.HorizontalPodAutoscalerCondition) bool {
		return c.Type == autoscalingv2.ScalingActive && c.Status == corev1.ConditionTrue
	})
}

// count is how many pods are ready, and how many the scheduler has no room for.
func count(pods []*corev1.Pod) (ready, homeless int) {
	for _, p := range pods {
		for _, c := range p.Status.Conditions {
			switch {
			case c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue:
				ready++
			case c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable:
				homeless++
			}
		}
	}
	return ready, homeless
}

// disrupt loses and adds nodes at their moments, each on its own, until ctx ends.
func (l *lab) disrupt(ctx context.Context) {
	for _, m := range l.world.losses {
		l.background.Go(func() { l.at(ctx, m.at, "lose "+m.name, func() error { return l.loseNode(ctx, m.name) }) })
	}
	for _, a := range l.arrives {
		l.background.Go(func() { l.at(ctx, a.at, "add "+a.node.Name, func() error { return l.addNode(ctx, a.node) }) })
	}
}

// at does something at a time after now, and says so.
func (l *lab) at(ctx context.Context, after time.Duration, what string, do func() error) {
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	if err := do(); err != nil {
		l.say("%s: %v", what, err)
		return
	}
	l.say("%s", what)
}

// loseNode marks the node as lost; the agent lets it die.
func (l *lab) loseNode(ctx context.Context, name string) error {
	client, err := l.plane.Client(controlplane.Agent)
	if err != nil {
		return err
	}
	body := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, objects.AnnotationLost, time.Now().UTC().Format(time.RFC3339Nano))
	_, err = client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{})
	return err
}

func (l *lab) addNode(ctx context.Context, ref scenarios.NodeRef) error {
	client, err := l.plane.Client(controlplane.Agent)
	if err != nil {
		return err
	}
	return objects.Register(ctx, client, objects.Node(ref))
}
