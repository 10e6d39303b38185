package observe

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/ansturm/ansturm/loadgen/cluster"
	"github.com/ansturm/ansturm/loadgen/record"
)

// usage is what metrics.k8s.io said of the pods. It gives rates over windows that lie end to end, so that the cumulative
// CPU time of a pod is the sum of rate × time since the sample before; before its first sample it is not known.
type usage struct {
	pods map[string]*podUsage // by namespace/name
	gone map[*workload]float64
}

type podUsage struct {
	stamp   time.Time // whole seconds
	window  time.Duration
	cores   float64
	memory  float64
	seconds float64 // cumulative
}

func newUsage() usage {
	return usage{pods: map[string]*podUsage{}, gone: map[*workload]float64{}}
}

// leave keeps what a pod that goes has used.
func (u *usage) leave(p *pod) {
	key := p.namespace + "/" + p.name
	if had := u.pods[key]; had != nil {
		u.gone[p.workload] += had.seconds
		delete(u.pods, key)
	}
}

// take adds a sample, and says whether it is a new one.
func (u *usage) take(key string, m *metricsv1beta1.PodMetrics) bool {
	had := u.pods[key]
	if had != nil && !m.Timestamp.After(had.stamp) {
		return false
	}
	is := &podUsage{stamp: m.Timestamp.Time, window: m.Window.Duration}
	for _, c := range m.Containers {
		is.cores += c.Usage.Cpu().AsApproximateFloat64()
		is.memory += c.Usage.Memory().AsApproximateFloat64()
	}
	span := is.window
	if had != nil {
		is.seconds = had.seconds
		// Stamps are cut to the second, windows are not: samples that follow each other have their window's length.
		if apart := is.stamp.Sub(had.stamp); (apart - span).Abs() > time.Second {
			span = apart
		}
	}
	is.seconds += is.cores * span.Seconds()
	u.pods[key] = is
	return true
}

// pollMetrics asks metrics.k8s.io every so often until ctx ends.
func (o *Observer) pollMetrics(ctx context.Context) {
	var down time.Time
	worked, reason := false, ""
	every(ctx, o.cfg.MetricsEvery, func() {
		lists, err := o.readMetrics(ctx)
		now := o.now()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if down.IsZero() {
				down, reason = now, err.Error()
			}
			if !worked {
				o.mu.Lock()
				o.warn("no-metrics", "metrics.k8s.io gibt keine Auskunft: Auslastung und Rechenzeit sind nicht bekannt.",
					"metrics.k8s.io gives no answer: utilisation and CPU time are not known.")
				o.mu.Unlock()
			}
			return
		}
		if worked && !down.IsZero() {
			o.noteGap("metrics.k8s.io", gap{from: down, to: now, reason: reason})
		}
		worked, down = true, time.Time{}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.takeMetrics(lists, now)
	})
}

// readMetrics reads the samples of all tenants' pods.
func (o *Observer) readMetrics(ctx context.Context) ([]metricsv1beta1.PodMetricsList, error) {
	client := o.cfg.Client.REST(cluster.Metrics)
	ctx, cancel := context.WithTimeout(ctx, max(o.cfg.MetricsEvery, 5*time.Second))
	defer cancel()
	read := func(namespace string) (list metricsv1beta1.PodMetricsList, err error) {
		err = client.Get().Namespace(namespace).Resource("pods").Do(ctx).Into(&list)
		return list, err
	}
	if len(o.cfg.Tenants) >= o.cfg.Together {
		if list, err := read(""); !apierrors.IsForbidden(err) {
			return []metricsv1beta1.PodMetricsList{list}, err
		}
	}
	var lists []metricsv1beta1.PodMetricsList
	for _, t := range o.cfg.Tenants {
		list, err := read(t)
		if err != nil {
			return nil, err
		}
		lists = append(lists, list)
	}
	return lists, nil
}

// takeMetrics takes samples in and says, for each workload with new ones, what it uses. The lock is held.
func (o *Observer) takeMetrics(lists []metricsv1beta1.PodMetricsList, now time.Time) {
	fresh := map[*workload]time.Time{}
	for _, list := range lists {
		for i := range list.Items {
			m := &list.Items[i]
			key := m.Namespace + "/" + m.Name
			p := o.byName[key]
			if p == nil || !o.usage.take(key, m) {
				continue
			}
			if t := fresh[p.workload]; m.Timestamp.After(t) {
				fresh[p.workload] = m.Timestamp.Time
			}
		}
	}
	for _, w := range slices.SortedFunc(maps.Keys(fresh), byWorkload) {
		o.sayMetrics(w, fresh[w], now)
	}
}

// sayMetrics sums a workload's pods up: at the second of its newest sample.
func (o *Observer) sayMetrics(w *workload, stamp, now time.Time) {
	values := map[string]float64{"cpu_seconds": o.usage.gone[w]}
	var used, request, window float64
	for _, p := range w.pods {
		u := o.usage.pods[p.namespace+"/"+p.name]
		if p.counts() {
			values["pods"]++
		}
		if u == nil {
			continue
		}
		values["sampled"]++
		values["cpu_seconds"] += u.seconds
		values["memory_bytes"] += u.memory
		window = max(window, u.window.Seconds())
		if p.ready && p.counts() && p.request > 0 {
			used += u.cores
			request += float64(p.request) / 1000
		}
	}
	values["window_seconds"] = window
	if request > 0 {
		values["utilisation_percent"] = 100 * used / request
	}
	o.say(record.Event{Kind: record.KindMetrics, Source: "metrics", Tenant: w.tenant, Workload: w.name, Values: values},
		moment{at: stamp, from: stamp, to: stamp.Add(time.Second), evidence: record.EvidenceStamp}, seen{at: now})
}

// every calls do at once and then every so often until ctx ends.
func every(ctx context.Context, period time.Duration, do func()) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pollAll starts what is polled.
func (o *Observer) pollAll(ctx context.Context) {
	if o.cfg.MetricsEvery > 0 {
		o.group.Go(func() { o.pollMetrics(ctx) })
	}
	if len(o.cfg.Prometheus.Queries) > 0 {
		o.group.Go(func() { o.pollPrometheus(ctx) })
	}
	for _, s := range o.cfg.Scrapes {
		o.group.Go(func() { o.pollTarget(ctx, s) })
	}
}

func byWorkload(a, b *workload) int {
	return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.name, b.name))
}
