package nodeagent

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ansturm/ansturm/lab"
	"github.com/ansturm/ansturm/lab/kubernetes/metricsapi"
	"github.com/ansturm/ansturm/lab/kubernetes/objects"
	"github.com/ansturm/ansturm/loadgen/record"
)

// pod is one pod bound to one of our nodes.
type pod struct {
	a                     *Agent
	number                uint64 // its worker
	namespace, name, node string
	uid                   types.UID
	ip                    string
	object                *corev1.Pod // as the watch first showed it, trimmed
	bound                 time.Time
	// warm: it belongs to the set-up. idle: it is nobody's, has no work and is ready at once.
	warm, idle bool
	// program is the real process's; empty: the pod is virtual.
	program string

	// life is what others may look at; body belongs to who holds Agent.mu once the worker has set it.
	life atomic.Pointer[life]
	body *lab.Pod
	// dead: its node is gone, nobody says anything of it any more.
	dead atomic.Bool

	// asked is the grace it was last told to end within, of who follows the watch.
	asked time.Duration

	// What follows is its worker's.
	state    state
	ending   bool // it was told to end
	finished bool // it has ended
	restarts int32
	backOff  time.Duration
	supplies *supplies // nil before it has them, and where it needs none
	lacked   string    // what was missing last

	turn turn
}

// life is a container's.
type life struct {
	started time.Time
	process *process // nil: virtual
	ended   bool
}

// sawPod follows a Pod object: a new one begins, one that is deleted ends within its grace.
func (a *Agent) sawPod(object any) {
	o, ok := object.(*corev1.Pod)
	if !ok || o.Spec.NodeName == "" { // not every API server knows the selector
		return
	}
	now := time.Now()
	a.mu.Lock()
	n, p := a.nodes[o.Spec.NodeName], a.pods[o.UID]
	fresh := p == nil && n != nil && !n.lost
	if fresh {
		fresh = o.DeletionTimestamp != nil || o.Status.Phase != corev1.PodSucceeded && o.Status.Phase != corev1.PodFailed
	}
	if fresh {
		p = a.newPod(o, now)
	}
	a.mu.Unlock()
	switch {
	case p == nil || p.dead.Load():
	case o.DeletionTimestamp != nil:
		p.askEnd(o, now)
	case fresh:
		p.post(p.begin)
	}
}

// newPod makes the agent's side of a pod; Agent.mu is held.
func (a *Agent) newPod(o *corev1.Pod, now time.Time) *pod {
	a.seen++
	p := &pod{
		a: a, number: a.seen, namespace: o.Namespace, name: o.Name, node: o.Spec.NodeName, uid: o.UID, object: o,
		bound: now, warm: !a.begun.Load(), asked: -1,
		program: a.programOf(o), idle: !a.tenants[o.Labels[objects.LabelTenant]],
	}
	p.ip = a.addresses.next(p.program != "")
	p.turn.pod = p
	a.pods[o.UID] = p
	return p
}

// programOf is the program of a process pod: what its annotation names, or what its image stands for; empty: the pod is virtual.
func (a *Agent) programOf(o *corev1.Pod) string {
	if program := o.Annotations[objects.AnnotationProcess]; program != "" || len(o.Spec.Containers) == 0 {
		return program
	}
	return a.config.Images[o.Spec.Containers[0].Image]
}

func (p *pod) askEnd(o *corev1.Pod, now time.Time) {
	grace := 30 * time.Second
	if s := o.DeletionGracePeriodSeconds; s != nil {
		grace = time.Duration(*s) * time.Second
	}
	if p.asked >= 0 && grace >= p.asked {
		return
	}
	first := p.asked < 0
	p.asked = grace
	p.post(func(context.Context) {
		if first {
			p.log(now, StageTerminating, "")
		}
		p.end(grace)
	})
}

// sawPodGo follows a Pod object's end: whatever still runs of it is killed.
func (a *Agent) sawPodGo(object any) {
	o, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	a.mu.Lock()
	p := a.pods[o.UID]
	a.mu.Unlock()
	if p == nil {
		return
	}
	now := time.Now()
	p.post(func(context.Context) {
		p.finished = true
		p.kill("its object was deleted")
		p.clear()
		p.log(now, StageDeleted, "")
		a.forget(p)
	})
}

func (a *Agent) forget(p *pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.pods, p.uid)
	delete(a.bodies, p.body)
}

func (p *pod) post(task func(context.Context)) { p.a.workers.post(p.number, task) }

func (p *pod) log(at time.Time, stage, message string) {
	p.a.journal.write(at, Entry{
		Stage: stage, Namespace: p.namespace, Pod: p.name, UID: string(p.uid), Node: p.node, Message: message,
	})
}

// begin puts the pod onto its node.
func (p *pod) begin(ctx context.Context) {
	if p.ending || p.dead.Load() {
		return
	}
	p.log(p.bound, StageBound, "")
	p.state.begin(p)
	if p.idle {
		p.beginIdle(ctx)
		return
	}
	spec := lab.PodSpec{
		Name: p.name, Tenant: p.object.Labels[objects.LabelTenant], Node: p.node, Image: p.object.Spec.Containers[0].Image,
		Warm: p.warm, Notice: func(n lab.Notice) { p.post(func(ctx context.Context) { p.noticed(ctx, n) }) },
	}
	for _, c := range p.object.Spec.Containers {
		limit, request := c.Resources.Limits.Cpu().AsApproximateFloat64(), c.Resources.Requests.Cpu().AsApproximateFloat64()
		spec.Limit += limit
		spec.Request += request
	}
	if p.program != "" {
		spec.Process = p.address()
	}
	body, err := p.a.ground.RunPod(spec)
	if err != nil { // its node fell meanwhile
		p.log(time.Now(), StageError, err.Error())
		return
	}
	p.a.mu.Lock()
	p.body = body
	p.a.bodies[body] = p
	held := p.a.rotation[p.uid] > 0
	p.a.mu.Unlock()
	if !p.warm {
		p.write()
	}
	if held {
		p.turn.in(time.Now())
	}
}

// beginIdle runs a pod without work: nothing is pulled, a process starts at once, and so would a virtual container.
func (p *pod) beginIdle(ctx context.Context) {
	now := time.Now()
	p.noticed(ctx, lab.Notice{Phase: record.PhasePulled, At: now, Pull: lab.Pull{Present: true}})
	if p.program == "" {
		p.noticed(ctx, lab.Notice{Phase: record.PhaseStarted, At: now})
		p.noticed(ctx, lab.Notice{Phase: record.PhaseReady, At: now})
	}
}

// noticed takes the news of the pod's body.
func (p *pod) noticed(ctx context.Context, n lab.Notice) {
	if p.finished {
		return
	}
	switch n.Phase {
	case record.PhaseScheduled:
		if !n.Pull.Present && !p.warm {
			p.tell(n.At, "Pulling", fmt.Sprintf("Pulling image %q", p.image()))
		}
	case record.PhasePulled:
		p.log(n.At, StagePulled, "")
		p.tellPulled(n)
		if p.program != "" {
			p.supply(ctx, firstLook)
		}
	case record.PhaseStarted:
		p.log(n.At, StageStarted, "")
		p.state.start(n.At)
		if p.program == "" {
			p.life.Store(&life{started: n.At})
		}
		if !p.warm {
			p.tell(n.At, "Created", "Container created")
			p.tell(n.At, "Started", "Container started")
			p.write()
		}
	case record.PhaseReady:
		p.log(n.At, StageReady, "")
		p.turn.ready(n.At)
		p.state.ready(true, n.At)
		p.write()
	case record.PhaseServing:
		p.log(n.At, StageServing, "")
	case record.PhaseDeleted:
		if p.program == "" {
			p.stopped(n.At, n.Message)
		}
	}
}

func (p *pod) image() string { return p.object.Spec.Containers[0].Image }

func (p *pod) tellPulled(n lab.Notice) {
	switch {
	case p.warm: // a thousand events of nothing that happened
	case n.Pull.Present:
		p.tell(n.At, "Pulled", fmt.Sprintf("Container image %q already present on machine and can be accessed by the pod", p.image()))
	default:
		p.tell(n.At, "Pulled", fmt.Sprintf("Successfully pulled image %q in %v (%v including waiting). Image size: 0 bytes.",
			p.image(), n.Pull.Took.Truncate(time.Millisecond), n.Pull.Waited.Truncate(time.Millisecond)))
	}
}

// end has the pod end within grace; called again it can only hasten it.
func (p *pod) end(grace time.Duration) {
	first := !p.ending
	p.ending = true
	if p.finished || p.dead.Load() {
		return
	}
	if first {
		p.tell(time.Now(), "Killing", "Stopping container "+p.object.Spec.Containers[0].Name)
	}
	life := p.life.Load()
	switch {
	case p.program != "" && life != nil && !life.ended:
		life.process.end(grace)
	case p.program == "" && p.body != nil:
		p.body.Terminate(grace)
	default:
		p.stopped(time.Now(), "")
	}
}

// stopped ends the pod: nothing of it runs any more.
func (p *pod) stopped(at time.Time, why string) {
	p.finished = true
	p.kill("ended")
	if l := p.life.Load(); l != nil {
		p.life.Store(&life{l.started, l.process, true})
	}
	p.log(at, StageStopped, why)
	if p.dead.Load() {
		return
	}
	if !p.ending || len(p.object.Finalizers) > 0 { // somebody wants to know how it ended
		p.state.end(at)
		p.write()
	}
	if p.ending {
		p.remove()
	}
}

// remove takes the object away, as a kubelet does when nothing runs any more.
func (p *pod) remove() {
	options := metav1.NewDeleteOptions(0)
	options.Preconditions = metav1.NewUIDPreconditions(string(p.uid))
	p.send(func(ctx context.Context) error {
		return p.a.config.Client.CoreV1().Pods(p.namespace).Delete(ctx, p.name, *options)
	})
}

// die is the end with the node.
func (p *pod) die() {
	p.dead.Store(true)
	if l := p.life.Load(); l != nil && l.process != nil {
		l.process.kill()
	}
}

// kill ends what still runs of the pod.
func (p *pod) kill(why string) {
	if p.body != nil {
		p.body.Kill(why)
	}
	if l := p.life.Load(); l != nil && l.process != nil {
		l.process.kill()
	}
}

// appendUsage gives all the pod's usage to its first container; the others do nothing.
func (p *pod) appendUsage(list []metricsapi.Usage, at time.Time, cpu time.Duration, memory int64) []metricsapi.Usage {
	life := p.life.Load()
	if life == nil {
		return list
	}
	for i, c := range p.object.Spec.Containers {
		u := metricsapi.Usage{
			Namespace: p.namespace, Pod: p.name, Container: c.Name, Node: p.node, Started: life.started, At: at, CPU: cpu, Memory: memory,
		}
		if i > 0 {
			u.CPU, u.Memory = 0, 0
		}
		list = append(list, u)
	}
	return list
}
