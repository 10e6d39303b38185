package gate

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// steady is ten minutes of all tenants, 100 shots each, of which slow are slow.
func steady(slow int) []cell {
	var out []cell
	for m := range 10 {
		out = append(out, minute("", m, 100-slow, slow), minute("a", m, 100-slow, slow))
	}
	return out
}

func compared(t *testing.T, now, then []cell) *Verdict {
	t.Helper()
	before := factsOf(run(promise()), then...)
	v, err := judge(factsOf(run(promise()), now...), &before)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBaselineWorse(t *testing.T) {
	v := compared(t, steady(10), steady(2))
	step := v.Baseline.Steps[0]
	if step.P95.Before != 0.1 || step.P95.After != 5 || !step.P95.Worse {
		t.Errorf("p95 %+v", step.P95)
	}
	// 2 % of the shots lay above 100 ms, then 10 %.
	if math.Abs(step.P95.Shift-0.08) > 1e-9 || step.P95.Low <= 0 || step.P95.High < 0.08 {
		t.Errorf("shift %+v, want 0.08 within an interval above 0", step.P95)
	}
	if step.Errors.Worse || step.P99.Worse {
		t.Errorf("p99 is 5 s in both and nothing failed: %+v", step)
	}
	if len(v.Warnings) != 1 || v.Warnings[0].Code != "worse-than-baseline" || !strings.Contains(v.Warnings[0].Text["de"], "p95 5 s statt 100 ms") {
		t.Errorf("warnings %+v", v.Warnings)
	}
}

func TestBaselineSame(t *testing.T) {
	v := compared(t, steady(2), steady(2))
	step := v.Baseline.Steps[0]
	if step.P95.Worse || step.P99.Worse || step.Errors.Worse || len(v.Warnings) > 0 || step.P95.Shift != 0 {
		t.Errorf("the same run twice: %+v %+v", step, v.Warnings)
	}
}

// One bad minute of ten moves p95 a lot, but is no evidence of a change: shots of one minute share their fate.
func TestBaselineOneBadMinuteIsNoEvidence(t *testing.T) {
	now := steady(0)
	now[0] = minute("", 0, 0, 100)
	now[1] = minute("a", 0, 0, 100)
	step := compared(t, now, steady(0)).Baseline.Steps[0]
	if step.P95.After <= 10*step.P95.Before || step.P95.Worse {
		t.Errorf("p95 %+v: should be higher, yet not called worse", step.P95)
	}
}

func TestBaselineErrors(t *testing.T) {
	now := steady(0)
	for m := range 10 {
		now = append(now, failing("", m, 5), failing("a", m, 5))
	}
	step := compared(t, now, steady(0)).Baseline.Steps[0]
	if !step.Errors.Worse || step.Errors.Before != 0 || math.Abs(step.Errors.After-5.0/105) > 1e-12 {
		t.Errorf("errors %+v", step.Errors)
	}
}

func TestBaselineOfAnotherScenario(t *testing.T) {
	other := factsOf(run(promise()), steady(0)...)
	other.Run.Scenario.Arrivals.Over = time.Minute
	if _, err := judge(factsOf(run(promise()), steady(0)...), &other); err == nil || !strings.Contains(err.Error(), "another scenario") {
		t.Errorf("unlike scenarios compared: %v", err)
	}
	seeded := factsOf(run(promise()), steady(0)...)
	seeded.Run.Scenario.Arrivals.Seed = 7
	if _, err := judge(factsOf(run(promise()), steady(0)...), &seeded); err != nil {
		t.Errorf("another seed is the same load: %v", err)
	}
}

func TestBaselineUnfit(t *testing.T) {
	before := factsOf(run(promise()), steady(0)...)
	before.Run.Validity = record.Validity{Reasons: []scenarios.Text{{"en": "late"}}}
	v, err := judge(factsOf(run(promise()), steady(0)...), &before)
	if err != nil || v.Baseline != nil || len(v.Warnings) != 1 || v.Warnings[0].Code != "baseline-unfit" {
		t.Errorf("%v %+v", err, v)
	}
}
