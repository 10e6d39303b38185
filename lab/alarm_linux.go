package lab

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm is a timer of the kernel (timerfd) in Go's own poller. Go's timers round a wait below one millisecond up to
// one, ten at speed 10. The way of a locked thread in clock_nanosleep was not taken: it needs a second wake-up (an
// eventfd) to be set earlier, and its thread holds on to a scheduler slot while it sleeps; this is set earlier by one
// system call that wakes nobody.
type alarm struct {
	fd   int
	file *os.File
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("lab: timer: %w", err)
	}
	return &alarm{fd, os.NewFile(uintptr(fd), "timerfd")}, nil
}

// set has the alarm go off once in d, whatever it was set to before.
func (a *alarm) set(d time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, d.Nanoseconds()))}
	// It cannot fail on an open descriptor, and on a closed one nobody waits any more.
	_ = unix.TimerfdSettime(a.fd, 0, &spec, nil)
}

// wait blocks until the alarm goes off; an error means that it was closed.
func (a *alarm) wait() error {
	var times [8]byte
	if _, err := a.file.Read(times[:]); err != nil {
		return err
	}
	return nil
}

func (a *alarm) close() { _ = a.file.Close() }
