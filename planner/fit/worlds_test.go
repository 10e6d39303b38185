package fit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// told is an estimate beside the truth.
type told struct {
	Estimate
	truth float64
}

// worlds are what a fit is asked of a seed: synthetic platforms that have nothing in common but the seed.
var worlds = []struct {
	name string
	add  func(t *testing.T, seed int64, out map[string]told)
}{
	{"calibration", calibrationWorld},
	{"requests", requestWorld},
	{"memory", heapWorld},
	{"neighbours", houseWorld},
	{"back end", backendWorld},
	{"scalability", scalabilityWorld},
}

// calibrationWorld adds what a fit says of two calibration runs with fixed pods, stepped rates and unlike mixes, and of one in
// which pods join; scrapes come in each tenant's own phase, some are lost, pods restart; requests come at random and cost as
// they like.
func calibrationWorld(t *testing.T, seed int64, out map[string]told) {
	rng := rand.New(rand.NewPCG(uint64(seed), 17))
	between := func(low, high float64) float64 { return low * math.Pow(high/low, rng.Float64()) }
	tr := usual()
	tr.submit, tr.form, tr.idle = between(0.05, 0.4), between(0.02, 0.1), between(0.003, 0.05)
	tr.cv, tr.backend, tr.tenants = between(0.2, 1.5), 0, 2+rng.IntN(6)
	tr.length, tr.phase = 60*(3+rng.IntN(8)), 1+rng.IntN(14)
	tr.lost, tr.restarts = 0.03*rng.Float64(), rng.IntN(3)
	cores := between(5, 40)
	var data []*Data
	var counts [2]float64
	for i, share := range []float64{0.1, 0.9} { // of the form, as a calibration has it
		run := tr
		run.seed = uint64(seed)*10 + uint64(i)
		pods := roomy(cores, tr.tenants) + rng.IntN(3)
		run.pods = func(int) int { return pods }
		levels := []float64{0.3 + 0.3*rng.Float64(), 0.7 + 0.3*rng.Float64(), 0.1 + 0.2*rng.Float64()}
		run.rate = func(s int) (float64, float64) {
			shots := cores * levels[s*len(levels)/(run.length+1)] / (tr.submit + share*tr.form)
			return shots, share * shots
		}
		d := run.data()
		data = append(data, d)
		for _, s := range arrange(d).slots(i, "app", []string{"submit", "form"}, nil) {
			counts[0], counts[1] = counts[0]+s.rate[0], counts[1]+s.rate[1] // the mix that γ is told for
		}
	}
	young := tr
	young.purpose, young.length, young.seed = "surge", 900, uint64(seed)*10+2
	young.factor = between(1.5, 3)
	young.young = float64(15 + rand.New(rand.NewPCG(uint64(seed), 31)).IntN(76)) // whole seconds, as the truth has them
	base := roomy(cores, tr.tenants)
	young.pods = func(s int) int { return base * (2 + s/180) / 2 }
	shots := cores * 0.5 / (tr.submit + 0.3*tr.form)
	young.rate = func(int) (float64, float64) { return shots, 0.3 * shots }
	starts := &Data{Run: young.data().Run} // pods that came up while nobody scraped
	shift, mu, sigma := between(1, 8), math.Log(between(2, 10)), between(0.2, 0.6)
	started := 6 + rng.IntN(100)
	for i := range started {
		at := 100 + 700*rng.Float64()
		starts.Events = append(starts.Events, pod(fmt.Sprintf("late-%d", i), fmt.Sprintf("n-%d", i), map[string]float64{
			"created": at, "scheduled": at, "pulled": at, "started": at, "ready": at + shift + math.Exp(mu+sigma*rng.NormFloat64()),
		})...)
	}
	data = append(data, young.data(), starts)
	m, err := FromData(t.Context(), data, Options{Seed: uint64(seed)})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	w := m.Workloads["app"]
	out["demand of submit"] = told{w.Steps["submit"].Demand, tr.submit}
	out["demand of form"] = told{w.Steps["form"].Demand, tr.form}
	out["idle"] = told{w.Idle, tr.idle}
	out["gamma by demand"] = told{w.Capacity.Gamma, 0.5 * (counts[0] + counts[1]) / (counts[0]*tr.submit + counts[1]*tr.form)}
	out["warm-up, factor"] = told{w.WarmUpFactor, young.factor}
	out["warm-up, length"] = told{w.WarmUpSeconds, young.young}
	if d := w.Chain[record.PhaseReady]; d != nil {
		out["delay, median"] = told{d.Median, shift + math.Exp(mu)}
		out["delay, 95 %"] = told{d.Late, shift + math.Exp(mu+1.6449*sigma)}
	}
}

// requestWorld adds what a fit says of single requests: their response time where nobody else is, how much of it is a back
// end's, and how unlike they are.
func requestWorld(t *testing.T, seed int64, out map[string]told) {
	rng := rand.New(rand.NewPCG(uint64(seed), 41))
	between := func(low, high float64) float64 { return low * math.Pow(high/low, rng.Float64()) }
	v := served{
		limit: 0.5, idle: between(0.003, 0.02), backend: between(0.01, 0.2), tenants: 1 + rng.IntN(4), pods: 3 + rng.IntN(4),
		work: [2]float64{between(0.05, 0.3), between(0.02, 0.1)}, cv: [2]float64{between(0.2, 0.9), between(0.2, 0.9)}, length: 60 * (8 + rng.IntN(9)),
	}
	var data []*Data
	for i, share := range []float64{0.1, 0.9} {
		run := v
		run.seed = uint64(seed)*10 + uint64(i)
		levels := []float64{0.03 + 0.07*rng.Float64(), 0.3 + 0.2*rng.Float64(), 0.03 + 0.1*rng.Float64()}
		run.rate = func(s int) [2]float64 {
			shots := v.limit * float64(v.pods) * levels[s*len(levels)/(run.length+1)] / (v.work[0] + share*v.work[1])
			return [2]float64{shots, share * shots}
		}
		data = append(data, run.data())
	}
	m, err := FromData(t.Context(), data, Options{Seed: uint64(seed)})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	for k, step := range servedSteps {
		w := m.Workloads["app"].Steps[step]
		out["unloaded, median of "+step] = told{w.Floor, v.work[k]/math.Sqrt(1+v.cv[k]*v.cv[k])/v.limit + v.backend}
		out["unloaded, back end of "+step] = told{w.Backend, v.backend}
		out["spread of "+step] = told{w.Spread, v.cv[k] * v.cv[k]}
	}
}

// backendWorld adds what a fit says a shared back end serves at most. What is in service shares its cores, each request one
// at most; more is offered than that, and requests that find too many in service are turned away.
func backendWorld(t *testing.T, seed int64, out map[string]told) {
	rng := rand.New(rand.NewPCG(uint64(seed), 47))
	between := func(low, high float64) float64 { return low * math.Pow(high/low, rng.Float64()) }
	b := besieged{
		cores: 1 + float64(rng.IntN(8)), work: between(0.01, 0.1), cv: between(0.2, 1.5), room: 60 + rng.IntN(200), length: 60 * (3 + rng.IntN(8)), offered: between(1.05, 1.5),
	}
	d := usual().data()
	d.Run.Platform.Backends = []scenarios.Backend{{Name: "registry", Cores: b.cores}}
	d.Events = append(d.Events, b.events(rng)...)
	m, err := FromData(t.Context(), []*Data{d}, Options{Seed: uint64(seed)})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if e := m.Backends["registry"]; e != nil && e.Most.Value > 0 {
		out["back end, most"] = told{e.Most, b.cores / b.work}
	}
}

// heapWorld adds what a fit says of a pod's memory: requests in flight come at random in every pod, each of which keeps its
// own share of its own peak; scrapes see the sum of the pods.
func heapWorld(t *testing.T, seed int64, out map[string]told) {
	rng := rand.New(rand.NewPCG(uint64(seed), 23))
	between := func(low, high float64) float64 { return low * math.Pow(high/low, rng.Float64()) }
	h := heap{
		seed: uint64(seed), base: between(50e6, 1e9), slope: between(0.2e6, 5e6), ratchet: 0.1 + 0.8*rng.Float64(), tenants: 1 + rng.IntN(5), pods: 2 + rng.IntN(8),
		length: 60 * (5 + rng.IntN(10)),
	}
	h.noise = h.slope * between(0.1, 2)
	levels := []float64{2 + 3*rng.Float64(), 6 + 4*rng.Float64(), 12 + 6*rng.Float64(), 5 + 3*rng.Float64(), 2 * rng.Float64()}
	h.open = func(s int) float64 { return levels[s*len(levels)/(h.length+1)] }
	m, err := FromData(t.Context(), []*Data{h.data()}, Options{Seed: uint64(seed)})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	mem := m.Workloads["app"].Memory
	out["memory, base"] = told{mem.Base, h.base}
	out["memory, slope"] = told{mem.PerRequest, h.slope}
	out["memory, ratchet"] = told{mem.Ratchet, h.ratchet}
}

// houseWorld adds what a fit says of loud neighbours, and of the demand beside them.
func houseWorld(t *testing.T, seed int64, out map[string]told) {
	rng := rand.New(rand.NewPCG(uint64(seed), 29))
	between := func(low, high float64) float64 { return low * math.Pow(high/low, rng.Float64()) }
	h := usualHouse()
	h.seed, h.eta, h.cv = uint64(seed), 1.2*rng.Float64(), between(0.2, 1.2)
	h.demand = [2]float64{between(0.05, 0.2), between(0.2, 0.6)}
	h.length, h.cores = 60*(4+rng.IntN(8)), between(40, 80)
	m, err := FromData(t.Context(), []*Data{h.data(), h.loud().data()}, Options{Seed: uint64(seed)})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if n := m.Neighbours["vm"]; n != nil && n.Known {
		out["neighbours, eta"] = told{n.Eta, h.eta}
		out["demand beside neighbours"] = told{m.Workloads["app"].Steps["ask"].Demand, h.demand[0]}
	}
}

// roomy is so many pods of half a core a tenant that none of them is at its limit.
func roomy(cores float64, tenants int) int {
	return int(math.Ceil(cores / float64(tenants) / 0.5 / 0.7))
}

// scalabilityWorld adds the law's three parameters, fitted to saturated minutes of unlike numbers of replicas.
func scalabilityWorld(_ *testing.T, seed int64, out map[string]told) {
	rng := rand.New(rand.NewPCG(uint64(seed), 37))
	u := usl{gamma: 3 + 20*rng.Float64(), alpha: 0.01 + 0.1*rng.Float64(), beta: 0.0005 + 0.003*rng.Float64()}
	noise := 0.005 + 0.03*rng.Float64()
	var n, x []float64
	for range 20 + rng.IntN(60) {
		replicas := float64(1 + rng.IntN(24))
		n, x = append(n, replicas), append(x, u.at(replicas)*(1+noise*rng.NormFloat64()))
	}
	got, err := fitUSL(n, x)
	if err != nil {
		return
	}
	opts := Options{Seed: rng.Uint64()}.withDefaults()
	draws := uslDraws(n, x, got, opts)
	for i, p := range []struct {
		name       string
		fit, truth float64
	}{{"gamma", got.gamma, u.gamma}, {"alpha", got.alpha, u.alpha}, {"beta", got.beta, u.beta}} {
		out["scalability, "+p.name] = told{estimate(p.fit, draws[i], "", opts), p.truth}
	}
}
