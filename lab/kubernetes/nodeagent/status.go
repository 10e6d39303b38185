package nodeagent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// hostIP is every node's address.
const hostIP = "127.0.0.1"

// state is what a pod's status is made of.
type state struct {
	// accepted is when the node took it on, changed when its readiness last changed.
	accepted, changed time.Time
	isReady           bool
	phase             corev1.PodPhase
	container         containerState
	last              *corev1.ContainerStateTerminated
	// trouble is why its process does not run, for a person.
	reason, trouble string
}

// containerState is a corev1.ContainerState in which what is not so is said to be null: a strategic merge would keep it.
type containerState struct {
	Waiting    *corev1.ContainerStateWaiting    `json:"waiting"`
	Running    *corev1.ContainerStateRunning    `json:"running"`
	Terminated *corev1.ContainerStateTerminated `json:"terminated"`
}

type containerStatus struct {
	Name         string         `json:"name"`
	State        containerState `json:"state"`
	LastState    containerState `json:"lastState"`
	Ready        bool           `json:"ready"`
	Started      bool           `json:"started"`
	RestartCount int32          `json:"restartCount"`
	Image        string         `json:"image"`
	ImageID      string         `json:"imageID"`
	ContainerID  string         `json:"containerID,omitempty"`
}

type podStatus struct {
	Phase             corev1.PodPhase       `json:"phase"`
	Conditions        []corev1.PodCondition `json:"conditions"`
	Reason            *string               `json:"reason"`
	Message           *string               `json:"message"`
	HostIP            string                `json:"hostIP"`
	HostIPs           []corev1.HostIP       `json:"hostIPs"`
	PodIP             string                `json:"podIP,omitempty"`
	PodIPs            []corev1.PodIP        `json:"podIPs,omitempty"`
	StartTime         metav1.Time           `json:"startTime"`
	ContainerStatuses []containerStatus     `json:"containerStatuses"`
}

func (s *state) begin(p *pod) {
	s.accepted, s.changed, s.phase = p.bound, p.bound, corev1.PodPending
	s.container = containerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
}

func (s *state) start(at time.Time) {
	s.phase = corev1.PodRunning
	s.container = containerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(at)}}
}

func (s *state) ready(is bool, at time.Time) {
	if s.isReady != is {
		s.isReady, s.changed = is, at
	}
}

// exit notes how the container ended; wait is why it is not running again, empty: it never will.
func (s *state) exit(code int, reason, message, wait string, started, at time.Time) {
	ended := &corev1.ContainerStateTerminated{
		ExitCode: int32(code), Reason: reason, Message: message, StartedAt: metav1.NewTime(started), FinishedAt: metav1.NewTime(at),
	}
	s.ready(false, at)
	if wait == "" {
		s.container = containerState{Terminated: ended}
		return
	}
	s.last = ended
	s.container = containerState{Waiting: &corev1.ContainerStateWaiting{Reason: wait, Message: message}}
}

// end is the pod's own end: a container that ran to its end has said how already, one that ran until now is said to have ended well. Of one
// that never did, kubelets say that they do not know, and Jobs take it for failed.
func (s *state) end(at time.Time) {
	s.ready(false, at)
	if s.container.Waiting != nil {
		s.container = containerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "ContainerStatusUnknown", ExitCode: 137, FinishedAt: metav1.NewTime(at),
			Message: "The container could not be located when the pod was terminated",
		}}
	}
	if s.container.Terminated == nil {
		s.container = containerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", FinishedAt: metav1.NewTime(at)}}
	}
	s.phase = corev1.PodSucceeded
	if s.container.Terminated.ExitCode != 0 {
		s.phase = corev1.PodFailed
	}
}

// write has the status patched, as it is now. PodScheduled is the scheduler's and stays as it is.
func (p *pod) write() {
	if p.dead.Load() {
		return
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.uid}, "status": p.status()})
	if err != nil {
		return // it holds nothing that could not be encoded
	}
	said := fmt.Sprintf("%s, ready %v", p.state.phase, p.state.isReady)
	p.send(func(ctx context.Context) error {
		o, err := p.a.config.Client.CoreV1().Pods(p.namespace).Patch(ctx, p.name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
		if err == nil {
			p.a.journal.write(time.Now(), Entry{
				Stage: StageStatus, Namespace: p.namespace, Pod: p.name, UID: string(p.uid), Node: p.node, Message: said, ResourceVersion: o.ResourceVersion,
			})
		}
		return err
	})
}

// send has something written after all that was to be written of the pod before, until its node is gone.
func (p *pod) send(try func(context.Context) error) {
	p.a.writers.post(p.number, func(ctx context.Context) {
		p.a.retry(ctx, func() error {
			if p.dead.Load() {
				return nil
			}
			return try(ctx)
		})
	})
}

func (p *pod) status() podStatus {
	s := &p.state
	status := podStatus{
		Phase: s.phase, HostIP: hostIP, HostIPs: []corev1.HostIP{{IP: hostIP}}, StartTime: metav1.NewTime(s.accepted), Conditions: p.conditions(),
	}
	if s.trouble != "" {
		status.Reason, status.Message = &s.reason, &s.trouble
	}
	running := s.container.Running != nil
	if s.container.Waiting == nil {
		status.PodIP, status.PodIPs = p.ip, []corev1.PodIP{{IP: p.ip}}
	}
	for _, c := range p.object.Spec.Containers {
		one := containerStatus{
			Name: c.Name, State: s.container, LastState: containerState{Terminated: s.last}, Ready: s.isReady, Started: running,
			RestartCount: p.restarts, Image: c.Image,
		}
		if running {
			one.ImageID, one.ContainerID = "ansturm://"+c.Image, "ansturm://"+string(p.uid)+"/"+c.Name
		}
		status.ContainerStatuses = append(status.ContainerStatuses, one)
	}
	return status
}

func (p *pod) conditions() []corev1.PodCondition {
	s := &p.state
	condition := func(kind corev1.PodConditionType, is bool, at time.Time, reason string) corev1.PodCondition {
		c := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(at)}
		if !is {
			c.Status, c.Reason = corev1.ConditionFalse, reason
		}
		return c
	}
	reason := "ContainersNotReady"
	if s.phase == corev1.PodSucceeded {
		reason = "PodCompleted"
	}
	return []corev1.PodCondition{
		condition(corev1.PodReadyToStartContainers, true, s.accepted, ""),
		condition(corev1.PodInitialized, true, s.accepted, ""),
		condition(corev1.ContainersReady, s.isReady, s.changed, reason),
		condition(corev1.PodReady, s.isReady, s.changed, reason),
	}
}
