package fit

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/ansturm/ansturm/loadgen/record"
)

// heap makes the memory of a tenant's pods known: each keeps base, and for its requests in flight slope each, of whose
// highest number so far the share ratchet stays. The physics are pod by pod and second by second.
type heap struct {
	seed                 uint64
	base, slope, ratchet float64
	noise                float64 // bytes of one pod
	tenants, pods        int
	open                 func(second int) float64 // in flight in a pod, mean
	length               int
	chance               float64 // of the requests in flight: 0 as given, 1 at random (Poisson)
	blind                bool    // in flight is not scraped
}

func (h heap) data() *Data {
	d := usual().data() // for the demand, which every fit needs
	rng := rand.New(rand.NewPCG(h.seed, 5))
	for t := range h.tenants {
		name, most := "heap-"+string(rune('a'+t)), make([]float64, h.pods)
		d.Events = append(d.Events, record.Event{Kind: record.KindReplicas, Tenant: name, Workload: "app", Ready: int32(h.pods)})
		waited := 0.0
		for s := 0; s <= h.length; s++ {
			var bytes, open float64
			for p := range most {
				n := (1-h.chance)*h.open(s) + h.chance*poisson(rng, h.open(s))
				most[p] = math.Max(most[p], n)
				bytes += h.base + h.slope*math.Max(n, h.ratchet*most[p]) + h.noise*rng.NormFloat64()
				open += n
			}
			waited += open
			if s%60 == 59 {
				hist := record.NewHistogram(2)
				if err := hist.Add(time.Duration(waited*float64(time.Second)/100), 100); err != nil {
					panic(err)
				}
				d.Windows = append(d.Windows, record.Window{
					Key: record.Key{Measure: record.Service, Step: "submit", Tenant: name}, Start: time.Duration(s/60) * time.Minute, Length: time.Minute, Histogram: hist,
				})
				waited = 0
			}
			if s%15 != (3*t)%15 {
				continue
			}
			values := map[string]float64{"memory_bytes": bytes, "in_flight": open, "pods": float64(h.pods)}
			if h.blind {
				delete(values, "in_flight")
			}
			d.Events = append(d.Events, record.Event{At: time.Duration(s) * time.Second, Kind: record.KindMetrics, Tenant: name, Workload: "app", Values: values})
		}
	}
	return d
}

func usualHeap() heap {
	return heap{
		base: 256 << 20, slope: 1 << 20, ratchet: 0.3, tenants: 3, pods: 4, length: 600,
		open: func(s int) float64 { return []float64{2, 6, 12, 9, 4, 1}[s/100%6] },
	}
}

// Without noise the three come out as they are.
func TestMemoryOfAKnownHeap(t *testing.T) {
	for _, ratchet := range []float64{0, 0.25, 0.5, 0.8, 1} {
		h := usualHeap()
		h.ratchet = ratchet
		m := mustFit(t, h.data()).Workloads["app"].Memory
		if m == nil || !m.Known || !m.FallSeen {
			t.Fatalf("ratchet %g: %+v", ratchet, m)
		}
		want := ratchet
		if ratchet < 1./12 { // the load never falls below a twelfth of its most: up to there nothing shows
			want = m.Ratchet.Value
		}
		if !near(m.Base.Value, h.base, 1e-3) || !near(m.PerRequest.Value, h.slope, 0.01) || math.Abs(m.Ratchet.Value-want) > 0.01 {
			t.Errorf("ratchet %g: base %.0f, slope %.0f, ratchet %.2f", ratchet, m.Base.Value, m.PerRequest.Value, m.Ratchet.Value)
		}
		flank := MemoryFalls
		if ratchet > kept {
			flank = MemoryStays
		}
		if ratchet != kept && m.Flank != flank {
			t.Errorf("ratchet %g (%g to %g): flank %q, want %q", ratchet, m.Ratchet.Low, m.Ratchet.High, m.Flank, flank)
		}
		if got := m.At(2, 10); !near(got, h.base+h.slope*math.Max(2, ratchet*10), 0.01) {
			t.Errorf("memory of 2 requests after 10: %.0f", got)
		}
	}
}

// A load that only rises shows base and slope, and says nothing of what stays.
func TestMemoryThatWasNeverSeenToFall(t *testing.T) {
	h := usualHeap()
	h.open = func(s int) float64 { return 1 + float64(s)/60 }
	m := mustFit(t, h.data()).Workloads["app"].Memory
	if m == nil || !m.Known || m.FallSeen || m.Flank != "" || !near(m.PerRequest.Value, h.slope, 0.01) {
		t.Errorf("%+v", m)
	}
	h.open = func(int) float64 { return 3 } // neither rises nor falls
	model := mustFit(t, h.data())
	if m = model.Workloads["app"].Memory; m == nil || m.Known {
		t.Errorf("a load that never varies: %+v", m)
	}
	if p := parameterOf(model, KindMemory, "app", ""); p == nil || p.Status == Known || p.Settles == "" {
		t.Errorf("parameter %+v", p)
	}
}

// Where requests in flight are not scraped, as on a cluster, arrivals times their mean time stand in.
func TestMemoryByLittlesLaw(t *testing.T) {
	h := usualHeap()
	h.blind, h.length, h.noise = true, 1800, 1<<20
	h.open = func(s int) float64 { return []float64{2, 6, 12, 9, 4, 1}[s/300%6] }
	m := mustFit(t, h.data()).Workloads["app"].Memory
	if m == nil || !m.Known || !near(m.PerRequest.Value, h.slope, 0.15) || !near(m.Base.Value, h.base, 0.02) || math.Abs(m.Ratchet.Value-h.ratchet) > 0.1 {
		t.Errorf("%+v", m)
	}
}

// Other units, other numbers of pods: base and slope are bytes of one pod, and follow their unit.
func TestMemoryLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(leastMemory, 40).Draw(t, "scrapes")
		var in []filling
		most := 0.0
		for i := range n {
			open := rapid.Float64Range(0, 20).Draw(t, "open")
			most = math.Max(most, open)
			in = append(in, filling{run: i * 2 / n, pods: float64(rapid.IntRange(1, 9).Draw(t, "pods")), open: open, most: most})
		}
		y, scaled, shifted := make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range y {
			y[i] = rapid.Float64Range(100, 200).Draw(t, "bytes")
			scaled[i], shifted[i] = 1024*y[i], y[i]+1000
		}
		f := newMemoryFit(in, true)
		base, slope, ratchet, z := f.solve(y)
		_, _, least := f.line(z, y)
		if base < 0 || slope < 0 || ratchet < 0 || ratchet > 1 {
			t.Fatalf("base %g, slope %g, ratchet %g", base, slope, ratchet)
		}
		if b, s, _, _ := f.solve(scaled); math.Abs(b-1024*base) > 1e-6*1024*200 || math.Abs(s-1024*slope) > 1e-6*1024*200 {
			t.Fatalf("in other units base %g and slope %g became %g and %g", base, slope, b, s)
		}
		if before, by, _ := f.line(z, y); before > 0 { // with the same ratchet
			if b, s, _ := f.line(z, shifted); math.Abs(b-before-1000) > 1e-3 || math.Abs(s-by) > 1e-3 {
				t.Fatalf("1000 bytes more: base %g and slope %g became %g and %g", before, by, b, s)
			}
		}
		for _, level := range f.level { // no other ratchet leaves less
			if _, _, rss := f.line(level, y); rss < least*(1-1e-9) {
				t.Fatalf("a ratchet leaves %g, the fit %g", rss, least)
			}
		}
	})
}

// An autoscaler on memory that stays, and a limit below what a full pod needs, are warned of.
func TestMemoryWarnings(t *testing.T) {
	h := usualHeap()
	h.ratchet = 0.9
	d := h.data()
	w := &d.Run.Platform.Workloads[0]
	if m := mustFit(t, d); warned(m, "memory-no-metric") || warned(m, "memory-limit") {
		t.Errorf("warnings %v", m.Warnings)
	}
	w.HPA.Metrics = append(w.HPA.Metrics, autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceMemory}})
	w.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("280Mi")}
	if m := mustFit(t, d); !warned(m, "memory-no-metric") || !warned(m, "memory-limit") { // 48 requests of 1 MiB beside 256
		t.Errorf("warnings %v", m.Warnings)
	}
}

// parameterOf finds a parameter of a model; nil where it has none.
func parameterOf(m *Model, kind, workload, of string) *Parameter {
	for i := range m.Parameters {
		if p := &m.Parameters[i]; p.Kind == kind && p.Workload == workload && p.Of == of {
			return p
		}
	}
	return nil
}
