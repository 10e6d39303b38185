package lab

import (
	"fmt"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/hpa"
)

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
func (c *core) control() {
	c.at(0, c.scrape)
	for _, d := range c.tenants {
		if d.scaler == nil {
			continue
		}
		phase := time.Duration(unit(mix(c.seed, uint64(d.index), 0x687061)) * float64(c.auto.SyncPeriod))
		c.queue.set(&d.scaler.sync, phase)
	}
}

// scrape meters every running pod; the metrics API serves it MetricLag later.
func (c *core) scrape() {
	for _, d := range c.tenants {
		for _, p := range d.pods {
			p.scrape()
		}
		d.sayMetrics()
	}
	c.at(c.now+min(c.auto.MetricLag, c.auto.MetricResolution), c.serveMetrics)
	c.at(c.now+c.auto.MetricResolution, c.scrape)
}

func (c *core) serveMetrics() {
	for _, d := range c.tenants {
		for _, p := range d.pods {
			p.shown[0] = p.meter
		}
	}
}

// scrape takes in what the kubelet read last; of a pod whose node is gone, or that does not run, there is nothing.
func (p *pod) scrape() {
	if !p.running || p.dead {
		p.meter = hpa.Meter{}
		return
	}
	p.meter.Take(p.reading, p.c.auto.MetricResolution)
}

// keepHouse is the kubelet's reading of a pod that runs, and all that come after it.
func (p *pod) keepHouse() {
	p.refresh()
	p.reading = hpa.Reading{
		Started: p.started, At: p.c.now, CPU: time.Duration(p.used * 1e9), Memory: int64(p.memory()),
	}
	p.c.house.set(&p.house, p.c.now+p.untilNextReading())
}

func (p *pod) untilNextReading() time.Duration {
	p.readings++
	return hpa.Housekeeping(p.c.auto.Housekeeping, unit(mix(p.c.seed, uint64(p.d.index), p.number, p.readings, 0x686f757365)))
}

// keptHouse gives a pod that has been running idly for long the readings it would have: two before now, the first of them
// scraped, and the next as far away as chance has it.
func (p *pod) keptHouse() {
	period := p.untilNextReading()
	before := time.Duration(unit(mix(p.c.seed, uint64(p.d.index), p.number, 0x7068617365)) * float64(period))
	p.reading = hpa.Reading{Started: p.started, At: p.c.now - before - p.untilNextReading(), Memory: int64(p.memory())}
	p.scrape()
	p.reading.At = p.c.now - before
	p.c.house.set(&p.house, p.c.now+period-before)
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
	var window time.Duration
	for _, p := range d.pods {
		if p.dead || !p.running {
			continue
		}
		memory += p.memory()
		if !p.ready || !p.meter.Rated() {
			continue
		}
		if rate, given := p.meter.Rate(); given {
			usage += float64(rate.Nanocores) / 1e9
			request += d.request
			window = max(window, d.c.now-rate.At+rate.Window)
		}
	}
	values := map[string]float64{
		"cpu_seconds": d.used(), "memory_bytes": memory, "in_flight": float64(d.inFlight()), "pods": float64(len(d.pods)),
	}
	if request > 0 {
		values["utilisation_percent"] = 100 * usage / request
		values["window_seconds"] = window.Seconds()
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
	for range d.pods {
		s.containers = append(s.containers, hpa.Container{Name: d.workload.Name, Request: request})
	}
	for i, p := range d.pods {
		s.input.Pods = append(s.input.Pods, p.seen(s.containers[i:i+1]))
	}
}

// seen is the pod as the API server shows it: times in whole seconds, and a dead node's pods ready until the loss is
// noticed.
func (p *pod) seen(containers []hpa.Container) hpa.Pod {
	v := hpa.Pod{Phase: hpa.Pending, Containers: containers}
	v.Measure(p.shown[:])
	v.Sample.Time = v.Sample.Time.Truncate(time.Second)
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
