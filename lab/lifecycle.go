package lab

import (
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// The draws of a pod.
const (
	drawPull = iota + 1
	drawStart
	drawReady
)

// warm puts the initial replicas on the nodes, ready since long ago, with their images there.
func (c *core) warm() {
	for _, n := range c.nodes {
		c.sayNode(n)
	}
	for _, d := range c.tenants {
		for range d.desired {
			d.number++
			p := newPod(d, d.number, d.podName(d.number))
			d.pods = append(d.pods, p)
			n := c.room(p)
			if n == nil {
				p.phase(record.PhaseCreated, "")
				p.phase(record.PhasePending, "no node has room")
				c.waiting = append(c.waiting, p)
				continue
			}
			p.bind(n)
			n.images[d.workload.Name] = c.now - 24*time.Hour
			p.created, p.scheduled, p.started, p.readyAt = longAgo(c.now), longAgo(c.now), longAgo(c.now), longAgo(c.now)
			p.running, p.ready = true, true
			p.keptHouse()
			p.rotate(true)
			p.phase(record.PhaseReady, "initial")
		}
		d.report()
	}
}

func longAgo(now time.Duration) time.Duration { return now - time.Hour }

// kick has the scheduler look at the waiting pods at moment t at the latest.
func (c *core) kick(t time.Duration) {
	if len(c.waiting) > 0 && (c.kicked.place == 0 || t < c.kicked.at) {
		c.queue.set(&c.kicked, t)
	}
}

// schedule tries every waiting pod, oldest first; those without room wait until some appears.
func (c *core) schedule() {
	c.waiting = slices.DeleteFunc(c.waiting, func(p *pod) bool {
		if due := p.created + c.auto.SchedulingDelay; due > c.now {
			c.kick(due)
			return false
		}
		n := c.room(p)
		if n == nil {
			if !p.pending {
				p.pending = true
				p.phase(record.PhasePending, "no node has room")
			}
			return false
		}
		p.bind(n)
		p.phase(record.PhaseScheduled, "")
		p.pull()
		return true
	})
}

// room finds the node for a pod and takes its place there; nil where none has room.
func (c *core) room(p *pod) *node {
	i, ok := c.cluster.Schedule(p.d.claim)
	if !ok {
		return nil
	}
	return c.nodes[i]
}

func (p *pod) bind(n *node) {
	p.node, p.scheduled = n, p.c.now
	n.pods = append(n.pods, p)
}

// pull gets the pod's image onto the node, once, behind the pulls queued there. From then on a virtual pod goes its way
// by itself; a process is started by whoever runs it.
func (p *pod) pull() {
	n := p.node
	there, known := n.images[p.image]
	if !known {
		p.fetched.Took = p.drawn(p.d.workload.Start.Pull, drawPull)
		there = max(p.c.now, n.pulled) + p.fetched.Took
		n.images[p.image], n.pulled = there, there
	}
	p.fetched.Waited = max(0, there-p.c.now)
	p.fetched.Present = known && p.fetched.Waited == 0
	p.then(max(p.c.now, there), func() {
		p.phase(record.PhasePulled, "")
		if p.process != "" {
			return
		}
		p.then(p.c.now+p.drawn(p.d.workload.Start.Start, drawStart), p.start)
	})
}

func (p *pod) start() {
	p.running, p.started = true, p.c.now
	p.phase(record.PhaseStarted, "")
	if p.process == "" {
		p.keepHouse()
		p.then(p.c.now+p.drawn(p.d.workload.Start.Ready, drawReady), p.becomeReady)
	}
}

// becomeReady begins the warm-up, and tells the control plane.
func (p *pod) becomeReady() {
	p.ready, p.readyAt = true, p.c.now
	p.phase(record.PhaseReady, "")
	if w := p.d.workload.Start.WarmUp; w.For > 0 && w.Factor > 0 && !p.warmed {
		p.factor = w.Factor
		p.warm.fire = func() {
			p.catchUp()
			p.factor = 1
			p.turn()
		}
		p.c.queue.set(&p.warm, p.c.now+w.For)
	}
	p.c.announced(p)
	p.d.report()
}

// announce has the balancer hear of a ready pod EndpointDelay later.
func (c *core) announce(p *pod) {
	p.then(c.now+c.auto.EndpointDelay, func() { p.rotate(true) })
}

// rotate has the balancer know the pod, or know it no more.
func (p *pod) rotate(in bool) {
	if in == p.known || in && p.dead {
		return
	}
	p.known = in
	if in {
		p.d.rotation = append(p.d.rotation, p)
		return
	}
	p.d.rotation = without(p.d.rotation, p)
	p.settle()
}

// then sets the next stage of the pod's life.
func (p *pod) then(at time.Duration, fire func()) {
	p.life.fire = fire
	p.c.queue.set(&p.life, at)
}

// withdraw takes the pod out of the balancer and ends its way to readiness.
func (p *pod) withdraw() {
	p.rotate(false)
	p.c.queue.drop(&p.life)
}

// remove is a scale-down: the pod leaves the balancer at once and goes when its requests are finished.
func (p *pod) remove() {
	p.withdraw()
	p.d.pods = without(p.d.pods, p)
	if p.dead {
		return
	}
	p.leaving = true
	p.d.leaving = append(p.d.leaving, p)
	p.settle()
}

// settle ends a leaving pod that nobody needs any more: no request is in it, and the balancer sends none.
func (p *pod) settle() {
	if p.leaving && !p.dead && !p.known && p.open == 0 {
		p.gone("scaled down")
	}
}

// gone ends the pod and gives its room back.
func (p *pod) gone(why string) {
	p.dead = true
	p.phase(record.PhaseDeleted, why)
	p.c.queue.drop(&p.life)
	p.c.queue.drop(&p.warm)
	p.c.house.drop(&p.house)
	p.d.leaving = without(p.d.leaving, p)
	if p.node == nil {
		p.c.waiting = without(p.c.waiting, p)
		return
	}
	p.catchUp()
	p.node.leave(p)
	p.d.usedGone += p.used
	p.used = 0
	p.c.freed(p)
}

// free has the scheduler use a pod's place again.
func (c *core) free(p *pod) {
	c.cluster.Remove(slices.Index(c.nodes, p.node), p.d.claim)
	c.kick(c.now + c.auto.SchedulingDelay)
}

// die is the pod's end with its node: its connections are cut. The control plane goes on counting it until it notices.
func (p *pod) die(why string) {
	p.dead, p.ready = true, false
	p.withdraw()
	p.abort(cut)
	p.gone(why)
	p.d.report()
}
