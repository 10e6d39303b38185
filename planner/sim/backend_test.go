package sim

import (
	"context"
	"math"
	"slices"
	"testing"
)

// behindOne is a minute and more of one tenant, plenty of pods, and a back end of nine cores that does at most 8.5 at a time,
// less from there on.
func behindOne(t *testing.T, load float64, seed uint64) *Result {
	t.Helper()
	p := small(load*8.5/0.055, 600, 100)
	p.Backends = []Backend{{Name: "register", Cores: 9, Alpha: 0.0043, Beta: 0.0003, Most: 10_000}}
	p.Workloads[0].Work[0].Mean, p.Workloads[0].Work[0].Backends = 0.05, []float64{0.055}
	r, err := Run(context.Background(), p, World{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Flow; math.Abs(f.Arrived-f.Served-f.Refused-f.Lost-f.Open) > 1e-6*f.Arrived {
		t.Errorf("%+v does not add up", f)
	}
	return r
}

// At a tenth of what it can do, requests in service are as many as Little's law says, and stay few.
func TestQuietBackEndHoldsWhatItMust(t *testing.T) {
	r := behindOne(t, 0.1, 1)
	sum := 0.0
	for _, n := range r.Series.BackendBusy[0][:600] {
		sum += n / 600
	}
	if want := 0.1 * 8.5; math.Abs(sum/want-1) > 0.1 {
		t.Errorf("%.3f requests in service in the mean, want %.3f", sum, want)
	}
}

// At nine tenths a burst takes it past its knee sooner or later, and it does not come back; the mean alone never would. At half
// of it no burst does.
func TestBurstTakesABackEndPastItsKnee(t *testing.T) {
	fell, stood := 0, 0
	for seed := range uint64(10) {
		if n := behindOne(t, 0.93, seed).Series.BackendBusy[0]; slices.Max(n) > 200 && n[599] > 200 {
			fell++
		}
		if slices.Max(behindOne(t, 0.5, seed).Series.BackendBusy[0]) < 40 {
			stood++
		}
	}
	if fell < 8 || stood != 10 {
		t.Errorf("%d of 10 fell at nine tenths of what it can do, %d of 10 stood at half", fell, stood)
	}
}

// Who waits for a back end holds a thread: hardly more wait than there are threads (departures are drawn a beat at a time), and
// the others wait in the backlog for as long as threads take to get free, whatever the processors could do.
func TestThreadsBoundWhoWaitsForABackEnd(t *testing.T) {
	p := small(60, 300, 4)
	p.Workloads[0].Threads, p.Workloads[0].Backlog = 4, 40
	p.Workloads[0].Work[0].Mean, p.Workloads[0].Work[0].Backends = 0.01, []float64{1}
	p.Backends = []Backend{{Name: "register", Cores: 100, Most: 10_000}}
	r, err := Run(context.Background(), p, World{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if most := slices.Max(r.Series.BackendBusy[0]); most > 2*16 {
		t.Errorf("%.0f requests wait for the back end, of 16 threads", most)
	}
	if rate := r.Flow.Served / 300; rate < 13 || rate > 18 {
		t.Errorf("%.1f answers/s, 16 threads make 15.7", rate)
	}
	// 160 in the backlog at 15.7 a second, and then a second and 20 ms.
	if got := r.Series.StepP99[0]; got < 9 || got > 14 {
		t.Errorf("p99 is %.1f s, want about 11", got)
	}
}
