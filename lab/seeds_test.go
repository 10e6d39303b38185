package lab

import (
	"slices"
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// TestOtherSeedsScaleAlike plays the surge of `make same-surge` with twelve seeds of the platform: phases of syncs and
// readings, delays of pods and the work of requests by other chances. How far the replicas go apart is what is to be taken
// off where this platform is held against a real one; -v says it.
func TestOtherSeedsScaleAlike(t *testing.T) {
	const dir = "../testdata/bench/same/"
	s, err := scenarios.Load(dir + "same.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := scenarios.FindPlatform(dir + "same.platform.yaml")
	if err != nil {
		t.Fatal(err)
	}
	schedule, err := arrivals.New(s)
	if err != nil {
		t.Fatal(err)
	}
	arriving := slices.Collect(schedule.All(arrivals.Set{}))
	var runs [][]int32
	for seed := range uint64(12) {
		c, err := newCore(p, s, seed)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, readyBySecond(c, arriving, s.Arrivals.Over))
	}
	sum, least, pairs := 0.0, 1.0, 0.0
	for i, a := range runs {
		for _, b := range runs[:i] {
			within := 0.0
			for k := range a {
				if d := a[k] - b[k]; d >= -1 && d <= 1 {
					within += 1 / float64(len(a))
				}
			}
			sum, least, pairs = sum+within, min(least, within), pairs+1
		}
	}
	t.Logf("ready replicas within one in %.1f %% of the seconds, in the worst of %.0f pairs in %.1f %%; at most %d", 100*sum/pairs, pairs, 100*least, slices.Max(runs[0]))
	if sum/pairs < 0.97 || least < 0.93 {
		t.Errorf("seeds alone take replicas apart: within one in %.3f of the seconds, in the worst pair in %.3f", sum/pairs, least)
	}
	if most := slices.Max(runs[0]); most < 8 {
		t.Errorf("at most %d replicas: the surge is too small to tell anything", most)
	}
}

// readyBySecond lets everyone arrive and counts each tenant's ready pods at each second.
func readyBySecond(c *core, arriving []arrivals.Arrival, over time.Duration) (counts []int32) {
	c.begin(0)
	for now := time.Duration(0); now < over; now += time.Second {
		for len(arriving) > 0 && arriving[0].Due <= now {
			a := arriving[0]
			arriving = arriving[1:]
			c.advance(a.Due)
			c.submit(&request{tenant: int(a.Tenant), step: 0, key: a.Seq, keyed: true})
		}
		c.advance(now)
		for _, d := range c.tenants {
			counts = append(counts, d.readyCount())
		}
	}
	return counts
}
