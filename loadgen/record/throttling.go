package record

import (
	"cmp"
	"maps"
	"slices"
)

// Throttling is what CPU quotas did to the pods of a workload, as far as a source told of it: in the stretches of time in
// which they held a pod back at all.
type Throttling struct {
	Tenant   string `json:"tenant"`
	Workload string `json:"workload,omitempty"`
	// Pods were held back.
	Pods int `json:"pods"`
	// Throttled of Periods of the quota were spent standing still, Seconds in all, summed over the pods.
	Periods   float64 `json:"periods"`
	Throttled float64 `json:"throttledPeriods"`
	Seconds   float64 `json:"throttledSeconds"`
}

// Share of the periods in which a pod was held back, 0 to 1; 0 where their number is not known.
func (t *Throttling) Share() float64 {
	if t.Periods == 0 {
		return 0
	}
	return t.Throttled / t.Periods
}

// throttled gathers what events tell of quotas.
type throttled struct {
	of   map[workload]*Throttling
	pods map[workload]map[string]bool
}

func (t *throttled) add(e *Event) {
	if e.Kind != KindThrottling {
		return
	}
	if t.of == nil {
		t.of, t.pods = map[workload]*Throttling{}, map[workload]map[string]bool{}
	}
	key := workload{e.Tenant, e.Workload}
	if t.of[key] == nil {
		t.of[key], t.pods[key] = &Throttling{Tenant: e.Tenant, Workload: e.Workload}, map[string]bool{}
	}
	sum := t.of[key]
	sum.Periods += e.Values["periods"]
	sum.Throttled += e.Values["throttled_periods"]
	sum.Seconds += e.Values["throttled_seconds"]
	t.pods[key][e.Object] = true
}

// list gives the workloads, those that stood still longest first.
func (t *throttled) list() (list []Throttling) {
	for _, key := range slices.SortedFunc(maps.Keys(t.of), func(a, b workload) int {
		return cmp.Or(cmp.Compare(t.of[b].Seconds, t.of[a].Seconds), cmp.Compare(t.of[b].Throttled, t.of[a].Throttled),
			cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.name, b.name))
	}) {
		sum := *t.of[key]
		sum.Pods = len(t.pods[key])
		list = append(list, sum)
	}
	return list
}
