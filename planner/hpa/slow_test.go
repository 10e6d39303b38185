package hpa

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// TestSlowMetrics: a pod's age goes by the time of the metric's answer, which is after those of the metrics before it.
func TestSlowMetrics(t *testing.T) {
	const second, almost = time.Second, time.Second - 1
	for _, test := range []struct {
		name          string
		before, after time.Duration // what the external metrics beside the CPU take
		own           time.Duration
		failed        error // of the one before
		want          int32
	}{
		{"at once the pod is young", 0, 0, 0, nil, 2},
		{"its own answer comes too early", 0, 0, almost, nil, 2},
		{"its own answer is late", 0, 0, second, nil, 3},
		{"the one before is late", second, 0, 0, nil, 3},
		{"both together are", almost, 0, 1, nil, 3},
		{"the one after does not matter", 0, time.Hour, 0, nil, 2},
		{"late is also what fails", second, 0, 0, errors.New("down"), 3},
	} {
		in := input(noon, 2, 900)
		young := &in.Pods[1]
		young.Start, young.Ready = noon+second-Default().CPUInitializationPeriod, NotReady
		young.ReadyChanged = young.Start + time.Minute // once it is old, it counts as having been ready before
		in.Values = []Value{{Milli: []int64{1000}, Took: test.before, Err: test.failed}, {Took: test.own}, {Milli: []int64{1000}, Took: test.after}}
		spec := unlimited(by(external(averageValue("1")), resourceMetric(corev1.ResourceCPU, percent(60)), external(averageValue("1"))))
		d := mustNew(t, spec).Sync(in)
		if d.Desired != test.want || d.Took != test.before+test.own+test.after {
			t.Errorf("%s: desired %d after %v, want %d", test.name, d.Desired, d.Took, test.want)
		}
	}
}

// TestSlowMetricsAndTheHistory: the history begins with the sync; its recommendation and its change are of the time of the
// last answer.
func TestSlowMetricsAndTheHistory(t *testing.T) {
	late := noon + 7*time.Second
	in := asking(noon, 10, 20)
	in.Values[0].Took = 7 * time.Second
	c := mustNew(t, exact(99, nil))
	c.Sync(in)
	if r := c.recommendations; len(r) != 2 || r[0] != (recommendation{noon, 10}) || r[1] != (recommendation{late, 20}) {
		t.Errorf("without behavior: %+v, want 10 at the beginning and 20 at the answer", r)
	}
	c = mustNew(t, unlimited(exact(99, nil)))
	c.Sync(in)
	if r := c.recommendations; len(r) != 1 || r[0] != (recommendation{late, 20}) { // without a window the beginning is outdated
		t.Errorf("with behavior: %+v, want 20 at the answer", r)
	}
	if len(c.added) != 1 || c.added[0].at != late {
		t.Errorf("the change is %+v, want it at the answer", c.added)
	}
	in.SpecReplicas = 100
	if d := c.Sync(in); d.Desired != 99 || d.Took != 0 || c.removed[0].at != noon {
		t.Errorf("above max, where no metric is asked: %+v, %+v", d, c.removed)
	}
}
