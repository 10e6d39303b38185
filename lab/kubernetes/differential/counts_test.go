package differential

import (
	"time"

	"github.com/ansturm/ansturm/planner/hpa"
)

// counts say what the worlds that were played had in them.
type counts struct {
	Worlds    int64   `json:"worlds"`
	Syncs     int64   `json:"syncs"`
	Hours     float64 `json:"hpa_hours"`
	Scales    int64   `json:"scales"`
	Errors    int64   `json:"errors"`
	Held      int64   `json:"held"`    // by a stabilization window
	Limited   int64   `json:"limited"` // by a rate or a bound
	Edits     int64   `json:"edits"`
	Restarts  int64   `json:"restarts"`
	Recreated int64   `json:"recreated"`
	Lost      int64   `json:"lost"`        // statuses that could not be written
	Conflicts int64   `json:"conflicts"`   // syncs whose write met any
	OnTheEdge int64   `json:"on_the_edge"` // a metric at exactly 0.9 or 1.1 of its target
	AtCutoff  int64   `json:"at_cutoff"`   // a change exactly as old as a policy's period
	Slow      int64   `json:"slow"`        // syncs whose metrics took their time
	Partly    int64   `json:"partly"`      // syncs beside a partly overlapping rival, with a pod in common
	Apart     int64   `json:"apart"`       // and without one
	// Reasons counts reasons of conditions and events; Causes the errors.
	Reasons map[string]int64 `json:"reasons"`
	Causes  map[string]int64 `json:"causes"`
}

// change is a written change of the count.
type change struct {
	at time.Duration
	up bool
}

func newCounts() *counts { return &counts{Reasons: map[string]int64{}, Causes: map[string]int64{}} }

// overlap notes a sync beside a rival that has looked for its pods.
func (c *counts) overlap(r *rival, s hpa.Selection) {
	switch {
	case !r.Partly:
	case s == hpa.Shared:
		c.Partly++
	default:
		c.Apart++
	}
}

// take notes one sync.
func (c *counts) take(a *actor, in *hpa.Input, d *hpa.Decision, x *side, reached bool) {
	count := func(n *int64, is bool) {
		if is {
			*n++
		}
	}
	c.Syncs++
	count(&c.Scales, d.Scale)
	count(&c.Errors, d.Err != nil)
	count(&c.Held, d.Metric >= 0 && d.Stabilized != d.Proposed)
	count(&c.Limited, d.Conditions.ScalingLimited.True)
	count(&c.Conflicts, x.tries > 1)
	count(&c.Slow, d.Took > 0)
	count(&c.Lost, x.step.StatusRefused && x.status > 0)
	if d.Err != nil {
		c.Causes[d.Err.Error()]++
	}
	for _, condition := range []hpa.Condition{d.Conditions.AbleToScale, d.Conditions.ScalingActive, d.Conditions.ScalingLimited} {
		c.Reasons[condition.Reason]++
	}
	for _, e := range a.mine.Events() {
		c.Reasons[e.Reason]++
	}
	if !reached {
		return
	}
	spec := hpa.WithDefaults(a.spec)
	for i := range spec.Metrics {
		if r := spec.Metrics[i].Resource; r != nil && r.Target.AverageUtilization != nil {
			ten := 10 * a.mine.Current(i).Utilisation
			count(&c.OnTheEdge, ten == 9**r.Target.AverageUtilization || ten == 11**r.Target.AverageUtilization)
		}
	}
	if spec.Behavior == nil || !d.Scale {
		return
	}
	for _, policy := range append(spec.Behavior.ScaleUp.Policies, spec.Behavior.ScaleDown.Policies...) {
		for _, change := range a.changes {
			count(&c.AtCutoff, in.Now-change.at == time.Duration(policy.PeriodSeconds)*time.Second)
		}
	}
}
