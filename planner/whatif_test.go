package planner

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// asked plans for the small surge on four nodes at two sites under a question.
func asked(t *testing.T, opts Options, change func(*scenarios.Platform)) (*Plan, error) {
	t.Helper()
	sc, pf := little(t, 6000)
	south := pf.Pools[0]
	pf.Pools[0].Site, pf.Pools[0].Count = "nord", 3
	south.Name, south.Site, south.Count = "sued", "sued", 3
	pf.Pools = append(pf.Pools, south)
	if change != nil {
		change(pf)
	}
	opts.Delta, opts.Worlds = 0.05, 96
	return Search(context.Background(), nil, sc, pf, opts)
}

func TestGrowthSaysWhoLosesAndWhatItTakes(t *testing.T) {
	p, err := asked(t, Options{Growth: 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := p.WhatIf
	if w == nil || len(w.Losers) == 0 || len(w.Losers) > 5 || w.Nodes != p.Decided() || p.Scenario.Arrivals.Total != 18000 {
		t.Fatalf("what if: %+v; %d nodes planned for %d persons", w, p.Decided(), p.Scenario.Arrivals.Total)
	}
	for i, l := range w.Losers {
		if l.Worst < 0.05 || l.Broken < time.Minute || i > 0 && l.First < w.Losers[i-1].First {
			t.Errorf("loser %+v", l)
		}
	}
	t.Log(w.Says)
	for _, want := range []string{"3 times as many persons come (18000)", w.Losers[0].Tenant, "It would take"} {
		if !strings.Contains(w.Says[0]["en"]+w.Says[1]["en"]+w.Says[2]["en"], want) {
			t.Errorf("lacks %q: %v", want, w.Says)
		}
	}
}

// Without new nodes the plan keeps to those there are, says what it would take, and offers the waiting room.
func TestNoNewNodesKeepsToThosePresent(t *testing.T) {
	p, err := asked(t, Options{Growth: 3, NoNewNodes: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(p.WhatIf.Says, p.Admission)
	if p.Decided() != 6 || p.Mendable || p.WhatIf.Nodes <= 6 || len(p.WhatIf.Losers) == 0 {
		t.Errorf("%d nodes, mendable %v, what if %+v", p.Decided(), p.Mendable, p.WhatIf)
	}
	if p.Admission == nil || !strings.Contains(p.WhatIf.Says[2]["de"], "Warteraum") {
		t.Errorf("no waiting room beside %q", p.WhatIf.Says[2]["de"])
	}
}

// A lost site: its nodes stay in the plan as they are, the other site carries the surge alone.
func TestALostSiteIsPlannedFor(t *testing.T) {
	p, err := asked(t, Options{LoseSite: "sued"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(p.WhatIf.Says)
	if len(p.Pools) != 2 || p.Pools[1].Pool != "sued" || p.Pools[1].Planned != 3 || p.Pools[0].Planned < 4 {
		t.Errorf("pools %+v", p.Pools)
	}
	if len(p.Platform.Pools) != 2 || p.Platform.Pools[1].Count != 3 || p.Platform.Pools[0].Count != p.Pools[0].Planned {
		t.Errorf("the planned platform's pools %+v", p.Platform.Pools)
	}
	if len(p.WhatIf.Losers) == 0 {
		t.Error("half of the nodes are lost at the peak and nobody loses")
	}
	if err := p.Platform.Validate(); err != nil {
		t.Error(err)
	}
}

func TestQuestionsThatCannotBeAsked(t *testing.T) {
	for want, opts := range map[string]Options{
		"it has nord, sued": {LoseSite: "west"},
		"growth -1 makes":   {Growth: -1},
		"growth 1e+09":      {Growth: 1e9},
	} {
		if _, err := asked(t, opts, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", opts, err, want)
		}
	}
	_, err := asked(t, Options{LoseSite: "nord"}, func(pf *scenarios.Platform) { pf.Pools = pf.Pools[:1] })
	if err == nil || !strings.Contains(err.Error(), "everything is lost") {
		t.Errorf("the only site is lost: %v", err)
	}
	_, err = asked(t, Options{LoseSite: "nord"}, func(pf *scenarios.Platform) { pf.Pools[0].Site, pf.Pools[1].Site = "", "" })
	if err == nil || !strings.Contains(err.Error(), "names its site") {
		t.Errorf("no pool names a site: %v", err)
	}
}
