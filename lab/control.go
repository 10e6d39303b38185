package lab

import (
	"fmt"
	"math"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/hpa"
)

// sample is one pod as a scrape saw it: CPU counter and working set, and the rate since the scrape before.
type sample struct {
	at     time.Duration
	used   float64 // CPU seconds since the start
	memory float64
	// rated: the rate over window is known; cores is it.
	rated  bool
	window time.Duration
	cores  float64
}

// freshLeast is the age from which a container younger than a scrape period counts: its start is then the first point
// (metrics-server, HPA rule 22).
const freshLeast = 10 * time.Second

// scaler is one tenant's autoscaler.
type scaler struct {
	d          *deployment
	controller *hpa.Controller
	sync       event
	input      hpa.Input
	containers []hpa.Container
}

func newScaler(d *deployment) (*scaler, error) {
	if d.workload.HPA == nil {
		return nil, nil
	}
	cfg := hpa.Default()
	cfg.Version, cfg.SyncPeriod = d.c.platform.Kubernetes, d.c.auto.SyncPeriod
	controller, err := hpa.New(d.workload.HPA, cfg)
	if err != nil {
		return nil, fmt.Errorf("workload %q, tenant %q: %w", d.workload.Name, d.tenant, err)
	}
	s := &scaler{d: d, controller: controller}
	s.sync.fire = s.decide
	return s, nil
}

// control starts the loops: scrapes on the multiples of MetricResolution from 0, each autoscaler at a phase of its own.
// Before 0 there was one more scrape, so that the first sample has a rate.
func (c *core) control() {
	c.observe(-c.auto.MetricResolution)
	c.serveMetrics()
	c.at(0, c.scrape)
	for _, d := range c.tenants {
		if d.scaler == nil {
			continue
		}
		phase := time.Duration(unit(mix(c.seed, uint64(d.index), 0x687061)) * float64(c.auto.SyncPeriod))
		c.queue.set(&d.scaler.sync, phase)
	}
}

// scrape samples every running pod; the metrics API serves it MetricLag later.
func (c *core) scrape() {
	c.observe(c.now)
	for _, d := range c.tenants {
		d.sayMetrics()
	}
	c.at(c.now+c.auto.MetricLag, c.serveMetrics)
	c.at(c.now+c.auto.MetricResolution, c.scrape)
}

func (c *core) observe(at time.Duration) {
	for _, d := range c.tenants {
		for _, p := range d.pods {
			p.sample(at)
		}
	}
}

func (c *core) serveMetrics() {
	for _, d := range c.tenants {
		for _, p := range d.pods {
			p.shown = p.next
		}
	}
}

// sample takes the pod's counters and rates them against the scrape before, or against its start (rule 22).
func (p *pod) sample(at time.Duration) {
	p.next = sample{}
	if !p.running || p.dead {
		p.last = sample{}
		return
	}
	p.refresh()
	s := sample{at: at, used: p.used, memory: p.memory()}
	since, used := p.last.at, p.last.used
	age := at - p.started
	switch {
	case p.last.window > 0:
		s.rated = true
	case age >= freshLeast && age < p.c.auto.MetricResolution:
		since, used, s.rated = p.started, 0, true
	}
	s.window = p.c.auto.MetricResolution // marks that there was a scrape
	p.last = s
	if s.rated {
		s.window = at - since
		s.cores = (s.used - used) / s.window.Seconds()
		p.next = s
	}
}

// refresh brings the CPU counter up to now.
func (p *pod) refresh() {
	if p.node != nil {
		p.catchUp()
		p.turn()
	}
}

func (d *deployment) sayMetrics() {
	var usage, request, memory float64
	for _, p := range d.pods {
		if p.dead || !p.running {
			continue
		}
		memory += p.memory()
		if p.ready && p.next.rated {
			usage += p.next.cores
			request += d.request
		}
	}
	values := map[string]float64{
		"cpu_seconds": d.used(), "memory_bytes": memory, "in_flight": float64(d.inFlight()), "pods": float64(len(d.pods)),
	}
	if request > 0 {
		values["utilisation_percent"] = 100 * usage / request
	}
	d.c.say(record.Event{Kind: record.KindMetrics, Tenant: d.tenant, Workload: d.workload.Name, Values: values})
}

// decide is one sync of the autoscaler.
func (s *scaler) decide() {
	c, d := s.d.c, s.d
	c.queue.set(&s.sync, c.now+c.auto.SyncPeriod)
	s.see()
	decision := s.controller.Sync(&s.input)
	if !decision.Scale {
		return
	}
	c.say(record.Event{
		Kind: record.KindScale, Tenant: d.tenant, Workload: d.workload.Name,
		From: d.desired, Desired: decision.Desired, Message: decision.Cause.String(),
	})
	d.resize(decision.Desired)
}

// see fills the autoscaler's input with what the API server would show it.
func (s *scaler) see() {
	d := s.d
	s.input.Now = d.c.now
	s.input.SpecReplicas, s.input.StatusReplicas = d.desired, int32(len(d.pods))
	s.input.Pods, s.containers = s.input.Pods[:0], s.containers[:0]
	request := hpa.Amount{
		CPU: d.claim.CPU, HasCPU: d.claim.CPU > 0, Memory: d.claim.Memory, HasMemory: d.claim.Memory > 0,
	}
	for _, p := range d.pods {
		container := hpa.Container{Name: d.workload.Name, Request: request}
		if p.shown.rated {
			// The metrics API rounds usage up, cores to nanocores; the autoscaler reads whole millicores, rounded up.
			container.Usage = hpa.Of(int64(math.Ceil(p.shown.cores*1000-1e-6)), int64(p.shown.memory))
		}
		s.containers = append(s.containers, container)
	}
	for i, p := range d.pods {
		s.input.Pods = append(s.input.Pods, p.seen(s.containers[i:i+1]))
	}
}

// seen is the pod as the API server shows it: times in whole seconds, and a dead node's pods ready until the loss is
// noticed.
func (p *pod) seen(containers []hpa.Container) hpa.Pod {
	v := hpa.Pod{Phase: hpa.Pending, Containers: containers}
	v.Sample = hpa.Sample{Has: p.shown.rated, Time: p.shown.at.Truncate(time.Second), Window: p.shown.window}
	if p.node == nil {
		return v
	}
	v.HasStart, v.Start = true, p.scheduled.Truncate(time.Second)
	v.Ready, v.ReadyChanged = hpa.NotReady, v.Start
	if p.running {
		v.Phase = hpa.Running
	}
	if p.readyAt != 0 || p.ready {
		v.Ready, v.ReadyChanged = hpa.Ready, p.readyAt.Truncate(time.Second)
	}
	return v
}
