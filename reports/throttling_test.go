package reports

import (
	"math"
	"testing"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// TestThrottlingIsSpread over the points that its window touches, so that nothing is lost and no pod counted twice.
func TestThrottlingIsSpread(t *testing.T) {
	for name, c := range map[string]struct {
		bin     time.Duration
		windows []time.Duration // ends, each beginning where the one before ended
		held    []float64
	}{
		"windows wider than points":    {time.Second, []time.Duration{2500 * time.Millisecond, 4 * time.Second}, []float64{1, 1, 1, 1}},
		"windows narrower than points": {10 * time.Second, []time.Duration{4 * time.Second, 8 * time.Second, 12 * time.Second}, []float64{1, 0.2}},
	} {
		m, begin := &measured{bin: c.bin}, time.Duration(0)
		for _, end := range c.windows {
			m.addThrottling(&record.Event{Kind: record.KindThrottling, At: end, Values: map[string]float64{
				"window_seconds": (end - begin).Seconds(), "periods": 40, "throttled_periods": 10,
			}})
			begin = end
		}
		sum := 0.0
		for i := range m.held {
			sum += m.periods[i]
			if len(m.held) != len(c.held) || math.Abs(m.held[i]-c.held[i]) > 1e-9 || math.Abs(m.throttled[i]/m.periods[i]-0.25) > 1e-9 {
				t.Errorf("%s: held back %v of %v periods %v, want pods %v", name, m.throttled, m.periods, m.held, c.held)
			}
		}
		if want := 40 * float64(len(c.windows)); math.Abs(sum-want) > 1e-9 {
			t.Errorf("%s: %v periods, want %v", name, sum, want)
		}
	}
	m := &measured{bin: time.Second}
	m.addThrottling(&record.Event{Kind: record.KindThrottling, At: math.MaxInt64, Values: map[string]float64{"window_seconds": 1e6}})
	m.addThrottling(&record.Event{Kind: record.KindThrottling, At: time.Second})
	if len(m.held) != 0 {
		t.Error("nonsense is drawn")
	}
}
