package planner

import (
	"slices"
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
