package planner

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/fit"
	"github.com/ansturm/ansturm/planner/hpa"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// forge makes simulation parameters from a scenario, a platform and a model. What does not depend on the platform's
// settings or the parameters' draw is made once.
type forge struct {
	sc    *scenarios.Scenario
	model *fit.Model // nil: the platform file's figures are the truth
	steps []scenarios.StepRef
	base  sim.Params
	// peakAt is when most persons come, length the surge's length, in seconds.
	peakAt, length float64
	// What was tabulated once: params are made for every candidate and draw.
	tails  map[int]*sim.Tail
	shapes map[scenarios.Distribution]*sim.Tail
	delays map[any]sim.Delay // by scenarios.Distribution or *fit.Delay
}

func newForge(sc *scenarios.Scenario, model *fit.Model) (*forge, error) {
	curve, err := sc.Curve()
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	f := &forge{sc: sc, model: model, steps: sc.AllSteps(), length: sc.Arrivals.Over.Seconds()}
	f.tails, f.shapes, f.delays = map[int]*sim.Tail{}, map[scenarios.Distribution]*sim.Tail{}, map[any]sim.Delay{}
	f.base.Length = f.length
	at, _ := curve.Peak()
	f.peakAt = at.Seconds()
	f.shape(curve)
	var sum float64
	for _, t := range sc.Tenants.List {
		sum += weightOf(t.Weight)
	}
	for _, t := range sc.Tenants.List {
		f.base.Tenants = append(f.base.Tenants, sim.Tenant{Name: t.Name, Weight: weightOf(t.Weight) / sum})
	}
	f.promises()
	f.impatience()
	return f, nil
}

// paramsOf are a platform's under a surge as expected: by the model's own values, without one by the platform's description.
func paramsOf(sc *scenarios.Scenario, pf *scenarios.Platform, model *fit.Model) (*sim.Params, error) {
	f, err := newForge(sc, model)
	if err != nil {
		return nil, err
	}
	return f.params(pf, -1)
}

// weightOf is a weight with its default.
func weightOf(w float64) float64 {
	if w == 0 {
		return 1
	}
	return w
}

// shape spreads each step's expected shots over the seconds: the arrivals, later by the mean time a person spends
// thinking before.
func (f *forge) shape(curve *scenarios.Curve) {
	var journeys float64
	for _, j := range f.sc.Journeys {
		journeys += weightOf(j.Weight)
	}
	delays := make([]float64, len(f.steps))
	longest := 0.0
	f.base.Timeout = 0
	for k, ref := range f.steps {
		f.base.Steps = append(f.base.Steps, ref.Name)
		if ref.Index > 0 {
			delays[k] = delays[k-1] + shareOf(f.steps[k-1].Share)*thinking(ref)
		} else {
			delays[k] = 0
		}
		longest = math.Max(longest, delays[k])
		f.base.Timeout = math.Max(f.base.Timeout, cmp.Or(ref.Timeout, time.Minute).Seconds())
	}
	seconds := int(math.Ceil(f.length + math.Min(longest, f.length)))
	for k, ref := range f.steps {
		share := shareOf(ref.Share) * weightOf(f.sc.Journeys[ref.Journey].Weight) / journeys
		shape := make([]float64, seconds)
		for s := range shape {
			shape[s] = share * (curve.Cumulative(at(float64(s+1)-delays[k])) - curve.Cumulative(at(float64(s)-delays[k])))
		}
		f.base.Shape = append(f.base.Shape, shape)
	}
}

func at(seconds float64) time.Duration {
	return time.Duration(math.Max(0, seconds) * float64(time.Second))
}

func shareOf(share *float64) float64 {
	if share == nil {
		return 1
	}
	return *share
}

// thinking is the mean time before a step.
func thinking(ref scenarios.StepRef) float64 {
	if ref.Think == nil {
		return 0
	}
	return ref.Think.Mean().Seconds()
}

// promises writes the SLOs out by step.
func (f *forge) promises() {
	for i, slo := range f.sc.SLOs {
		for k, ref := range f.steps {
			if slo.Step != "" && slo.Step != ref.Name {
				continue
			}
			p := sim.Promise{
				SLO: i, Step: k, Who: sim.EachTenant, Within: slo.Within.Seconds(), Slow: 1 - slo.Percentile/100,
				Errors: slo.Errors, Window: int(slo.Window / time.Minute), Least: float64(cmp.Or(slo.Least, 20)),
			}
			switch slo.Tenant {
			case "", "each":
			case "all":
				p.Who = sim.AllTenants
			default:
				p.Who, _ = f.sc.TenantIndex(slo.Tenant)
			}
			f.base.Promises = append(f.base.Promises, p)
		}
	}
}

// impatience takes the first journey's that has one: persons differ by journey, the simulation's do not.
func (f *forge) impatience() {
	for _, j := range f.sc.Journeys {
		if j.Impatience == nil {
			continue
		}
		im := &sim.Impatience{
			Patience: delayOf(&j.Impatience.Patience), Reload: j.Impatience.Reload, ComeBack: j.Impatience.ComeBack,
			After: delayOf(j.Impatience.After), Most: cmp.Or(j.Impatience.Most, 3),
		}
		f.base.Impatience = im
		return
	}
}

func delayOf(d *scenarios.Distribution) sim.Delay {
	if d == nil {
		return sim.Delay{}
	}
	return sim.NewDelay(func(u float64) float64 { return d.Quantile(u).Seconds() })
}

// params are the simulation's parameters on a platform, with the model's draw (−1: its values).
func (f *forge) params(pf *scenarios.Platform, draw int) (*sim.Params, error) {
	p := f.base
	a := pf.Autoscaling.WithDefaults()
	p.Control = sim.Control{
		Sync: a.SyncPeriod.Seconds(), Scrape: a.MetricResolution.Seconds(), Housekeeping: a.Housekeeping.Seconds(),
		Lag:           math.Max(0, a.MetricLag.Seconds()),
		EndpointDelay: math.Max(0, a.EndpointDelay.Seconds()), SchedulingDelay: math.Max(0, a.SchedulingDelay.Seconds()),
		LossDetection: math.Max(0, a.NodeLossDetection.Seconds()), HPA: hpa.Default(),
	}
	p.Persons = float64(f.sc.Arrivals.Total)
	if a := pf.Admission; a != nil {
		p.Door = &sim.Door{Rate: a.Rate, From: a.From.Seconds()}
	}
	p.Control.HPA.Version, p.Control.HPA.SyncPeriod = pf.Kubernetes, a.SyncPeriod
	for _, n := range pf.Nodes() {
		cores, memory, pods := n.Pool.Allocatable()
		p.Nodes = append(p.Nodes, sim.Node{Name: n.Name, Pool: n.Pool.Name, Site: n.Pool.Site, Cores: cores, Memory: memory, Pods: pods})
	}
	for _, b := range pf.Backends {
		p.Backends = append(p.Backends, sim.Backend{
			Name: b.Name, Cores: b.Cores, Alpha: b.Contention, Beta: b.Coherency, Most: float64(cmp.Or(b.Most, 10_000)),
		})
	}
	index := map[*scenarios.Workload]int{}
	images := map[string]int{}
	for i := range pf.Workloads {
		w := &pf.Workloads[i]
		if _, known := images[w.Name]; !known {
			images[w.Name] = len(images)
		}
		index[w] = i
		work, err := f.workload(pf, w, draw)
		if err != nil {
			return nil, err
		}
		work.Image = images[w.Name]
		p.Workloads = append(p.Workloads, work)
	}
	of := servers(pf)
	p.Tenants = slices.Clone(p.Tenants)
	for i := range p.Tenants {
		w := of(p.Tenants[i].Name)
		if w == nil {
			return nil, fmt.Errorf("plan: no workload of platform %q serves tenant %q", pf.Name, p.Tenants[i].Name)
		}
		p.Tenants[i].Workload = index[w]
	}
	f.pressed(&p, pf, draw)
	return &p, nil
}

// servers answers as Platform.WorkloadOf, without searching every list for every tenant.
func servers(pf *scenarios.Platform) func(tenant string) *scenarios.Workload {
	named := map[string]*scenarios.Workload{}
	var rest *scenarios.Workload
	for i := range pf.Workloads {
		w := &pf.Workloads[i]
		if len(w.Tenants) == 0 && rest == nil {
			rest = w
		}
		for _, t := range w.Tenants {
			if named[t] == nil {
				named[t] = w
			}
		}
	}
	return func(tenant string) *scenarios.Workload {
		if w := named[tenant]; w != nil {
			return w
		}
		return rest
	}
}

// workload is a workload's settings from the platform file and its physics from the model, or from the file too.
func (f *forge) workload(pf *scenarios.Platform, w *scenarios.Workload, draw int) (sim.Workload, error) {
	out := sim.Workload{
		Name: w.Name, Request: w.CPURequest(), Limit: w.CPULimit(), Memory: w.MemoryRequest(), Replicas: int(w.Replicas),
		HPA: w.HPA, Threads: cmp.Or(w.Threads, 16), Backlog: cmp.Or(w.Backlog, 32),
		Pull: f.delay(w.Start.Pull), Start: f.delay(w.Start.Start), Ready: f.delay(w.Start.Ready),
		WarmFor: w.Start.WarmUp.For.Seconds(), WarmFactor: math.Max(1, w.Start.WarmUp.Factor),
		MemoryBase: float64(w.Memory.Base), MemoryPerRequest: float64(w.Memory.PerRequest),
	}
	var m *fit.WorkloadModel
	if f.model != nil {
		m = f.model.Workloads[w.Name]
		if m == nil {
			return out, fmt.Errorf("plan: the model knows no workload %q", w.Name)
		}
		f.reaction(&out, m, draw)
	}
	for _, ref := range f.steps {
		work := sim.Work{Backends: make([]float64, len(pf.Backends))}
		spec, known := w.Steps[ref.Name]
		for b := range pf.Backends {
			work.Backends[b] = spec.Backends[pf.Backends[b].Name].Seconds()
		}
		switch {
		case m != nil && m.Steps[ref.Name] != nil: // a demand of nothing hides in another step's, of which the fit warns
			s := m.Steps[ref.Name]
			work.Mean = drawn(s.Demand, draw)
			work.Tail = f.tail(s.Spread.Value)
		case m == nil && known:
			work.Mean = spec.CPU.Mean().Seconds()
			work.Tail = f.shapeOf(spec.CPU)
		default:
			return out, fmt.Errorf("plan: nothing is known about step %q on workload %q: fire a calibration run", ref.Name, w.Name)
		}
		if work.Mean <= 0 {
			work.Mean = 1e-6
		}
		out.Work = append(out.Work, work)
	}
	return out, nil
}

// reaction takes over the chain's delays, the warm-up and the idle cores that were seen.
func (f *forge) reaction(out *sim.Workload, m *fit.WorkloadModel, draw int) {
	for phase, to := range map[string]*sim.Delay{
		record.PhasePulled: &out.Pull, record.PhaseStarted: &out.Start, record.PhaseReady: &out.Ready,
	} {
		if d := m.Chain[phase]; d != nil && d.Observed > 0 {
			*to = once(f.delays, any(d), func() sim.Delay {
				return sim.NewDelay(func(u float64) float64 {
					return d.Shift + math.Exp(d.Mu+d.Sigma*math.Sqrt2*math.Erfinv(2*u-1))
				})
			})
		}
	}
	if factor := drawn(m.WarmUpFactor, draw); factor > 1 {
		out.WarmFactor, out.WarmFor = factor, math.Max(0, drawn(m.WarmUpSeconds, draw))
	} else {
		out.WarmFactor = 1
	}
	out.Idle = math.Max(0, drawn(m.Idle, draw))
	if m.Memory != nil && m.Memory.Known {
		out.MemoryBase, out.MemoryPerRequest = drawn(m.Memory.Base, draw), drawn(m.Memory.PerRequest, draw)
	}
}

// delay is a distribution of the platform file; nil is none.
func (f *forge) delay(d *scenarios.Distribution) sim.Delay {
	if d == nil {
		return sim.Delay{}
	}
	return once(f.delays, any(*d), func() sim.Delay { return delayOf(d) })
}

// shapeOf is the shape of work that a platform file gives.
func (f *forge) shapeOf(d scenarios.Distribution) *sim.Tail {
	return once(f.shapes, d, func() *sim.Tail {
		return sim.NewTail(func(u float64) float64 { return d.Quantile(u).Seconds() })
	})
}

// once makes what a map has not got yet.
func once[K comparable, V any](made map[K]V, key K, make func() V) V {
	v, known := made[key]
	if !known {
		v = make()
		made[key] = v
	}
	return v
}

// tail is the shape of work with a squared coefficient of variation, in steps of 0.02.
func (f *forge) tail(scv float64) *sim.Tail {
	step := int(math.Round(math.Min(math.Max(scv, 0), 20) / 0.02))
	return once(f.tails, step, func() *sim.Tail { return sim.LogNormalTail(float64(step) * 0.02) })
}

// drawn is the estimate's value in a draw; −1, or an estimate without draws, gives the value.
func drawn(e fit.Estimate, draw int) float64 {
	if draw < 0 || len(e.Draws) == 0 {
		return e.Value
	}
	return e.Draws[draw%len(e.Draws)]
}

// draws is how many joint draws the model has.
func (f *forge) draws() int {
	most := 0
	if f.model == nil {
		return 0
	}
	for _, w := range f.model.Workloads {
		most = max(most, len(w.Idle.Draws), len(w.WarmUpFactor.Draws))
		for _, s := range w.Steps {
			most = max(most, len(s.Demand.Draws))
		}
	}
	return most
}
