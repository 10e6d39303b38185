package planner

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/planner/sim"
	"github.com/ansturm/ansturm/scenarios"
)

// shared is a platform of six nodes whose shared service can do less than half of what the surge asks of it.
func shared(t testing.TB) (*scenarios.Scenario, *scenarios.Platform) {
	sc, pf := little(t, 6000)
	pf.Pools[0].Count = 6
	pf.Backends[0] = scenarios.Backend{Name: "meldung", Cores: 4, Contention: 0.02}
	w := pf.Workloads[0].Steps["submit"]
	w.Backends = map[string]time.Duration{"meldung": 80 * time.Millisecond}
	pf.Workloads[0].Steps["submit"] = w
	return sc, pf
}

// The first story: the shared service is the limit. The plan sells no node, names the service with its figures, and
// says at what rate a waiting room would have to let persons in, and what wait that costs.
func TestSharedServiceSellsNoNodes(t *testing.T) {
	sc, pf := shared(t)
	p, err := Search(context.Background(), nil, sc, pf, Options{Delta: 0.05, Worlds: 96})
	if err != nil {
		t.Fatal(err)
	}
	if p.Mendable || p.Stands != gate.Fail || p.Decided() != 6 || !strings.Contains(p.Limit["en"], "meldung") {
		t.Errorf("mendable %v, stands %s, %d nodes for 6 there are, limit %q", p.Mendable, p.Stands, p.Decided(), p.Limit["en"])
	}
	if l := p.LimitBy; l == nil || l.Kind != "backend" || l.Name != "meldung" || l.Asked <= l.Most {
		t.Errorf("evidence %+v", p.LimitBy)
	}
	a := p.Admission
	if a == nil {
		t.Fatal("no waiting room is recommended")
	}
	t.Log(a.Says["en"])
	// 80 ms of work each at a service that does at most 4 s/(1+0.02·3) of work a second: 47 persons/s would keep it full.
	if a.Rate < 15 || a.Rate > 47 {
		t.Errorf("%.1f persons/s are let in", a.Rate)
	}
	if a.Risk.Upper > 0.05 || p.Risk != a.Risk {
		t.Errorf("risk with the waiting room %+v, the plan's %+v", a.Risk, p.Risk)
	}
	// All are in no sooner than the rate allows.
	if least := 6000/a.Rate - 60; a.Longest.Value < 0.9*least || a.Until.Value < 0.95*6000/a.Rate {
		t.Errorf("longest wait %.0f s, last one in at %.0f s; at %.1f/s it takes at least %.0f and %.0f s", a.Longest.Value, a.Until.Value, a.Rate, least, 6000/a.Rate)
	}
	if p.Platform.Admission == nil || p.Platform.Admission.Rate != a.Rate || len(p.Prediction.AtDoor) == 0 {
		t.Errorf("the recommended platform has the waiting room %+v, the prediction %d steps of it", p.Platform.Admission, len(p.Prediction.AtDoor))
	}
	if err := p.Platform.Validate(); err != nil {
		t.Error(err)
	}
}

// stormy is a platform that can carry the surge but for two minutes, with persons who reload again and again, and no
// more nodes to be had.
func stormy(t testing.TB) (*scenarios.Scenario, *scenarios.Platform) {
	sc, pf := little(t, 62000)
	sc.Arrivals.Over = 30 * time.Minute
	sc.Arrivals.Curve = []scenarios.Shape{{Kind: "constant", Weight: 6}, {Kind: "gaussian", At: 5 * time.Minute, Width: 40 * time.Second, Weight: 5}}
	for i := range sc.Journeys {
		im := sc.Journeys[i].Impatience
		im.Reload, im.ComeBack, im.GiveUp, im.Most = 0.95, 0, 0.05, 8
		im.After = nil
		im.Patience = scenarios.Distribution{Fixed: new(6 * time.Second)}
	}
	pf.Pools[0].Count, pf.Pools[0].Most = 2, 2
	pf.Workloads[0].Backlog = 256 // as servers are set by default: who is answered at its end has left long ago
	return sc, pf
}

// The second story: a retry storm keeps the platform down long after the surge. The plan says that the pools cannot be
// raised and at what rate to let persons in: with that rate from the start the same platform is never down, and a lower
// one, put up in the midst of the storm, ends it.
func TestARetryStormIsEndedByTheRecommendedRate(t *testing.T) {
	sc, pf := stormy(t)
	p, err := Search(context.Background(), nil, sc, pf, Options{Delta: 0.05, Worlds: 96, LoseNodes: new(0)})
	if err != nil {
		t.Fatal(err)
	}
	if p.Mendable || p.LimitBy.Kind != "pools" || p.Admission == nil || p.Decided() != 2 {
		t.Fatalf("mendable %v, limit %+v, admission %+v, %d nodes", p.Mendable, p.LimitBy, p.Admission, p.Decided())
	}
	t.Log(p.Admission.Says["en"])
	f, err := newForge(sc, nil)
	if err != nil {
		t.Fatal(err)
	}
	failed := func(door *scenarios.Admission) []float64 {
		on := *p.Platform
		on.Admission = door
		params, err := f.params(&on, -1)
		if err != nil {
			t.Fatal(err)
		}
		r, err := sim.Run(context.Background(), params, sim.World{Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		return r.Series.Failed
	}
	down, kept := failed(nil), failed(p.Platform.Admission)
	if down[12] < 0.8 || down[28] < 0.8 {
		t.Errorf("without a waiting room %.3f fail in minute 12, %.3f in minute 28: no storm", down[12], down[28])
	}
	if worst := slices.Max(kept); worst > 0.01 {
		t.Errorf("with the recommended rate from the start up to %.3f of a minute's requests fail", worst)
	}
	if p.Admission.Recovery <= 0 || p.Admission.Recovery > p.Admission.Rate {
		t.Fatalf("rate %.1f/s, to recover %.1f/s", p.Admission.Rate, p.Admission.Recovery)
	}
	late := failed(&scenarios.Admission{Rate: p.Admission.Rate, From: 15 * time.Minute})
	if late[28] < 0.5 || p.Admission.Recovery >= p.Admission.Rate {
		t.Errorf("the rate that holds from the start ends the storm too (%.3f fail in minute 28): two rates are one too many", late[28])
	}
	ended := failed(&scenarios.Admission{Rate: p.Admission.Recovery, From: 15 * time.Minute})
	if ended[14] < 0.8 || ended[28] > 0.01 {
		t.Errorf("the recommended rate to recover, put up in minute 15: %.3f fail before, %.3f in minute 28", ended[14], ended[28])
	}
}

// The brink is found from any guess, and from a good one soon.
func TestBrink(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Float64Range(0.1, 100).Draw(t, "low")
		high := low * rapid.Float64Range(1.05, 50).Draw(t, "span")
		edge := low * math.Pow(high/low, rapid.Float64Range(-0.2, 1.2).Draw(t, "edge"))
		guess := rapid.SampledFrom([]float64{0, edge, low / 2, low * 1.01, 2 * high}).Draw(t, "guess")
		fine := math.Pow(high/low, 1.0/64)
		tried := 0
		got, err := brink(low, high, guess, fine, func(x float64) (bool, error) {
			if tried++; x < low || x >= high {
				t.Fatalf("tried %v", x)
			}
			return x <= edge, nil
		})
		switch {
		case err != nil || tried > 20:
			t.Fatalf("%d tried, %v", tried, err)
		case edge < low && got != 0, edge >= low && (got > edge || got < math.Min(edge, high)/fine*(1-1e-6)):
			t.Fatalf("%v of %v", got, edge)
		case guess == edge && edge > low && edge < high/fine && tried > 3:
			t.Fatalf("%d tried from the very brink", tried)
		}
	})
}
