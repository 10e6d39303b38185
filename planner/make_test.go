package planner

import (
	"slices"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// What a run found that no model covers reaches the plan, once, with what its platform's autoscalers say.
func TestWhatNoModelCoversReachesThePlan(t *testing.T) {
	_, pf := shipped(t, "quick")
	pf.Workloads[0].HPA.Metrics = append(pf.Workloads[0].HPA.Metrics, autoscalingv2.MetricSpec{
		Type: "Pods", Pods: &autoscalingv2.PodsMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: "queue_length"}},
	})
	keda := record.NotCovered("keda", "KEDA ist da", "KEDA is there")
	other := record.Warning{Code: "few-shots", Text: scenarios.Text{"en": "few shots"}}
	runs := []*record.Record{
		{Run: record.Run{Platform: pf, Warnings: []record.Warning{keda, other}}},
		{Run: record.Run{Platform: pf, Warnings: []record.Warning{keda}}},
	}
	var codes []string
	for _, w := range uncovered(runs) {
		codes = append(codes, w.Code)
	}
	if !slices.Equal(codes, []string{"uncovered-keda", "uncovered-metrics"}) {
		t.Errorf("warnings %v", codes)
	}
}

// A plan for other tenants as a candidate would be passed over in silence, and the answer not be monotonic.
func TestACandidateIsForTheSameTenants(t *testing.T) {
	sc, _ := shipped(t, "quick")
	plan := &Plan{}
	for _, tenant := range sc.Tenants.List {
		plan.Tenants = append(plan.Tenants, TenantPlan{Tenant: tenant.Name})
	}
	if err := forSameTenants([]*Plan{plan}, sc); err != nil {
		t.Error(err)
	}
	gone := plan.Tenants[1].Tenant
	plan.Tenants = slices.Delete(plan.Tenants, 1, 2)
	if err := forSameTenants([]*Plan{plan}, sc); err == nil || !strings.Contains(err.Error(), gone) {
		t.Errorf("%v, wanted an error that names %s", err, gone)
	}
}
