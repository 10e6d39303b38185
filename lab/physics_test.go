package lab

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/scenarios"
)

// single is a platform of one pod with the CPU limit, one step of the given work, and all threads one could want.
func single(limit string, work scenarios.Work) (*scenarios.Platform, *scenarios.Scenario) {
	p, s := smallWorld(1)
	w := &p.Workloads[0]
	w.Replicas, w.Threads, w.Backlog = 1, 1_000_000, 1
	w.Resources.Limits = quantities(limit, "1Gi")
	w.Resources.Requests = quantities("100m", "1Gi")
	w.Steps = map[string]scenarios.Work{"submit": work, "form": work}
	return p, s
}

func TestEqualJobsShareThePod(t *testing.T) {
	for _, k := range []int{1, 2, 3, 7, 40} {
		p, s := single("2", scenarios.Work{CPU: *fixed(300 * time.Millisecond)})
		w := newWorld(t, p, s)
		var sent []*request
		for i := range k {
			sent = append(sent, w.send(time.Second, 0, "submit", uint32(i)))
		}
		w.advance(time.Minute)
		// k equal jobs on 2 cores, one core each at most: all are done after k·0.3/min(2, k) s.
		want := 1 + float64(k)*0.3/math.Min(2, float64(k))
		for _, r := range sent {
			near(t, "done", r.doneAt.Seconds(), want, 1e-6)
		}
		near(t, "CPU used", w.tenants[0].used(), float64(k)*0.3, 1e-6)
	}
}

func TestLaterJobSlowsTheEarlier(t *testing.T) {
	p, s := single("1", scenarios.Work{CPU: *fixed(time.Second)})
	w := newWorld(t, p, s)
	a := w.send(0, 0, "submit", 0)
	b := w.send(500*time.Millisecond, 0, "submit", 1)
	w.advance(time.Minute)
	// a has had 0.5 s alone and needs another 1 s of half a core; b then has 0.5 s left for itself.
	near(t, "a", a.doneAt.Seconds(), 1.5, 1e-6)
	near(t, "b", b.doneAt.Seconds(), 2.0, 1e-6)
}

// In M/M/1 with processor sharing the mean sojourn is E[S]/(1−ρ) (Kleinrock 1967), here 0.1/(1−0.7) = 1/3 s.
func TestMM1ProcessorSharing(t *testing.T) {
	mean := 100 * time.Millisecond
	p, s := single("1", scenarios.Work{CPU: scenarios.Distribution{Exponential: &mean}})
	w := newWorld(t, p, s)
	random := rand.New(rand.NewPCG(7, 7))
	const batches, each = 40, 5_000
	sent := make([]*request, 0, batches*each)
	arrived := make([]time.Duration, 0, cap(sent))
	at := time.Duration(0)
	for i := range batches * each {
		at += time.Duration(random.ExpFloat64() / 7 * 1e9)
		sent, arrived = append(sent, w.send(at, 0, "submit", uint32(i))), append(arrived, at)
	}
	w.advance(at + time.Hour)
	var sum, squares float64
	for b := range batches {
		batch := 0.0
		for i := b * each; i < (b+1)*each; i++ {
			batch += (sent[i].doneAt - arrived[i]).Seconds() / each
		}
		sum += batch
		squares += batch * batch
	}
	average := sum / batches
	deviation := math.Sqrt((squares/batches - average*average) / (batches - 1))
	near(t, "mean sojourn", average, 1.0/3, 3.3*deviation) // 99.9 % by batch means
	if deviation > 0.02 {
		t.Errorf("standard error %.3g s: the interval says nothing", deviation)
	}
}

func TestContendedNodeIsSharedByRequest(t *testing.T) {
	p, s := smallWorld(3)
	p.Pools = []scenarios.NodePool{{Name: "vm", Count: 1, Capacity: quantities("5", "64Gi"), Reserved: quantities("1", "1Gi")}}
	base := p.Workloads[0]
	base.Replicas = 1
	p.Workloads = nil
	for i, r := range []string{"100m", "300m", "600m"} {
		w := base
		w.Name, w.Tenants = "w"+r, []string{s.Tenants.List[i].Name}
		w.Resources = corev1.ResourceRequirements{Requests: quantities(r, "1Gi"), Limits: quantities("4", "1Gi")}
		w.Steps = map[string]scenarios.Work{"submit": {CPU: *fixed(time.Hour)}, "form": {CPU: *fixed(time.Hour)}}
		p.Workloads = append(p.Workloads, w)
	}
	w := newWorld(t, p, s)
	granted := func(i int) float64 { return w.tenants[i].pods[0].granted }
	for i := range 4 { // 4 + 4 wanted of 4: by weight 1 : 3
		w.send(time.Second, 0, "submit", uint32(i))
		w.send(time.Second, 1, "submit", uint32(10+i))
	}
	near(t, "first of two", granted(0), 1, 1e-9)
	near(t, "second of two", granted(1), 3, 1e-9)
	w.send(2*time.Second, 2, "submit", 20) // wants 1, its weight would give 2.4: it gets 1, the rest 3 by 1 : 3
	near(t, "modest third", granted(2), 1, 1e-9)
	near(t, "first of three", granted(0), 0.75, 1e-9)
	near(t, "second of three", granted(1), 2.25, 1e-9)
	w.advance(12 * time.Second)
	// 1 s of 1 core, 10 s of 0.75.
	near(t, "CPU of the first", w.tenants[0].used(), 8.5, 1e-6)
}

func TestNodeSlackAgainAfterContention(t *testing.T) {
	p, s := single("4", scenarios.Work{CPU: *fixed(time.Second)})
	p.Pools[0].Count = 1
	p.Workloads[0].Replicas = 2
	w := newWorld(t, p, s)
	for i := range 8 {
		w.send(0, 0, "submit", uint32(i)) // 4 on each pod: 8 cores wanted of 4
	}
	w.advance(1900 * time.Millisecond)
	near(t, "done while contended", float64(w.counts.served), 0, 0)
	w.advance(2 * time.Second)
	near(t, "done", float64(w.counts.served), 8, 0)
	r := w.send(3*time.Second, 0, "submit", 9)
	w.advance(5 * time.Second)
	near(t, "alone again", r.doneAt.Seconds(), 4, 1e-6)
}

func TestBackendSlowsByTheUniversalScalabilityLaw(t *testing.T) {
	p, s := single("64", scenarios.Work{CPU: *fixed(0), Backends: map[string]time.Duration{"db": 100 * time.Millisecond}})
	p.Pools[0].Capacity = quantities("64", "64Gi")
	p.Backends = []scenarios.Backend{{Name: "db", Cores: 8, Contention: 0.05, Coherency: 0.002}}
	for _, n := range []int{1, 4, 8, 20} {
		w := newWorld(t, p, s)
		var sent []*request
		for i := range n {
			sent = append(sent, w.send(0, 0, "submit", uint32(i)))
		}
		w.advance(time.Minute)
		x := float64(n)
		slow := 1 + 0.05*(x-1) + 0.002*x*(x-1)
		want := 0.1 * slow * x / math.Min(x, 8)
		for _, r := range sent {
			near(t, "done", r.doneAt.Seconds(), want, 1e-6)
		}
	}
}

func TestBackendRefusesBeyondMost(t *testing.T) {
	p, s := single("4", scenarios.Work{CPU: *fixed(0), Backends: map[string]time.Duration{"db": time.Second}})
	p.Backends = []scenarios.Backend{{Name: "db", Cores: 1, Most: 3}}
	w := newWorld(t, p, s)
	for i := range 5 {
		w.send(0, 0, "submit", uint32(i))
	}
	w.advance(time.Minute)
	if got := w.counts; got.served != 3 || got.refused != 2 {
		t.Errorf("%d served and %d refused of 5, want 3 and 2", got.served, got.refused)
	}
}

func TestPodRefusesBeyondThreadsAndBacklog(t *testing.T) {
	p, s := smallWorld(1)
	p.Workloads[0].Replicas, p.Workloads[0].Threads, p.Workloads[0].Backlog = 1, 2, 3
	w := newWorld(t, p, s)
	var sent []*request
	for i := range 7 {
		sent = append(sent, w.send(0, 0, "submit", uint32(i)))
	}
	if w.counts.refused != 2 {
		t.Errorf("%d refused at once, want 2 of 7 (2 threads, 3 in the backlog)", w.counts.refused)
	}
	w.advance(time.Minute)
	// Two at a time on half a core: pairs are done each 0.6 s, the last alone.
	for i, want := range []float64{0.6, 0.6, 1.2, 1.2, 1.5} {
		near(t, "done", sent[i].doneAt.Seconds(), want, 1e-6)
	}
}

func TestWarmUpCostsMore(t *testing.T) {
	p, s := smallWorld(1)
	wl := &p.Workloads[0]
	wl.Replicas = 0
	wl.Start.WarmUp = scenarios.WarmUp{For: 10 * time.Second, Factor: 3}
	w := newWorld(t, p, s)
	w.tenants[0].resize(1)
	// Created at 0, bound at 0.1, pulled at 8.1, started at 10.1, ready at 15.1, known at 16.1, warm at 25.1.
	if r := w.send(16*time.Second, 0, "form", 0); r.outcome != unavailable {
		t.Errorf("before the balancer knows the pod the outcome is %d, want unavailable", r.outcome)
	}
	cold := w.send(17*time.Second, 0, "form", 1)
	across := w.send(25*time.Second, 0, "form", 2) // 0.1 s at a third: 0.05/3 s of work done, the rest at full speed
	w.advance(30 * time.Second)
	near(t, "cold", cold.doneAt.Seconds(), 17+0.060*3/0.5, 1e-6)
	near(t, "across the end of the warm-up", across.doneAt.Seconds(), 25.1+(0.060-0.05/3)/0.5, 1e-6)
	near(t, "CPU", w.tenants[0].used(), 0.180+0.05+(0.060-0.05/3), 1e-6)
}

func TestMemoryRatchets(t *testing.T) {
	p, s := smallWorld(1)
	p.Workloads[0].Replicas = 1
	p.Workloads[0].Memory = scenarios.Memory{Base: 1000, PerRequest: 10, Ratchet: 0.5}
	w := newWorld(t, p, s)
	for i := range 8 {
		w.send(0, 0, "submit", uint32(i))
	}
	near(t, "at the peak", w.tenants[0].pods[0].memory(), 1080, 0)
	w.advance(time.Minute)
	near(t, "afterwards", w.tenants[0].pods[0].memory(), 1040, 0)
}
