package observe

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/loadgen/record"
)

// TestQuotasGrow: what a quota has done is told as the difference to what it had done before, of a pod that is new as a
// whole, and of a container that began anew from its start.
func TestQuotasGrow(t *testing.T) {
	a, b := podKey{"t1", "a"}, podKey{"t1", "b"}
	var source throttling
	for i, step := range []struct{ now, want map[podKey]quota }{
		{map[podKey]quota{a: {100, 40, 2}}, map[podKey]quota{a: {100, 40, 2}}},
		{map[podKey]quota{a: {150, 40, 2}}, nil},
		{map[podKey]quota{a: {200, 45, 3.5}, b: {10, 1, 0.25}}, map[podKey]quota{a: {50, 5, 1.5}, b: {10, 1, 0.25}}},
		{map[podKey]quota{b: {10, 1, 0.25}}, nil},
		{map[podKey]quota{a: {210, 46, 3.75}, b: {5, 2, 0.125}}, map[podKey]quota{a: {10, 1, 0.25}, b: {5, 2, 0.125}}},
	} {
		if got := source.since(step.now); !maps.Equal(got, step.want) {
			t.Errorf("step %d: grown %v, want %v", i, got, step.want)
		}
	}
}

// counters is a page of containers' counters that grow each time they are asked for.
type counters struct {
	mu    sync.Mutex
	asked float64
}

func (c *counters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	row := func(series, labels string, v float64) {
		fmt.Fprintf(w, "container_cpu_cfs_%s_total{namespace=\"t1\",%s} %g\n", series, labels, v)
	}
	const one, two, whole, free = `pod="web-abc-1",container="web"`, `pod="web-abc-1",container="proxy"`, `pod="web-abc-1",container=""`, `pod="web-abc-2",container="web"`
	for _, labels := range []string{one, two, whole, free, `pod="foreign",container="x"`} {
		row("periods", labels, 10*c.asked)
	}
	for labels, n := range map[string]float64{one: 4, two: 2, whole: 6, free: 0} {
		row("throttled_periods", labels, n*c.asked)
		row("throttled_seconds", labels, n*c.asked/8)
	}
	fmt.Fprintf(w, "container_cpu_cfs_throttled_periods_total{namespace=\"stranger\",pod=\"x\",container=\"x\"} %g\n", c.asked)
}

// TestThrottling: a pod that its quota holds back is told once, whatever the number of sources, with the sum of its
// containers and its workload; one that is not held back, and strangers, are not.
func TestThrottling(t *testing.T) {
	server := httptest.NewServer(&counters{})
	defer server.Close()
	w := newWorld(t)
	w.Put("pods", pod1("t1", "web-abc-2", corev1.ConditionTrue))
	w.observe(func(c *Config) {
		c.Scrapes = []Scrape{{URL: server.URL}}
		c.SeriesEvery = 10 * time.Millisecond
	})
	e := w.await("throttling", func(e record.Event) bool { return e.Kind == record.KindThrottling })
	if e.Tenant != "t1" || e.Workload != "web" || e.Object != "web-abc-1" || e.Node != "vm-1" || e.Source != "scrape" {
		t.Errorf("told as %+v", e)
	}
	v := e.Values
	if times := v["throttled_periods"] / 6; times < 1 || v["periods"] != 20*times || v["throttled_seconds"] != 0.75*times || !(v["window_seconds"] > 0) {
		t.Errorf("values %v", v)
	}
	w.Stop()
	if got := w.all(func(e record.Event) bool { return e.Kind == record.KindThrottling && e.Object != "web-abc-1" }); len(got) > 0 {
		t.Errorf("held back were told to be %v", got)
	}
}

// TestThrottlingIsToldOnce: a pod that two sources know is told by the first of them.
func TestThrottlingIsToldOnce(t *testing.T) {
	w := newWorld(t)
	w.observe(nil)
	first, second := throttling{source: "scrape"}, throttling{source: "prometheus"}
	point := func(n float64) []point {
		return []point{{name: "throttled_periods", tenant: "t1", pod: "web-abc-1", values: map[string]float64{"value": n}}}
	}
	for n := range 3 {
		w.sayThrottling(&first, point(float64(n)))
		w.sayThrottling(&second, point(float64(n)))
	}
	told := w.all(func(e record.Event) bool { return e.Kind == record.KindThrottling })
	if len(told) != 2 || told[0].Source != "scrape" || told[1].Source != "scrape" {
		t.Errorf("told %v", told)
	}
}
