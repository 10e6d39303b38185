package fit

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/testdata/proofs"
)

// The flags of make fit-coverage: a range of seeds.
var (
	coverageFrom = flag.Int64("coverage.from", -1, "first seed; -1: all that the proofs do not have yet")
	coverageTo   = flag.Int64("coverage.to", 0, "the seed after the last; -1: the proof's own goal; 0: no proof")
)

const (
	coverageGoal  = 2000
	coveragePiece = 100
	coverageProof = "../../testdata/proofs/coverage.jsonl"
	// latest is a parameter that was added last: a piece without it is gone through again.
	latest = "neighbours, eta"
)

// coverageLine is a line of proof: one parameter in some worlds.
type coverageLine struct {
	Date      string  `json:"date"`
	Commit    string  `json:"commit"`
	From      int64   `json:"from"`
	To        int64   `json:"to"`
	Parameter string  `json:"parameter"`
	Worlds    int     `json:"worlds"`  // in which it was estimated
	Covered   int     `json:"covered"` // in which the 90 % interval holds the truth
	Under     int     `json:"under"`   // the interval lies below the truth
	Over      int     `json:"over"`
	Width     float64 `json:"width"` // median of the interval's over the truth
}

// told is an estimate beside the truth.
type told struct {
	Estimate
	truth float64
}

// world is everything a fit says of the seed's synthetic platform, beside what is true of it. Two calibration runs with
// fixed pods, stepped rates and unlike mixes, and one in which pods join; scrapes come in each tenant's own phase, some are
// lost, pods restart; requests come at random and cost as they like.
func world(t *testing.T, seed int64) map[string]told {
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
	young.factor, young.young = between(1.5, 3), []float64{20, 30, 60}[rng.IntN(3)]
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
	out := map[string]told{
		"demand of submit": {w.Steps["submit"].Demand, tr.submit},
		"demand of form":   {w.Steps["form"].Demand, tr.form},
		"idle":             {w.Idle, tr.idle},
		"gamma by demand":  {w.Capacity.Gamma, 0.5 * (counts[0] + counts[1]) / (counts[0]*tr.submit + counts[1]*tr.form)},
		"warm-up factor":   {w.WarmUpFactor, young.factor},
	}
	if d := w.Chain[record.PhaseReady]; d != nil {
		out["delay, median"] = told{d.Median, shift + math.Exp(mu)}
		out["delay, 95 %"] = told{d.Late, shift + math.Exp(mu+1.6449*sigma)}
	}
	scalability(rng, out)
	heapWorld(t, seed, out)
	houseWorld(t, seed, out)
	return out
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

// scalability adds the law's three parameters, fitted to saturated minutes of unlike numbers of replicas.
func scalability(rng *rand.Rand, out map[string]told) {
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
	for i, p := range []struct {
		name       string
		fit, truth float64
	}{{"gamma", got.gamma, u.gamma}, {"alpha", got.alpha, u.alpha}, {"beta", got.beta, u.beta}} {
		out["scalability, "+p.name] = told{estimate(p.fit, uslDraws(n, x, got, opts)[i], "", opts), p.truth}
	}
}

// coverageOf counts what the intervals hold in the worlds from..to.
func coverageOf(t *testing.T, from, to int64) []coverageLine {
	lines, widths := map[string]*coverageLine{}, map[string][]float64{}
	for seed := from; seed < to; seed++ {
		for name, e := range world(t, seed) {
			l := lines[name]
			if l == nil {
				l = &coverageLine{Date: time.Now().UTC().Format(time.DateOnly), Commit: proofs.Commit(), From: from, To: to, Parameter: name}
				lines[name] = l
			}
			l.Worlds++
			switch {
			case e.High < e.truth:
				l.Under++
			case e.Low > e.truth:
				l.Over++
			default:
				l.Covered++
			}
			widths[name] = append(widths[name], (e.High-e.Low)/e.truth)
		}
	}
	var out []coverageLine
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		slices.Sort(widths[name])
		lines[name].Width = math.Round(1e4*widths[name][len(widths[name])/2]) / 1e4
		out = append(out, *lines[name])
	}
	return out
}

// TestFitCoverage goes through synthetic worlds piece by piece and appends a line of proof for each parameter.
func TestFitCoverage(t *testing.T) {
	if *coverageTo == 0 {
		t.Skip("make fit-coverage")
	}
	lines, err := proofs.Read[coverageLine](coverageProof)
	if err != nil {
		t.Fatal(err)
	}
	type piece struct {
		from      int64
		parameter string
	}
	shown := map[piece]bool{}
	var done []proofs.Span
	for _, l := range lines {
		shown[piece{l.From, l.Parameter}] = true
		if l.Parameter == latest {
			done = append(done, proofs.Span{From: l.From, To: l.To})
		}
	}
	for from, to := range proofs.Pieces(*coverageFrom, *coverageTo, coverageGoal, coveragePiece, done) {
		for _, l := range coverageOf(t, from, to) {
			if shown[piece{from, l.Parameter}] { // before, when there were fewer parameters
				continue
			}
			if err := proofs.Append(coverageProof, l); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, l)
		}
	}
	sums := map[string]*coverageLine{}
	for _, l := range lines {
		s := sums[l.Parameter]
		if s == nil {
			s = &coverageLine{}
			sums[l.Parameter] = s
		}
		s.Worlds, s.Covered, s.Under, s.Over, s.Width = s.Worlds+l.Worlds, s.Covered+l.Covered, s.Under+l.Under, s.Over+l.Over, l.Width
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		s := sums[name]
		t.Logf("%-20s %5.1f %% of %d (below the truth %.1f %%, above %.1f %%), width %.3f", name, 100*float64(s.Covered)/float64(s.Worlds), s.Worlds,
			100*float64(s.Under)/float64(s.Worlds), 100*float64(s.Over)/float64(s.Worlds), s.Width)
	}
}
