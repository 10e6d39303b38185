package planner

import (
	"math"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// Experiment is a calibration run to be fired before a surge: what the surge itself cannot tell apart.
type Experiment struct {
	Name     string
	Scenario *scenarios.Scenario
	Platform *scenarios.Platform
}

const (
	calibrationLength = 75 * time.Second
	// quietLead is how long the lowest level lasts at the least: minutes are the finest that a record has of a tenant, and
	// what a request takes when it is alone shows in one that is quiet from its beginning to its end.
	quietLead = time.Minute
	// calibrationPeak is the largest utilisation aimed at, for the busiest tenants.
	calibrationPeak = 0.9
)

// mixture is a run with fixed replicas, the rate in steps and the optional steps' shares as given; shots a second and
// arrivals a second bound its rate.
func mixture(sc *scenarios.Scenario, pf *scenarios.Platform, name string, share func(journey, step int) float64, seed uint64, length time.Duration, shots, arrivals float64) (Experiment, error) {
	s := mixed(sc, name, share, seed, length)
	p, err := paramsOf(s, pf, nil)
	if err != nil {
		return Experiment{}, err
	}
	each := perPerson(p, s)
	rate := math.Min(shots/summed(each), arrivals)
	if most := calm * carried(p, each); rate > most { // longer, so that as much is seen
		length = time.Duration(float64(length) * math.Min(2, rate/most))
		rate = most
	}
	level := 0.0
	s.Arrivals, level = calibrated(length, s.Arrivals.Seed)
	s.Arrivals.Total = int64(rate * level * s.Arrivals.Over.Seconds())
	return Experiment{Name: name, Scenario: s, Platform: still(s, pf)}, nil
}

// calm is the share of what the shared back ends do at best that calibration runs stay below. Beyond it chance alone takes a
// back end past its best, where it does the less the more wait for it: at 0.7 it never came back in one run of three.
const calm = 0.55

// carried is how many persons a second the shared back ends can serve at best as they are described, with each person's
// shots by step; +Inf where there is none in the way.
func carried(p *sim.Params, each []float64) float64 {
	least := math.Inf(1)
	for b := range p.Backends {
		if work := askedOf(p, each, b); work > 0 {
			least = math.Min(least, p.Backends[b].Best()/work)
		}
	}
	return least
}

// askedOf is the work in seconds that a person asks of a back end on average over the tenants, with each person's shots by step.
func askedOf(p *sim.Params, each []float64, b int) (work float64) {
	for _, t := range p.Tenants {
		work += t.Weight * askedThrough(&p.Workloads[t.Workload], each, b)
	}
	return work
}

// askedThrough is the same of a person whose tenant has this workload.
func askedThrough(w *sim.Workload, each []float64, b int) (work float64) {
	for k, n := range each {
		work += n * w.Work[k].Backends[b]
	}
	return work
}

// steps of the rate, relative to the largest.
var calibrationSteps = []float64{0.25, 0.5, 0.75, 1, 0.4}

// calibrated are arrivals through the levels, and the mean level: each level for a fifth of length, the first for quietLead
// at the least, so that the whole may last longer.
func calibrated(length time.Duration, seed uint64) (scenarios.Arrivals, float64) {
	each := length / time.Duration(len(calibrationSteps))
	first := max(each, quietLead)
	a := stepped(calibrationSteps, first, each, seed)
	sum := calibrationSteps[0]*first.Seconds() + summed(calibrationSteps[1:])*each.Seconds()
	return a, sum / a.Over.Seconds()
}

// mixed is the scenario with a stepped rate, another share for every optional step, short thinking and patient persons.
func mixed(sc *scenarios.Scenario, name string, share func(journey, step int) float64, seed uint64, length time.Duration) *scenarios.Scenario {
	s := *sc
	s.Name = name
	s.On = time.Time{}
	s.Arrivals, _ = calibrated(length, sc.Arrivals.Seed+seed)
	s.Arrivals.Total = 30_000
	s.Journeys = slices.Clone(sc.Journeys)
	for j := range s.Journeys {
		s.Journeys[j].Impatience = nil
		s.Journeys[j].Steps = slices.Clone(sc.Journeys[j].Steps)
		for i := range s.Journeys[j].Steps {
			step := &s.Journeys[j].Steps[i]
			if step.Share != nil && *step.Share < 1 {
				step.Share = new(share(j, i))
			}
			if step.Think != nil {
				step.Think = &scenarios.Distribution{Fixed: new(time.Second)}
			}
		}
	}
	return &s
}

// stepped are arrivals whose rate goes through levels, relative to each other, each for the same time but the first.
func stepped(levels []float64, first, each time.Duration, seed uint64) scenarios.Arrivals {
	shape := scenarios.Shape{Kind: "points"}
	var from, to time.Duration
	for i, rate := range levels {
		to += each
		if i == 0 {
			to = first
		}
		shape.Points = append(shape.Points, scenarios.Point{At: from, Rate: rate}, scenarios.Point{At: to, Rate: rate})
		from = to + time.Millisecond
	}
	return scenarios.Arrivals{Over: to, Seed: seed, Curve: []scenarios.Shape{shape}}
}

// still is the platform with fixed replicas: most tenants well below saturation, every fifth of the larger ones close
// to it at the highest rate, and nodes enough.
func still(s *scenarios.Scenario, pf *scenarios.Platform) *scenarios.Platform {
	p, err := paramsOf(s, pf, nil)
	if err != nil {
		return pf
	}
	out := *pf
	out.Name = pf.Name + "-calibration"
	out.Disruptions = nil
	return housed(&out, quietSettings(needs(p, pf, 1, 1)), 1.25, 1)
}

// quietSettings are fixed replicas with which most tenants stay well below saturation.
func quietSettings(list []need) []setting {
	sets := make([]setting, len(list))
	for i, n := range list {
		aim := 0.6
		if i%5 == 0 && n.peak > 2 {
			aim = calibrationPeak
		}
		count := max(1, int32(math.Ceil(n.peak/aim-1e-9)))
		if aim == calibrationPeak {
			count = max(1, int32(math.Round(n.peak/aim)))
		}
		sets[i] = setting{need: n, least: count, most: count, target: 90}
	}
	return sets
}

// housed is the platform with the tenants set so, on nodes like those of its first pool: spare times as many as the pods
// need, and more on top. The autoscaler is left out where it could not change anything.
func housed(pf *scenarios.Platform, sets []setting, spare float64, more int) *scenarios.Platform {
	out := planned(pf, sets)
	for i := range out.Workloads {
		if w := &out.Workloads[i]; w.HPA.MinReplicas != nil && *w.HPA.MinReplicas == w.HPA.MaxReplicas {
			w.HPA = nil
		}
	}
	var cpu, memory float64
	pods := 0
	for _, s := range sets {
		cpu += float64(s.most) * float64(s.request) / 1000
		memory += float64(s.most) * float64(s.memory)
		pods += int(s.most)
	}
	out.Pools = []scenarios.NodePool{calibrationPool(pf, cpu, memory, pods, spare, more)}
	return out
}

// calibrationPool is one pool like the platform's first, large enough.
func calibrationPool(pf *scenarios.Platform, cpu, memory float64, pods int, spare float64, more int) scenarios.NodePool {
	pool := scenarios.NodePool{Name: "calibration", Capacity: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("16"), corev1.ResourceMemory: resource.MustParse("64Gi"),
	}}
	if len(pf.Pools) > 0 {
		pool = pf.Pools[0]
		pool.Most = 0
	}
	cores, mem, slots := pool.Allocatable()
	count := math.Max(cpu/math.Max(cores, 0.1), math.Max(memory/math.Max(float64(mem), 1), float64(pods)/math.Max(float64(slots), 1)))
	pool.Count = max(1, int(math.Ceil(spare*count-1e-9))+more)
	return pool
}

// Apply gives the scenario and platform to be fired to see the world for real: its demand and seed, its lost node.
func (w World) Apply(sc *scenarios.Scenario, pf *scenarios.Platform) (*scenarios.Scenario, *scenarios.Platform) {
	s, p := *sc, *pf
	if w.Demand > 0 {
		s.Arrivals.Total = max(1, int64(math.Round(float64(sc.Arrivals.Total)*w.Demand)))
	}
	if w.Seed != 0 {
		s.Arrivals.Seed = w.Seed
	}
	if w.Lost != "" {
		p.Disruptions = append(slices.Clone(pf.Disruptions), scenarios.Disruption{At: w.At, LoseNode: w.Lost})
	}
	return &s, &p
}
