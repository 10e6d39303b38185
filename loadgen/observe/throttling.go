package observe

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// quota is what a pod's CPU quota has done to it since its containers started.
type quota struct{ periods, throttled, seconds float64 }

// quotaSeries are the series that say it: cAdvisor's own, and the names of the queries that ask a Prometheus for them.
var quotaSeries = map[string]func(*quota) *float64{
	"container_cpu_cfs_periods_total":           func(q *quota) *float64 { return &q.periods },
	"container_cpu_cfs_throttled_periods_total": func(q *quota) *float64 { return &q.throttled },
	"container_cpu_cfs_throttled_seconds_total": func(q *quota) *float64 { return &q.seconds },
	"periods":           func(q *quota) *float64 { return &q.periods },
	"throttled_periods": func(q *quota) *float64 { return &q.throttled },
	"throttled_seconds": func(q *quota) *float64 { return &q.seconds },
}

// podKey names a pod.
type podKey struct{ tenant, name string }

// quotasOf sums the pods' containers up.
func quotasOf(points []point) map[podKey]quota {
	pods := map[podKey]quota{}
	for _, p := range points {
		of := quotaSeries[p.name]
		if of == nil || p.pod == "" || p.whole {
			continue
		}
		q := pods[podKey{p.tenant, p.pod}]
		*of(&q) += p.values["value"]
		pods[podKey{p.tenant, p.pod}] = q
	}
	return pods
}

// throttling follows what one source says of the pods' quotas.
type throttling struct {
	source string
	asked  time.Time // last; zero: never
	before map[podKey]quota
}

// since is what the quotas have done since the source was asked before, and keeps what they have done by now. Counters that
// fell began anew with their container; those of a pod that was not there then count from its start.
func (t *throttling) since(now map[podKey]quota) map[podKey]quota {
	grown := map[podKey]quota{}
	for key, q := range now {
		if was := t.before[key]; was.periods <= q.periods && was.throttled <= q.throttled && was.seconds <= q.seconds {
			q = quota{q.periods - was.periods, q.throttled - was.throttled, q.seconds - was.seconds}
		}
		if q.throttled > 0 || q.seconds > 0 {
			grown[key] = q
		}
	}
	if t.before == nil {
		t.before = map[podKey]quota{}
	}
	maps.Copy(t.before, now)
	return grown
}

// sayThrottling tells which pods their CPU quota has held back since the source of these samples was asked before.
func (o *Observer) sayThrottling(t *throttling, points []point) {
	now, quotas, asked := o.now(), quotasOf(points), t.asked
	grown := t.since(quotas)
	t.asked = now
	o.mu.Lock()
	defer o.mu.Unlock()
	for key := range quotas { // one that several sources tell of is told once
		if o.quotas[key] == nil {
			o.quotas[key] = t
		}
	}
	if asked.IsZero() {
		return
	}
	for _, key := range slices.SortedFunc(maps.Keys(grown), func(a, b podKey) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.name, b.name))
	}) {
		q, p := grown[key], o.byName[key.tenant+"/"+key.name]
		if !o.tenants[key.tenant] || o.quotas[key] != t {
			continue
		}
		e := record.Event{Kind: record.KindThrottling, Source: t.source, Tenant: key.tenant, Object: key.name, Values: map[string]float64{
			"window_seconds": now.Sub(asked).Seconds(), "periods": q.periods, "throttled_periods": q.throttled, "throttled_seconds": q.seconds,
		}}
		if p != nil {
			e.Workload, e.Node = p.workload.name, p.node
		}
		o.say(e, moment{at: now, from: now, to: now, evidence: record.EvidenceArrival}, seen{at: now})
	}
}
