package loadgen

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// pacerNice lets the pacer, which works for some µs at a time, run before a server on the same processor. Where the
// process may not have it, nothing changes but the lateness, which is measured.
const pacerNice = -10

// threadSleeper sleeps in the kernel, on a thread of its own with a timer slack of 1 ns, and is woken through an
// eventfd. Go's own timers round a wait up to the next millisecond when the process is idle.
type threadSleeper struct {
	event int
	fds   [1]unix.PollFd
}

// newExactSleeper is for a goroutine that has called ownThread.
func newExactSleeper() (sleeper, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	return &threadSleeper{event: fd, fds: [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}}, nil
}

// ownThread binds the calling goroutine to its thread for good (the thread ends with it) and makes its timers exact.
func ownThread() {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it, wake-ups are 50 µs later, and counted as that
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), pacerNice)
}

func (s *threadSleeper) until(now, at time.Duration) {
	if at <= now {
		return
	}
	timeout := unix.NsecToTimespec(int64(at - now))
	s.fds[0].Revents = 0
	n, _ := unix.Ppoll(s.fds[:], &timeout, nil) // interrupted or over: the pacer looks at the clock either way
	if n > 0 {
		var counter [8]byte
		_, _ = unix.Read(s.event, counter[:])
	}
}

func (s *threadSleeper) wake() {
	_, _ = unix.Write(s.event, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // fails only when it is awake 2^64 times already
}

func (s *threadSleeper) close() { _ = unix.Close(s.event) }
