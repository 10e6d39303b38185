package sim

import (
	"errors"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/ansturm/ansturm/planner/hpa"
)

// Params is everything the simulation knows. All times are seconds, CPU is cores, memory bytes. A Params is only read
// and may be shared by Runners.
type Params struct {
	// Length of the surge; persons come a little later where Shape goes on (think times).
	Length float64
	// Steps names the steps; Shape[k][s] is the expected number of shots of step k in second s, all tenants together,
	// at demand 1 and with everyone patient.
	Steps []string
	Shape [][]float64
	// Persons is how many come at demand 1; zero means that every shot is a person's only one.
	Persons float64
	// Door is the waiting room before the platform; nil means none.
	Door *Door
	// Tenants in the order of the scenario's list.
	Tenants   []Tenant
	Workloads []Workload
	Nodes     []Node
	Backends  []Backend
	Control   Control
	Promises  []Promise
	// Rollouts in the order of their moments.
	Rollouts []Rollout
	// Impatience of the persons; nil means that they wait until Timeout.
	Impatience *Impatience
	// Timeout of one shot.
	Timeout float64
}

// Tenant has the share Weight of the arrivals (the weights sum to 1) and is served by Workloads[Workload].
type Tenant struct {
	Name     string
	Weight   float64
	Workload int
}

// Workload is one Deployment's settings and physics.
type Workload struct {
	Name string
	// Image numbers what is pulled; workloads of one image share it on a node.
	Image int
	// Request and Limit are a pod's CPU; Limit 0 means none. Memory is its request.
	Request, Limit float64
	Memory         int64
	Replicas       int
	// HPA is nil where the count stays.
	HPA              *autoscalingv2.HorizontalPodAutoscalerSpec
	Threads, Backlog int
	// Idle is what a pod burns without a request.
	Idle float64
	// Pull, Start, Ready are the stages from scheduled to Ready. WarmFor seconds after Ready, work costs WarmFactor.
	Pull, Start, Ready  Delay
	WarmFor, WarmFactor float64
	// MemoryBase and MemoryPerRequest are the working set, for autoscalers that look at it.
	MemoryBase, MemoryPerRequest float64
	// Work by step.
	Work []Work
}

// Work is one step's cost on a workload.
type Work struct {
	// Mean CPU time; Tail is the shape of its distribution.
	Mean float64
	Tail *Tail
	// Backends is the work at each of Params.Backends.
	Backends []float64
}

// Node has Cores, Memory and Pods for pods.
type Node struct {
	Name, Pool, Site string
	Cores            float64
	Memory           int64
	Pods             int
}

// Backend is a shared server: n requests in service each go at speed min(1, Cores/n) / (1 + α(n−1) + βn(n−1))
// (universal scalability law, Gunther 2007).
type Backend struct {
	Name        string
	Cores       float64
	Alpha, Beta float64
	Most        float64
}

// Control is the control plane's settings.
type Control struct {
	Sync, Scrape, Lag, EndpointDelay, SchedulingDelay, LossDetection float64
	// Housekeeping is the least time between two of the kubelet's readings of a pod.
	Housekeeping float64
	HPA          hpa.Config
}

// leastFresh is hpa.LeastFresh in seconds.
const leastFresh = float64(hpa.LeastFresh) / 1e9

// Who a promise covers besides a tenant's index.
const (
	EachTenant = -1
	AllTenants = -2
)

// Promise is an SLO on one step: at most Slow of a window's shots are slower than Within or failed, at most Errors of
// them failed.
type Promise struct {
	// SLO numbers the scenario's SLO it comes from.
	SLO, Step    int
	Who          int // a tenant's index, EachTenant or AllTenants
	Within       float64
	Slow, Errors float64
	// Window is in minutes; zero means the whole run. A window with fewer than Least shots is joined to the next.
	Window int
	Least  float64
}

// Impatience is what persons do who wait in vain or meet an error.
type Impatience struct {
	Patience         Delay
	Reload, ComeBack float64
	After            Delay
	Most             int
}

const mostRetries = 8

func (p *Params) validate() error {
	switch {
	case !(p.Length > 0) || p.Length > 7*24*3600:
		return fmt.Errorf("simulate: length is %v s, want more than 0 and at most a week", p.Length)
	case len(p.Steps) == 0 || len(p.Shape) != len(p.Steps):
		return fmt.Errorf("simulate: %d steps and %d shapes", len(p.Steps), len(p.Shape))
	case len(p.Tenants) == 0:
		return errors.New("simulate: no tenant")
	case !(p.Control.Sync > 0) || !(p.Control.Scrape > 0) || !(p.Control.Housekeeping > 0) || p.Control.Housekeeping > 3600:
		return errors.New("simulate: the periods of sync, scrape and housekeeping must be above 0, the last at most an hour")
	case p.Door != nil && (!(p.Door.Rate > 0) || !finite(p.Door.Rate) || !(p.Door.From >= 0)):
		return fmt.Errorf("simulate: the door lets in %v persons/s from second %v on", p.Door.Rate, p.Door.From)
	}
	for _, t := range p.Tenants {
		if t.Workload < 0 || t.Workload >= len(p.Workloads) || !(t.Weight >= 0) {
			return fmt.Errorf("simulate: tenant %s has workload %d and weight %v", t.Name, t.Workload, t.Weight)
		}
	}
	for i := range p.Workloads {
		if err := p.Workloads[i].validate(p); err != nil {
			return fmt.Errorf("simulate: workload %s: %w", p.Workloads[i].Name, err)
		}
	}
	for i, x := range p.Rollouts {
		if x.Workload < 0 || x.Workload >= len(p.Workloads) || !(x.At >= 0) || i > 0 && x.At < p.Rollouts[i-1].At {
			return fmt.Errorf("simulate: rollout %d of workload %d at %v s, want one of %d workloads and the rollouts in order", i+1, x.Workload, x.At, len(p.Workloads))
		}
		if _, _, err := fences(x.Update, 10); err != nil {
			return fmt.Errorf("simulate: rollout %d: %w", i+1, err)
		}
	}
	for _, q := range p.Promises {
		if q.Step < 0 || q.Step >= len(p.Steps) || q.Who >= len(p.Tenants) || !(q.Within > 0) {
			return fmt.Errorf("simulate: promise on step %d, tenant %d, within %v s", q.Step, q.Who, q.Within)
		}
	}
	return nil
}

func (w *Workload) validate(p *Params) error {
	if len(w.Work) != len(p.Steps) {
		return fmt.Errorf("%d works for %d steps", len(w.Work), len(p.Steps))
	}
	for k, x := range w.Work {
		if !(x.Mean > 0) || !finite(x.Mean) || x.Tail == nil || len(x.Backends) != len(p.Backends) {
			return fmt.Errorf("step %s: CPU time %v s, want above 0, with a shape and %d back ends", p.Steps[k], x.Mean, len(p.Backends))
		}
	}
	if w.Threads < 1 || w.Backlog < 0 || w.Replicas < 0 || !(w.WarmFactor >= 1) {
		return fmt.Errorf("threads %d, backlog %d, replicas %d, warm-up factor %v", w.Threads, w.Backlog, w.Replicas, w.WarmFactor)
	}
	return nil
}

// Slower is the share of requests whose work alone is more than x seconds of CPU time.
func (w *Work) Slower(x float64) float64 { return w.Tail.above(x / w.Mean) }

// Least is the CPU time, in seconds and a request, that the given share of all requests takes together if they are those
// with the least work: less cannot be done for them.
func (w *Work) Least(share float64) float64 { return w.Mean * w.Tail.least(share) }
