package lab

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/planner/hpa"
	"github.com/ansturm/ansturm/scenarios"
)

func TestLoadStepScalesUpAtASync(t *testing.T) {
	p, s := smallWorld(1)
	autoscale(&p.Workloads[0], 60, 2, 10)
	w := newWorld(t, p, s)
	phase := w.tenants[0].scaler.sync.at
	w.stream(0, 2*time.Minute, 5, 0, "submit", 0)
	w.advance(2 * time.Minute)

	// 5/s × 150 ms = 0.75 cores on 2 × 0.5: 75 % against 60 %, ceil(2 × 1.25) = 3; then 50 %, ceil(3 × 0.83) = 3.
	scalings := w.of(record.KindScale)
	if len(scalings) != 1 || scalings[0].From != 2 || scalings[0].Desired != 3 {
		t.Fatalf("scalings %+v: want one, from 2 to 3", scalings)
	}
	at := scalings[0].At
	if (at-phase)%(15*time.Second) != 0 {
		t.Errorf("scaled at %v, not at the phase %v of a 15 s period", at, phase)
	}
	// The scrape at 15 s, served at 16 s, is the first that can show load; that at 45 s shows nothing else, for the kubelet's
	// last two readings are at most 20 s apart, and the last one at most 20 s old.
	if at < 16*time.Second || at >= 61*time.Second {
		t.Errorf("scaled at %v, want at a sync from 16 s to 61 s", at)
	}
	want := map[string]time.Duration{
		record.PhaseCreated: 0, record.PhaseScheduled: 100 * time.Millisecond, record.PhasePulled: 8100 * time.Millisecond,
		record.PhaseStarted: 10100 * time.Millisecond, record.PhaseReady: 15100 * time.Millisecond,
	}
	name := w.tenants[0].podName(3)
	for _, e := range w.of(record.KindPod) {
		if e.Object != name {
			continue
		}
		if e.Phase == record.PhaseServing {
			if e.At < at+16100*time.Millisecond || e.At > at+16500*time.Millisecond {
				t.Errorf("first served at +%v, want right after the endpoint delay, +16.1 s", e.At-at)
			}
			continue
		}
		if offset, known := want[e.Phase]; !known || e.At-at != offset {
			t.Errorf("%s at +%v, want +%v", e.Phase, e.At-at, offset)
		}
		delete(want, e.Phase)
	}
	if len(want) > 0 {
		t.Errorf("phases not seen: %v", want)
	}
}

func TestMetricsSayWhatWasBurnt(t *testing.T) {
	p, s := smallWorld(1)
	w := newWorld(t, p, s)
	w.stream(0, time.Minute, 5, 0, "submit", 0)
	w.advance(80 * time.Second)
	metrics := w.of(record.KindMetrics)
	if len(metrics) != 6 {
		t.Fatalf("%d scrapes in 80 s, want 6 (0 to 75 s)", len(metrics))
	}
	near(t, "utilisation in full load", metrics[3].Values["utilisation_percent"], 75, 2)
	near(t, "CPU after it", metrics[5].Values["cpu_seconds"], 300*0.150, 1e-6)
	near(t, "in flight after it", metrics[5].Values["in_flight"], 0, 0)
}

// The kubelet reads a pod when it starts and then every 10 to 20 s; a scrape finds what was read last, and what the meter
// makes of it (HPA rule 22) is served a second later.
func TestPodsAreServedAsTheyWereReadAndScraped(t *testing.T) {
	for _, started := range []time.Duration{14100 * time.Millisecond, 16 * time.Second, 20 * time.Second, 21 * time.Second} {
		p, s := smallWorld(1)
		p.Workloads[0].Replicas = 0
		p.Workloads[0].Start = scenarios.Start{}
		w := newWorld(t, p, s)
		w.advance(started - 100*time.Millisecond)
		w.tenants[0].resize(1)
		pod := w.tenants[0].pods[0]
		var meter, served hpa.Meter
		last := time.Duration(-1)
		for now := started; now < 5*time.Minute; now += 100 * time.Millisecond {
			w.advance(now)
			gap := pod.reading.At - last
			switch {
			case gap == 0:
			case last < 0 && pod.reading.At != started:
				t.Fatalf("started at %v: first read at %v", started, pod.reading.At)
			case last >= 0 && (gap < 10*time.Second || gap > 20*time.Second):
				t.Errorf("started at %v: read at %v and at %v", started, last, pod.reading.At)
			}
			last = pod.reading.At
			switch now % (15 * time.Second) {
			case 0:
				meter.Take(pod.reading, 15*time.Second)
			case time.Second:
				served = meter
			}
			if pod.shown[0] != served {
				t.Fatalf("started at %v: at %v %+v is served, want %+v", started, now, pod.shown[0], served)
			}
		}
		if !served.Rated() {
			t.Errorf("started at %v: never rated", started)
		}
	}
}

// An idle platform of a thousand pods would be woken 66 times a second for readings that nobody looks at.
func TestReadingsWakeNobodyAndAreCaughtUpOn(t *testing.T) {
	worlds := make([]*world, 2)
	for i := range worlds {
		p, s := smallWorld(1)
		worlds[i] = newWorld(t, p, s)
		worlds[i].stream(0, time.Minute, 5, 0, "submit", 0)
	}
	stepped, jumped := worlds[0], worlds[1]
	for now := time.Duration(0); now <= 5*time.Minute; now += 100 * time.Millisecond {
		stepped.advance(now)
	}
	jumped.advance(5 * time.Minute)
	for i, pod := range jumped.tenants[0].pods {
		if slices.Contains(jumped.queue.events, &pod.house) {
			t.Error("a reading is among the events that somebody is woken for")
		}
		if want := stepped.tenants[0].pods[i].reading; pod.reading != want || want.At < 4*time.Minute {
			t.Errorf("pod %d: after a jump %+v was read last, step by step %+v", i, pod.reading, want)
		}
	}
}

func TestImagesArePulledOnceANodeOneAfterAnother(t *testing.T) {
	p, s := smallWorld(3)
	p.Pools[0].Count = 1
	second := p.Workloads[0]
	second.Name, second.Tenants = "other", []string{"t3"}
	p.Workloads = append(p.Workloads, second)
	for i := range p.Workloads {
		p.Workloads[i].Replicas = 0
	}
	w := newWorld(t, p, s)
	for _, d := range w.tenants {
		d.resize(1)
	}
	w.advance(time.Minute)
	got := map[string]time.Duration{}
	for _, e := range w.of(record.KindPod) {
		if e.Phase == record.PhasePulled {
			got[e.Tenant] = e.At
		}
	}
	want := map[string]time.Duration{"t1": 8100 * time.Millisecond, "t2": 8100 * time.Millisecond, "t3": 16100 * time.Millisecond}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("pulled at %v, want %v: t1 and t2 share an image, t3's waits behind", got, want)
	}
}

func TestPodsWaitForRoom(t *testing.T) {
	p, s := smallWorld(2)
	p.Pools[0].Count = 1 // 8 pods of 500m
	w := newWorld(t, p, s)
	w.tenants[0].resize(7) // 7 + 2: one too many
	w.advance(time.Minute)
	pending := 0
	for _, e := range w.of(record.KindPod) {
		if e.Phase == record.PhasePending {
			pending++
		}
	}
	if pending != 1 || w.tenants[0].readyCount() != 6 {
		t.Errorf("%d pending, %d ready; want 1 and 6", pending, w.tenants[0].readyCount())
	}
	w.tenants[0].resize(9)
	w.tenants[0].resize(7)
	if got := w.stats().Pending; got != 1 {
		t.Errorf("%d wait for room after the two youngest were taken back, want 1", got)
	}
	w.tenants[1].resize(1)
	w.advance(2 * time.Minute)
	if got := w.tenants[0].readyCount(); got != 7 {
		t.Errorf("%d ready after room appeared, want 7", got)
	}
}

func TestScaleDownLetsRequestsFinish(t *testing.T) {
	p, s := smallWorld(1)
	p.Workloads[0].Replicas = 3
	w := newWorld(t, p, s)
	for i := range 6 {
		w.send(0, 0, "submit", uint32(i))
	}
	w.tenants[0].resize(1)
	if r := w.send(0, 0, "form", 9); r.podName != w.tenants[0].podName(1) {
		t.Errorf("a new request went to %s, want the pod that stays", r.podName)
	}
	w.advance(time.Minute)
	if w.counts.served != 7 || w.counts.cut != 0 {
		t.Errorf("%d served, %d cut; want all 7 finished", w.counts.served, w.counts.cut)
	}
	var deleted []string
	for _, e := range w.of(record.KindPod) {
		if e.Phase == record.PhaseDeleted {
			deleted = append(deleted, e.Object)
			near(t, "deleted at", e.At.Seconds(), 0.6, 1e-6) // two requests of 150 ms on half a core
		}
	}
	slices.Sort(deleted)
	if want := []string{w.tenants[0].podName(2), w.tenants[0].podName(3)}; !reflect.DeepEqual(deleted, want) {
		t.Errorf("deleted %v, want the youngest two %v", deleted, want)
	}
}

func TestLostNodeIsReplacedAfterDetection(t *testing.T) {
	p, s := smallWorld(1)
	p.Workloads[0].Replicas = 3
	p.Disruptions = []scenarios.Disruption{{At: 30 * time.Second, LoseNode: "vm-2"}}
	w := newWorld(t, p, s)
	var sent []*request
	for i := range 9 {
		sent = append(sent, w.send(29900*time.Millisecond, 0, "submit", uint32(i)))
	}
	w.advance(30 * time.Second)
	if w.counts.cut != 3 {
		t.Errorf("%d cut, want the 3 on the lost node", w.counts.cut)
	}
	for _, r := range sent {
		if r.outcome == cut && w.accepted.Contains(r.key) {
			t.Errorf("application %d was cut and yet accepted", r.key)
		}
	}
	if got := w.send(31*time.Second, 0, "form", 20); got.pod == nil || got.pod.node.lost {
		t.Error("the balancer still sends to the lost node")
	}
	w.advance(69900 * time.Millisecond)
	if got := w.tenants[0].readyCount(); got != 2 {
		t.Errorf("%d ready before detection, want 2", got)
	}
	w.advance(90 * time.Second)
	if got := w.tenants[0].readyCount(); got != 3 {
		t.Errorf("%d ready 20 s after detection, want 3", got)
	}
	for _, p := range w.tenants[0].pods {
		if p.node.lost {
			t.Errorf("pod %s is still on the lost node", p.name)
		}
	}
}

func TestUnknownNodeInDisruption(t *testing.T) {
	p, s := smallWorld(1)
	p.Disruptions = []scenarios.Disruption{{LoseNode: "vm-9"}}
	if _, err := newCore(p, s, 1); err == nil {
		t.Error("a disruption of a node that is not there was taken")
	}
}

// surge is a whole story: three tenants under a rising load on a platform that scales, fills up and loses a node.
func surge(t testing.TB) *world {
	p, s := smallWorld(3)
	autoscale(&p.Workloads[0], 50, 1, 12)
	p.Workloads[0].Start.Start = &scenarios.Distribution{LogNormal: &scenarios.LogNormal{Median: 3 * time.Second, P95: 9 * time.Second}}
	mean := 150 * time.Millisecond
	p.Workloads[0].Steps["submit"] = scenarios.Work{
		CPU: scenarios.Distribution{Exponential: &mean}, Accepts: true, Backends: map[string]time.Duration{"db": 20 * time.Millisecond},
	}
	p.Backends = []scenarios.Backend{{Name: "db", Cores: 4, Contention: 0.01}}
	p.Disruptions = []scenarios.Disruption{{At: 3 * time.Minute, LoseNode: "vm-1"}}
	w := newWorld(t, p, s)
	for i := range 8_000 {
		w.send(time.Duration(float64(i)/8_000*float64(5*time.Minute)), i%7%3, []string{"submit", "submit", "form"}[i%3], uint32(i))
	}
	w.advance(10 * time.Minute)
	return w
}

func TestSameSeedSameDecisions(t *testing.T) {
	a, b := surge(t), surge(t)
	if len(a.of(record.KindScale)) < 5 || len(a.of(record.KindNode)) != 4 {
		t.Fatalf("the story is too quiet: %d scalings, %d node events", len(a.of(record.KindScale)), len(a.of(record.KindNode)))
	}
	if len(a.events) != len(b.events) {
		t.Fatalf("%d events, then %d", len(a.events), len(b.events))
	}
	for i := range a.events {
		if fmt.Sprint(a.events[i]) != fmt.Sprint(b.events[i]) {
			t.Fatalf("event %d differs:\n%+v\n%+v", i, a.events[i], b.events[i])
		}
	}
}
