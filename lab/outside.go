package lab

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// What somebody outside may do with a platform that nobody governs. The pods go the same way as the embedded control
// plane's: bind, pull, start, ready; only who decides differs.

// arrive adds a node; one of the same name may be there if it is lost.
func (c *core) arrive(ref scenarios.NodeRef) error {
	if n := c.nodeOf(ref.Name); n != nil {
		return fmt.Errorf("lab: there is a node %q already", ref.Name)
	}
	c.nodes = slices.DeleteFunc(c.nodes, func(n *node) bool { return n.name == ref.Name })
	n := newNode(ref)
	c.nodes = append(c.nodes, n)
	c.sayNode(n)
	return nil
}

// lose ends a node and forgets its pods: who sent them knows.
func (c *core) lose(name string) {
	n := c.nodeOf(name)
	if n == nil {
		return
	}
	c.fell(n)
	for _, d := range c.tenants {
		d.forget()
	}
}

func (c *core) nodeOf(name string) *node {
	for _, n := range c.nodes {
		if n.name == name && !n.lost {
			return n
		}
	}
	return nil
}

// forget drops the pods that are gone, and says how many are left.
func (d *deployment) forget() {
	d.pods = slices.DeleteFunc(d.pods, func(p *pod) bool { return p.dead })
	d.desired = int32(len(d.pods))
	d.report()
}

// place puts a pod onto a node and sets it on its way.
func (c *core) place(s PodSpec, handle *Pod, noticed func(p *pod, phase, message string)) (*pod, error) {
	n := c.nodeOf(s.Node)
	if n == nil {
		return nil, fmt.Errorf("lab: pod %q: there is no node %q", s.Name, s.Node)
	}
	i := slices.IndexFunc(c.tenants, func(d *deployment) bool { return d.tenant == s.Tenant })
	if i < 0 {
		return nil, fmt.Errorf("lab: pod %q: platform %q has no tenant %q", s.Name, c.platform.Name, s.Tenant)
	}
	d := c.tenants[i]
	d.number++
	p := newPod(d, d.number, s.Name)
	p.handle, p.image, p.process = handle, s.Image, s.Process
	p.limit, p.weight = s.Limit, max(s.Request, leastWeight)
	if s.Limit == 0 {
		p.limit = math.Inf(1)
	}
	if p.process != "" {
		d.processes.Store(true)
	}
	if s.Warm {
		p.warmed = true
		n.images[p.image] = c.now
	}
	p.noticed = func(phase, message string) { noticed(p, phase, message) }
	d.pods = append(d.pods, p)
	p.bind(n)
	p.pull()
	p.phase(record.PhaseScheduled, "")
	d.forget()
	return p, nil
}

// terminate asks the pod to go: it goes when the balancer sends it nothing any more and its requests are finished, at
// the latest after grace. A second call can only hasten it.
func (p *pod) terminate(grace time.Duration) {
	if p.dead {
		return
	}
	if until := p.c.now + grace; !p.leaving || until < p.life.at {
		p.then(until, func() { p.kill("grace is over") })
	}
	if p.leaving {
		return
	}
	p.leaving, p.ready = true, false
	p.d.pods = without(p.d.pods, p)
	p.d.leaving = append(p.d.leaving, p)
	p.d.forget()
	p.settle()
}

// kill ends the pod now; its connections are cut.
func (p *pod) kill(why string) {
	if p.dead {
		return
	}
	p.die(why)
	p.d.forget()
}

// unready takes readiness back; the control plane will tell the balancer.
func (p *pod) unready() {
	p.ready = false
	p.d.report()
}

// returned ends a forwarded request with what the process made of it.
func (c *core) returned(r *request, o outcome) {
	c.count(r, o)
	p := r.pod
	p.open = max(0, p.open-1) // a pod that died has let go of all
	p.settle()
}

// renew begins a new account: what was counted before is another run's. Requests inside belong to the new one.
func (c *core) renew() {
	k := c.counts
	c.counts = counts{handed: k.handed - k.served - k.refused - k.cut}
	c.accepted.Clear()
	c.duplicates, c.unkeyed = 0, 0
}

// inventory says what there is: the nodes and the pods that are ready.
func (c *core) inventory() {
	for _, n := range c.nodes {
		if !n.lost {
			c.sayNode(n)
		}
	}
	for _, d := range c.tenants {
		for _, p := range d.pods {
			if p.ready {
				p.say(record.PhaseReady, "initial")
			}
		}
		d.shown = [3]int32{}
		d.report()
	}
}

// each gives every pod that runs, its CPU counter up to now.
func (c *core) each(f func(p *pod)) {
	for _, d := range c.tenants {
		for _, list := range [2][]*pod{d.pods, d.leaving} {
			for _, p := range list {
				if p.running && !p.dead {
					p.refresh()
					f(p)
				}
			}
		}
	}
}
