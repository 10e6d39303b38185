package sim

import (
	"math"
	"math/rand/v2"

	"github.com/ansturm/ansturm/planner/hpa"
)

// reference is one tenant event by event: each request by itself in its pod, processor sharing pod by pod, least
// connections, every pod's CPU counter read and scraped for itself. It shares no code with the simulation but the autoscaler
// and its meter.
type reference struct {
	p       *Params
	rng     *rand.Rand
	now     float64
	pods    []*refPod
	desired int
	sizes   func() float64
	promise float64

	cpu           float64
	shots, slow   int
	responses     []float64
	desiredAt     []int
	coresBySecond []float64
}

type refPod struct {
	created, started, ready, known float64
	jobs                           []*refJob
	cpu, next                      float64
	reading                        hpa.Reading
	meter                          [1]hpa.Meter
}

type refJob struct{ left, due float64 }

func (r *reference) speed(p *refPod) float64 {
	return math.Min(r.p.Workloads[0].Limit, float64(len(p.jobs))) / float64(len(p.jobs))
}

// advance moves time on to until, ending requests on the way.
func (r *reference) advance(until float64) {
	for {
		next, at, which := until, -1, -1
		for i, p := range r.pods {
			for k, j := range p.jobs {
				if t := r.now + j.left/r.speed(p); t < next {
					next, at, which = t, i, k
				}
			}
		}
		for _, p := range r.pods {
			if len(p.jobs) == 0 {
				continue
			}
			s := r.speed(p)
			for _, j := range p.jobs {
				j.left -= s * (next - r.now)
			}
			p.cpu += s * float64(len(p.jobs)) * (next - r.now)
			r.cpu += s * float64(len(p.jobs)) * (next - r.now)
		}
		r.now = next
		if at < 0 {
			return
		}
		p := r.pods[at]
		r.done(p.jobs[which])
		p.jobs = append(p.jobs[:which], p.jobs[which+1:]...)
	}
}

func (r *reference) done(j *refJob) {
	response := r.now - j.due
	r.responses = append(r.responses, response)
	r.shots++
	if response > r.promise {
		r.slow++
	}
}

func (r *reference) arrive() {
	var best *refPod
	for _, p := range r.pods {
		if p.known <= r.now && (best == nil || len(p.jobs) < len(best.jobs)) {
			best = p
		}
	}
	if best == nil {
		r.shots++
		r.slow++
		return
	}
	best.jobs = append(best.jobs, &refJob{left: r.sizes(), due: r.now})
}

// nextRead is the pod whose kubelet reads it next.
func (r *reference) nextRead() (next *refPod) {
	for _, p := range r.pods {
		if next == nil || p.next < next.next {
			next = p
		}
	}
	return next
}

func (r *reference) read(p *refPod) {
	p.reading = hpa.Reading{Started: seconds(p.started), At: seconds(p.next), CPU: seconds(p.cpu)}
	p.next += r.p.Control.Housekeeping * (1 + r.rng.Float64())
}

func (r *reference) scrape() {
	for _, p := range r.pods {
		if p.started <= r.now {
			p.meter[0].Take(p.reading, seconds(r.p.Control.Scrape))
		}
	}
}

func (r *reference) sync(c *hpa.Controller) {
	w := &r.p.Workloads[0]
	in := &hpa.Input{Now: seconds(r.now), SpecReplicas: int32(r.desired), StatusReplicas: int32(len(r.pods))}
	for _, p := range r.pods {
		box := hpa.Container{Name: w.Name, Request: hpa.Of(int64(w.Request*1000), w.Memory)}
		seen := hpa.Pod{Phase: hpa.Pending, HasStart: true, Start: seconds(p.created), Ready: hpa.NotReady, ReadyChanged: seconds(p.created)}
		if p.started <= r.now {
			seen.Phase = hpa.Running
		}
		if p.ready <= r.now {
			seen.Ready, seen.ReadyChanged = hpa.Ready, seconds(p.ready)
		}
		seen.Containers = []hpa.Container{box}
		seen.Measure(p.meter[:])
		in.Pods = append(in.Pods, seen)
	}
	if d := c.Sync(in); d.Scale {
		r.resize(int(d.Desired))
	}
}

func (r *reference) resize(n int) {
	w, c := &r.p.Workloads[0], &r.p.Control
	r.desired = n
	for len(r.pods) < n {
		started := r.now + c.SchedulingDelay + w.Start[0]
		ready := started + w.Ready[0]
		r.pods = append(r.pods, &refPod{created: r.now, started: started, ready: ready, known: ready + c.EndpointDelay, next: started})
	}
	for len(r.pods) > n { // its requests go to the others: none is lost on a scale-down
		last := r.pods[len(r.pods)-1]
		r.pods = r.pods[:len(r.pods)-1]
		for i, j := range last.jobs {
			p := r.pods[i%len(r.pods)]
			p.jobs = append(p.jobs, j)
		}
	}
}

// run fires exactly as many arrivals as a Poisson process of Params.Shape brings.
func (r *reference) run(seed uint64) error {
	r.rng = rand.New(rand.NewPCG(seed, 99))
	sigma := math.Sqrt(math.Log1p(0.3))
	r.sizes = func() float64 {
		return r.p.Workloads[0].Work[0].Mean * math.Exp(sigma*r.rng.NormFloat64()-sigma*sigma/2)
	}
	r.promise = r.p.Promises[0].Within
	r.desired = r.p.Workloads[0].Replicas
	for range r.desired {
		p := &refPod{created: -3600, started: -3600, ready: -3600, known: -3600, next: -20 * r.rng.Float64()}
		for p.next < 0 {
			r.read(p)
			p.meter[0].Take(p.reading, seconds(r.p.Control.Scrape))
		}
		r.pods = append(r.pods, p)
	}
	var controller *hpa.Controller
	sync := math.Inf(1)
	if spec := r.p.Workloads[0].HPA; spec != nil {
		var err error
		if controller, err = hpa.New(spec, r.p.Control.HPA); err != nil {
			return err
		}
		sync = 15 * r.rng.Float64()
	}
	scrape, served := 0.0, math.Inf(1)
	for sec := 0; sec < int(r.p.Length); sec++ {
		for at := float64(sec) + r.gap(sec); at < float64(sec+1); at += r.gap(sec) {
			r.until(at, &scrape, &served, &sync, controller)
			r.advance(at)
			r.arrive()
		}
		r.until(float64(sec+1), &scrape, &served, &sync, controller)
		before := r.cpu
		r.advance(float64(sec + 1))
		_ = before
		r.desiredAt = append(r.desiredAt, r.desired)
		r.coresBySecond = append(r.coresBySecond, r.cpu)
	}
	return nil
}

func (r *reference) gap(sec int) float64 { return r.rng.ExpFloat64() / r.p.Shape[0][sec] }

// until lets the control loop act up to a moment.
func (r *reference) until(at float64, scrape, served, sync *float64, c *hpa.Controller) {
	for {
		p := r.nextRead()
		if math.Min(p.next, math.Min(*scrape, *sync)) > at {
			return
		}
		if p.next <= math.Min(*scrape, *sync) {
			r.advance(p.next)
			r.read(p)
			continue
		}
		if *scrape <= *sync {
			r.advance(*scrape)
			r.scrape()
			*scrape += r.p.Control.Scrape
			continue
		}
		r.advance(*sync)
		r.sync(c)
		*sync += r.p.Control.Sync
	}
}
