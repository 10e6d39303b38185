package observe

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/loadgen/record"
)

// Rates over windows that lie end to end add up to the CPU time that was used; what pods used that are gone stays.
func TestMetricsAddUp(t *testing.T) {
	w := newWorld(t)
	w.Put("pods", pod1("t1", "web-abc-2", corev1.ConditionTrue))
	begun := time.Now().Truncate(time.Second)
	sample := func(i int, one, two string) {
		at := begun.Add(time.Duration(i) * 15 * time.Second)
		w.Put("podmetrics", podMetrics("t1", "web-abc-1", at, one))
		if two != "" {
			w.Put("podmetrics", podMetrics("t1", "web-abc-2", at, two))
		}
	}
	sample(0, "100m", "400m")
	w.observe(func(c *Config) { c.MetricsEvery = 10 * time.Millisecond })
	metrics := func(cpu float64) record.Event {
		return w.await(fmt.Sprintf("%v CPU seconds", cpu), func(e record.Event) bool {
			return e.Kind == record.KindMetrics && math.Abs(e.Values["cpu_seconds"]-cpu) < 1e-9
		})
	}
	first := metrics(0.5 * 15)
	if got := first.Values["utilisation_percent"]; math.Abs(got-50) > 1e-9 {
		t.Errorf("utilisation %v %%, want 500m of 1000m requested", got)
	}
	if first.Values["pods"] != 2 || first.Values["memory_bytes"] != 200<<20 || first.Values["window_seconds"] != 15 || first.Source != "metrics" {
		t.Errorf("told as %+v", first)
	}
	sample(1, "200m", "200m")
	metrics(0.5*15 + 0.4*15)
	w.Delete("pods", "t1", "web-abc-2")
	w.await("end", phaseOf("web-abc-2", record.PhaseDeleted))
	sample(3, "300m", "") // one sample was missed: its rate is taken for both windows
	metrics(0.5*15 + 0.4*15 + 0.3*30)
	all := w.all(func(e record.Event) bool { return e.Kind == record.KindMetrics })
	for i := 1; i < len(all); i++ {
		if all[i].Values["cpu_seconds"] < all[i-1].Values["cpu_seconds"] {
			t.Errorf("the CPU time fell: %v", all)
		}
	}
}

// A metrics API that never answers is a warning, not silence.
func TestNoMetrics(t *testing.T) {
	w := newWorld(t)
	w.Deny("podmetrics")
	asked := make(chan struct{}, 1000)
	w.Hook(func(r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/apis/metrics.k8s.io") {
			asked <- struct{}{}
		}
	})
	w.observe(func(c *Config) { c.MetricsEvery = time.Millisecond })
	<-asked
	<-asked // the first answer has been taken in
	w.Hook(nil)
	for _, warning := range w.Stop() {
		if warning.Code == "no-metrics" {
			return
		}
	}
	t.Error("no warning")
}

// Prometheus is asked by PromQL, targets are scraped; what comes is a series in the timeline.
func TestSeries(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/prom/api/v1/query" && r.URL.Query().Get("query") == "sum by (namespace) (x)":
			fmt.Fprint(rw, `{"status":"success","data":{"resultType":"vector","result":[
				{"metric":{"namespace":"t1"},"value":[1800000000.123,"42.5"]},{"metric":{"namespace":"stranger"},"value":[1800000000.123,"NaN"]}]}}`)
		case r.URL.Path == "/prom/api/v1/query":
			rw.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(rw, `{"status":"error","errorType":"bad_data","error":"parse error at char 3"}`)
		case r.URL.Path == "/metrics":
			if !strings.Contains(r.Header.Get("Accept"), "0.0.4") {
				rw.WriteHeader(http.StatusNotAcceptable)
			}
			fmt.Fprint(rw, "# TYPE container_cpu_cfs_throttled_periods_total counter\n"+
				"container_cpu_cfs_throttled_periods_total{pod=\"web-1\"} 17\nother 3\n")
		}
	}))
	defer server.Close()
	w := newWorld(t)
	w.observe(func(c *Config) {
		c.Prometheus = Prometheus{URL: server.URL + "/prom/", Queries: map[string]string{"x": "sum by (namespace) (x)", "bad": "su("}}
		c.Scrapes = []Scrape{{URL: server.URL + "/metrics", Tenant: "t1"}}
		c.SeriesEvery = 20 * time.Millisecond
	})
	asked := w.await("answer", func(e record.Event) bool { return e.Object == "x" && e.Tenant == "t1" })
	if asked.Kind != record.KindSeries || asked.Values["value"] != 42.5 || asked.Source != "prometheus" || asked.Evidence != record.EvidenceExact {
		t.Errorf("told as %+v", asked)
	}
	scraped := w.await("scrape", func(e record.Event) bool { return e.Source == "scrape" })
	if scraped.Values["value"] != 17 || scraped.Tenant != "t1" || !strings.Contains(scraped.Message, "web-1") {
		t.Errorf("told as %+v", scraped)
	}
	if got := w.all(func(e record.Event) bool { return e.Object == "other" || e.Tenant == "stranger" }); len(got) > 0 {
		t.Errorf("told what was not asked for: %v", got)
	}
	for _, warning := range w.Stop() {
		if warning.Code == "series-missing" && strings.Contains(warning.Text["en"], "parse error") {
			return
		}
	}
	t.Error("no warning of the query that is wrong")
}

func FuzzParseText(f *testing.F) {
	f.Add("process_cpu_seconds_total 1.5 1800000000000\n")
	f.Add("# TYPE process_cpu_seconds_total histogram\nprocess_cpu_seconds_total_bucket{le=\"+Inf\"} 3\n")
	f.Add("container_cpu_cfs_periods_total{a=\"\\n\"} NaN\n")
	f.Fuzz(func(t *testing.T, text string) {
		points, err := parseText([]byte(text), Scrape{})
		if err != nil && points != nil {
			t.Error("points and an error")
		}
	})
}

func FuzzPoints(f *testing.F) {
	f.Add("vector", `[{"metric":{},"value":[1,"2"]}]`)
	f.Add("scalar", `[1,"+Inf"]`)
	f.Add("vector", `[null]`)
	f.Fuzz(func(t *testing.T, kind, result string) {
		points, err := points("x", kind, []byte(result))
		if err != nil && points != nil {
			t.Error("points and an error")
		}
	})
}

// Autoscalers that know nothing yet scale too late, which must not be taken for the platform's way.
func TestBlindAutoscalers(t *testing.T) {
	for _, known := range []bool{false, true} {
		w := newWorld(t)
		h := autoscaler("t1", 1)
		if known {
			h.Status.CurrentMetrics = []autoscalingv2.MetricStatus{{Type: "Resource", Resource: &autoscalingv2.ResourceMetricStatus{
				Name: corev1.ResourceCPU, Current: autoscalingv2.MetricValueStatus{AverageUtilization: new(int32(20))},
			}}}
		}
		w.Put("horizontalpodautoscalers", h)
		w.observe(nil)
		warned := slices.ContainsFunc(w.Stop(), func(x record.Warning) bool {
			return x.Code == "autoscalers-blind" && strings.Contains(x.Text["en"], "1 of 1 HPAs") && strings.Contains(x.Text["de"], "t1/web")
		})
		if warned == known {
			t.Errorf("utilisation known: %v, warned: %v", known, warned)
		}
	}
}
