package sim

import (
	"context"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestSameWorldSameResult(t *testing.T) {
	p := rush(13)
	w := World{Seed: 7, Demand: 1.05, Lost: 2, At: 500}
	var r Runner
	first, err := r.Run(context.Background(), p, w)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(context.Background(), rush(20), World{Seed: 3}); err != nil { // leaves its traces in the Runner
		t.Fatal(err)
	}
	again, err := r.Run(context.Background(), p, w)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first, again) {
		t.Errorf("the same world on a used Runner gave %+v, on a new one %+v", again.Flow, first.Flow)
	}
}

// Every shot is served, refused, lost or still open; and as many come as the shape says.
func TestEveryShotEndsSomewhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := small(rapid.Float64Range(1, 60).Draw(t, "rate"), 240, rapid.IntRange(0, 8).Draw(t, "pods"))
		if rapid.Bool().Draw(t, "scaled") {
			p.Workloads[0].HPA = scaling(60, 1, 12)
		}
		if rapid.Bool().Draw(t, "impatient") {
			p.Impatience = &Impatience{Patience: fixed(10), Reload: 0.5, ComeBack: 0.2, After: fixed(20), Most: 3}
		}
		w := World{Seed: rapid.Uint64().Draw(t, "seed"), Lost: rapid.IntRange(0, 2).Draw(t, "lost"), At: 60}
		r, err := Run(context.Background(), p, w)
		if err != nil {
			t.Fatal(err)
		}
		f := r.Flow
		if gap := f.Arrived - f.Served - f.Refused - f.Lost - f.Open; math.Abs(gap) > 1e-6*f.Arrived+1e-6 {
			t.Errorf("%.3f shots of %+v ended nowhere", gap, f)
		}
		expected := p.Shape[0][0] * 240
		if p.Impatience == nil && math.Abs(f.Arrived-expected) > 6*math.Sqrt(expected) {
			t.Errorf("%v shots came, expected %.0f", f.Arrived, expected)
		}
	})
}

// More pods, or pods that may use more, never make more of the requests slow (beyond what the draws scatter).
func TestMoreIsNeverSlower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pods := rapid.IntRange(1, 8).Draw(t, "pods")
		rate := rapid.Float64Range(0.3, 1.5).Draw(t, "load") * float64(pods) / 0.3
		seed := rapid.Uint64().Draw(t, "seed")
		slow := func(p *Params) float64 {
			r := &Runner{}
			if _, err := r.Run(context.Background(), p, World{Seed: seed}); err != nil {
				t.Fatal(err)
			}
			var slow, shots float64
			for m := range r.minutes {
				slow += math.Max(float64(r.slow[m]+r.early[m]), float64(r.failed[m]))
				shots += float64(r.shots[m])
			}
			return slow / shots
		}
		base := slow(small(rate, 600, pods))
		more := slow(small(rate, 600, pods+1))
		stronger := small(rate, 600, pods)
		stronger.Workloads[0].Limit, stronger.Workloads[0].Request = 0.7, 0.7
		if strong := slow(stronger); more > base+0.03 || strong > base+0.03 {
			t.Errorf("%d pods at %.1f/s: slow %.3f; one pod more %.3f, a higher limit %.3f", pods, rate, base, more, strong)
		}
	})
}

func TestNodeLossCostsRequestsAndPodsComeBack(t *testing.T) {
	p := small(8, 300, 6)
	r, err := Run(context.Background(), p, World{Seed: 1, Lost: 1, At: 100})
	if err != nil {
		t.Fatal(err)
	}
	ready := r.Series.TenantReady[0]
	if ready[99] != 6 || ready[101] != 3 {
		t.Errorf("ready pods before and after the loss: %d, %d; want 6, 3", ready[99], ready[101])
	}
	// Detection 40 s, start 2 s, ready 5 s, endpoints 1 s; the other node has the image.
	if ready[145] != 3 || ready[152] != 6 {
		t.Errorf("ready pods 45 s and 52 s after the loss: %d, %d; want 3, 6", ready[145], ready[152])
	}
	if r.Flow.Lost == 0 {
		t.Error("no request was lost with the node")
	}
}

// A shared back end past its knee is the limit: many more pods do not serve more.
func TestSharedBackendIsTheLimit(t *testing.T) {
	served := func(pods int) float64 {
		p := small(60, 300, pods)
		p.Backends = []Backend{{Name: "db", Cores: 2, Alpha: 0.05, Beta: 0.001, Most: 10000}}
		p.Workloads[0].Work[0].Backends = []float64{0.06}
		r, err := Run(context.Background(), p, World{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		if !r.Broken {
			t.Errorf("with %d pods and 3.6 cores of work a second on 2 cores no promise was broken", pods)
		}
		return r.Flow.Served - r.Flow.Left
	}
	if few, many := served(24), served(48); many > 1.15*few {
		t.Errorf("twice the pods answered %.0f instead of %.0f although the back end is the limit", many, few)
	}
}

// A platform that was overrun stays down when everyone comes again, and recovers when nobody does.
func TestImpatienceKeepsAPlatformDown(t *testing.T) {
	answered := func(im *Impatience) float64 {
		p := small(10, 900, 4) // 13.3/s is what four pods can do
		for s := 100; s < 220; s++ {
			p.Shape[0][s] = 40
		}
		p.Impatience = im
		p.Timeout = 10
		r, err := Run(context.Background(), p, World{Seed: 2})
		if err != nil {
			t.Fatal(err)
		}
		return (r.Flow.Arrived - r.Flow.Left - r.Flow.Refused) / r.Flow.Arrived
	}
	calm := answered(&Impatience{Patience: fixed(8), Reload: 0, ComeBack: 0, Most: 3})
	wild := answered(&Impatience{Patience: fixed(8), Reload: 1, ComeBack: 0, Most: 8})
	if wild > calm-0.15 {
		t.Errorf("share answered: %.2f when everyone reloads, %.2f when nobody does", wild, calm)
	}
}

func TestBadParametersAreErrors(t *testing.T) {
	for name, spoil := range map[string]func(*Params){
		"no length":      func(p *Params) { p.Length = 0 },
		"no tenant":      func(p *Params) { p.Tenants = nil },
		"no work":        func(p *Params) { p.Workloads[0].Work = nil },
		"CPU time NaN":   func(p *Params) { p.Workloads[0].Work[0].Mean = math.NaN() },
		"wrong step":     func(p *Params) { p.Promises[0].Step = 3 },
		"wrong tenant":   func(p *Params) { p.Tenants[0].Workload = 2 },
		"no sync":        func(p *Params) { p.Control.Sync = 0 },
		"impossible HPA": func(p *Params) { p.Workloads[0].HPA = scaling(60, 5, 2) },
	} {
		p := small(1, 60, 1)
		spoil(p)
		if _, err := Run(context.Background(), p, World{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCancelledRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, rush(12), World{}); err == nil {
		t.Error("a cancelled context gave a result")
	}
}

// What is left out of the control loop because nothing can come of it changes nothing.
func TestNothingComesOfWhatIsLeftOut(t *testing.T) {
	for _, w := range []World{{Seed: 3}, {Seed: 4, Demand: 1.2, Lost: 2, At: 500}} {
		p := rush(14)
		p.Workloads = append(p.Workloads, p.Workloads[0], p.Workloads[0])
		p.Workloads[1].HPA, p.Workloads[1].Replicas = scaling(65, 3, 3), 3
		p.Workloads[2].HPA, p.Workloads[2].Replicas = scaling(50, 4, 4), 2
		for i := range p.Tenants {
			p.Tenants[i].Workload = i % 3
		}
		short, err := (&Runner{}).Run(context.Background(), p, w)
		if err != nil {
			t.Fatal(err)
		}
		long, err := (&Runner{thorough: true}).Run(context.Background(), p, w)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(short, long) {
			t.Errorf("%+v: %+v, with everything done %+v", w, short.Flow, long.Flow)
		}
	}
}

// BenchmarkWorld is the main job's surge.
func BenchmarkWorld(b *testing.B) {
	p := rush(18)
	var r Runner
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := r.Run(context.Background(), p, World{Seed: uint64(i), Lost: 1, At: 700}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDay is 600,000 persons over a day, as the search simulates it and with all that a report shows.
func BenchmarkDay(b *testing.B) {
	for name, detail := range map[string]bool{"search": false, "report": true} {
		b.Run(name, func(b *testing.B) {
			p := day()
			r := Runner{Detail: detail}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				out, err := r.Run(context.Background(), p, World{Seed: uint64(i), Lost: 1, At: 50_000})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(out.Flow.Arrived, "shots")
			}
		})
	}
}
