package metricsapi

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var t0 = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// at is a sample of container c of pod p, s seconds after t0, of a container that started at second started and has used
// so many milliseconds of CPU.
func at(s, started, ms int) Usage {
	return Usage{
		Namespace: "n", Pod: "p", Container: "c", Node: "vm-1", Memory: 1 << 20,
		At: t0.Add(time.Duration(s) * time.Second), Started: t0.Add(time.Duration(started) * time.Second),
		CPU: time.Duration(ms) * time.Millisecond,
	}
}

func in(container string, u Usage) Usage {
	u.Container = container
	return u
}

// The expectations are metrics-server's (pkg/storage/pod.go, types.go), worked out by hand.
func TestRatesFollowMetricsServer(t *testing.T) {
	for name, test := range map[string]struct {
		scrapes [][]Usage
		milli   int64 // millicores; 0: nothing is served
		window  time.Duration
	}{
		"one sample of an old container is no rate": {scrapes: [][]Usage{{at(0, -100, 5000)}}},
		"two samples are":                              {scrapes: [][]Usage{{at(0, -100, 5000)}, {at(15, -100, 8000)}}, milli: 200, window: 15 * time.Second},
		"the last two count":                           {scrapes: [][]Usage{{at(0, -100, 0)}, {at(15, -100, 8000)}, {at(30, -100, 9500)}}, milli: 100, window: 15 * time.Second},
		"the start stands in from 10 s":                {scrapes: [][]Usage{{at(10, 0, 1000)}}, milli: 100, window: 10 * time.Second},
		"but not at 9 s":                               {scrapes: [][]Usage{{at(9, 0, 1000)}}},
		"nor at the resolution":                        {scrapes: [][]Usage{{at(15, 0, 1000)}}},
		"the start beats the sample before":            {scrapes: [][]Usage{{at(2, 0, 500)}, {at(12, 0, 2400)}}, milli: 200, window: 12 * time.Second},
		"a young sample is the first of two":           {scrapes: [][]Usage{{at(5, 0, 500)}, {at(20, 0, 2000)}}, milli: 100, window: 15 * time.Second},
		"a restarted container begins anew":            {scrapes: [][]Usage{{at(0, -100, 5000)}, {at(5, 1, 100)}}},
		"a restart between two samples shows as start": {scrapes: [][]Usage{{at(0, -100, 5000)}, {at(15, 3, 1200)}}, milli: 100, window: 12 * time.Second},
		"the same sample again keeps the one before":   {scrapes: [][]Usage{{at(0, -100, 0)}, {at(15, -100, 3000)}, {at(15, -100, 3000)}}, milli: 200, window: 15 * time.Second},
		"an older sample than both is worth nothing":   {scrapes: [][]Usage{{at(0, -100, 0)}, {at(15, -100, 3000)}, {at(-1, -100, 0)}}},
		"a counter that fell is no rate":               {scrapes: [][]Usage{{at(0, -100, 5000)}, {at(15, -100, 4000)}}},
		"a pod that was away for a scrape begins anew": {scrapes: [][]Usage{{at(0, -100, 0)}, {}, {at(30, -100, 3000)}}},
		"of two samples in one scrape the first":       {scrapes: [][]Usage{{at(0, -100, 0)}, {at(15, -100, 3000), at(15, -100, 9000)}}, milli: 200, window: 15 * time.Second},
		"a container without rate hides the pod":       {scrapes: [][]Usage{{at(0, -100, 0)}, {at(15, -100, 3000), in("d", at(15, -100, 0))}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewStore(15 * time.Second)
			for _, scrape := range test.scrapes {
				s.Put(scrape)
			}
			readings := s.Pod("n", "p")
			if test.milli == 0 {
				if len(readings) != 0 {
					t.Fatalf("served %+v, wanted nothing", readings)
				}
				return
			}
			if len(readings) != 1 {
				t.Fatalf("served %+v, wanted one container", readings)
			}
			if r := readings[0]; r.CPU != test.milli*1_000_000 || r.Window != test.window || r.Memory != 1<<20 {
				t.Errorf("served %d nanocores over %s, wanted %d millicores over %s", r.CPU, r.Window, test.milli, test.window)
			}
		})
	}
}

func TestNodeIsTheSumOfItsPods(t *testing.T) {
	s := NewStore(15 * time.Second)
	other := func(u Usage) Usage { u.Pod = "q"; return u }
	s.Put([]Usage{at(0, -100, 0), other(at(0, -100, 0))})
	s.Put([]Usage{at(15, -100, 3000), other(at(15, -100, 1500))})
	if r := s.Nodes()["vm-1"]; r.CPU != 300_000_000 || r.Memory != 2<<20 || r.Window != 15*time.Second {
		t.Errorf("the node uses %+v, wanted 200 m and 100 m together", r)
	}
}

// TestScrapeServesLate: what is scraped at a moment is served a lag later, and each scrape is one resolution after the last.
func TestScrapeServesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, begun := NewStore(15*time.Second), time.Now()
		var scrapes []string
		source := func() []Usage {
			scrapes = append(scrapes, time.Since(begun).String())
			age := time.Since(begun)
			return []Usage{{Namespace: "n", Pod: "p", Container: "c", Started: begun.Add(-time.Hour), At: time.Now(), CPU: age}}
		}
		go s.Scrape(t.Context(), source, time.Second)
		time.Sleep(16*time.Second - time.Nanosecond)
		synctest.Wait()
		if r := s.Pod("n", "p"); len(r) != 0 {
			t.Errorf("before the lag is over %+v is served, wanted nothing", r)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if r := s.Pod("n", "p"); len(r) != 1 || r[0].CPU != 1_000_000_000 {
			t.Errorf("after the lag %+v is served, wanted one core", r)
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if want := []string{"0s", "15s", "30s"}; !slices.Equal(scrapes, want) {
			t.Errorf("scraped at %s, wanted %s", strings.Join(scrapes, " "), strings.Join(want, " "))
		}
	})
}
