package planner

import (
	"fmt"
	"math"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	corev1 "k8s.io/api/core/v1"

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
	// calibrationPeak is the largest utilisation aimed at, for the busiest tenants; mostCalibration the largest rate of
	// shots a second of platform time, so that a run at ten times life's speed stays below 6,000 on the wall.
	calibrationPeak = 0.9
	mostCalibration = 550.0
)

// Calibration proposes two short runs with fixed replicas and a rate in steps, one with the first of a journey's optional
// steps rare and one with them common, so that the demand of each step and the capacity of a pod can be told apart. Its
// platform is meant for the lab: it has as many nodes as the fixed replicas need. Nil where the scenario cannot be
// calibrated (no step, no tenant, no curve of its own to replace).
func Calibration(sc *scenarios.Scenario, pf *scenarios.Platform) []Experiment {
	if sc == nil || pf == nil || len(sc.Tenants.List) == 0 || len(sc.AllSteps()) == 0 {
		return nil
	}
	curve, err := sc.Curve()
	if err != nil {
		return nil
	}
	_, peak := curve.Peak() // arrivals/s: no need to learn about more than the surge brings
	var out []Experiment
	for i, share := range []float64{0.1, 0.9} {
		name := fmt.Sprintf("calibration-%d", i+1)
		s := mixed(sc, name, share, uint64(i+1))
		f, err := newForge(s, nil)
		if err != nil {
			return nil
		}
		p, err := f.params(pf, -1)
		if err != nil {
			return nil
		}
		perPerson := 0.0
		for k := range p.Shape {
			for _, x := range p.Shape[k] {
				perPerson += x
			}
		}
		perPerson /= float64(s.Arrivals.Total)
		s.Arrivals.Total = int64(math.Min(mostCalibration/perPerson, peak) * calibrationLength.Seconds() * meanOfSteps())
		out = append(out, Experiment{Name: name, Scenario: s, Platform: still(s, pf)})
	}
	return out
}

// steps of the rate, relative to the largest.
var calibrationSteps = []float64{0.25, 0.5, 0.75, 1, 0.4}

func meanOfSteps() float64 { return mean(calibrationSteps) }

// mixed is the scenario with a stepped rate, another share for every optional step, short thinking and patient persons.
func mixed(sc *scenarios.Scenario, name string, share float64, seed uint64) *scenarios.Scenario {
	s := *sc
	s.Name = name
	s.On = time.Time{}
	s.Arrivals = scenarios.Arrivals{Total: 30_000, Over: calibrationLength, Seed: sc.Arrivals.Seed + seed}
	shape := scenarios.Shape{Kind: "points"}
	each := calibrationLength / time.Duration(len(calibrationSteps))
	for i, rate := range calibrationSteps {
		from := time.Duration(i) * each
		if i > 0 {
			from += time.Millisecond
		}
		shape.Points = append(shape.Points, scenarios.Point{At: from, Rate: rate}, scenarios.Point{At: time.Duration(i+1) * each, Rate: rate})
	}
	s.Arrivals.Curve = []scenarios.Shape{shape}
	s.Journeys = slices.Clone(sc.Journeys)
	for j := range s.Journeys {
		s.Journeys[j].Impatience = nil
		s.Journeys[j].Steps = slices.Clone(sc.Journeys[j].Steps)
		for i := range s.Journeys[j].Steps {
			step := &s.Journeys[j].Steps[i]
			if step.Share != nil && *step.Share < 1 {
				step.Share = &share
			}
			if step.Think != nil {
				step.Think = &scenarios.Distribution{Fixed: new(time.Second)}
			}
		}
	}
	return &s
}

// still is the platform with fixed replicas: most tenants well below saturation, every fifth of the larger ones close
// to it at the highest rate, and nodes enough.
func still(s *scenarios.Scenario, pf *scenarios.Platform) *scenarios.Platform {
	f, err := newForge(s, nil)
	if err != nil {
		return pf
	}
	p, err := f.params(pf, -1)
	if err != nil {
		return pf
	}
	out := *pf
	out.Name = pf.Name + "-calibration"
	out.Disruptions = nil
	list := needs(p, pf, 1, 1)
	sets := make([]setting, len(list))
	var cpu, memory float64
	pods := 0
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
		cpu += float64(count) * float64(n.request) / 1000
		memory += float64(count) * float64(n.memory)
		pods += int(count)
	}
	still := planned(&out, sets)
	for i := range still.Workloads {
		still.Workloads[i].HPA = nil
	}
	still.Pools = []scenarios.NodePool{calibrationPool(pf, cpu, memory, pods)}
	return still
}

// calibrationPool is one pool like the platform's first, large enough with a quarter to spare.
func calibrationPool(pf *scenarios.Platform, cpu, memory float64, pods int) scenarios.NodePool {
	pool := scenarios.NodePool{Name: "calibration", Capacity: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("16"), corev1.ResourceMemory: resource.MustParse("64Gi"),
	}}
	if len(pf.Pools) > 0 {
		pool = pf.Pools[0]
		pool.Most = 0
	}
	cores, mem, slots := pool.Allocatable()
	count := math.Max(cpu/math.Max(cores, 0.1), math.Max(memory/math.Max(float64(mem), 1), float64(pods)/math.Max(float64(slots), 1)))
	pool.Count = int(math.Ceil(1.25*count)) + 1
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
