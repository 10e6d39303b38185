//go:build !linux

package lab

import (
	"os"
	"sync"
	"time"
)

// alarm is Go's timer where the kernel has no timerfd; up to a millisecond late.
type alarm struct {
	timer *time.Timer
	once  sync.Once
	over  chan struct{}
}

func newAlarm() (*alarm, error) {
	return &alarm{timer: time.NewTimer(time.Hour), over: make(chan struct{})}, nil
}

func (a *alarm) set(d time.Duration) { a.timer.Reset(max(1, d)) }

func (a *alarm) wait() error {
	select {
	case <-a.timer.C:
		return nil
	case <-a.over:
		return os.ErrClosed
	}
}

func (a *alarm) close() { a.once.Do(func() { close(a.over) }) }
