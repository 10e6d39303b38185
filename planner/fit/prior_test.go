package fit

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/ansturm/ansturm/scenarios"
)

// describing puts into a run's platform what its operators think that the steps cost.
func describing(d *Data, submit, form float64) *Data {
	fixed := func(s float64) scenarios.Work {
		return scenarios.Work{CPU: scenarios.Distribution{Fixed: new(time.Duration(s * float64(time.Second)))}}
	}
	d.Run.Platform.Workloads[0].Steps = map[string]scenarios.Work{"submit": fixed(submit), "form": fixed(form)}
	return d
}

// Two steps that always come together: their sum is measured, and divided as described, whatever the description's total.
func TestWhatComesTogetherIsDividedAsDescribed(t *testing.T) {
	tr := usual()
	tr.cv = 1.5 // chance alone makes the rates differ a little: too little for such requests
	tr.rate = func(s int) (float64, float64) { r := []float64{40, 80}[s/75%2]; return r, r }
	m := mustFit(t, describing(tr.data(), 3*tr.submit*1.2, 3*tr.form*0.8))
	w := m.Workloads["app"]
	submit, form := w.Steps["submit"], w.Steps["form"]
	if both := submit.Demand.Value + form.Demand.Value; !near(both, tr.submit+tr.form, 0.05) || !near(submit.Demand.Value/form.Demand.Value, 3.75, 0.2) {
		t.Errorf("submit %.4f and form %.4f, together %.4f", submit.Demand.Value, form.Demand.Value, both)
	}
	for step, truth := range map[string]float64{"submit": tr.submit, "form": tr.form} {
		s := w.Steps[step]
		if !s.Divided || s.Demand.Low > truth || s.Demand.High < truth {
			t.Errorf("%s: %.4f to %.4f, truth %.4f, divided %v", step, s.Demand.Low, s.Demand.High, truth, s.Divided)
		}
		if p := parameterOf(m, KindDemand, "app", step); p.Status != Assumed || p.Settles != RunCommon {
			t.Errorf("parameter %+v", p)
		}
	}
	if !warned(m, "demand-divided") || warned(m, "demand-collinear") {
		t.Errorf("warnings %v", m.Warnings)
	}
}

// Where the runs tell, a wrong description changes nothing.
func TestADescriptionDoesNotOutweighMeasurements(t *testing.T) {
	tr := usual()
	tr.length = 900
	without, with := mustFit(t, tr.data()).Workloads["app"], mustFit(t, describing(tr.data(), tr.submit/2, 2*tr.form)).Workloads["app"]
	for _, step := range []string{"submit", "form"} {
		if a, b := without.Steps[step], with.Steps[step]; !near(a.Demand.Value, b.Demand.Value, 0.02) || b.Divided {
			t.Errorf("%s: %.4f became %.4f", step, a.Demand.Value, b.Demand.Value)
		}
	}
}

// Pods that use nothing when idle: noise is not taken for their use; pods that do use something are seen to.
func TestIdleCoresAreToldFromNothing(t *testing.T) {
	claimed, seen := 0, 0
	for seed := range uint64(20) {
		tr := usual()
		tr.seed, tr.idle = seed, 0
		if mustFit(t, tr.data()).Workloads["app"].Idle.Value > 0 {
			claimed++
		}
		tr.idle = 0.05
		if idle := mustFit(t, tr.data()).Workloads["app"].Idle; idle.Value > 0 && math.Abs(idle.Value-tr.idle) < 0.02 {
			seen++
		}
	}
	if claimed > 3 || seen < 18 { // one in twenty of what is nothing looks like something at 90 %
		t.Errorf("of 20 platforms idle cores are claimed on %d that have none, and seen on %d that have", claimed, seen)
	}
}

// A minute after a busy one still has its waiting: it is none of the quiet ones.
func TestTheMinuteAfterABusyOneIsNotQuiet(t *testing.T) {
	r := &run{}
	busy := &tenant{limit: 0.5, cpu: counter{t: []float64{0, 60, 120, 180}, v: []float64{0, 29, 33, 37}}, ready: counter{t: []float64{0}, v: []float64{1}}}
	if !r.restless(busy, 60) || r.restless(busy, 120) || r.restless(busy, 0) {
		t.Errorf("after a busy minute %v, after a quiet one %v, at the start %v", r.restless(busy, 60), r.restless(busy, 120), r.restless(busy, 0))
	}
	r.strained = []span{{100, 130}}
	if !r.restless(busy, 120) || r.restless(busy, 180) {
		t.Error("back ends under strain")
	}
}

// Three steps, of which the third always comes with the first and nothing is described of it: neither is known, the second is.
func TestWhatHidesInAnotherStepIsNotKnown(t *testing.T) {
	described := &scenarios.Workload{Steps: map[string]scenarios.Work{}}
	for step, cost := range map[string]time.Duration{"a": 100 * time.Millisecond, "b": 200 * time.Millisecond} {
		described.Steps[step] = scenarios.Work{CPU: scenarios.Distribution{Fixed: new(cost)}}
	}
	for _, apart := range []float64{0, 1e-9, 1} {
		rng := rand.New(rand.NewPCG(1, 1))
		s := &subject{name: "app", steps: []string{"a", "b", "c"}, quietPod: math.Inf(1)}
		for i := range 60 {
			a, b := float64(5+i%7), float64(3+i%4)
			rate := []float64{a, b, a + apart*float64(i%5)}
			s.chosen = append(s.chosen, slot{
				from: float64(15 * i), to: float64(15*i + 15), pods: float64(1 + i%3), rate: rate, fresh: []float64{0},
				cores: 0.1*rate[0] + 0.2*b + 0.05*rate[2] + 0.02*rng.NormFloat64(),
			})
		}
		warn := &warnings{}
		f, err := fitDemand(t.Context(), s, described, nil, Options{}.withDefaults(), warn)
		if err != nil {
			t.Fatal(err)
		}
		together := apart < 1
		if want := []bool{together, false, together}; !slices.Equal(f.divided, want) {
			t.Errorf("apart by %g: divided %v, want %v, cost %v", apart, f.divided, want, f.x)
		}
		if both := f.x[1] + f.x[3]; !near(both, 0.15, 0.03) || !near(f.x[2], 0.2, 0.05) {
			t.Errorf("apart by %g: cost %v", apart, f.x)
		}
	}
}

// What pods use when idle is no request's work, of which the description's scale is one.
func TestTheDescriptionIsScaledToTheRequestsWork(t *testing.T) {
	described := &scenarios.Workload{Steps: map[string]scenarios.Work{}}
	for _, step := range []string{"a", "b"} {
		described.Steps[step] = scenarios.Work{CPU: scenarios.Distribution{Fixed: new(time.Second)}}
	}
	f := &demandFit{steps: []string{"a", "b"}, x: []float64{0.5, 0.1, 0.1}, quietPod: 0.5}
	a := mat.NewDense(4, 3, []float64{2, 1, 1, 4, 1, 1, 2, 3, 3, 4, 3, 3})
	b := []float64{1.2, 2.2, 1.6, 2.6}
	if p := f.believe(described, a, b); !near(p.mean[0], 0.1, 1e-9) || !near(p.mean[1], 0.1, 1e-9) {
		t.Errorf("each costs %v, truth 0.1", p.mean)
	}
}

// A platform that says nothing of what steps cost may still say how long they wait: that wait is no work that was divided away.
func TestADescribedWaitIsNoWork(t *testing.T) {
	described := &scenarios.Workload{Steps: map[string]scenarios.Work{"a": {Backends: map[string]time.Duration{"x": 200 * time.Millisecond, "y": 100 * time.Millisecond}}}}
	if got := waitOf(described, "a"); !near(got, 0.3, 1e-9) || waitOf(described, "b") != 0 || waitOf(nil, "a") != 0 {
		t.Errorf("%g s at back ends", got)
	}
	tr := usual()
	tr.rate = func(s int) (float64, float64) { r := []float64{40, 80}[s/75%2]; return r, r }
	spread := func(wait time.Duration) float64 {
		d := tr.data()
		d.Run.Platform.Workloads[0].Steps = map[string]scenarios.Work{"submit": {Backends: map[string]time.Duration{"x": wait}}, "form": {}}
		s := mustFit(t, d).Workloads["app"].Steps["submit"]
		if !s.Divided {
			t.Fatalf("%+v", s)
		}
		return s.Spread.Value
	}
	if with, without := spread(time.Hour), spread(0); with <= without {
		t.Errorf("spread %g with the wait described, %g without", with, without)
	}
}
