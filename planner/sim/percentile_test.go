package sim

import (
	"context"
	"math"
	"testing"
)

// TestStepPercentileOfIdlePods: where nobody waits, the slowest hundredth are those with the most work: the 99th percentile
// is that of the lognormal law, exp(σ·2.3263 − σ²/2) means, at half a core's speed, and the time in the back end beside it.
func TestStepPercentileOfIdlePods(t *testing.T) {
	p := small(2, 3600, 40)
	p.Backends = []Backend{{Name: "register", Cores: 100, Most: 1000}}
	p.Workloads[0].Work[0].Backends = []float64{0.2}
	r, err := Run(context.Background(), p, World{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	sigma := math.Sqrt(math.Log1p(0.3))
	want := 0.15*math.Exp(2.3263*sigma-sigma*sigma/2)/0.5 + 0.2
	if got := r.Series.StepP99[0]; math.Abs(got/want-1) > 0.05 {
		t.Errorf("p99 is %.3f s, want %.3f", got, want)
	}
	if got, want := r.TenantCPU[0], r.Flow.Served*0.15; math.Abs(got/want-1) > 1e-6 {
		t.Errorf("%.2f core-seconds for %.0f requests", got, r.Flow.Served)
	}
}

// TestOnlyTheAnsweredCount: who leaves after a second has no response time above it.
func TestOnlyTheAnsweredCount(t *testing.T) {
	p := small(8, 300, 2) // of 6.7 a second that they can do
	p.Impatience = &Impatience{Patience: fixed(1)}
	r, err := Run(context.Background(), p, World{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Series.StepP99[0]; got > 1.05 || got < 0.5 || r.Flow.Left == 0 {
		t.Errorf("p99 of the answered is %.3f s, %.0f left", got, r.Flow.Left)
	}
}
