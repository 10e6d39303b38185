package planner

import (
	"context"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/planner/gate"
	"github.com/ansturm/ansturm/scenarios"
)

// little is the quick surge with the given total on nodes of four cores: a search of a second.
func little(t testing.TB, total int64) (*scenarios.Scenario, *scenarios.Platform) {
	sc, pf := shipped(t, "quick")
	sc.Arrivals.Total = total
	pf.Pools[0].Capacity[corev1.ResourceCPU] = resource.MustParse("4")
	pf.Pools[0].Reserved = nil
	pf.Workloads[0].Steps["submit"] = scenarios.Work{CPU: scenarios.Distribution{Fixed: new(60 * time.Millisecond)}, Accepts: true}
	return sc, pf
}

func nodesOf(t *testing.T, total int64) *Plan {
	t.Helper()
	sc, pf := little(t, total)
	p, err := Search(context.Background(), modelOf(sc, pf), sc, pf, Options{Delta: 0.05, Worlds: 64})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanHoldsAndItsNotchBreaks(t *testing.T) {
	p := nodesOf(t, 6000)
	t.Logf("%d nodes, target %d, risk %+v, notch %s %+v: plan %.3f, notch %.3f; %s", p.Decided(), p.Tenants[0].Target, p.Risk,
		p.Notch.Kind, p.Notch.Share, p.Notch.PlanSlow, p.Notch.NotchSlow, p.Notch.Breaks["en"])
	if !p.Mendable || p.Risk.Upper > p.Risk.Delta {
		t.Fatalf("mendable %v (%s), risk at most %.4f, accepted %.4f", p.Mendable, p.Limit["en"], p.Risk.Upper, p.Risk.Delta)
	}
	if p.Stands != gate.Fail {
		t.Errorf("one node with one pod a tenant is said to stand: %s", p.Stands)
	}
	if p.Pools[0].LowerBound > p.Pools[0].Planned || p.Pools[0].LowerBound < 1 {
		t.Errorf("lower bound %d for %d nodes", p.Pools[0].LowerBound, p.Pools[0].Planned)
	}
	if p.Notch.Share <= p.Risk.Delta {
		t.Errorf("the notch breaks in %.3f of the worlds only", p.Notch.Share)
	}
	if p.Notch.NotchSlow <= p.Notch.PlanSlow {
		t.Errorf("in the binding world the notch's worst window has %.3f slow, the plan's %.3f", p.Notch.NotchSlow, p.Notch.PlanSlow)
	}
	for _, tenant := range p.Tenants {
		if tenant.Min < 2 || tenant.Max < tenant.Min || tenant.HPA.Behavior == nil || tenant.Max < tenant.Clairvoyant {
			t.Errorf("%s: min %d, max %d, clairvoyant %d, behavior %v", tenant.Tenant, tenant.Min, tenant.Max, tenant.Clairvoyant, tenant.HPA.Behavior)
		}
	}
	if err := p.Platform.Validate(); err != nil {
		t.Errorf("the planned platform: %v", err)
	}
}

// The world that binds can be fired: a whole scenario and platform, with its demand, its seed, its lost node.
func TestWorldIsApplied(t *testing.T) {
	sc, pf := little(t, 3000)
	s, p := World{Demand: 1.1, Seed: 9, Lost: "vm-1", At: time.Minute}.Apply(sc, pf)
	if s.Arrivals.Total != 3300 || s.Arrivals.Seed != 9 || len(p.Disruptions) != 1 || p.Disruptions[0].LoseNode != "vm-1" {
		t.Errorf("applied: %+v, %+v", s.Arrivals, p.Disruptions)
	}
	if sc.Arrivals.Total != 3000 || len(pf.Disruptions) != 0 {
		t.Error("applying a world changed the scenario or platform it was given")
	}
}

func TestMoreLoadNeedsNoFewerNodes(t *testing.T) {
	before := 0
	for _, total := range []int64{2000, 6000, 10000} {
		n := nodesOf(t, total).Decided()
		if n < before {
			t.Errorf("%d arrivals need %d nodes, fewer arrivals needed %d", total, n, before)
		}
		before = n
	}
}

func TestSamePlanTwice(t *testing.T) {
	a, b := nodesOf(t, 4000), nodesOf(t, 4000)
	if !reflect.DeepEqual(a.Tenants, b.Tenants) || a.Risk != b.Risk || a.Notch.World != b.Notch.World {
		t.Errorf("two searches of the same thing: risk %+v and %+v, world %+v and %+v", a.Risk, b.Risk, a.Notch.World, b.Notch.World)
	}
}

// The shared service is the limit: the plan says so and does not answer with a number of nodes.
func TestSharedServiceCannotBeMended(t *testing.T) {
	sc, pf := little(t, 6000)
	pf.Backends[0] = scenarios.Backend{Name: "meldung", Cores: 2, Contention: 0.05, Coherency: 0.001}
	w := pf.Workloads[0].Steps["submit"]
	w.Backends = map[string]time.Duration{"meldung": 80 * time.Millisecond}
	pf.Workloads[0].Steps["submit"] = w
	p, err := Search(context.Background(), nil, sc, pf, Options{Delta: 0.05, Worlds: 64})
	if err != nil {
		t.Fatal(err)
	}
	if p.Mendable || !strings.Contains(p.Limit["en"], "meldung") || p.Stands != gate.Fail {
		t.Errorf("mendable %v, limit %q, stands %s", p.Mendable, p.Limit["en"], p.Stands)
	}
}

func TestBadOptionsAreErrors(t *testing.T) {
	sc, pf := little(t, 1000)
	for name, o := range map[string]Options{"delta": {Delta: 2}, "worlds": {Worlds: 100}, "nodes": {LoseNodes: new(2)}} {
		if _, err := Search(context.Background(), nil, sc, pf, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	sc.SLOs = nil
	if _, err := Search(context.Background(), nil, sc, pf, Options{}); err == nil {
		t.Error("a scenario that promises nothing was planned for")
	}
}

func TestSimulateSaysWhoBreaks(t *testing.T) {
	sc, pf := little(t, 6000)
	s, err := Simulate(context.Background(), sc, pf, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Stands != gate.Fail || s.SLOs[0].Broken == 0 || len(s.Tenants) != 5 || len(s.Prediction.Offered) == 0 {
		t.Errorf("stands %s, %+v", s.Stands, s.SLOs)
	}
}

// TestBriefwahl plans for the main job as it is shipped. It costs most of a minute of CPU and runs where ANSTURM_SLOW is set.
func TestBriefwahl(t *testing.T) {
	if os.Getenv("ANSTURM_SLOW") == "" {
		t.Skip("set ANSTURM_SLOW=1 to plan for 600,000 arrivals")
	}
	sc, pf := shipped(t, "briefwahl")
	last := ""
	p, err := Search(context.Background(), modelOf(sc, pf), sc, pf, Options{Progress: func(stage string, _, _ int64) {
		if stage != last {
			t.Log(stage)
			last = stage
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []any{p.Stands, p.Pools, p.Risk, p.Notch.Kind, p.Notch.Share, p.Notch.World, p.Notch.Breaks, p.Frontier} {
		b, _ := json.Marshal(x)
		t.Log(string(b))
	}
	if !p.Mendable || p.Risk.Upper > 0.01 || p.Notch.Share == 0 {
		t.Errorf("mendable %v, risk %+v, notch %+v", p.Mendable, p.Risk, p.Notch.Share)
	}
}

// A candidate that breaks in all of the worst worlds is no candidate, however many worlds may break.
func TestWhatBreaksEverywhereDoesNotSettle(t *testing.T) {
	for _, delta := range []float64{0.01, 0.05, 0.2} {
		f := smallFleet(t, 1)
		f.opts.Delta, f.opts.Worlds = delta, 512
		f.sc.Arrivals.Total *= 30
		s, err := newSearch(f.model, f.sc, f.pf, f.opts)
		if err != nil {
			t.Fatal(err)
		}
		if _, settled, err := s.settle(context.Background(), s.candidate(2, lowestTarget)); err != nil || settled {
			t.Errorf("%v accepted: settled %v, %v", delta, settled, err)
		}
	}
}
