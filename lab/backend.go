package lab

import (
	"math"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// backend is a shared service: a processor-sharing server over all pods' requests, slowed by the universal
// scalability law over the requests in service.
type backend struct {
	sharing
	c    *core
	spec *scenarios.Backend
	most int

	busy, shownBusy     float64 // core seconds
	served, shownServed int64
	second              event
}

func newBackend(c *core, spec *scenarios.Backend) *backend {
	b := &backend{c: c, spec: spec, most: spec.Most}
	if b.most == 0 {
		b.most = 10_000
	}
	b.queue = &c.queue
	b.done.fire = b.finish
	b.second.fire = b.report
	return b
}

// throughput is the work done per second with n in service: min(n, cores) slowed by 1 + α(n−1) + βn(n−1), the
// denominator of the universal scalability law (Gunther 2007, eq. 4.31).
func throughput(spec *scenarios.Backend, n int) float64 {
	x := float64(n)
	return math.Min(x, spec.Cores) / (1 + spec.Contention*(x-1) + spec.Coherency*x*(x-1))
}

func (b *backend) catchUp() {
	b.busy += math.Min(float64(len(b.jobs)), b.spec.Cores) * (b.c.now - b.at).Seconds()
	b.sharing.catchUp(b.c.now)
}

func (b *backend) adjust() {
	n := len(b.jobs)
	if n == 0 {
		b.turn(0)
		return
	}
	b.turn(throughput(b.spec, n) / float64(n))
}

// take lets a request in, or says no.
func (b *backend) take(r *request, work float64) bool {
	if len(b.jobs) >= b.most {
		return false
	}
	b.catchUp()
	b.enter(r, work)
	b.adjust()
	return true
}

func (b *backend) finish() {
	b.catchUp()
	var list []*request
	for r := b.pop(true); r != nil; r = b.pop(false) {
		list = append(list, r)
	}
	b.adjust()
	for _, r := range list {
		b.served++
		if !r.orphaned {
			b.c.forward(r)
		}
	}
}

// forward sends a request to its next back end, or ends it.
func (c *core) forward(r *request) {
	for r.stage < len(c.backends) {
		b, work := c.backends[r.stage], r.work.backends[r.stage]
		r.stage++
		if work <= 0 {
			continue
		}
		if !b.take(r, work) {
			c.leave(r, overloaded)
		}
		return
	}
	c.leave(r, served)
}

// leave ends a request that was in a pod. The answer goes before the place is given on: a pod that is only waiting for
// this request may vanish with it.
func (c *core) leave(r *request, o outcome) {
	p := r.pod
	c.end(r, o)
	p.release()
}

// report says every second of platform time what the back end did in it.
func (b *backend) report() {
	b.catchUp()
	n := len(b.jobs)
	b.adjust()
	b.c.say(record.Event{Kind: record.KindBackend, Object: b.spec.Name, Values: map[string]float64{
		"busy_cores": b.busy - b.shownBusy,
		"in_service": float64(n),
		"waiting":    math.Max(0, float64(n)-b.spec.Cores),
		"served":     float64(b.served - b.shownServed),
	}})
	b.shownBusy, b.shownServed = b.busy, b.served
	b.c.queue.set(&b.second, b.c.now.Truncate(time.Second)+time.Second)
}
