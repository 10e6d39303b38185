package planner

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ansturm/ansturm/scenarios"
)

// large is two hours of the main job's curve at 150 tenants, on nodes that hold 50 pods each: 60 nodes and 3,000 pods.
func large(t testing.TB) (*scenarios.Scenario, *scenarios.Platform) {
	sc, pf := shipped(t, "briefwahl")
	stretch := float64(2*time.Hour) / float64(sc.Arrivals.Over)
	longer := func(d time.Duration) time.Duration { return time.Duration(stretch * float64(d)) }
	sc.Arrivals.Over = longer(sc.Arrivals.Over)
	sc.Arrivals.Total = 22_000_000
	for i := range sc.Arrivals.Curve {
		s := &sc.Arrivals.Curve[i]
		s.At, s.Width = longer(s.At), longer(s.Width)
		for k := range s.Points {
			s.Points[k].At = longer(s.Points[k].At)
		}
	}
	pf.Pools[0].Count, pf.Pools[0].Most = 40, 100
	pf.Backends[0].Cores = 1024
	w := &pf.Workloads[0]
	w.Resources.Requests[corev1.ResourceCPU], w.Resources.Limits[corev1.ResourceCPU] = resource.MustParse("300m"), resource.MustParse("300m")
	return sc, pf
}

// BenchmarkPlan plans for the demo and for the largest platform there is a goal for. Beside the whole it tells what each
// stage took: worlds, and seconds of processor time.
func BenchmarkPlan(b *testing.B) {
	for _, c := range []struct {
		name string
		of   func(testing.TB) (*scenarios.Scenario, *scenarios.Platform)
	}{
		{"briefwahl", func(t testing.TB) (*scenarios.Scenario, *scenarios.Platform) { return shipped(t, "briefwahl") }},
		{"large", large},
	} {
		b.Run(c.name, func(b *testing.B) {
			sc, pf := c.of(b)
			model := modelOf(sc, pf)
			m := &stopwatch{stages: map[string]*[2]float64{}, last: busy(b)}
			for b.Loop() {
				p, err := Search(context.Background(), model, sc, pf, Options{Progress: func(stage string, _, _ int64) { m.tick(stage, busy(b)) }})
				if err != nil {
					b.Fatal(err)
				}
				pods := int32(0)
				for _, t := range p.Tenants {
					pods += t.Max
				}
				b.ReportMetric(float64(p.Decided()), "nodes")
				b.ReportMetric(float64(pods), "pods")
			}
			m.report(b)
		})
	}
}

// stopwatch shares processor time and worlds out to the stages that report their progress.
type stopwatch struct {
	mu     sync.Mutex
	stages map[string]*[2]float64 // worlds, seconds
	last   time.Duration
}

func (m *stopwatch) tick(stage string, now time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stages[stage] == nil {
		m.stages[stage] = new([2]float64)
	}
	m.stages[stage][0]++
	m.stages[stage][1] += (now - m.last).Seconds()
	m.last = now
}

func (m *stopwatch) report(b *testing.B) {
	var sum [2]float64
	for stage, s := range m.stages {
		b.ReportMetric(s[0]/float64(b.N), stage+"-worlds")
		b.ReportMetric(s[1]/float64(b.N), stage+"-cpu-s")
		sum[0], sum[1] = sum[0]+s[0], sum[1]+s[1]
	}
	b.ReportMetric(sum[0]/float64(b.N), "worlds")
	b.ReportMetric(sum[1]/float64(b.N), "cpu-s")
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(usage.Maxrss)/1024, "peak-MiB")
}

// busy is the processor time that the process has used.
func busy(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
