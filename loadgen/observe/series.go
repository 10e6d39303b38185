package observe

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/ansturm/ansturm/loadgen/record"
)

// Prometheus is a server that answers PromQL over its HTTP API.
type Prometheus struct {
	// URL is its address, like http://127.0.0.1:9090; a path before /api/v1 is kept.
	URL string
	// Queries are PromQL by the name that their samples get in the timeline. A label "namespace" says the tenant.
	Queries map[string]string
}

// DefaultQueries are what a cluster's Prometheus knows of containers. Those of the quotas are by pod: what they say becomes
// events of kind throttling, too, as it does of other queries of these names.
var DefaultQueries = map[string]string{
	"throttled_periods": `sum by (namespace, pod) (container_cpu_cfs_throttled_periods_total{container!=""})`,
	"throttled_seconds": `sum by (namespace, pod) (container_cpu_cfs_throttled_seconds_total{container!=""})`,
	"periods":           `sum by (namespace, pod) (container_cpu_cfs_periods_total{container!=""})`,
	"cpu_waiting":       `sum by (namespace) (container_pressure_cpu_waiting_seconds_total{container!=""})`,
}

// Scrape is a target whose metrics are read in Prometheus' text format (0.0.4; OpenMetrics is decoded by the same parser
// and would lose its types).
type Scrape struct {
	// URL is where they are, like http://127.0.0.1:8080/metrics.
	URL string
	// Tenant they belong to; empty where a label "namespace" says it.
	Tenant string
	// Names are the metrics kept. Nil means DefaultNames.
	Names []string
}

// DefaultNames are the metrics kept of a target: what tells a throttled or squeezed process from a busy one.
var DefaultNames = []string{
	"process_cpu_seconds_total", "process_resident_memory_bytes",
	"container_cpu_usage_seconds_total", "container_cpu_cfs_periods_total", "container_cpu_cfs_throttled_periods_total",
	"container_cpu_cfs_throttled_seconds_total", "container_pressure_cpu_waiting_seconds_total",
	"container_pressure_cpu_stalled_seconds_total",
}

const (
	mostBody   = 16 << 20 // bytes of an answer
	mostSeries = 10_000   // samples of an answer
)

// point is one sample.
type point struct {
	name, labels, tenant string
	pod                  string
	whole                bool // of the pod, whose containers are told apart beside it
	at                   time.Time
	exact                bool // at is the source's own
	values               map[string]float64
}

// pollPrometheus asks all queries every so often.
func (o *Observer) pollPrometheus(ctx context.Context) {
	throttled := throttling{source: "prometheus"}
	every(ctx, o.cfg.SeriesEvery, func() {
		var all []point
		whole := true
		for _, name := range slices.Sorted(maps.Keys(o.cfg.Prometheus.Queries)) {
			points, err := o.ask(ctx, name, o.cfg.Prometheus.Queries[name])
			o.saySeries(ctx, "prometheus", "Prometheus", points, err)
			all, whole = append(all, points...), whole && (err == nil || quotaSeries[name] == nil)
		}
		if whole {
			o.sayThrottling(&throttled, all)
		}
	})
}

// ask asks one instant query.
func (o *Observer) ask(ctx context.Context, name, query string) ([]point, error) {
	address := strings.TrimSuffix(o.cfg.Prometheus.URL, "/") + "/api/v1/query?" + url.Values{"query": {query}}.Encode()
	body, status, err := o.get(ctx, address, "application/json")
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", name, err)
	}
	var answer struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   struct {
			Type   string          `json:"resultType"`
			Result json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("query %s: status %d: %w", name, status, err)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("query %s: %s", name, cmp.Or(answer.Error, fmt.Sprintf("status %d", status)))
	}
	return points(name, answer.Data.Type, answer.Data.Result)
}

// points reads the result of an instant query.
func points(name, kind string, result json.RawMessage) ([]point, error) {
	var vector model.Vector
	switch kind {
	case "vector":
		if err := json.Unmarshal(result, &vector); err != nil {
			return nil, fmt.Errorf("query %s: %w", name, err)
		}
	case "scalar":
		var s model.Scalar
		if err := json.Unmarshal(result, &s); err != nil {
			return nil, fmt.Errorf("query %s: %w", name, err)
		}
		vector = model.Vector{{Value: s.Value, Timestamp: s.Timestamp}}
	default:
		return nil, fmt.Errorf("query %s: gives a %s, must be a vector or a scalar", name, kind)
	}
	var out []point
	for _, s := range vector[:min(len(vector), mostSeries)] {
		if s == nil {
			continue
		}
		p := point{name: name, tenant: string(s.Metric["namespace"]), pod: string(s.Metric["pod"]), at: s.Timestamp.Time(), exact: true, values: map[string]float64{"value": float64(s.Value)}}
		if len(s.Metric) > 0 {
			p.labels = s.Metric.String()
		}
		out = append(out, p)
	}
	return out, nil
}

// pollTarget scrapes one target every so often.
func (o *Observer) pollTarget(ctx context.Context, s Scrape) {
	throttled := throttling{source: "scrape"}
	every(ctx, o.cfg.SeriesEvery, func() {
		body, status, err := o.get(ctx, s.URL, "text/plain;version=0.0.4")
		var points []point
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		if err == nil {
			points, err = parseText(body, s)
		}
		o.saySeries(ctx, "scrape", s.URL, points, err)
		if err == nil {
			o.sayThrottling(&throttled, points)
		}
	})
}

// parseText reads the text format and keeps the metrics that are wanted.
func parseText(body []byte, s Scrape) ([]point, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(body)))
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	names := s.Names
	if names == nil {
		names = DefaultNames
	}
	var out []point
	for _, name := range names {
		for _, m := range families[name].GetMetric() {
			if len(out) == mostSeries {
				return out, nil
			}
			p := point{name: name, tenant: s.Tenant, values: valuesOf(m)}
			labels := model.Metric{}
			for _, l := range m.GetLabel() {
				labels[model.LabelName(l.GetName())] = model.LabelValue(l.GetValue())
			}
			if len(labels) > 0 {
				p.labels = labels.String()
			}
			p.tenant, p.pod = cmp.Or(p.tenant, string(labels["namespace"])), string(labels["pod"])
			container, told := labels["container"]
			p.whole = told && container == ""
			if ms := m.GetTimestampMs(); ms != 0 {
				p.at, p.exact = time.UnixMilli(ms), true
			}
			out = append(out, p)
		}
	}
	return out, nil
}

// valuesOf is a metric's value, or the sum and count of a distribution.
func valuesOf(m *dto.Metric) map[string]float64 {
	switch {
	case m.Counter != nil:
		return map[string]float64{"value": m.Counter.GetValue()}
	case m.Gauge != nil:
		return map[string]float64{"value": m.Gauge.GetValue()}
	case m.Untyped != nil:
		return map[string]float64{"value": m.Untyped.GetValue()}
	case m.Histogram != nil:
		return map[string]float64{"sum": m.Histogram.GetSampleSum(), "count": float64(m.Histogram.GetSampleCount())}
	case m.Summary != nil:
		return map[string]float64{"sum": m.Summary.GetSampleSum(), "count": float64(m.Summary.GetSampleCount())}
	}
	return nil
}

// get reads a page of at most mostBody bytes.
func (o *Observer) get(ctx context.Context, address, accept string) (body []byte, status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Accept", accept)
	response, err := o.cfg.HTTP.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, mostBody+1))
	if err == nil && len(body) > mostBody {
		err = fmt.Errorf("%s: more than %d bytes", address, mostBody)
	}
	return body, response.StatusCode, err
}

// saySeries tells samples, or warns why there are none.
func (o *Observer) saySeries(ctx context.Context, source, from string, points []point, err error) {
	if ctx.Err() != nil {
		return
	}
	now := o.now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.warn("series-missing", fmt.Sprintf("%s: %v", from, err), fmt.Sprintf("%s: %v", from, err))
		return
	}
	for _, p := range points {
		m := moment{at: now, from: now, to: now, evidence: record.EvidenceArrival}
		if p.exact {
			m = moment{at: p.at, from: p.at, to: p.at, evidence: record.EvidenceExact}
		}
		e := record.Event{Kind: record.KindSeries, Source: source, Object: p.name, Message: p.labels, Values: p.values}
		if o.tenants[p.tenant] {
			e.Tenant = p.tenant
		}
		o.say(e, m, seen{at: now})
	}
}
