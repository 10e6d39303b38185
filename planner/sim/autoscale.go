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
	request    hpa.Amount // a pod's
	// idle: its count is the only one it may have, so that nothing can come of its syncs. plain: it goes by what pods use of
	// their resources.
	idle, plain bool
}

func (r *Runner) resetScalers() error {
	p := r.p
	r.scrapes = 0
	r.scalers, r.syncs = resize(r.scalers, len(p.Tenants)), resize(r.syncs, len(p.Tenants))
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
		s.idle, s.plain = false, spec != nil
		if spec != nil {
			least := int32(1)
			if spec.MinReplicas != nil {
				least = *spec.MinReplicas
			}
			s.idle = least == spec.MaxReplicas && int(least) == p.Workloads[p.Tenants[i].Workload].Replicas && !r.thorough
			for _, m := range spec.Metrics {
				s.plain = s.plain && m.Type == autoscalingv2.ResourceMetricSourceType && !r.thorough
			}
		}
		w := &p.Workloads[p.Tenants[i].Workload]
		s.request = hpa.Of(int64(math.Round(w.Request*1000)), w.Memory)
		s.request.HasCPU, s.request.HasMemory = w.Request > 0, w.Memory > 0
		r.syncs[i] = math.Inf(1)
		if s.acts() {
			phase := hashed(r.w.Seed, uint64(i), 4)
			r.syncs[i] = p.Control.Sync * float64(phase.next()>>11) / (1 << 53)
		}
	}
	return nil
}

// acts says whether anything can come of its syncs.
func (s *scaler) acts() bool { return s.controller != nil && !s.idle }

// autoscale lets every autoscaler act whose moment lies in this second.
func (r *Runner) autoscale(now float64) {
	for i, at := range r.syncs {
		if at >= now+1 {
			continue
		}
		r.syncs[i] += r.p.Control.Sync
		r.see(i, at)
		d := r.scalers[i].controller.Sync(&r.input)
		if d.Scale && int(d.Desired) != r.tenants[i].desired {
			r.scalings++
			r.resizeTo(i, int(d.Desired), now)
		}
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * 1e9) }

// initialized is the moment before which a pod must have been scheduled to count from when it is ready.
func (r *Runner) initialized(now float64) float64 {
	return now - r.p.Control.HPA.CPUInitializationPeriod.Seconds() - 1
}

// see fills the autoscaler's input with what the metrics pipeline has served by now.
func (r *Runner) see(i int, now float64) {
	t := &r.tenants[i]
	request := r.scalers[i].request
	t.serveMetrics(now)
	in := &r.input
	in.Now = seconds(now)
	in.SpecReplicas, in.StatusReplicas = int32(t.desired), int32(len(t.pods))
	in.Pods, in.Alike = in.Pods[:0], hpa.Alike{}
	pods, millicores := r.seePods(i, now, request)
	in.Alike.Pods = pods
	in.Alike.Usage = hpa.Of(millicores, int64(pods)*t.served.memory[t.served.which])
	in.Alike.Request = request
	in.Alike.Request.CPU *= int64(pods)
	in.Alike.Request.Memory *= int64(pods)
}

// seePods shows the autoscaler the pods that it must look at, and gives the number of all others and what they use.
func (r *Runner) seePods(i int, now float64, request hpa.Amount) (pods int, millicores int64) {
	t, in, plain := &r.tenants[i], &r.input, r.scalers[i].plain
	which := t.served.which
	if all := &t.served.sums[which]; all.all && all.edits == t.served.edits && plain {
		return len(t.pods), all.millicores
	}
	name := r.p.Workloads[r.p.Tenants[i].Workload].Name
	r.containers = resize(r.containers, len(t.pods))
	old := r.initialized(now)
	for k, id := range t.pods {
		p, g := &r.pods[id], &t.gauges[k]
		s := &g.samples[which]
		if s.millicores >= 0 && plain && (g.settled <= now || p.counts(now, old)) {
			pods++
			millicores += s.millicores
			continue
		}
		r.containers[k] = hpa.Container{Name: name, Request: request, Unlisted: true}
		in.Pods = append(in.Pods, p.seen(now, r.containers[k:k+1]))
		s.show(&in.Pods[len(in.Pods)-1], t.served.memory[which])
	}
	return pods, millicores
}

// show gives the pod its sample; its time is shown in whole seconds too.
func (s *sample) show(to *hpa.Pod, memory int64) {
	if s.millicores < 0 {
		return
	}
	c := &to.Containers[0]
	c.Usage, c.Unlisted = hpa.Of(s.millicores, memory), false
	to.Sample = hpa.Sample{Has: true, Time: seconds(math.Floor(s.at)), Window: seconds(s.window)}
}

// seen is the pod as the API server shows it, its times in whole seconds. A pod whose node is lost stays as it was until the
// loss is noticed; only its samples end.
func (p *pod) seen(now float64, containers []hpa.Container) hpa.Pod {
	v := hpa.Pod{Phase: hpa.Pending, Containers: containers}
	if p.node < 0 || p.scheduled > now {
		return v
	}
	v.HasStart, v.Start = true, seconds(math.Floor(p.scheduled))
	v.Ready, v.ReadyChanged = hpa.NotReady, v.Start
	if p.started <= now {
		v.Phase = hpa.Running
	}
	if p.ready <= now {
		v.Ready, v.ReadyChanged = hpa.Ready, seconds(math.Floor(p.ready))
	}
	return v
}
