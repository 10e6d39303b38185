package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ansturm/ansturm/lab/kubernetes/nodeagent"
	"github.com/ansturm/ansturm/loadgen/record"
)

// podQuota is what a pod's quota did to it by the timeline and by the kernel's counters in the journal, up to the same
// moment.
type podQuota struct {
	Pod           string  `json:"pod"`
	Periods       float64 `json:"throttledPeriods"`
	Seconds       float64 `json:"throttledSeconds"`
	KernelPeriods float64 `json:"kernelThrottledPeriods"`
	KernelSeconds float64 `json:"kernelThrottledSeconds"`
}

// compareThrottling holds the timeline's throttling against the journal: pods of which the kernel says that they stood still
// are told, for as long as it says.
func compareThrottling(s *seen, p *proof) error {
	ups := 0
	for _, e := range s.events {
		if e.Kind == record.KindScale && e.Desired > e.From {
			ups++
		}
	}
	p.ScaleUps, p.Quotas = ups, s.quotas()
	var problems []error
	if ups == 0 {
		problems = append(problems, errors.New("the autoscaler did not scale"))
	}
	if len(p.Quotas) < 2 {
		problems = append(problems, fmt.Errorf("%d pods were held back, wanted the first and one that came", len(p.Quotas)))
	}
	for _, q := range p.Quotas {
		// A tenth for what was between a scrape and the journal's next second.
		if !(q.Seconds > 0) || math.Abs(q.Periods-q.KernelPeriods) > 10+q.KernelPeriods/10 {
			problems = append(problems, fmt.Errorf("%s was held back in %.0f periods by the timeline, in %.0f by the kernel", q.Pod, q.Periods, q.KernelPeriods))
		}
	}
	if len(s.account.Throttling) == 0 {
		problems = append(problems, errors.New("the record's account does not tell of it"))
	}
	return errors.Join(problems...)
}

// quotas are those of the pods that either side tells of, by name.
func (s *seen) quotas() (list []podQuota) {
	told, last := map[string]*podQuota{}, map[string]time.Duration{}
	of := func(tenant, name string) *podQuota {
		pod := tenant + "/" + name
		if told[pod] == nil {
			told[pod] = &podQuota{Pod: pod}
		}
		return told[pod]
	}
	for _, e := range s.events {
		if e.Kind == record.KindThrottling {
			q := of(e.Tenant, e.Object)
			q.Periods += e.Values["throttled_periods"]
			q.Seconds += e.Values["throttled_seconds"]
			last[q.Pod] = e.At
		}
	}
	for _, e := range s.journal {
		if e.Stage != nodeagent.StageThrottled {
			continue
		}
		q := of(e.Namespace, e.Pod)
		if end, known := last[q.Pod]; !known || s.offset(time.Unix(0, e.At)) <= end {
			q.KernelPeriods, q.KernelSeconds = e.Values["throttled_periods"], e.Values["throttled_seconds"]
		}
	}
	for _, pod := range slices.Sorted(maps.Keys(told)) {
		list = append(list, *told[pod])
	}
	return list
}
