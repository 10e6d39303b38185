package sim

import (
	"context"
	"math"
	"testing"
)

// TestSteadyAgainstReference holds a fixed number of pods under a constant rate: the share of slow requests and the
// utilisation of the simulation against the same from the requests one by one.
func TestSteadyAgainstReference(t *testing.T) {
	for _, c := range []struct {
		pods int
		rho  float64
	}{{2, 0.5}, {2, 0.7}, {2, 0.8}, {4, 0.8}, {8, 0.85}, {24, 0.9}, {24, 0.95}} {
		p := small(c.rho*float64(c.pods)*0.5/0.15, 3000, c.pods)
		var slow, shots, refSlow, refShots, cores, refCores float64
		for seed := range uint64(3) {
			ref := &reference{p: p}
			if err := ref.run(seed); err != nil {
				t.Fatal(err)
			}
			refSlow += float64(ref.slow)
			refShots += float64(ref.shots)
			refCores += ref.cpu
		}
		for seed := range uint64(3) {
			var r Runner
			r.Detail = true
			res, err := r.Run(context.Background(), p, World{Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			for m := range r.minutes {
				slow += float64(r.slow[m])
				shots += float64(r.shots[m])
			}
			for _, x := range res.Series.Cores {
				cores += x
			}
		}
		a, b := slow/shots, refSlow/refShots
		t.Logf("%d pods at %.2f: slow %.4f, one by one %.4f; cores %.3f, %.3f", c.pods, c.rho, a, b, cores/9000, refCores/9000)
		if math.Abs(a-b) > 0.003+0.3*b {
			t.Errorf("%d pods at %.2f: share of slow requests %.4f, one by one %.4f", c.pods, c.rho, a, b)
		}
		if math.Abs(cores/refCores-1) > 0.03 {
			t.Errorf("%d pods at %.2f: %.1f core-seconds, one by one %.1f", c.pods, c.rho, cores, refCores)
		}
	}
}

// TestScalingAgainstReference lets one tenant's load rise threefold with the autoscaler acting. The replicas must follow
// the one-by-one reference's within one, and the slow share agree.
func TestScalingAgainstReference(t *testing.T) {
	p := small(1, 1200, 4)
	for s := range p.Shape[0] {
		p.Shape[0][s] = 8 + 24*math.Min(1, math.Max(0, (float64(s)-200)/90))
	}
	p.Workloads[0].HPA = scaling(60, 2, 40)
	p.Workloads[0].Pull = fixed(0) // the reference pulls no images
	p.Control.Lag = 0              // nor has it a metrics API
	const seeds = 24
	seconds := 1200
	sum, refSum := make([]float64, seconds), make([]float64, seconds)
	var slow, shots, refSlow, refShots, cores, refCores float64
	for seed := range uint64(seeds) {
		ref := &reference{p: p}
		if err := ref.run(seed); err != nil {
			t.Fatal(err)
		}
		r := Runner{Detail: true}
		res, err := r.Run(context.Background(), p, World{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		for s := range seconds {
			sum[s] += float64(res.Series.TenantDesired[0][s]) / seeds
			refSum[s] += float64(ref.desiredAt[s]) / seeds
			cores += res.Series.Cores[s]
		}
		refSlow, refShots, refCores = refSlow+float64(ref.slow), refShots+float64(ref.shots), refCores+ref.cpu
		for m := range r.minutes {
			slow += float64(r.slow[m])
			shots += float64(r.shots[m])
		}
	}
	within := 0
	for s := range seconds {
		if math.Abs(sum[s]-refSum[s]) <= 1.25 {
			within++
		}
	}
	t.Logf("within one replica in %.1f %% of the seconds; slow %.4f, one by one %.4f; core-seconds %.0f, %.0f",
		100*float64(within)/float64(seconds), slow/shots, refSlow/refShots, cores, refCores)
	if float64(within) < 0.93*float64(seconds) {
		t.Errorf("replicas within one of the reference in %d of %d seconds only", within, seconds)
	}
	if a, b := slow/shots, refSlow/refShots; math.Abs(a-b) > 0.01+0.3*b {
		t.Errorf("slow share %.4f, one by one %.4f", a, b)
	}
	if math.Abs(cores/refCores-1) > 0.03 {
		t.Errorf("%.0f core-seconds, one by one %.0f", cores, refCores)
	}
}

// Served second by second or in beats, a surge comes to the same: the same persons, and of all that a plan goes by as much, from
// hardly busy to up to the limit of the pods; with a back end behind them; and with autoscalers, impatient persons and a lost node.
func TestAWholeSecondIsTwoBeats(t *testing.T) {
	behind := small(120, 300, 60)
	behind.Backends = []Backend{{Name: "register", Cores: 40, Alpha: 0.004, Beta: 0.0003, Most: 10_000}}
	behind.Workloads[0].Work[0].Backends = []float64{0.06}
	for name, c := range map[string]struct {
		p     *Params
		world World
	}{
		"a fifth of what the pods do": {small(14, 600, 20), World{}},
		"half":                        {small(34, 600, 20), World{}},
		"three quarters":              {small(50, 600, 20), World{}},
		"nine tenths":                 {small(60, 600, 20), World{}},
		"a back end behind them":      {behind, World{}},
		"autoscalers and a lost node": {rush(18), World{Lost: 3, At: 600}},
	} {
		t.Run(name, func(t *testing.T) {
			inBeats, whole := courses(t, c.p, c.world, true), courses(t, c.p, c.world, false)
			if inBeats["shots"] != whole["shots"] && c.p.Impatience == nil {
				t.Errorf("%v came instead of %v", whole["shots"], inBeats["shots"])
			}
			for what, far := range map[string]float64{"shots": 0.001, "CPU": 0.002, "p99": 0.02, "slow": 0.1, "replicas": 0.005, "at back ends": 0.03} {
				if was, is := inBeats[what], whole[what]; math.Abs(is-was) > far*was+0.001 {
					t.Errorf("%s: %v, in beats %v", what, is, was)
				}
			}
		})
	}
}

// courses are the means of some days.
func courses(t *testing.T, p *Params, world World, beatwise bool) map[string]float64 {
	t.Helper()
	const days = 8
	sum := map[string]float64{}
	for seed := range uint64(days) {
		world.Seed = seed
		out, err := (&Runner{Detail: true, Tails: true, beatwise: beatwise}).Run(t.Context(), p, world)
		if err != nil {
			t.Fatal(err)
		}
		sum["shots"] += out.Flow.Arrived / days
		sum["replicas"] += out.ReplicaSeconds / days
		for i := range out.TenantCPU {
			sum["CPU"] += out.TenantCPU[i] / days
			sum["slow"] += out.TenantSlow[i] / float64(len(out.TenantCPU)) / days
		}
		sum["p99"] += out.Series.StepP99[0] / days
		for _, busy := range out.Series.BackendBusy {
			for _, n := range busy {
				sum["at back ends"] += n / float64(len(busy)) / days
			}
		}
	}
	return sum
}
