package loadgen

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

func TestLatenessBucketsHoldTheirValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(15*time.Minute)).Draw(t, "lateness"))
		upper := latenessUpper(latenessBucket(d))
		if us := d.Truncate(time.Microsecond); upper < us || float64(upper) > float64(us)*1.07 {
			t.Fatalf("%s is counted as up to %s", us, upper)
		}
	})
}

func TestLatenessQuantiles(t *testing.T) {
	var l lateness
	if l.snapshot().quantile(0.99) != 0 {
		t.Error("nothing counted has a quantile")
	}
	for i := range 1000 {
		l.add(time.Duration(i+1) * time.Millisecond)
	}
	l.add(-time.Second) // never late counts as nothing
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Second} {
		if got := l.snapshot().quantile(q); got < want-time.Millisecond || float64(got) > 1.07*float64(want) {
			t.Errorf("quantile %g is %s, want %s and at most 7 %% more", q, got, want)
		}
	}
	if got := time.Duration(l.max.Load()); got != time.Second {
		t.Errorf("the largest is %s, want 1s", got)
	}
}

func TestLatenessLimit(t *testing.T) {
	s := &scenarios.Scenario{SLOs: []scenarios.SLO{{Within: 2 * time.Second}, {Within: time.Second}}}
	for _, c := range []struct {
		speed    float64
		override time.Duration
		want     time.Duration
	}{{1, 0, 100 * time.Millisecond}, {10, 0, 10 * time.Millisecond}, {100, 0, 5 * time.Millisecond}, {1, time.Second, time.Second}} {
		if got := latenessLimit(Config{Scenario: s, Speed: c.speed, LatenessLimit: c.override}); got != c.want {
			t.Errorf("speed %g, override %s: limit %s, want %s", c.speed, c.override, got, c.want)
		}
	}
}

// TestSaturatedGeneratorSaysSo: the shard is held up for 200 ms in every second.
func TestSaturatedGeneratorSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, m := config(t, uniform(1000, 10*time.Second, scenarios.Step{}), "127.0.0.1:1")
		network := &memNet{handle: answering(okAnswer)}
		cfg.Transport = network
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		held := &heldSleeper{timerSleeper: newTimerSleeper()}
		e.testSleeper = held
		result, err := e.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		network.all.Wait()
		v := result.Validity
		if v.Valid || len(v.Reasons) != 2 || len(v.Advice) == 0 || v.SecondsOver < 0.9 || v.LatenessP99 < 150*time.Millisecond {
			t.Errorf("evidence %+v, want invalid for p99 and for the seconds over", v)
		}
		for _, text := range append(v.Reasons, v.Advice...) {
			if text["de"] == "" || text["en"] == "" || strings.Contains(text["de"]+text["en"], "%!") {
				t.Errorf("told as %q", text)
			}
		}
		if result.Totals.Late < 150 || len(result.Warnings) == 0 || result.Warnings[0].Text["de"] == "" {
			t.Errorf("%d late, warnings %+v", result.Totals.Late, result.Warnings)
		}
		if n := checkFates(t, m, 1000); n[record.Completed] != 1000 {
			t.Errorf("fates %v: late shots are sent all the same", n)
		}
		for _, s := range m.samples {
			if s.Response() < s.Lateness() {
				t.Errorf("the lateness is not charged: %+v", s)
			}
		}
		checkHealth(t, m)
	})
}

// heldSleeper oversleeps by 200 ms in every second.
type heldSleeper struct{ *timerSleeper }

func (s *heldSleeper) until(now, at time.Duration) {
	if at/time.Second > now/time.Second {
		at += 200 * time.Millisecond
	}
	s.timerSleeper.until(now, at)
}

func checkHealth(t *testing.T, m *memory) {
	t.Helper()
	lines, worst := 0, 0.0
	for _, e := range m.events {
		if e.Kind != record.KindGenerator || e.Source != "generator" {
			t.Errorf("event %+v", e)
		}
		lines++
		worst = max(worst, e.Values["lateness_p99_seconds"])
		for _, name := range []string{"cpu_share", "run_queue_seconds", "gc_pause_seconds", "descriptors", "connections", "late", "sent", "goroutines"} {
			if _, ok := e.Values[name]; !ok {
				t.Errorf("event without %s: %v", name, e.Values)
			}
		}
	}
	if lines < 10 || lines > 12 || worst < 0.15 {
		t.Errorf("%d lines about the generator, worst lateness %g s", lines, worst)
	}
}

// TestSlowAcceptIsTheTargets: a target that takes 2 s to accept is slow; the generator is not late.
func TestSlowAcceptIsTheTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, m := config(t, uniform(10, 10*time.Second, scenarios.Step{}), "127.0.0.1:1")
		network := &memNet{handle: once(okAnswer)}
		cfg.Transport = slowDial{network}
		result, err := run(t, t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		network.all.Wait()
		for _, s := range m.samples {
			if s.Lateness() != 0 || s.Service() != 2*time.Second || s.Outcome != record.OK {
				t.Errorf("%+v, want no lateness and 2 s of service", s)
			}
		}
		if !result.Validity.Valid || len(m.samples) != 10 {
			t.Errorf("evidence %+v of %d shots", result.Validity, len(m.samples))
		}
	})
}

type slowDial struct{ *memNet }

func (s slowDial) Dial(ctx context.Context, address string) (net.Conn, error) {
	time.Sleep(2 * time.Second)
	return s.memNet.Dial(ctx, address)
}

func TestConfigValidate(t *testing.T) {
	good, _ := config(t, uniform(1, time.Second, scenarios.Step{}), "127.0.0.1:1")
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"scenario": func(c *Config) { c.Scenario = nil }, "schedule": func(c *Config) { c.Schedule = nil },
		"address": func(c *Config) { c.Address = nil }, "recorder": func(c *Config) { c.Recorder = nil }, "samples": func(c *Config) { c.Samples = nil },
		"speed": func(c *Config) { c.Speed = -1 }, "connections": func(c *Config) { c.MaxConnections = -1 },
		"grace": func(c *Config) { c.Grace = -1 }, "share": func(c *Config) { c.Share.Index, c.Share.Of = 2, 2 },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, _ := config(t, uniform(100, 100*time.Second, scenarios.Step{}), "127.0.0.1:1")
		network := &memNet{handle: func(c net.Conn) {
			time.Sleep(5500 * time.Millisecond)
			once(okAnswer)(c)
		}}
		cfg.Transport = network
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		middle := make(chan Progress, 1)
		time.AfterFunc(50*time.Second+250*time.Millisecond, func() { middle <- e.Progress() })
		if _, err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		network.all.Wait()
		if p := <-middle; p.At != 50*time.Second+250*time.Millisecond || p.Total != 100 || p.Offered != 51 || p.Completed != 45 || p.InFlight != 6 || p.ShotsOK != 45 {
			t.Errorf("progress in the middle: %+v", p)
		}
		if end := e.Progress(); end.Completed != 100 || end.InFlight != 0 || end.Connections != 0 {
			t.Errorf("progress at the end: %+v", end)
		}
		if _, err := e.Run(t.Context()); err == nil {
			t.Error("an engine runs twice")
		}
	})
}
