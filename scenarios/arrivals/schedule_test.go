package arrivals

import (
	"testing"
	"time"

	"github.com/ansturm/ansturm/scenarios"
)

// scenario is a small one in Go, for tests.
func scenario(total int64, over time.Duration, process string, seed uint64, shapes ...scenarios.Shape) *scenarios.Scenario {
	return &scenarios.Scenario{
		Name:     "test",
		Arrivals: scenarios.Arrivals{Total: total, Over: over, Process: process, Seed: seed, Curve: shapes},
		Tenants:  scenarios.Tenants{List: []scenarios.Tenant{{Name: "a", Weight: 5}, {Name: "b", Weight: 3}, {Name: "c"}}},
		Journeys: []scenarios.Journey{{Name: "j", Steps: []scenarios.Step{{Name: "s", URL: "/"}}}},
	}
}

func must(t testing.TB, s *scenarios.Scenario) *Schedule {
	t.Helper()
	schedule, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return schedule
}

func TestUniformIsEven(t *testing.T) {
	s := must(t, scenario(20_000, 20*time.Second, "uniform", 1))
	next := time.Duration(0)
	for a := range s.All(Set{}) {
		if a.Due != next || int64(a.Seq) != int64(next/time.Millisecond) {
			t.Fatalf("arrival %d is due at %s, expected %s", a.Seq, a.Due, next)
		}
		next += time.Millisecond
	}
	if next != 20*time.Second {
		t.Fatalf("the last arrival was before %s", next)
	}
}

// TestBriefwahl holds the shipped surge to its total, and every block to its bounds.
func TestBriefwahl(t *testing.T) {
	sc, err := scenarios.Find("briefwahl")
	if err != nil {
		t.Fatal(err)
	}
	s := must(t, sc)
	seen := make([]bool, s.Total())
	last, n := time.Duration(0), int64(0)
	perTenant := make([]int, len(sc.Tenants.List))
	for a := range s.All(Set{}) {
		if a.Due < last || a.Due > sc.Arrivals.Over || seen[a.Seq] {
			t.Fatalf("arrival %+v after %s", a, last)
		}
		seen[a.Seq] = true
		last = a.Due
		n++
		perTenant[a.Tenant]++
	}
	if n != 600_000 {
		t.Fatalf("%d arrivals", n)
	}
	c, _ := sc.Curve()
	at, peak := c.Peak()
	mean := 600_000 / sc.Arrivals.Over.Seconds()
	if peak/mean > 1.3 || peak/mean < 1 {
		t.Errorf("peak/mean = %.3f at %s, want at most 1.3", peak/mean, at)
	}
	t.Logf("peak/mean %.3f at %s; largest tenant %d, smallest %d; %d blocks", peak/mean, at, perTenant[0], perTenant[149], s.Blocks())
}

func BenchmarkBlock(b *testing.B) {
	sc, err := scenarios.Find("briefwahl")
	if err != nil {
		b.Fatal(err)
	}
	s := must(b, sc)
	var buf []Arrival
	n := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		buf = s.Block(i%s.Blocks(), Set{}, buf[:0])
		n += len(buf)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/arrival")
}
