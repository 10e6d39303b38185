package sim

import (
	"context"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// storm is a short rush onto four pods, which could serve 13 persons/s; six a second come after it too. Everybody
// reloads, nine times at most.
func storm() *Params {
	p := small(6, 2400, 4)
	for s := 200; s < 320; s++ {
		p.Shape[0][s] = 40
	}
	p.Impatience = &Impatience{Patience: fixed(8), Reload: 0.95, Most: 8}
	p.Timeout = 20
	for _, x := range p.Shape[0] {
		p.Persons += x
	}
	return p
}

func played(t *testing.T, p *Params, seed uint64) *Result {
	t.Helper()
	r, err := Run(context.Background(), p, World{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A rush of two minutes takes a platform down for good: half an hour later every answer still comes too late, because
// everybody reloads. A waiting room put up in the midst of it brings the platform back; one that was there from the
// start would have kept the promise. (A metastable failure: Bronson et al. 2021.)
func TestADoorEndsAStormOfRetries(t *testing.T) {
	for seed := range uint64(5) {
		without := played(t, storm(), seed)
		for _, minute := range []int{10, 20, 35} {
			if p95 := without.Series.P95[60*minute]; p95 < 8 {
				t.Fatalf("seed %d: minute %d, %d minutes after the rush, without a door: 95 %% within %.1f s, want a platform that is down", seed, minute, minute-5, p95)
			}
		}
		p := storm()
		p.Door = &Door{Rate: 8, From: 900}
		ended := played(t, p, seed)
		if ended.Series.P95[880] < 8 || ended.Series.P95[1100] > 2 || ended.Series.P95[2300] > 2 {
			t.Errorf("seed %d: door put up at 900 s: 95 %% within %.1f s before, %.1f s at 1100 s, %.1f s at 2300 s", seed,
				ended.Series.P95[880], ended.Series.P95[1100], ended.Series.P95[2300])
		}
		p = storm()
		p.Door = &Door{Rate: 8}
		kept := played(t, p, seed)
		if kept.Broken || kept.Waiting.Left > 0.5 {
			t.Errorf("seed %d: with a door from the start: worst window %.3f, %.0f left at the door", seed, kept.Slow, kept.Waiting.Left)
		}
		// The rush brings 32/s more than are let in, for 120 s: 3,840 persons, let in at 8/s, are a wait of 480 s.
		if w := kept.Waiting; math.Abs(w.Queue-3840) > 190 || math.Abs(w.Most-480) > 24 {
			t.Errorf("seed %d: queue %.0f persons, longest wait %.0f s, want about 3840 and 480", seed, w.Queue, w.Most)
		}
	}
}

// Everybody who comes to the door is let in or still there; and never more than the rate are.
func TestTheDoorLosesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(2, 40).Draw(t, "rate")
		p := small(rapid.Float64Range(1, 30).Draw(t, "came"), 200, 6)
		p.Persons = p.Shape[0][0] * 200
		p.Door = &Door{Rate: rate}
		var r Runner
		res, err := r.Run(context.Background(), p, World{Seed: rapid.Uint64().Draw(t, "seed")})
		if err != nil {
			t.Fatal(err)
		}
		came := 0.0
		for _, x := range r.door.came {
			came += x
		}
		if math.Abs(came-p.Persons) > 1e-6*p.Persons || res.Waiting.Left > 0.5 {
			t.Errorf("%.3f came to the door, expected %.3f; %.3f were left", came, p.Persons, res.Waiting.Left)
		}
		if most := rate*200 + rate*math.Max(0, res.Waiting.Until-200); res.Flow.Arrived > most+6*math.Sqrt(most)+2 {
			t.Errorf("%.0f let in by %.0f s at %.1f/s", res.Flow.Arrived, math.Max(200, res.Waiting.Until), rate)
		}
	})
}

// A door that is never shut changes nothing.
func TestAWideDoorChangesNothing(t *testing.T) {
	p := rush(16)
	open, err := Run(context.Background(), p, World{Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	q := rush(16)
	q.Persons = 500_000
	q.Door = &Door{Rate: 1e6}
	wide, err := Run(context.Background(), q, World{Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	if wide.Waiting.Waited != 0 || math.Abs(wide.Flow.Arrived-open.Flow.Arrived) > 0.001*open.Flow.Arrived || wide.Broken != open.Broken {
		t.Errorf("with a wide door %+v, waited %.3f; without %+v", wide.Flow, wide.Waiting.Waited, open.Flow)
	}
}
