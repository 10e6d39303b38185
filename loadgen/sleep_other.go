//go:build !linux

package loadgen

func newExactSleeper() (sleeper, error) { return newTimerSleeper(), nil }

func ownThread() {}
