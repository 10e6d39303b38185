package loadgen

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSpinningIsBounded: whatever the machine's timers do, a shard spins for at most a tenth of the time, and on one
// that wakes in time not at all.
func TestSpinningIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lag := time.Duration(rapid.Int64Range(0, int64(300*time.Microsecond)).Draw(t, "lag"))
		gap := time.Duration(rapid.Int64Range(1, int64(2*time.Millisecond)).Draw(t, "gap"))
		var s spinner
		now, spun := time.Duration(0), time.Duration(0)
		for range 2000 {
			next := now + gap
			lead := s.lead(now, next)
			if lead < 0 || lead > gap {
				t.Fatalf("%s early for a sleep of %s", lead, gap)
			}
			spun += lead
			woken := next - lead + lag
			s.learn(woken, next-lead)
			now = max(woken, next)
		}
		if spun > now/spinShare+spinSaved {
			t.Fatalf("%s of %s were spent", spun, now)
		}
		if lag < spinFrom && spun > 0 {
			t.Fatalf("%s were spent on timers %s late", spun, lag)
		}
		if worth := lag > spinFrom+time.Microsecond && lag < spinMost && gap > 11*lag; worth && spun == 0 {
			t.Fatalf("nothing was spent on timers %s late, every %s", lag, gap)
		}
	})
}
