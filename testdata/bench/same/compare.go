package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// side is what one platform's record says.
type side struct {
	seconds  int
	seed     uint64
	began    time.Time
	valid    bool
	scenario *scenarios.Scenario
	// tenants by name, a count for each second.
	tenants map[string]*replicas
}

// replicas are a tenant's counts at each second: ready ones serve, current ones are there.
type replicas struct{ ready, current []int32 }

func readSide(dir string) (*side, error) {
	r, err := record.Open(dir)
	if err != nil {
		return nil, err
	}
	events, err := r.Timeline()
	if err != nil {
		return nil, err
	}
	run := &r.Run
	s := &side{
		seconds: int(run.Scenario.Arrivals.Over.Seconds()), seed: run.Scenario.Arrivals.Seed, began: run.StartedAt,
		valid: run.Validity.Valid, scenario: run.Scenario,
	}
	s.tenants = follow(events, s.seconds)
	return s, nil
}

// follow gives each tenant's counts at each second from the events that say they changed.
func follow(events []record.Event, seconds int) map[string]*replicas {
	tenants := map[string]*replicas{}
	for _, e := range events {
		if e.Kind != record.KindReplicas {
			continue
		}
		t := tenants[e.Tenant]
		if t == nil {
			t = &replicas{}
			tenants[e.Tenant] = t
		}
		t.upTo(min(seconds, int(math.Ceil(e.At.Seconds()))))
		if len(t.ready) < seconds {
			t.ready, t.current = append(t.ready, e.Ready), append(t.current, e.Current)
		}
	}
	for _, t := range tenants {
		t.upTo(seconds)
	}
	return tenants
}

// upTo makes the counts seconds long: those that are too many are of a later event's, those missing are as the last.
func (r *replicas) upTo(seconds int) {
	for _, counts := range []*[]int32{&r.ready, &r.current} {
		if len(*counts) > seconds {
			*counts = (*counts)[:seconds]
		}
		for len(*counts) < seconds {
			last := int32(0)
			if n := len(*counts); n > 0 {
				last = (*counts)[n-1]
			}
			*counts = append(*counts, last)
		}
	}
}

// together is the share of the seconds in which two platforms' replicas are within one of each other.
type together struct {
	Tenant  string  `json:"tenant,omitempty"`
	Ready   float64 `json:"ready"`
	Current float64 `json:"current"`
	// ReadyNearby lets the one be ahead of or behind the other by up to a sync period, the autoscalers' phases being chance.
	ReadyNearby float64 `json:"ready_nearby"`
	// Difference is how many more are ready in the embedded platform, on average.
	Difference float64 `json:"difference"`
}

// compare holds two sides against each other. The judged figure is that of the ready ones, which come at the end of the whole
// chain from load to serving, at the same offset: that each platform's autoscalers sync at a phase of their own, and each
// one's kubelets read and metrics are scraped at others, is not made up for. Two runs of one platform differ by that too.
func compare(embedded, cluster *side) (total together, tenants []together, err error) {
	if embedded.seed != cluster.seed || embedded.seconds != cluster.seconds {
		return total, nil, fmt.Errorf("the records are of different surges: seeds %d and %d, %d and %d seconds", embedded.seed, cluster.seed, embedded.seconds, cluster.seconds)
	}
	for _, t := range cluster.scenario.Tenants.List {
		a, b := embedded.tenants[t.Name], cluster.tenants[t.Name]
		if a == nil || b == nil {
			return total, nil, fmt.Errorf("tenant %s: a record has no replicas of it", t.Name)
		}
		one := together{
			Tenant: t.Name, Ready: within(a.ready, b.ready, 0), Current: within(a.current, b.current, 0), ReadyNearby: within(a.ready, b.ready, 15),
		}
		for i := range a.ready {
			one.Difference += float64(a.ready[i]-b.ready[i]) / float64(len(a.ready))
		}
		tenants = append(tenants, one)
		n := float64(len(cluster.scenario.Tenants.List))
		total.Ready += one.Ready / n
		total.Current += one.Current / n
		total.ReadyNearby += one.ReadyNearby / n
		total.Difference += one.Difference / n
	}
	return total, tenants, nil
}

// within is the share of the seconds in which a is within one of some b at most so many seconds away.
func within(a, b []int32, away int) float64 {
	seconds := 0
	for i, x := range a {
		near := b[max(0, i-away):min(len(b), i+away+1)]
		if slices.Min(near)-1 <= x && x <= slices.Max(near)+1 {
			seconds++
		}
	}
	return float64(seconds) / float64(len(a))
}
