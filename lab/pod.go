package lab

import (
	"math"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/hpa"
)

// pod is one replica of a tenant's workload.
type pod struct {
	c      *core
	d      *deployment
	name   string
	number uint64
	node   *node // nil until scheduled

	created, scheduled, started, readyAt time.Duration

	pending, running, ready, leaving, dead, serving bool
	// known: the balancer sends it requests.
	known bool
	// warmed: its image is there, and it starts and is ready at once, without a warm-up.
	warmed bool
	image  string
	// fetched is how its image came.
	fetched Pull
	// process is the address of the real process that answers for it; empty: the pod is virtual.
	process string
	// noticed is told of each phase it enters; nil: nobody wants to know.
	noticed func(phase, message string)
	// handle is what they hold; nil: nobody does.
	handle *Pod

	// life is the next stage on the way to being ready and known, warm the end of the warm-up.
	life, warm event

	// cpu serves the CPU phases. The pod wants wanted cores and is granted granted of them by its node.
	cpu                     sharing
	limit, weight           float64
	wanted, granted, factor float64
	used                    float64 // CPU seconds, up to cpu.at

	threads, backlog int
	// open requests are in service (holding a thread) or waiting in the backlog.
	open, inService int
	head, tail      *request
	peak            int // most open at one time, for the memory's ratchet

	// reading is the kubelet's last one, meter what metrics-server made of those it scraped, shown what it serves of them.
	reading  hpa.Reading
	readings uint64
	house    event
	meter    hpa.Meter
	shown    [1]hpa.Meter
}

func newPod(d *deployment, number uint64, name string) *pod {
	p := &pod{
		c: d.c, d: d, number: number, name: name, image: d.workload.Name, created: d.c.now,
		limit: d.limit, weight: d.weight, factor: 1, threads: d.threads, backlog: d.backlog,
	}
	p.cpu = sharing{queue: &d.c.queue, at: d.c.now}
	p.cpu.done.fire, p.house.fire = p.cpuDone, p.keepHouse
	return p
}

// take lets a request in: into service, into the backlog, or not at all.
func (p *pod) take(r *request) {
	if p.process == "" && p.inService >= p.threads && p.open-p.inService >= p.backlog {
		p.c.end(r, overloaded)
		return
	}
	r.pod, r.podName = p, p.name
	p.open++
	p.peak = max(p.peak, p.open)
	if !p.serving {
		p.serving = true
		p.phase(record.PhaseServing, "")
	}
	if p.process != "" {
		r.outcome = forwarded
		p.c.answered(r)
		return
	}
	if p.inService < p.threads {
		p.serve(r)
		return
	}
	if p.tail == nil {
		p.head = r
	} else {
		p.tail.next = r
	}
	p.tail = r
}

// serve starts a request's CPU phase.
func (p *pod) serve(r *request) {
	p.inService++
	p.catchUp()
	u := unit(mix(p.c.seed, uint64(r.tenant), uint64(r.step), uint64(r.key)))
	p.cpu.enter(r, delay(&r.work.cpu, u).Seconds())
	p.adjust()
}

// cpuDone ends the CPU phases that are done, and sends each on to its first back end.
func (p *pod) cpuDone() {
	p.catchUp()
	force := true
	var done [8]*request
	list := done[:0]
	for r := p.cpu.pop(force); r != nil; r = p.cpu.pop(false) {
		list = append(list, r)
	}
	p.adjust()
	for _, r := range list {
		p.c.forward(r)
	}
}

// release frees a request's place after its work, and starts the next in the backlog.
func (p *pod) release() {
	p.open--
	p.inService--
	if r := p.head; r != nil {
		p.head = r.next
		if p.head == nil {
			p.tail = nil
		}
		r.next = nil
		p.serve(r)
	}
	p.settle()
}

func (p *pod) catchUp() {
	p.used += p.granted * (p.c.now - p.cpu.at).Seconds()
	p.cpu.catchUp(p.c.now)
}

// adjust follows a change in the number of CPU phases: another wish to the node, another rate for each.
func (p *pod) adjust() {
	want := math.Min(p.limit, float64(len(p.cpu.jobs)))
	if want != p.wanted {
		p.node.wish(p, want)
	}
	p.turn()
}

// grant sets the cores the pod gets from now on.
func (p *pod) grant(cores float64) {
	if cores == p.granted {
		return
	}
	p.catchUp()
	p.granted = cores
	p.turn()
}

func (p *pod) turn() {
	if n := len(p.cpu.jobs); n > 0 {
		p.cpu.turn(p.granted / (float64(n) * p.factor))
		return
	}
	p.cpu.turn(0)
}

// abort takes every request out of the pod with outcome o. A back end goes on working on what it had been given.
func (p *pod) abort(o outcome) {
	var all []*request
	p.catchUp()
	for _, j := range p.cpu.jobs {
		all = append(all, j.r)
	}
	p.cpu.jobs = nil
	for _, b := range p.c.backends {
		for _, j := range b.jobs {
			if j.r.pod == p && !j.r.orphaned {
				j.r.orphaned = true
				all = append(all, j.r)
			}
		}
	}
	for r := p.head; r != nil; r = r.next {
		all = append(all, r)
	}
	p.head, p.tail, p.open, p.inService = nil, nil, 0, 0
	if p.node != nil {
		p.adjust()
	}
	for _, r := range all {
		p.c.end(r, o)
	}
}

// memory is the working set in bytes: of each rise in open requests the share Ratchet stays for good.
func (p *pod) memory() float64 {
	m := p.d.workload.Memory
	n := math.Max(float64(p.open), m.Ratchet*float64(p.peak))
	return float64(m.Base) + float64(m.PerRequest)*n
}

// phase notes that the pod entered a phase.
func (p *pod) phase(phase, message string) {
	p.say(phase, message)
	if p.noticed != nil {
		p.noticed(phase, message)
	}
}

func (p *pod) say(phase, message string) {
	e := record.Event{
		Kind: record.KindPod, Tenant: p.d.tenant, Workload: p.d.workload.Name, Object: p.name, Phase: phase, Message: message,
	}
	if p.node != nil {
		e.Node = p.node.name
	}
	p.c.say(e)
}
