package loadgen

import "time"

const (
	// spinFrom is the oversleeping from which on spinning is worth its processor time.
	spinFrom = 20 * time.Microsecond
	spinMost = 100 * time.Microsecond
	// spinShare is the most of a processor that is spent on it, as a divisor.
	spinShare = 10
	// spinSaved is the most that a shard may save up for it.
	spinSaved = 10 * time.Millisecond
)

// spinner decides how long before a shot is due its shard stops sleeping and watches the clock. On a machine whose
// timers wake within a few µs that is never; on one that oversleeps by 50 µs, as virtual machines do, it takes the
// oversleeping away as long as that costs less than a tenth of a processor.
type spinner struct {
	lag   time.Duration // how much sleeps were too long lately
	saved time.Duration // processor time that may be spent
	since time.Duration // when it was last saved up
}

// lead is how much earlier than planned a sleep from now until then should end.
func (s *spinner) lead(now, then time.Duration) time.Duration {
	s.saved = min(spinSaved, s.saved+(now-s.since)/spinShare)
	s.since = now
	if s.lag < spinFrom || s.saved < s.lag || then-now <= s.lag {
		return 0
	}
	s.saved -= s.lag
	return s.lag
}

// learn takes note of a sleep that should have ended then and has ended now.
func (s *spinner) learn(now, then time.Duration) {
	over := min(max(now-then, 0), spinMost)
	s.lag += (over - s.lag) / 16
}
