package sim

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/planner/hpa"
)

// The simulation's own gauge says what hpa.Meter says, whenever a pod starts and is read; a part of a nanocore that one of
// them rounds away may be the last of a millicore. (No age is a whole number of seconds: there rounding would decide.)
func TestGaugeIsTheMeter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scrape := float64(rapid.IntRange(5, 60).Draw(t, "scrape"))
		started := float64(rapid.IntRange(-40_000, 20_000).Draw(t, "started")) / 1000
		g, got := newGauge(0), noSample
		g.started = started
		var m hpa.Meter
		at, cpu := started, 0.0
		for range rapid.IntRange(1, 20).Draw(t, "scrapes") {
			if later := rapid.SampledFrom([]int{0, 0, 3_001, 9_999, 10_003, 17_123, 45_001}).Draw(t, "later"); later > 0 {
				at += float64(later) / 1000
				cpu += float64(rapid.IntRange(0, 20_000_000).Draw(t, "cpu")) / 1e6
			}
			if at != g.lastAt {
				got = g.take(at, cpu, scrape)
			}
			m.Take(hpa.Reading{Started: seconds(started), At: seconds(at), CPU: seconds(cpu)}, seconds(scrape))
			want, has := m.Usage()
			if has != (got.millicores >= 0) {
				t.Fatalf("read at %v s: a sample is %+v, the meter's %+v, %v", at, got, want, has)
			}
			if !has {
				continue
			}
			rate, _ := m.Rate()
			if d := got.millicores - want.CPU; d < -1 || d > 1 {
				t.Fatalf("read at %v s: %d m, the meter says %d m", at, got.millicores, want.CPU)
			}
			if math.Abs(got.at-rate.At.Seconds()) > 1e-6 || math.Abs(got.window-rate.Window.Seconds()) > 1e-6 {
				t.Fatalf("read at %v s: %+v, the meter says %+v", at, got, rate)
			}
		}
	})
}

// Pods that burn a fifth of a core all the time are served at 200 m, whenever they were read; a sample is at most as old as
// the reading that a scrape found (20 s), the scrape (15 s) and the lag (1 s) make it, and its window at least from one
// reading to the next.
func TestPodsAreReadScrapedAndServed(t *testing.T) {
	p := small(0.001, 300, 3)
	p.Workloads[0].Idle = 0.2
	p.Workloads[0].HPA = scaling(90, 3, 4)
	times := map[time.Duration]bool{}
	follow(t, p, World{Seed: 1}, func(r *Runner, sec, _, _, _ int) {
		now := float64(sec) + 0.5
		r.see(0, now)
		for k := range r.input.Pods {
			pod := &r.input.Pods[k]
			if sec == 0 {
				if pod.Sample.Has {
					t.Errorf("pod %d: %+v is served before the first scrape's lag is over", k, pod.Sample)
				}
				continue
			}
			age := seconds(now) - pod.Sample.Time
			if !pod.Sample.Has || age < 0 || age > 37*time.Second { // the sample's time is cut to whole seconds
				t.Errorf("pod %d at %v s: sample %+v is %v old", k, now, pod.Sample, age)
			}
			if w := pod.Sample.Window; w < 10*time.Second || w > 35*time.Second {
				t.Errorf("pod %d at %v s: a window of %v", k, now, w)
			}
			if cpu := pod.Containers[0].Usage.CPU; sec > 75 && (cpu < 200 || cpu > 201) {
				t.Errorf("pod %d at %v s: %d m, want 200", k, now, cpu)
			}
			times[pod.Sample.Time] = true
		}
	})
	if len(times) < 40 { // 3 pods, 20 scrapes
		t.Errorf("%d different times of samples: the pods are read together", len(times))
	}
}

// What the autoscaler is shown of a pod on its way: Pending, then missing, not ready, ready, and of one whose node is lost
// everything but new samples. Times are in whole seconds.
func TestPodsAreSeenAsTheAPIServerShowsThem(t *testing.T) {
	waiting := pod{node: -1, created: 100.4}
	going := pod{scheduled: 100.5, started: 110.7, ready: 115.9}
	g := newGauge(0)
	g.started = 110.7
	g.take(110.7, 0, 15)
	measured := g.take(121.9, 1.12, 15)
	for _, c := range []struct {
		name   string
		pod    pod
		sample sample
		now    float64
		want   hpa.Pod
	}{
		{"without a node", waiting, noSample, 101, hpa.Pod{Phase: hpa.Pending}},
		{"not yet bound", going, noSample, 100.4, hpa.Pod{Phase: hpa.Pending}},
		{"pulling", going, noSample, 105, hpa.Pod{Phase: hpa.Pending, HasStart: true, Start: 100 * time.Second, Ready: hpa.NotReady, ReadyChanged: 100 * time.Second}},
		{"started", going, noSample, 111, hpa.Pod{HasStart: true, Start: 100 * time.Second, Ready: hpa.NotReady, ReadyChanged: 100 * time.Second}},
		{"ready", going, noSample, 116, hpa.Pod{HasStart: true, Start: 100 * time.Second, Ready: hpa.Ready, ReadyChanged: 115 * time.Second}},
		{"measured", going, measured, 130, hpa.Pod{
			HasStart: true, Start: 100 * time.Second, Ready: hpa.Ready, ReadyChanged: 115 * time.Second,
			Sample: hpa.Sample{Has: true, Time: 121 * time.Second, Window: seconds(121.9) - seconds(110.7)},
		}},
	} {
		box := []hpa.Container{{Name: "app"}}
		got := c.pod.seen(c.now, box)
		c.sample.show(&got, 0)
		got.Containers = nil
		if got.Phase != c.want.Phase || got.HasStart != c.want.HasStart || got.Start != c.want.Start ||
			got.Ready != c.want.Ready || got.ReadyChanged != c.want.ReadyChanged || got.Sample != c.want.Sample {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if used := box[0].Usage.CPU; c.want.Sample.Has && used != 100 {
			t.Errorf("%s: %d m, want 100", c.name, used)
		}
	}
}

// A lost node's pods stay ready to the autoscaler until the loss is noticed, but a scrape finds them no more.
func TestLostPodsAreMissing(t *testing.T) {
	p := small(8, 300, 6)
	p.Workloads[0].HPA = scaling(90, 6, 6)
	follow(t, p, World{Seed: 1, Lost: 1, At: 100}, func(r *Runner, sec, all, _, _ int) {
		r.see(0, float64(sec))
		missing := 0
		for k := range r.input.Pods {
			if pod := &r.input.Pods[k]; pod.Ready == hpa.Ready && !pod.Sample.Has {
				missing++
			}
		}
		switch { // the scrape at 105 s, served at 106 s, finds three; found lost at 140 s
		case sec > 1 && sec < 106 && missing != 0, sec >= 106 && sec < 140 && missing != 3:
			t.Errorf("%d of %d pods are ready and missing at %d s", missing, all, sec)
		}
	})
}
