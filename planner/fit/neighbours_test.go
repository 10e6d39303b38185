package fit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// house makes records of two workloads on the same nodes whose requests cost d·(1 + eta·the cores that the other one uses of
// those there are), second by second.
type house struct {
	seed    uint64
	eta, cv float64
	cores   float64    // of the pool
	demand  [2]float64 // CPU seconds a request
	idle    float64
	pods    int // of each of the two tenants that each workload has
	length  int
	rate    func(second int) [2]float64
	purpose string
}

var tenantsOf = [2]string{"app", "batch"}

func usualHouse() house {
	return house{
		eta: 0.6, cv: 0.5, cores: 40, demand: [2]float64{0.12, 0.4}, idle: 0.01, pods: 12, length: 600, purpose: "calibration",
		rate: func(s int) [2]float64 { return [2]float64{[]float64{40, 80, 60}[s/100%3], []float64{8, 5}[s/150%2]} },
	}
}

// loud is the same house with the second workload five times as busy.
func (h house) loud() house {
	quiet := h.rate
	h.rate = func(s int) [2]float64 { r := quiet(s); return [2]float64{r[0], 5 * r[1]} }
	h.seed += 1000
	return h
}

func (h house) platform() *scenarios.Platform {
	pf := &scenarios.Platform{Name: "house", Pools: []scenarios.NodePool{{Name: "vm", Count: 2, Capacity: corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewMilliQuantity(int64(1000*h.cores/2), resource.DecimalSI),
	}}}}
	for k, name := range tenantsOf {
		pf.Workloads = append(pf.Workloads, scenarios.Workload{
			Name: name, Tenants: []string{name + "-1", name + "-2"}, Steps: map[string]scenarios.Work{[]string{"ask", "job"}[k]: {}},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")}, Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")},
			},
		})
	}
	return pf
}

func (h house) data() *Data {
	rng := rand.New(rand.NewPCG(h.seed, 3))
	d := &Data{Run: &record.Run{
		ID: fmt.Sprintf("house-%d", h.seed), Ansturm: "v1", Purpose: h.purpose, Speed: 1, StartedAt: time.Unix(0, 0), EndedAt: time.Unix(int64(h.length), 0),
		Platform: h.platform(), Scenario: &scenarios.Scenario{}, Validity: record.Validity{Valid: true},
	}}
	add := func(step, tenant string, start, length time.Duration, n float64) {
		if n <= 0 {
			return
		}
		hist := record.NewHistogram(2)
		if err := hist.Add(300*time.Millisecond, int64(n)); err != nil {
			panic(err)
		}
		d.Windows = append(d.Windows, record.Window{Key: record.Key{Measure: record.Service, Step: step, Tenant: tenant}, Start: start, Length: length, Histogram: hist})
	}
	var used [2][2]float64
	var minutes [2][2]float64
	for s := 0; s <= h.length; s++ {
		for k, name := range tenantsOf {
			for t := range 2 {
				tenant := fmt.Sprintf("%s-%d", name, t+1)
				if s == 0 {
					for p := range h.pods {
						d.Events = append(d.Events, record.Event{
							Kind: record.KindPod, Phase: record.PhaseReady, Workload: name, Tenant: tenant, Object: fmt.Sprintf("%s-%d", tenant, p), Node: fmt.Sprintf("vm-%d", p%2+1),
						})
					}
				}
				if s%15 == (4*k+3*t)%15 {
					d.Events = append(d.Events, record.Event{At: time.Duration(s) * time.Second, Kind: record.KindMetrics, Workload: name, Tenant: tenant, Values: map[string]float64{
						"cpu_seconds": used[k][t], "pods": float64(h.pods),
					}})
				}
			}
		}
		rate := h.rate(s)
		// What each uses while the other does: the fixed point of two lines.
		a, b := rate[0]*h.demand[0], rate[1]*h.demand[1]
		own := [2]float64{a, b}
		for range 50 {
			own = [2]float64{a * (1 + h.eta*(own[1]+2*float64(h.pods)*h.idle)/h.cores), b * (1 + h.eta*(own[0]+2*float64(h.pods)*h.idle)/h.cores)}
		}
		for k, step := range []string{"ask", "job"} {
			press := (own[1-k] + 2*float64(h.pods)*h.idle) / h.cores
			all := 0.0
			for t := range 2 {
				n := poisson(rng, rate[k]/2)
				used[k][t] += h.demand[k]*(1+h.eta*press)*(n+h.cv*math.Sqrt(n)*rng.NormFloat64()) + h.idle*float64(h.pods)
				minutes[k][t] += n
				all += n
				if s%60 == 59 {
					add(step, fmt.Sprintf("%s-%d", tenantsOf[k], t+1), time.Duration(s/60)*time.Minute, time.Minute, minutes[k][t])
					minutes[k][t] = 0
				}
			}
			add(step, "", time.Duration(s)*time.Second, time.Second, all)
		}
	}
	return d
}

func TestNeighboursOfAKnownHouse(t *testing.T) {
	h := usualHouse()
	h.seed = 2
	m := mustFit(t, h.data(), h.loud().data())
	n := m.Neighbours["vm"]
	if n == nil || !n.Known || n.Eta.Low > h.eta || n.Eta.High < h.eta || !near(n.Eta.Value, h.eta, 0.25) || n.Eta.Value == 0 {
		t.Fatalf("neighbours %+v, truth %g", n, h.eta)
	}
	// What a request costs is told without the neighbours.
	for k, step := range []string{"ask", "job"} {
		d := m.Workloads[tenantsOf[k]].Steps[step].Demand
		if !near(d.Value, h.demand[k], 0.05) || d.Low > h.demand[k] || d.High < h.demand[k] {
			t.Errorf("%s: %.4f (%.4f to %.4f), truth %.4f", step, d.Value, d.Low, d.High, h.demand[k])
		}
	}
	if p := parameterOf(m, KindNeighbours, "", "vm"); p == nil || p.Status != Known || warned(m, "neighbours-unknown") {
		t.Errorf("parameter %+v", p)
	}
}

// Neighbours that do no harm are found harmless, and without a loud run nothing is said.
func TestNeighboursWithoutEffectAndWithoutTheirRun(t *testing.T) {
	h := usualHouse()
	h.eta = 0
	if n := mustFit(t, h.data(), h.loud().data()).Neighbours["vm"]; n == nil || !n.Known || n.Eta.Low > 0 || n.Eta.Value > 0.1 {
		t.Errorf("neighbours %+v, truth 0", n)
	}
	h.rate = func(s int) [2]float64 { return [2]float64{[]float64{40, 50, 45}[s/100%3], 6} }
	m := mustFit(t, h.data())
	if n := m.Neighbours["vm"]; n == nil || n.Known || !warned(m, "neighbours-unknown") {
		t.Errorf("neighbours %+v, warnings %v", n, m.Warnings)
	}
	if p := parameterOf(m, KindNeighbours, "", "vm"); p == nil || p.Status != Unknown || p.Settles != RunLoud {
		t.Errorf("parameter %+v", p)
	}
	if m := mustFit(t, usual().data()); len(m.Neighbours) != 0 || parameterOf(m, KindNeighbours, "", "vm") != nil {
		t.Errorf("one workload has neighbours %v", m.Neighbours)
	}
}

// The regression alone, on cores that are exactly the formula's: whatever the demands and the effect, they come out.
func TestNeighboursClosedForm(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		eta := 2 * rng.Float64()
		s := &subject{name: "app", steps: []string{"a", "b"}}
		x := []float64{0.02 * rng.Float64(), 0.05 + rng.Float64(), 0.05 + rng.Float64()}
		for i := range 60 {
			at := slot{run: i / 20, from: float64(15 * i), to: float64(15*i + 15), pods: float64(5 + i/20), rate: []float64{20 + 40*rng.Float64(), 10 + 80*rng.Float64()}, press: []float64{rng.Float64()}}
			at.cores = x[0]*at.pods + (x[1]*at.rate[0]+x[2]*at.rate[1])*(1+eta*at.press[0])
			s.chosen = append(s.chosen, at)
		}
		c, seen, err := fitNeighbours(t.Context(), []*subject{s}, []string{"vm"}, Options{}.withDefaults(), &warnings{})
		if err != nil || c == nil || math.Abs(c.eta[0]-eta) > 1e-6 || !seen["vm"].Known {
			t.Errorf("seed %d: %+v, %v, truth %g", seed, c, err, eta)
		}
	}
}
