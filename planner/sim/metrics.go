package sim

import (
	"math"
	"slices"
)

// The metrics pipeline: each pod is read by its kubelet at moments of its own, a scrape takes what was read last, and what
// hpa.Meter makes of it (rule 22) is served a lag later. Only tenants with an autoscaler that may act are scraped, and the
// rule is worked out here in plain seconds: no container of the simulation ever restarts, and there are a million readings in
// a world of thousands of pods.
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

// gauge is a pod's way through the pipeline. A tenant's lie side by side, apart from what else is known of its pods: each
// scrape goes through all of them.
type gauge struct {
	// started is the pod's, +Inf before and once its node is lost: no scrape finds it then.
	started float64
	// base is where its tenant's counter stood when the pod came into rotation; +Inf before.
	base            float64
	house           source
	read, next      float64 // the kubelet's last and next reading
	lastAt, lastCPU float64 // what the last scrape brought; lastAt is −Inf before the first
	settled         float64 // from when on each new reading is rated from the one before and counts; +Inf: not yet
	samples         [2]sample
}

func newGauge(house source) gauge {
	never := math.Inf(1)
	return gauge{started: never, base: never, house: house, next: never, lastAt: -never, settled: never, samples: [2]sample{noSample, noSample}}
}

// gaugeOf is where the pod is read.
func (r *Runner) gaugeOf(id int32) *gauge {
	t := &r.tenants[r.pods[id].tenant]
	return &t.gauges[slices.Index(t.pods, id)]
}

// sample is what comes of a scrape; no millicores are no sample.
type sample struct {
	millicores int64
	at, window float64
}

var noSample = sample{millicores: -1}

// served says which of the two samples of each pod is served, and what all of them come to where every pod counts: then
// nobody looks at the pods one by one, as long as they are the same ones.
type served struct {
	which  int
	memory [2]int64 // bytes a pod
	sums   [2]sum
	edits  int // pods that came and went
}

// sum is of the samples of one scrape; all: every pod has one that counts.
type sum struct {
	all        bool
	edits      int
	millicores int64
}

// take is hpa.Meter's Take and Usage, of a reading that is new: the same one again leaves the sample as it was.
func (g *gauge) take(at, cpu, scrape float64) sample {
	fromAt, fromCPU := g.lastAt, g.lastCPU
	g.lastAt, g.lastCPU = at, cpu
	switch age := at - g.started; {
	case age >= leastFresh && age < scrape:
		return rated(g.started, 0, at, cpu)
	case fromAt <= g.started: // no reading before, or only that of the start
		return noSample
	}
	return rated(fromAt, fromCPU, at, cpu)
}

// rated is the sample between two readings.
func rated(fromAt, fromCPU, at, cpu float64) sample {
	window := at - fromAt
	nanocores := int64((cpu - fromCPU) * 1e9 / window)
	return sample{(nanocores + 999_999) / 1_000_000, at, window}
}

// housekeep is hpa.Housekeeping in seconds, by a draw of the pod's own.
func (g *gauge) housekeep(period float64) float64 {
	return period * (1 + float64(g.house.next()>>11)/(1<<53))
}

// startReading sets the first readings of a pod that starts; of one that was there before the surge, idle, one was scraped.
func (r *Runner) startReading(g *gauge, started float64) {
	least := r.p.Control.Housekeeping
	g.started, g.read, g.next = started, started, started+g.housekeep(least)
	if started >= 0 {
		return
	}
	period := g.housekeep(least)
	since := period * float64(g.house.next()>>11) / (1 << 53)
	g.read, g.next = -since, period-since
	g.take(g.read-g.housekeep(least), 0, r.p.Control.Scrape)
}

// scrape takes what the kubelets read last.
func (r *Runner) scrape(now float64) {
	if now < float64(r.scrapes)*r.p.Control.Scrape {
		return
	}
	r.scrapes++
	for i := range r.tenants {
		if r.scalers[i].acts() {
			r.scrapeTenant(i, now)
		}
	}
}

func (r *Runner) scrapeTenant(i int, now float64) {
	t := &r.tenants[i]
	t.serveMetrics(math.Inf(1))
	t.serveAt = now + min(r.p.Control.Lag, r.p.Control.Scrape)
	w := &r.p.Workloads[r.p.Tenants[i].Workload]
	memory := int64(w.MemoryBase)
	if t.inRotation > 0 {
		memory += int64(w.MemoryPerRequest * (t.n + t.held) / float64(t.inRotation))
	}
	to := 1 - t.served.which
	read(t.gauges, now, r.p.Control.Housekeeping)
	t.served.memory[to], t.served.sums[to] = memory, r.sample(i, to, now)
}

// read moves the kubelets' readings on.
func read(gauges []gauge, now, period float64) {
	for k := range gauges {
		g := &gauges[k]
		for g.next <= now {
			g.read = g.next
			g.next += g.housekeep(period)
		}
	}
}

// sample makes the samples of what was read last.
func (r *Runner) sample(i, to int, now float64) sum {
	t, old := &r.tenants[i], r.initialized(now)
	all := sum{all: true, edits: t.served.edits}
	gauges := t.gauges
	for k := range gauges {
		g := &gauges[k]
		s := g.samples[^to&1]
		switch {
		case g.settled > now:
			s = r.sampleYoung(i, g, s, now)
			if s.millicores < 0 || !r.pods[t.pods[k]].counts(now, old) {
				all.all = false
			} else if g.lastAt-g.started >= r.p.Control.Scrape {
				g.settled = now
			}
		case g.read != g.lastAt:
			sec := int(g.read)
			cpu := g.used(r.counter(i, sec), r.counter(i, sec+1))
			s = rated(g.lastAt, g.lastCPU, g.read, cpu)
			g.lastAt, g.lastCPU = g.read, cpu
		}
		g.samples[to&1] = s
		all.millicores += s.millicores
	}
	return all
}

// sampleYoung gives what is to be served of a pod that is not settled; before is what the last scrape made of it.
func (r *Runner) sampleYoung(i int, g *gauge, before sample, now float64) sample {
	switch {
	case g.started > now:
		return noSample
	case g.read == g.lastAt:
		return before
	}
	sec := int(g.read)
	return g.take(g.read, g.used(r.counter(i, sec), r.counter(i, sec+1)), r.p.Control.Scrape)
}

// used is what the pod had used by its last reading, by its tenant's counter at the second before and the one after: nothing
// before it came into rotation, nor before the surge, when all counters stand at 0.
func (g *gauge) used(before, after float64) float64 {
	part := g.read - float64(int(g.read))
	if used := before + part*(after-before) - g.base; used > 0 {
		return used
	}
	return 0
}

// counts says whether the pod's samples count because of its age: then they always will.
func (p *pod) counts(now, initialized float64) bool {
	return p.scheduled < initialized && p.ready <= now
}

// serveMetrics lets the last scrape be served, if it is time and was not done yet.
func (t *tenant) serveMetrics(now float64) {
	if t.serveAt >= 0 && t.serveAt <= now {
		t.served.which, t.serveAt = 1-t.served.which, -1
	}
}
