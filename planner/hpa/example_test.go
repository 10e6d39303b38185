package hpa_test

import (
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/ansturm/ansturm/planner/hpa"
)

// Two pods of half a core at 90 % of their request, with a target of 60 %.
func ExampleController_Sync() {
	spec := &autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 10, Metrics: []autoscalingv2.MetricSpec{{
		Type: autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{
			Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(60)),
		}},
	}}}
	scaler, err := hpa.New(spec, hpa.Default())
	if err != nil {
		fmt.Println(err)
		return
	}
	now := 20 * time.Minute
	pod := hpa.Pod{
		HasStart: true, Start: 0, Ready: hpa.Ready, ReadyChanged: 12 * time.Second,
		Containers: []hpa.Container{{Name: "app", Request: hpa.Of(500, 512<<20), Usage: hpa.Of(450, 300<<20)}},
		Sample:     hpa.Sample{Has: true, Time: now - 5*time.Second, Window: 15 * time.Second},
	}
	d := scaler.Sync(&hpa.Input{Now: now, SpecReplicas: 2, StatusReplicas: 2, Pods: []hpa.Pod{pod, pod}})
	fmt.Printf("%d %% → %d replicas, %s\n", scaler.Current(0).Utilisation, d.Desired, d.Cause)
	// Output: 90 % → 3 replicas, above target
}
