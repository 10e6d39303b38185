package record

import (
	"reflect"
	"testing"
)

// TestThrottlingIsSummed by workload, the one that stood still longest first, pods counted once.
func TestThrottlingIsSummed(t *testing.T) {
	var sum throttled
	for _, e := range []Event{
		{Kind: KindThrottling, Tenant: "a", Workload: "web", Object: "p", Values: map[string]float64{"periods": 150, "throttled_periods": 30, "throttled_seconds": 2}},
		{Kind: KindThrottling, Tenant: "a", Workload: "web", Object: "p", Values: map[string]float64{"periods": 150, "throttled_periods": 60, "throttled_seconds": 3}},
		{Kind: KindThrottling, Tenant: "b", Workload: "web", Object: "p", Values: map[string]float64{"throttled_seconds": 7}},
		{Kind: KindThrottling, Tenant: "a", Workload: "web", Object: "q", Values: map[string]float64{"periods": 100, "throttled_periods": 10, "throttled_seconds": 1}},
		{Kind: KindSeries, Tenant: "c", Values: map[string]float64{"throttled_seconds": 100}},
	} {
		sum.add(&e)
	}
	want := []Throttling{
		{Tenant: "b", Workload: "web", Pods: 1, Seconds: 7},
		{Tenant: "a", Workload: "web", Pods: 2, Periods: 400, Throttled: 100, Seconds: 6},
	}
	got := sum.list()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, want %+v", got, want)
	}
	if got[0].Share() != 0 || got[1].Share() != 0.25 {
		t.Errorf("shares %v and %v, want 0 and 0.25", got[0].Share(), got[1].Share())
	}
}
