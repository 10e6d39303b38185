package sim

import (
	"fmt"
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/ansturm/ansturm/planner/hpa"
)

// scaler is one tenant's autoscaler with its own phase in the sync period.
type scaler struct {
	spec       *autoscalingv2.HorizontalPodAutoscalerSpec
	controller *hpa.Controller
	next       float64
}

func (r *Runner) resetScalers() error {
	p := r.p
	r.scrapes = 0
	r.scalers = resize(r.scalers, len(p.Tenants))
	for i := range r.scalers {
		s := &r.scalers[i]
		spec := p.Workloads[p.Tenants[i].Workload].HPA
		switch {
		case spec == nil:
			s.controller = nil
		case s.controller == nil:
			var err error
			if s.controller, err = hpa.New(spec, p.Control.HPA); err != nil {
				return fmt.Errorf("simulate: tenant %s: %w", p.Tenants[i].Name, err)
			}
		default:
			if s.spec != spec {
				if err := s.controller.SetSpec(spec); err != nil {
					return fmt.Errorf("simulate: tenant %s: %w", p.Tenants[i].Name, err)
				}
			}
			s.controller.Reset()
		}
		s.spec = spec
		phase := hashed(r.w.Seed, uint64(i), 4)
		s.next = p.Control.Sync * float64(phase.next()>>11) / (1 << 53)
	}
	return nil
}

// scrape takes what each pod used since the last scrape. A pod that came into rotation in between used its part of it.
func (r *Runner) scrape(now float64) {
	c := &r.p.Control
	if now < float64(r.scrapes)*c.Scrape {
		return
	}
	slot := r.scrapes & 1
	since := now - c.Scrape
	for i := range r.tenants {
		t := &r.tenants[i]
		used := t.cpu - t.scraped
		t.scraped = t.cpu
		present := 0.0
		for _, id := range t.pods {
			present += r.pods[id].presence(since, now)
		}
		for _, id := range t.pods {
			r.pods[id].sample(slot, since, now, used, present)
		}
	}
	r.scrapes++
}

// presence is for how long of since..now a pod was in rotation.
func (p *pod) presence(since, now float64) float64 {
	if p.dead || p.known >= now {
		return 0
	}
	return now - math.Max(since, p.known)
}

func (p *pod) sample(slot int, since, now, used, present float64) {
	p.cores[slot] = -1
	if p.dead || p.started > now {
		p.scraped = 0
		return
	}
	p.scraped++
	age := now - p.started
	// metrics-server rates two scrapes; a container aged 10 s up to the resolution uses its start as the first.
	if p.scraped < 2 && (age < 10 || age >= now-since) {
		return
	}
	p.cores[slot] = 0
	if present > 0 {
		p.cores[slot] = used * p.presence(since, now) / present / (now - since)
	}
}

// autoscale lets every autoscaler act whose moment lies in this second.
func (r *Runner) autoscale(now float64) {
	for i := range r.scalers {
		s := &r.scalers[i]
		if s.controller == nil || s.next >= now+1 {
			continue
		}
		at := s.next
		s.next += r.p.Control.Sync
		r.see(i, at)
		d := s.controller.Sync(&r.input)
		if d.Scale && int(d.Desired) != r.tenants[i].desired {
			r.scalings++
			r.resizeTo(i, int(d.Desired), now)
		}
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * 1e9) }

// see fills the autoscaler's input with what the metrics pipeline has served by now.
func (r *Runner) see(i int, now float64) {
	c := &r.p.Control
	t := &r.tenants[i]
	w := &r.p.Workloads[r.p.Tenants[i].Workload]
	last := r.scrapes - 1
	if last >= 0 && float64(last)*c.Scrape+c.Lag > now {
		last--
	}
	in := &r.input
	in.Now = seconds(now)
	in.SpecReplicas, in.StatusReplicas = int32(t.desired), int32(len(t.pods))
	in.Pods = resize(in.Pods, len(t.pods))
	r.containers = resize(r.containers, len(t.pods))
	request := hpa.Of(int64(math.Round(w.Request*1000)), w.Memory)
	request.HasCPU, request.HasMemory = w.Request > 0, w.Memory > 0
	memory := int64(w.MemoryBase)
	if t.inRotation > 0 {
		memory += int64(w.MemoryPerRequest * (t.n + t.held) / float64(t.inRotation))
	}
	for k, id := range t.pods {
		p := &r.pods[id]
		box := &r.containers[k]
		*box = hpa.Container{Name: w.Name, Request: request}
		seen := hpa.Pod{Phase: hpa.Pending, Containers: r.containers[k : k+1]}
		if cores := p.cores[last&1]; last >= 0 && cores >= 0 && p.started <= float64(last)*c.Scrape {
			box.Usage = hpa.Of(int64(math.Ceil(cores*1000-1e-6)), memory)
			seen.Sample = hpa.Sample{Has: true, Time: seconds(float64(last) * c.Scrape), Window: seconds(c.Scrape)}
		}
		if p.node >= 0 && p.scheduled <= now {
			seen.HasStart, seen.Start = true, seconds(p.scheduled)
			seen.Ready, seen.ReadyChanged = hpa.NotReady, seconds(p.scheduled)
			if p.started <= now {
				seen.Phase = hpa.Running
			}
			if p.ready <= now {
				seen.Ready, seen.ReadyChanged = hpa.Ready, seconds(p.ready)
			}
		}
		in.Pods[k] = seen
	}
}
