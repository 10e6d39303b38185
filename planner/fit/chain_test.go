package fit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"pgregory.net/rapid"
)

// pod tells one pod's phases at the given seconds; a negative one never came.
func pod(name, node string, seconds map[string]float64) []record.Event {
	var out []record.Event
	for _, phase := range append([]string{record.PhasePending}, stages...) {
		if at, ok := seconds[phase]; ok && at >= 0 {
			out = append(out, record.Event{
				At: time.Duration(at * float64(time.Second)), Kind: record.KindPod, Tenant: "t-0", Workload: "app", Object: name, Node: node, Phase: phase,
			})
		}
	}
	return out
}

func TestChainStages(t *testing.T) {
	d := usual().data()
	events := []record.Event{
		{At: 58 * time.Second, Kind: record.KindScale, Tenant: "t-0", Workload: "app", From: 2, Desired: 5},
		{At: 10 * time.Second, Kind: record.KindPod, Tenant: "t-0", Workload: "app", Object: "initial", Node: "n1", Phase: record.PhaseReady, Message: "initial"},
	}
	// Scheduled after 0.1, pulled after 20 (the first on its node), started after 2, ready after 8, serving after 1.
	events = append(events, pod("a", "n2", map[string]float64{"created": 60, "scheduled": 60.1, "pulled": 80.1, "started": 82.1, "ready": 90.1, "serving": 91.1})...)
	// On the same node: waits for the pull of a, which is no pull of its own.
	events = append(events, pod("b", "n2", map[string]float64{"created": 70, "scheduled": 70.1, "pulled": 80.1, "started": 84.1, "ready": 92.1})...)
	// Waited 30 s for room, and never became ready.
	events = append(events, pod("c", "n3", map[string]float64{"created": 60, "pending": 60.1, "scheduled": 90, "pulled": 110, "started": 112})...)
	// The image was there.
	events = append(events, pod("d", "n4", map[string]float64{"created": 60, "scheduled": 60.1, "pulled": 60.1, "started": 62.1, "ready": 70.1, "serving": 71.1})...)
	d.Events = append(d.Events, events...)
	chain := mustFit(t, d).Workloads["app"].Chain
	for stage, want := range map[string]struct {
		observed, censored int
		median             float64
	}{
		record.PhaseCreated:   {4, 0, 2 * math.Pow(6, 0.25)}, // 2, 2, 2 and 12 s after the decision: the geometric mean
		record.PhaseScheduled: {3, 0, 0.1},
		record.PhasePulled:    {2, 0, 20},
		record.PhaseStarted:   {4, 0, 2 * math.Pow(2, 0.25)}, // 2, 4, 2 and 2 s
		record.PhaseReady:     {3, 1, 8},
		record.PhaseServing:   {2, 1, 1},
	} {
		got := chain[stage]
		if got == nil {
			t.Errorf("%s: nothing fitted", stage)
			continue
		}
		if got.Observed != want.observed || got.Censored != want.censored {
			t.Errorf("%s: %d observed, %d censored, want %d and %d", stage, got.Observed, got.Censored, want.observed, want.censored)
		}
		if q := got.Quantile(0.5); !near(q, want.median, 0.01) {
			t.Errorf("%s: median %.3f s, want %.3f", stage, q, want.median)
		}
	}
}

func TestDecisionLag(t *testing.T) {
	d := usual().data()
	metrics := func(at int, percent float64) record.Event {
		return record.Event{At: time.Duration(at) * time.Second, Kind: record.KindMetrics, Tenant: "t-0", Workload: "app", Values: map[string]float64{"utilisation_percent": percent}}
	}
	scale := func(at int, from, to int32) record.Event {
		return record.Event{At: time.Duration(at) * time.Second, Kind: record.KindScale, Tenant: "t-0", Workload: "app", From: from, Desired: to}
	}
	// The target is 60 %: 64 % is within the tolerance, 70 % is not. Lowering the count is not a reaction to load.
	d.Events = append(
		d.Events,
		metrics(16, 64), scale(17, 9, 8), metrics(31, 70), metrics(46, 90), scale(51, 8, 12), metrics(61, 50), metrics(76, 80), scale(86, 12, 14), metrics(91, 50),
	)
	got := mustFit(t, d).Workloads["app"].Chain[PhaseDecision]
	// 51−31 = 20 s and 86−76 = 10 s; the median of a lognormal through both is √200.
	if got == nil || got.Observed != 2 || !near(got.Quantile(0.5), math.Sqrt(200), 1e-6) {
		t.Errorf("decision lag %+v", got)
	}
}

func TestDelayOfKnownLognormal(t *testing.T) {
	// 5 + exp(1 + 0.5 Z) s: median 7.72, 95 % quantile 11.19.
	rng := rand.New(rand.NewPCG(3, 3))
	var v []float64
	for range 2000 {
		v = append(v, 5+math.Exp(1+0.5*rng.NormFloat64()))
	}
	d := fitDelay(v, 3)
	for p, want := range map[float64]float64{0.05: 5 + math.Exp(1-0.5*1.6449), 0.5: 5 + math.E, 0.95: 5 + math.Exp(1+0.5*1.6449)} {
		if got := d.Quantile(p); !near(got, want, 0.03) {
			t.Errorf("%.0f %% quantile %.2f s, truth %.2f", 100*p, got, want)
		}
	}
	if want := 5 + math.Exp(1.125); !near(d.Mean(), want, 0.02) {
		t.Errorf("mean %.2f s, truth %.2f", d.Mean(), want)
	}
	if d.Observed != 2000 || d.Censored != 3 {
		t.Errorf("%+v", d)
	}
}

func TestDelayOfConstants(t *testing.T) {
	for n := range 20 {
		v := make([]float64, n+1)
		for i := range v {
			v[i] = 2
		}
		if d := fitDelay(v, 0); d.Sigma > 1e-9 || !near(d.Quantile(0.9), 2, 1e-9) {
			t.Errorf("%d times 2 s: %+v", n+1, d)
		}
	}
	if d := fitDelay(nil, 4); d.Quantile(0.5) != 0 || d.Censored != 4 {
		t.Errorf("nothing observed: %+v", d)
	}
}

// Whatever the delays, the fit has a value, and its quantiles lie in a sane range about the data.
func TestDelayIsAlwaysUsable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.Float64Range(0, 300), 1, 60).Draw(t, "seconds")
		d := fitDelay(v, 0)
		if !finite(d.Shift) || !finite(d.Mu) || !finite(d.Sigma) || d.Shift < 0 || d.Sigma < 0 {
			t.Fatalf("%+v", d)
		}
		least := math.Inf(1)
		for _, x := range v {
			least = math.Min(least, math.Max(x, leastDelay))
		}
		if d.Shift >= least || d.Quantile(0.1) > d.Quantile(0.9) {
			t.Fatalf("%+v, least delay %g", d, least)
		}
	})
}

// saturatedData is minutes of tenants whose pods are always busy; the i-th has i replicas and answers at(i) a second.
func saturatedData(counts []int, at func(n float64) float64) *Data {
	tr := usual()
	tr.tenants = 1
	tr.rate = func(s int) (float64, float64) { return []float64{4, 8}[s/75%2], []float64{1, 6}[s/150%2] }
	d := tr.data()
	for _, n := range counts {
		name := fmt.Sprintf("s-%d", n)
		d.Events = append(d.Events, record.Event{Kind: record.KindReplicas, Tenant: name, Workload: "app", Ready: int32(n)})
		for s := 0; s <= 300; s += 15 {
			d.Events = append(d.Events, record.Event{At: time.Duration(s) * time.Second, Kind: record.KindMetrics, Tenant: name, Workload: "app", Values: map[string]float64{
				"cpu_seconds": float64(s*n) * 0.5, "pods": float64(n),
			}})
		}
		for m := range 5 {
			h := record.NewHistogram(2)
			if err := h.Add(time.Second, int64(math.Round(60*at(float64(n))))); err != nil {
				panic(err)
			}
			d.Windows = append(d.Windows, record.Window{
				Key: record.Key{Measure: "service", Step: "submit", Tenant: name}, Start: time.Duration(m) * time.Minute, Length: time.Minute, Histogram: h,
			})
		}
	}
	return d
}

func TestKneePassed(t *testing.T) {
	want := usl{30, 0.02, 0.002} // knee at √(0.98/0.002) = 22
	c := mustFit(t, saturatedData([]int{1, 2, 4, 8, 16, 24, 40}, want.at)).Workloads["app"].Capacity
	if !c.KneeObserved || !near(c.Alpha.Value, 0.02, 0.05) || !near(c.Beta.Value, 0.002, 0.05) || !near(c.Gamma.Value, 30, 0.01) {
		t.Errorf("knee %v, %+v %+v %+v", c.KneeObserved, c.Gamma.Value, c.Alpha.Value, c.Beta.Value)
	}
	if len(c.Points) < 35 || !near(c.AtLeast, want.at(24), 0.01) {
		t.Errorf("%d points, at least %.1f", len(c.Points), c.AtLeast)
	}
}

func TestKneeNotPassed(t *testing.T) {
	m := mustFit(t, saturatedData([]int{1, 2, 4, 8, 12}, usl{30, 0.02, 0.002}.at))
	c := m.Workloads["app"].Capacity
	if c.KneeObserved || !warned(m, "knee-not-observed") || !near(c.AtLeast, usl{30, 0.02, 0.002}.at(12), 0.01) {
		t.Errorf("data end at 12 replicas, the knee is at 22: %+v", c)
	}
}

// Without a saturated minute a pod's throughput follows from its limit and the work of a request.
func TestCapacityWithoutSaturation(t *testing.T) {
	tr := usual()
	tr.length = 1200
	c := mustFit(t, tr.data()).Workloads["app"].Capacity
	// The mix over the run is 60 submits to 35 forms a second.
	want := 0.5 * 95 / (60*tr.submit + 35*tr.form)
	if c.KneeObserved || !near(c.Gamma.Value, want, 0.03) || c.Beta.Value != 0 {
		t.Errorf("γ %.3f, want %.3f; %+v", c.Gamma.Value, want, c)
	}
}
