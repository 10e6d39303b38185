package hpa

import (
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
)

// cpuSpec scales on CPU at target percent.
func cpuSpec(least, most, target int32) *Spec {
	return &Spec{MinReplicas: &least, MaxReplicas: most, Metrics: []autoscalingv2.MetricSpec{{
		Type: autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{
			Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &target,
		}},
	}}}
}

// readyPod is a pod of 1000m and 1 GiB that has been ready for an hour and uses that much CPU.
func readyPod(now time.Duration, millicores int64) Pod {
	return Pod{
		HasStart: true, Start: now - time.Hour, Ready: Ready, ReadyChanged: now - time.Hour + 10*time.Second,
		Containers: []Container{{Name: "app", Request: Of(1000, 1<<30), Usage: Of(millicores, 1<<29)}},
		Sample:     Sample{Has: true, Time: now - time.Second, Window: 15 * time.Second},
	}
}

// input is a sync of replicas ready pods that each use that much.
func input(now time.Duration, replicas int32, millicores int64) *Input {
	in := &Input{Now: now, SpecReplicas: replicas, StatusReplicas: replicas}
	for range replicas {
		in.Pods = append(in.Pods, readyPod(now, millicores))
	}
	return in
}

func mustNew(t testing.TB, spec *Spec) *Controller {
	t.Helper()
	c, err := New(spec, Default())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestToleranceIsInclusive(t *testing.T) { // rule 7
	for _, test := range []struct{ usage, want int64 }{
		{539, 9}, {540, 10}, {600, 10}, {669, 10}, {670, 12},
	} {
		d := mustNew(t, WriteOut(cpuSpec(1, 100, 60), Config{SyncPeriod: 1})).Sync(input(0, 10, test.usage))
		if int64(d.Desired) != test.want {
			t.Errorf("10 pods at %d m, target 60 %%: desired %d, want %d", test.usage, d.Desired, test.want)
		}
	}
}
