package loadgen

import (
	"sync"
	"time"
)

// ready says that something happened on a connection.
type ready struct {
	token token
	// hangup: the other side has sent its last byte.
	hangup bool
}

// token names a connection of a shard. The generation tells it from an earlier one in the same place.
type token struct{ place, generation uint32 }

// network opens the connections of one shard, and is what the shard sleeps in. Only the shard calls it, but for wake
// and post.
type network interface {
	// dial begins to open a connection. What becomes of it is asked of the link when the token gets ready.
	dial(h *host, t token, until time.Duration) (link, error)
	// wait appends what is ready. Where nothing is, it sleeps until that wall time of the run, or until woken. With nap, a
	// short sleep need not be ended by what comes in.
	wait(now, at time.Duration, nap bool, to []ready) []ready
	// wake ends the sleep, or the next one where nobody sleeps. It never blocks.
	wake()
	// post makes a token ready.
	post(t token)
	close()
}

// link is one connection's bytes. No call blocks: errAgain says that the token will get ready later.
type link interface {
	// opened is nil once the connection is open.
	opened() error
	// read also gives when the last of the bytes came in, in Unix nanoseconds; 0 where that is not known.
	read(b []byte) (n int, stamp int64, err error)
	// write takes all of b or less.
	write(b []byte) (int, error)
	close()
}

// errAgain says that there is nothing to read, or no room to write, at the moment. It is a net.Error that is
// temporary, which is what crypto/tls needs to go on later.
var errAgain again

type again struct{}

func (again) Error() string   { return "nothing there yet" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// inbox takes what other goroutines have to say to a shard.
type inbox struct {
	mu   sync.Mutex
	list []ready
}

func (i *inbox) put(t token) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.list = append(i.list, ready{token: t})
}

func (i *inbox) take(to []ready) []ready {
	i.mu.Lock()
	defer i.mu.Unlock()
	to = append(to, i.list...)
	i.list = i.list[:0]
	return to
}

// sleeper sleeps until an instant of the run's wall time, or until somebody wakes it.
type sleeper interface {
	until(now, at time.Duration)
	wake()
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
