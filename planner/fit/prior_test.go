package fit

import (
	"math"
	"testing"
	"time"

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
