package lab

import (
	"errors"
	"math"
	"sync"
	"time"

	"github.com/ansturm/ansturm/loadgen/record"
)

// coalesce is how long after one firing the next comes at the earliest, on the wall: what is due within it is answered
// together. A wake-up for every request costs a core; a request
// that comes meanwhile fires what is due anyway.
const coalesce = 150 * time.Microsecond

const never = time.Duration(math.MaxInt64)

// clock drives the core by the wall clock.
type clock struct {
	mu    sync.Mutex
	core  *core
	speed float64
	alarm *alarm
	// start is offset 0 on the wall; zero until begun.
	start time.Time
	// origin is the offset at which the present run of a [Ground] began; zero for a platform of one run.
	origin time.Duration
	// armed is the platform time the alarm is set to.
	armed    time.Duration
	finished bool

	timeline *timeline
}

var (
	errBegun = errors.New("lab: begun already")
	errOver  = errors.New("lab: the platform has ended")
)

// begin lets platform time start: offset 0 is at start.
func (k *clock) begin(start, now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.start.IsZero() || k.finished {
		return errBegun
	}
	k.start = now.Add(start.Sub(now)) // on the monotonic clock
	k.core.emit = func(e record.Event) {
		e.Wall = k.wall(e.At).Round(0)
		e.At = max(0, e.At-k.origin)
		k.timeline.add(e)
	}
	k.core.begin(k.platform(now))
	k.armed = never
	k.arm(now, 0)
	return nil
}

// platform is the offset of a moment on the wall, wall the moment of an offset.
func (k *clock) platform(t time.Time) time.Duration {
	return time.Duration(float64(t.Sub(k.start)) * k.speed)
}

func (k *clock) wall(at time.Duration) time.Time {
	return k.start.Add(time.Duration(float64(at) / k.speed))
}

// arm sets the alarm to the core's next event, but not before now + least; an alarm set to an earlier moment stays.
func (k *clock) arm(now time.Time, least time.Duration) {
	e := k.core.queue.first()
	if e == nil || e.at >= k.armed {
		return
	}
	k.armed = e.at
	k.alarm.set(max(least, k.wall(e.at).Sub(now)))
}

// hand gives a request to the platform; its ready channel gets a word when it has its outcome. False: not begun, or over.
func (k *clock) hand(r *request) bool {
	return k.act(func(c *core) { c.submit(r) })
}

// act lets f change the core at the present moment. False: not begun, or over; f was not called.
func (k *clock) act(f func(c *core)) bool {
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.start.IsZero() || k.finished {
		return false
	}
	k.core.advance(k.platform(now))
	f(k.core)
	k.arm(now, 0)
	return true
}

// run fires what is due until the alarm is closed.
func (k *clock) run() {
	for k.alarm.wait() == nil {
		k.mu.Lock()
		if !k.finished {
			now := time.Now()
			k.core.advance(k.platform(now))
			k.armed = never
			k.arm(now, coalesce)
		}
		k.mu.Unlock()
	}
}

// look lets f see the core at the present moment; before the beginning, as it was built.
func (k *clock) look(f func(c *core)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.start.IsZero() && !k.finished {
		k.core.advance(k.platform(time.Now()))
	}
	f(k.core)
}

// finish ends the platform: what is inside is answered that it closes. It may be called again.
func (k *clock) finish() {
	k.look(func(c *core) {
		if !k.finished {
			c.close()
			k.finished = true
			k.timeline.end()
		}
	})
}
