package lab

import (
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// BenchmarkSurge is the library's whole rush in virtual time, everyone patient and straight to the last step: what the
// core itself costs of a run.
func BenchmarkSurge(b *testing.B) {
	entry, err := scenarios.Open("briefwahl")
	if err != nil {
		b.Fatal(err)
	}
	s, err := entry.Scenario()
	if err != nil {
		b.Fatal(err)
	}
	p, err := entry.Platform()
	if err != nil {
		b.Fatal(err)
	}
	schedule, err := arrivals.New(s)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c, err := newCore(p, s, 1)
		if err != nil {
			b.Fatal(err)
		}
		events := map[string]int{}
		c.emit = func(e record.Event) { events[e.Kind+" "+e.Phase]++ }
		c.begin(0)
		for a := range schedule.All(arrivals.Set{}) {
			c.advance(a.Due)
			c.submit(&request{tenant: int(a.Tenant), step: len(c.steps) - 1, key: a.Seq, keyed: true})
		}
		c.advance(s.Arrivals.Over + 5*time.Minute)
		if got := c.counts; got.handed != s.Arrivals.Total || got.handed != got.served+got.refused {
			b.Fatalf("%+v of %d does not add up", got, s.Arrivals.Total)
		}
		if n := int64(c.accepted.GetCardinality()); n != c.counts.served {
			b.Fatalf("%d accepted, %d served", n, c.counts.served)
		}
		if testing.Verbose() {
			b.Logf("%+v %v %+v", c.counts, events, c.stats())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(s.Arrivals.Total), "ns/request")
}
