package planner

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/ansturm/ansturm/scenarios"
)

func ranked(t *testing.T, sc *scenarios.Scenario, pf *scenarios.Platform, spoil func(*search)) []Assumption {
	t.Helper()
	s, err := newSearch(modelOf(sc, pf), sc, pf, Options{Delta: 0.05, Worlds: 96})
	if err != nil {
		t.Fatal(err)
	}
	if spoil != nil {
		spoil(s)
	}
	if s.bound, err = s.lowerBound(); err != nil {
		t.Fatal(err)
	}
	chosen, certified, err := s.descend(context.Background())
	if err != nil || certified == nil {
		t.Fatalf("no plan: %v", err)
	}
	list, err := s.sensitivity(context.Background(), chosen, certified)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range list {
		t.Log(a.Says["de"])
		if a.Low > a.High || a.Says["de"] == "" || a.Says["en"] == "" || i > 0 && a.moves() > list[i-1].moves() {
			t.Errorf("%d: %+v", i, a)
		}
	}
	return list
}

func find(t *testing.T, list []Assumption, part string) (int, Assumption) {
	t.Helper()
	for i, a := range list {
		if strings.Contains(a.Name["en"], part) {
			return i, a
		}
	}
	t.Fatalf("nothing about %q", part)
	return 0, Assumption{}
}

// Every end has the worlds of the other: more work, more persons never need fewer nodes nor carry less risk.
func TestMoreOfAnAssumptionNeverNeedsLess(t *testing.T) {
	sc, pf := little(t, 9000)
	list := ranked(t, sc, pf, nil)
	for _, part := range []string{"number of persons", "CPU time of a request of submit"} {
		_, a := find(t, list, part)
		if a.NodesHigh < a.NodesLow || a.RiskHigh < a.RiskLow {
			t.Errorf("%+v", a)
		}
	}
	if _, a := find(t, list, "number of persons"); a.NodesHigh-a.NodesLow < 0.5 {
		t.Errorf("a fifth more persons need not even half a node more: %+v", a)
	}
	if _, a := find(t, list, "node is lost"); a.RiskLow > a.RiskHigh || a.High != 1 {
		t.Errorf("%+v", a)
	}
}

// What is hardly known moves the answer most.
func TestTheLeastKnownComesFirst(t *testing.T) {
	sc, pf := little(t, 9000)
	list := ranked(t, sc, pf, func(s *search) {
		d := &s.model.Workloads["antrag"].Steps["submit"].Demand
		d.Low, d.High = 0.5*d.Value, 2*d.Value
	})
	if at, a := find(t, list, "CPU time of a request of submit"); at != 0 || math.Abs(a.High/a.Low-4) > 1e-9 {
		t.Errorf("place %d: %+v", at, a)
	}
}
