package loadgen

import "time"

// sleeper lets the pacer sleep until an instant of the run's wall time, or until somebody wakes it.
type sleeper interface {
	until(now, at time.Duration)
	// wake ends the sleep, or the next one where nobody sleeps. It never blocks.
	wake()
	close()
}

// timerSleeper sleeps by Go's timers: exact in the fake time of testing/synctest, up to 2 ms late on a real clock.
type timerSleeper struct{ woken chan struct{} }

func newTimerSleeper() *timerSleeper { return &timerSleeper{make(chan struct{}, 1)} }

func (s *timerSleeper) until(now, at time.Duration) {
	timer := time.NewTimer(at - now)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.woken:
	}
}

func (s *timerSleeper) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (s *timerSleeper) close() {}
