package fleet

import (
	"time"

	"github.com/ansturm/ansturm/loadgen/fleet/lease"
)

// clock is a process' own: the time on its wall when it was made, and monotonic from there on.
type clock struct{ origin time.Time }

func newClock() clock { return clock{time.Now()} }

// stamp is an instant in ns since 1970, as this clock has it.
func (c clock) stamp(at time.Time) int64 { return c.origin.UnixNano() + int64(at.Sub(c.origin)) }

// at is the instant of a stamp, with a monotonic reading.
func (c clock) at(stamp int64) time.Time {
	return c.origin.Add(time.Duration(stamp - c.origin.UnixNano()))
}

// exchanges before a worker says that its clock is measured, that far apart.
const (
	exchanges     = 32
	exchangeEvery = 5 * time.Millisecond
)

// bearings are what a worker knows of the coordinator's clock: of stamps before the start is known, of the run's clock afterwards.
type bearings struct {
	own   clock
	wall  lease.Offset
	run   lease.Offset
	heard int
	start time.Time // offset 0; zero before it is known
}

// hear learns from a reply that came at an instant to a beat sent at another.
func (b *bearings) hear(sent, came time.Time, r *Reply) {
	t1, t4 := b.own.stamp(sent), b.own.stamp(came)
	b.heard++
	exchange := lease.Exchange{
		T1: time.Duration(t1), T2: time.Duration(r.Received), T3: time.Duration(r.Sent), T4: time.Duration(t4),
	}
	if b.wall.Add(exchange) != nil || r.Start == 0 { // a reply that came before it was asked for tells nothing
		return
	}
	if b.start.IsZero() {
		offset, _, _ := b.wall.At(time.Duration(t4))
		b.start = b.own.at(r.Start - int64(offset))
	}
	_ = b.run.Add(lease.Exchange{
		T1: sent.Sub(b.start), T2: time.Duration(r.Received - r.Start),
		T3: time.Duration(r.Sent - r.Start), T4: came.Sub(b.start),
	})
}

// measured says that enough exchanges have been heard.
func (b *bearings) measured() bool { return b.heard >= exchanges }

// tell puts what is known into a beat.
func (b *bearings) tell(beat *Beat, now time.Time) {
	if beat.Measured = b.measured(); !beat.Measured {
		return
	}
	beat.Offset, beat.Uncertainty, _ = b.wall.At(time.Duration(b.own.stamp(now)))
	if !b.start.IsZero() {
		beat.Apart, _ = b.run.Apart(now.Sub(b.start))
	}
}
