package sim

import "math"

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

// gauge is a pod's way through the pipeline.
type gauge struct {
	// joined: the pod has come into rotation, when its tenant's counter stood at base.
	joined bool
	// known: a scrape has brought a reading, the last one at lastAt. rated: there is one before it, at fromAt, to rate from.
	known, rated                     bool
	base                             float64
	house                            source
	read, next                       float64 // the kubelet's last and next reading
	lastAt, lastCPU, fromAt, fromCPU float64
	samples                          [2]sample
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

// take is hpa.Meter's Take and Usage.
func (g *gauge) take(started, at, cpu, scrape float64) sample {
	same := g.known && started < g.lastAt
	switch age := at - started; {
	case age >= leastFresh && age < scrape:
		g.fromAt, g.fromCPU, g.rated = started, 0, true
	case same && at > g.lastAt:
		g.fromAt, g.fromCPU, g.rated = g.lastAt, g.lastCPU, true
	default:
		g.rated = same && g.rated && g.fromAt < at
	}
	g.lastAt, g.lastCPU, g.known = at, cpu, true
	if !g.rated {
		return noSample
	}
	window := at - g.fromAt
	nanocores := int64((cpu - g.fromCPU) * 1e9 / window)
	return sample{(nanocores + 999_999) / 1_000_000, at, window}
}

// housekeep is hpa.Housekeeping in seconds, by a draw of the pod's own.
func (g *gauge) housekeep(period float64) float64 {
	return period * (1 + float64(g.house.next()>>11)/(1<<53))
}

// startReading sets the first readings of a pod that starts; of one that was there before the surge, idle, one was scraped.
func (r *Runner) startReading(p *pod) {
	g, least := &p.gauge, r.p.Control.Housekeeping
	g.read, g.next = p.started, p.started+g.housekeep(least)
	if p.started >= 0 {
		return
	}
	period := g.housekeep(least)
	since := period * float64(g.house.next()>>11) / (1 << 53)
	g.read, g.next = -since, period-since
	g.take(p.started, g.read-g.housekeep(least), 0, r.p.Control.Scrape)
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
	t.serveMetrics(math.Inf(1))
	t.serveAt = now + math.Min(r.p.Control.Lag, r.p.Control.Scrape)
	w := &r.p.Workloads[r.p.Tenants[i].Workload]
	memory := int64(w.MemoryBase)
	if t.inRotation > 0 {
		memory += int64(w.MemoryPerRequest * (t.n + t.held) / float64(t.inRotation))
	}
	to, old := 1-t.served.which, r.initialized(now)
	all := sum{all: true, edits: t.served.edits}
	for _, id := range t.pods {
		p := &r.pods[id]
		s := r.scrapePod(i, p, now)
		p.gauge.samples[to] = s
		all.millicores += s.millicores
		all.all = all.all && s.millicores >= 0 && p.scheduled < old && p.ready <= now
	}
	t.served.memory[to], t.served.sums[to] = memory, all
}

// scrapePod moves the pod's readings on and gives what is to be served of it.
func (r *Runner) scrapePod(i int, p *pod, now float64) sample {
	g := &p.gauge
	if p.dead || p.started > now { // what is not in a scrape is forgotten
		g.known = false
		return noSample
	}
	for g.next <= now {
		g.read = g.next
		g.next += g.housekeep(r.p.Control.Housekeeping)
	}
	cpu := 0.0
	if g.joined {
		cpu = max(0, r.eachAt(i, g.read)-g.base)
	}
	return g.take(p.started, g.read, cpu, r.p.Control.Scrape)
}

// serveMetrics lets the last scrape be served, if it is time and was not done yet.
func (t *tenant) serveMetrics(now float64) {
	if t.serveAt >= 0 && t.serveAt <= now {
		t.served.which, t.serveAt = 1-t.served.which, -1
	}
}
