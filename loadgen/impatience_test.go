package loadgen

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// impatientRun fires arrivals with a fixed patience of 3 s at a target, and gives each arrival's shots in order.
func impatientRun(t *testing.T, speed float64, how scenarios.Impatience, handle func(net.Conn)) (map[uint32][]record.Sample, *memory, Result) {
	t.Helper()
	how.Patience = scenarios.Distribution{Fixed: ptr(3 * time.Second)}
	s := uniform(50, 50*time.Second, scenarios.Step{Timeout: 20 * time.Second})
	s.Journeys[0].Impatience = &how
	cfg, m := config(t, s, "127.0.0.1:1")
	network := &memNet{handle: handle}
	cfg.Transport, cfg.Speed = network, speed
	result, err := run(t, t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	network.all.Wait()
	shots := map[uint32][]record.Sample{}
	for _, x := range m.samples {
		shots[x.Seq] = append(shots[x.Seq], x)
	}
	return shots, m, result
}

func silent(c net.Conn) {
	for asked(c) {
	}
}

func TestPatienceCountsFromDueInPlatformTime(t *testing.T) {
	for _, speed := range []float64{1, 10} {
		synctest.Test(t, func(t *testing.T) {
			shots, m, result := impatientRun(t, speed, scenarios.Impatience{GiveUp: 1}, silent)
			for seq, list := range shots {
				if len(list) != 1 || list[0].Outcome != record.Left || list[0].Response() != 3*time.Second {
					t.Errorf("speed %g, arrival %d: %+v, want one shot left after 3 s", speed, seq, list)
				}
			}
			if n := checkFates(t, m, 50); n[record.Indeterminate] != 50 || result.Totals.GaveUp != 50 {
				t.Errorf("fates %v, %d gave up, want 50", n, result.Totals.GaveUp)
			}
		})
	}
}

func TestReloadIsDueAtTheReaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shots, _, result := impatientRun(t, 10, scenarios.Impatience{Reload: 1, Most: 2}, silent)
		for seq, list := range shots {
			if len(list) != 3 {
				t.Fatalf("arrival %d: %d shots, want the first and 2 reloads", seq, len(list))
			}
			for i, x := range list {
				if int(x.Retry) != i || i > 0 && x.Due != list[i-1].Done {
					t.Errorf("arrival %d, try %d: %+v after %+v", seq, i, x, list[max(0, i-1)])
				}
			}
		}
		if result.Totals.Reloads != 100 || result.Totals.GaveUp != 50 || result.Totals.ByOutcome["left"] != 150 {
			t.Errorf("totals %+v", result.Totals)
		}
	})
}

func TestComeBackAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var well atomic.Bool
		handle := replying(func() string {
			if !well.Load() {
				return "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
			}
			return okAnswer
		})
		time.AfterFunc(60*time.Second, func() { well.Store(true) })
		how := scenarios.Impatience{ComeBack: 1, Most: 9, After: &scenarios.Distribution{Fixed: ptr(20 * time.Second)}}
		shots, m, result := impatientRun(t, 1, how, handle)
		if n := checkFates(t, m, 50); n[record.Completed] != 50 {
			t.Errorf("fates %v, want all completed after coming back", n)
		}
		for seq, list := range shots {
			for i, x := range list[1:] {
				if x.Due != list[i].Done+20*time.Second || list[i].Outcome != record.Failed {
					t.Errorf("arrival %d: %+v after %+v", seq, x, list[i])
				}
			}
		}
		if result.Totals.ComeBacks < 100 || result.Totals.Reloads != 0 {
			t.Errorf("totals %+v", result.Totals)
		}
	})
}

func TestThinkTimeIsBetweenTheSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := uniform(20, 20*time.Second, scenarios.Step{})
		think := scenarios.Distribution{Fixed: ptr(7 * time.Second)}
		s.Journeys[0].Steps = []scenarios.Step{{Name: "one", URL: "/", Share: ptr(0.5)}, {Name: "two", URL: "/", Think: &think}}
		cfg, m := config(t, s, "127.0.0.1:1")
		network := &memNet{handle: answering(okAnswer)}
		cfg.Transport, cfg.Speed = network, 10
		if _, err := run(t, t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		network.all.Wait()
		first := map[uint32]time.Duration{}
		thought := 0
		for _, x := range m.samples {
			if x.Step == 0 {
				first[x.Seq] = x.Done
			}
		}
		for _, x := range m.samples {
			if done, took := first[x.Seq]; took && x.Step == 1 {
				thought++
				if x.Due != done+7*time.Second {
					t.Errorf("arrival %d: the second step is due %s after the first", x.Seq, x.Due-done)
				}
			}
		}
		if n := checkFates(t, m, 20); n[record.Completed] != 20 || thought == 0 || thought == 20 {
			t.Errorf("fates %v, %d took both steps", n, thought)
		}
	})
}
