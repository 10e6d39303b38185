package sim

import (
	"testing"
	"time"

	"github.com/ansturm/ansturm/planner/hpa"
)

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
	read := going
	read.meter[0].Take(hpa.Reading{Started: seconds(110.7), At: seconds(110.7)}, 15*time.Second)
	read.meter[0].Take(hpa.Reading{Started: seconds(110.7), At: seconds(121.9), CPU: seconds(1.12)}, 15*time.Second)
	for _, c := range []struct {
		name string
		pod  pod
		now  float64
		want hpa.Pod
	}{
		{"without a node", waiting, 101, hpa.Pod{Phase: hpa.Pending}},
		{"not yet bound", going, 100.4, hpa.Pod{Phase: hpa.Pending}},
		{"pulling", going, 105, hpa.Pod{Phase: hpa.Pending, HasStart: true, Start: 100 * time.Second, Ready: hpa.NotReady, ReadyChanged: 100 * time.Second}},
		{"started", going, 111, hpa.Pod{HasStart: true, Start: 100 * time.Second, Ready: hpa.NotReady, ReadyChanged: 100 * time.Second}},
		{"ready", going, 116, hpa.Pod{HasStart: true, Start: 100 * time.Second, Ready: hpa.Ready, ReadyChanged: 115 * time.Second}},
		{"measured", read, 130, hpa.Pod{
			HasStart: true, Start: 100 * time.Second, Ready: hpa.Ready, ReadyChanged: 115 * time.Second,
			Sample: hpa.Sample{Has: true, Time: 121 * time.Second, Window: seconds(121.9) - seconds(110.7)},
		}},
	} {
		box := []hpa.Container{{Name: "app"}}
		got := c.pod.seen(c.now, box)
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
