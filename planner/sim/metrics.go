package sim

import (
	"math"

	"github.com/ansturm/ansturm/planner/hpa"
)

// The metrics pipeline: each pod is read by its kubelet at moments of its own, a scrape takes what was read last, and what
// hpa.Meter makes of it (rule 22) is served a lag later. Only tenants with an autoscaler that may act are scraped.
//
// A pod has no counter of its own. The tenant's counter each is what a pod in rotation all the time would have used; a pod
// has used what it has grown by since the pod came into rotation. Its past seconds are kept for as long as a reading may be
// old.

// keepCounters makes room for the past of every tenant's counter.
func (r *Runner) keepCounters() {
	for r.past = 32; float64(r.past) < 2*r.p.Control.Housekeeping+4; r.past *= 2 {
	}
	r.each = zeroed(r.each, len(r.tenants)*r.past)
}

// counters are those of all tenants at a second's beginning.
func (r *Runner) counters(sec int) []float64 {
	at := (sec & (r.past - 1)) * len(r.tenants)
	return r.each[at : at+len(r.tenants)]
}

func (r *Runner) counter(i, sec int) float64 { return r.each[(sec&(r.past-1))*len(r.tenants)+i] }

// eachAt is a tenant's counter at a moment of the past.
func (r *Runner) eachAt(i int, at float64) float64 {
	if at <= 0 {
		return 0
	}
	sec := int(at)
	before := r.counter(i, sec)
	part := at - float64(sec)
	if part == 0 {
		return before
	}
	return before + part*(r.counter(i, sec+1)-before)
}

// housekeep is the time from one reading of the pod to its next.
func (r *Runner) housekeep(p *pod) float64 {
	u := float64(p.house.next()>>11) / (1 << 53)
	return hpa.Housekeeping(seconds(r.p.Control.Housekeeping), u).Seconds()
}

// startReading sets the first readings of a pod that starts; of one that was there before the surge, idle, one was scraped.
func (r *Runner) startReading(p *pod) {
	p.read, p.next = p.started, p.started+r.housekeep(p)
	if p.started >= 0 {
		return
	}
	period := r.housekeep(p)
	since := period * float64(p.house.next()>>11) / (1 << 53)
	p.read, p.next = -since, period-since
	before := hpa.Reading{Started: seconds(p.started), At: seconds(p.read - r.housekeep(p))}
	p.meter[0].Take(before, seconds(r.p.Control.Scrape))
}

// scrape takes what the kubelets read last.
func (r *Runner) scrape(now float64) {
	if now < float64(r.scrapes)*r.p.Control.Scrape {
		return
	}
	r.scrapes++
	for i := range r.tenants {
		if s := &r.scalers[i]; s.controller != nil && !s.idle {
			r.scrapeTenant(i, now)
		}
	}
}

func (r *Runner) scrapeTenant(i int, now float64) {
	t := &r.tenants[i]
	r.serveMetrics(t, math.Inf(1))
	t.scraped = now
	w := &r.p.Workloads[r.p.Tenants[i].Workload]
	memory := int64(w.MemoryBase)
	if t.inRotation > 0 {
		memory += int64(w.MemoryPerRequest * (t.n + t.held) / float64(t.inRotation))
	}
	for _, id := range t.pods {
		p := &r.pods[id]
		if p.scraped = !p.dead && p.started <= now; !p.scraped {
			continue
		}
		for p.next <= now {
			p.read = p.next
			p.next += r.housekeep(p)
		}
		p.reading = hpa.Reading{Started: seconds(p.started), At: seconds(p.read), Memory: memory}
		if p.joined {
			p.reading.CPU = seconds(math.Max(0, r.eachAt(i, p.read)-p.base))
		}
	}
}

// serveMetrics takes the last scrape in, if it is to be served by now and was not yet. What is not in it is forgotten.
func (r *Runner) serveMetrics(t *tenant, now float64) {
	c := &r.p.Control
	if t.scraped < 0 || t.scraped+math.Min(c.Lag, c.Scrape) > now {
		return
	}
	t.scraped = -1
	for _, id := range t.pods {
		p := &r.pods[id]
		if !p.scraped {
			p.meter[0], p.sampled = hpa.Meter{}, false
			continue
		}
		p.meter[0].Take(p.reading, seconds(c.Scrape))
		p.usage, p.sampled = p.meter[0].Usage()
		p.scraped = false
	}
}
