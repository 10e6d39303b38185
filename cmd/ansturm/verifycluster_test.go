package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner"
	"github.com/ansturm/ansturm/scenarios"
)

// What of a plan is not brought into a cluster is said, and nothing where it is there already.
func TestUntouched(t *testing.T) {
	for name, c := range map[string]struct {
		have []scenarios.NodePool
		door *scenarios.Admission
		want []string
	}{
		"as planned":   {have: []scenarios.NodePool{{Count: 2}, {Count: 1}}},
		"fewer":        {have: []scenarios.NodePool{{Count: 2}}, want: []string{"3 in the plan, 2 in the cluster"}},
		"more":         {have: []scenarios.NodePool{{Count: 9}}, want: []string{"3 in the plan, 9 in the cluster"}},
		"unknown":      {want: []string{"3 in the plan, an unknown number in the cluster"}},
		"behind doors": {have: []scenarios.NodePool{{Count: 3}}, door: &scenarios.Admission{Rate: 5}, want: []string{"waiting room"}},
	} {
		plan := &planner.Plan{Pools: []planner.PoolPlan{{Planned: 3}}, Platform: &scenarios.Platform{Admission: c.door}}
		warnings := untouched(plan, &cluster.Found{Platform: &scenarios.Platform{Pools: c.have}})
		said := func(want string, w record.Warning) bool {
			return strings.Contains(w.Text["en"], want) && w.Text["de"] != ""
		}
		if !slices.EqualFunc(c.want, warnings, said) {
			t.Errorf("%s: %v, want %q", name, warnings, c.want)
		}
	}
}
