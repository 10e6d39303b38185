package differential

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var (
	worlds  = flag.Int("worlds", 0, "how many worlds TestSameAsTheController plays; 0: a million syncs, fewer under the race detector or with -short")
	seed    = flag.Uint64("seed", 0, "its first seed")
	smaller = flag.Bool("shrink", true, "minimise a world that differs")
	replay  = flag.String("world", "", "a file with a world, as a failed test prints it, to play instead")
)

// TestSameAsTheController plays random worlds to the controller and to planner/hpa.
func TestSameAsTheController(t *testing.T) {
	if *replay != "" {
		data, err := os.ReadFile(*replay)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{}
		if err := json.Unmarshal(data, w); err != nil {
			t.Fatal(err)
		}
		if difference := play(t, w, newCounts()); difference != "" {
			t.Fatal(difference)
		}
		return
	}
	count := *worlds
	switch {
	case count == 0 && testing.Short():
		count = 1000
	case count == 0:
		count = usual
	}
	c := newCounts()
	for i := range count {
		if !same(t, *seed+uint64(i), c) {
			return
		}
	}
	line, _ := json.Marshal(c)
	t.Logf("%s", line)
	if count >= 5000 {
		balanced(t, c)
	}
}

// same plays the world of a seed; a difference fails the test, with the seed and the world as small as it gets.
func same(t *testing.T, seed uint64, c *counts) bool {
	w := draw(seed)
	difference := play(t, w, c)
	c.Worlds++
	c.Hours += float64(len(w.Steps)) * w.Config.SyncPeriod.Hours()
	if difference == "" {
		return true
	}
	t.Errorf("seed %d: %s", seed, difference)
	if !*smaller {
		return false
	}
	small, difference := shrink(w, func(w *world) string { return play(t, w, newCounts()) })
	t.Errorf("the smallest world that differs (play it with -world FILE): %s\n%s", difference, small)
	return false
}

// balanced fails where the worlds have lost what they are drawn for.
func balanced(t *testing.T, c *counts) {
	for _, reason := range []string{
		"SucceededGetScale", "FailedGetScale", "ReadyForNewScale", "SucceededRescale", "FailedUpdateScale", "ScaleUpStabilized", "ScaleDownStabilized",
		"ScalingDisabled", "InvalidSelector", "SelectorRequired", "AmbiguousSelector", "ValidMetricFound", "FailedGetResourceMetric",
		"FailedGetContainerResourceMetric", "FailedGetPodsMetric", "FailedGetObjectMetric", "FailedGetExternalMetric", "FailedComputeMetricsReplicas",
		"DesiredWithinRange", "TooManyReplicas", "TooFewReplicas", "ScaleUpLimit", "ScaleDownLimit", "SuccessfulRescale", "FailedRescale",
	} {
		if c.Reasons[reason] < 100 {
			t.Errorf("%s came up %d times, want at least 100", reason, c.Reasons[reason])
		}
	}
	for name, n := range map[string]int64{
		"scales": c.Scales, "held": c.Held, "limited": c.Limited, "edits": c.Edits, "restarts": c.Restarts, "recreated": c.Recreated,
		"conflicts": c.Conflicts, "lost statuses": c.Lost, "on the edge": c.OnTheEdge, "at the cutoff": c.AtCutoff,
		"slow": c.Slow, "partly": c.Partly, "apart": c.Apart,
	} {
		if n < 200 {
			t.Errorf("%s: %d, want at least 200", name, n)
		}
	}
}
