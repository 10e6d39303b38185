package fit

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// truth makes records of a platform whose every figure is known. Its physics are these few lines, and none of the fit's:
// requests come at random, each takes CPU of a random length, a scrape reads a cumulative counter.
type truth struct {
	seed          uint64
	submit, form  float64 // CPU seconds a request
	idle          float64 // cores a pod
	cv            float64 // of a request's CPU
	backend       float64 // seconds
	factor, young float64 // of warm-up, and its seconds
	tenants       int
	pods          func(second int) int                    // a tenant
	rate          func(second int) (submit, form float64) // all tenants, 1/s
	length        int                                     // seconds
	purpose       string
	phase         int     // seconds between the scrapes of one tenant and the next
	lost          float64 // share of the scrapes
	restarts      int     // of pods: what one used since the last scrape is never told
}

func usual() truth {
	return truth{
		submit: 0.150, form: 0.060, idle: 0.01, cv: 0.5, backend: 0.04, factor: 1, tenants: 5, length: 300, purpose: "calibration", phase: 3,
		pods: func(int) int { return 8 },
		rate: func(s int) (float64, float64) { // stepped rate, changed mix
			return []float64{40, 80}[s/75%2], []float64{10, 60}[s/150%2]
		},
	}
}

func platformOf() *scenarios.Platform {
	target := int32(60)
	half := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")}
	return &scenarios.Platform{Name: "p", Workloads: []scenarios.Workload{{
		Name: "app", Resources: corev1.ResourceRequirements{Requests: half, Limits: half}, Replicas: 2,
		HPA: &autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 9, Metrics: []autoscalingv2.MetricSpec{{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{AverageUtilization: &target},
			},
		}}},
		Steps: map[string]scenarios.Work{"submit": {}, "form": {}},
	}}}
}

// data fires the truth.
func (tr truth) data() *Data {
	rng := rand.New(rand.NewPCG(tr.seed, 99))
	d := &Data{Run: &record.Run{
		ID: fmt.Sprintf("run-%d", tr.seed), Ansturm: "v1", Purpose: tr.purpose, Speed: 1, StartedAt: time.Unix(0, 0), EndedAt: time.Unix(int64(tr.length), 0),
		Platform: platformOf(), Scenario: &scenarios.Scenario{}, Validity: record.Validity{Valid: true},
	}}
	minutes := map[[3]int]float64{}
	used, told := make([]float64, tr.tenants), make([]float64, tr.tenants)
	again := map[[2]int]bool{}
	for range tr.restarts {
		again[[2]int{rng.IntN(tr.tenants), rng.IntN(tr.length)}] = true
	}
	second := map[string]map[int]float64{"submit": {}, "form": {}}
	for s := range tr.length + 1 {
		for t := range tr.tenants {
			if again[[2]int{t, s}] {
				used[t] -= (used[t] - told[t]) / float64(tr.pods(s))
			}
			if (tr.lost == 0 || s == 0 || rng.Float64() >= tr.lost) && tr.scrape(d, t, s, used[t]) {
				told[t] = used[t]
			}
		}
		submit, form := tr.rate(s)
		for t := range tr.tenants {
			hot := 1 + (tr.factor-1)*tr.share(s)
			for k, want := range []struct{ rate, cpu float64 }{{submit, tr.submit}, {form, tr.form}} {
				n := poisson(rng, want.rate/float64(tr.tenants))
				used[t] += hot * want.cpu * (n + tr.cv*math.Sqrt(n)*rng.NormFloat64())
				second[[]string{"submit", "form"}[k]][s] += n
				minutes[[3]int{t, s / 60, k}] += n
			}
			used[t] += tr.idle * float64(tr.pods(s))
		}
	}
	tr.windows(d, second, minutes)
	return d
}

// share of a tenant's pods that are young at a second; new pods come all at once when the number rises.
func (tr truth) share(s int) float64 {
	fresh := 0
	for born := max(1, s-int(tr.young)+1); born <= s; born++ {
		fresh += max(0, tr.pods(born)-tr.pods(born-1))
	}
	return float64(fresh) / float64(tr.pods(s))
}

// scrape tells a tenant's counter, each tenant in its own phase of 15 s, and its pods when their number changes;
// it says whether there was a scrape.
func (tr truth) scrape(d *Data, t, s int, used float64) bool {
	name, at := fmt.Sprintf("t-%d", t), time.Duration(s)*time.Second
	n := tr.pods(s)
	if s == 0 || n != tr.pods(s-1) {
		for i := 0; s > 0 && i < n-tr.pods(s-1); i++ {
			pod := fmt.Sprintf("%s-%d-%d", name, s, i)
			for _, phase := range []string{record.PhaseCreated, record.PhaseReady} {
				d.Events = append(d.Events, record.Event{At: at, Kind: record.KindPod, Tenant: name, Workload: "app", Object: pod, Phase: phase})
			}
		}
		d.Events = append(d.Events, record.Event{At: at, Kind: record.KindReplicas, Tenant: name, Workload: "app", Ready: int32(n)})
	}
	if s%15 != (tr.phase*t)%15 {
		return false
	}
	d.Events = append(d.Events, record.Event{At: at, Kind: record.KindMetrics, Tenant: name, Workload: "app", Values: map[string]float64{
		"cpu_seconds": used, "pods": float64(n),
	}})
	return true
}

// windows writes the counts down; service times are the work at half a core and the back end, give or take a tenth.
func (tr truth) windows(d *Data, second map[string]map[int]float64, minutes map[[3]int]float64) {
	add := func(tenant, step string, cpu float64, start, length time.Duration, n float64, digits int) {
		if n <= 0 {
			return
		}
		h := record.NewHistogram(digits)
		floor := time.Duration((cpu/0.5 + tr.backend) * float64(time.Second))
		low := (int64(n) + 1) / 2 // the median is the lower one
		for v, count := range map[time.Duration]int64{floor * 9 / 10: low, floor * 11 / 10: int64(n) - low} {
			if err := h.Add(v, count); err != nil {
				panic(err)
			}
		}
		d.Windows = append(d.Windows, record.Window{
			Key: record.Key{Measure: "service", Step: step, Tenant: tenant}, Start: start, Length: length, Histogram: h,
		})
	}
	for s := range tr.length + 1 {
		add("", "submit", tr.submit, time.Duration(s)*time.Second, time.Second, second["submit"][s], 3)
		add("", "form", tr.form, time.Duration(s)*time.Second, time.Second, second["form"][s], 3)
	}
	for t := range tr.tenants {
		for m := range tr.length/60 + 1 {
			start := time.Duration(m) * time.Minute
			add(fmt.Sprintf("t-%d", t), "submit", tr.submit, start, time.Minute, minutes[[3]int{t, m, 0}], 2)
			add(fmt.Sprintf("t-%d", t), "form", tr.form, start, time.Minute, minutes[[3]int{t, m, 1}], 2)
		}
	}
}

// poisson is a draw by counting (Knuth 1969, The Art of Computer Programming, volume 2, 3.4.1).
func poisson(rng *rand.Rand, lambda float64) float64 {
	limit, p, n := math.Exp(-lambda), 1.0, -1.0
	for p > limit || n < 0 {
		p *= rng.Float64()
		n++
	}
	return n
}

func mustFit(t *testing.T, data ...*Data) *Model {
	t.Helper()
	m, err := FromData(context.Background(), data, Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range m.Warnings {
		if w.Text["de"] == "" || w.Text["en"] == "" {
			t.Errorf("warning %s lacks a language", w.Code)
		}
	}
	return m
}

func warned(m *Model, code string) bool {
	for _, w := range m.Warnings {
		if w.Code == code {
			return true
		}
	}
	return false
}
