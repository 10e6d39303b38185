package fleet

import (
	"fmt"
	"math"
	"time"

	"github.com/ansturm/ansturm/loadgen/fleet/lease"
	"github.com/ansturm/ansturm/loadgen/record"
	"github.com/ansturm/ansturm/scenarios"
)

// clock is a process' own: the time on its wall when it was made, and monotonic from there on.
type clock struct {
	origin time.Time
	shown  int64 // by the wall at the origin, in ns since 1970
}

// newClock is one that is ahead of this machine's wall, in tests.
func newClock(ahead time.Duration) clock {
	now := time.Now()
	return clock{now, now.Add(ahead).UnixNano()}
}

// stamp is an instant in ns since 1970, as this clock has it.
func (c clock) stamp(at time.Time) int64 { return c.shown + int64(at.Sub(c.origin)) }

// at is the instant of a stamp, with a monotonic reading.
func (c clock) at(stamp int64) time.Time { return c.origin.Add(time.Duration(stamp - c.shown)) }

// exchanges before a worker says that its clock is measured, that far apart.
const (
	exchanges     = 32
	exchangeEvery = 5 * time.Millisecond
)

// bearings are what a worker knows of the coordinator's clock.
type bearings struct {
	own   clock
	wall  lease.Offset
	heard int
	// start is offset 0, zero before it is known, and assumed the offset by which it was found: as far as that was wrong, so is the run's clock.
	start   time.Time
	assumed time.Duration

	all   record.FleetClock // since the epoch began to fire
	since fix               // what its drift is measured from
}

// fix is the offset at a time of one's own clock.
type fix struct{ at, offset, uncertainty time.Duration }

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
		b.assumed, _, _ = b.wall.At(time.Duration(t4))
		b.start = b.own.at(r.Start - int64(b.assumed))
	}
}

// look is what is known of the offset at an instant.
func (b *bearings) look(at time.Time) (f fix) {
	f.at = time.Duration(b.own.stamp(at))
	f.offset, f.uncertainty, _ = b.wall.At(f.at)
	return f
}

// apart bounds how far the run's clock is from the coordinator's.
func (b *bearings) apart(f fix) time.Duration { return (f.offset - b.assumed).Abs() + f.uncertainty }

// measured says that enough exchanges have been heard.
func (b *bearings) measured() bool { return b.heard >= exchanges }

// tell puts what is known into a beat.
func (b *bearings) tell(beat *Beat, now time.Time) {
	if beat.Measured = b.measured(); !beat.Measured {
		return
	}
	known := b.look(now)
	beat.Offset, beat.Uncertainty = known.offset, known.uncertainty
	if b.start.IsZero() {
		return
	}
	beat.Apart = b.apart(known)
	if !now.Before(b.start) {
		b.sum(known)
		all := b.all
		beat.Clock = &all
	}
}

// sum takes in what is known at a time.
func (b *bearings) sum(now fix) {
	all, steps := &b.all, b.wall.Steps()
	first := b.since == fix{}
	if first {
		all.Offset, all.Uncertainty = -now.offset, now.uncertainty
	}
	if first || steps != all.Steps {
		b.since, all.Steps, all.Drift, all.DriftUncertainty = now, steps, 0, 0
	}
	all.Worst, all.Apart = max(all.Worst, now.uncertainty), max(all.Apart, b.apart(now))
	if over := now.at - b.since.at; over > 0 {
		all.Drift = parts(b.since.offset-now.offset, over)
		all.DriftUncertainty = parts(b.since.uncertainty+now.uncertainty, over)
	}
}

// parts of a million.
func parts(d, of time.Duration) float64 { return math.Round(1e9*float64(d)/float64(of)) / 1e3 }

// began is told how long after the start, by its own clock, the epoch began.
func (b *bearings) began(late time.Duration) {
	if b.all.Skew == nil {
		skew := late + b.apart(b.look(b.start.Add(late)))
		b.all.Skew = &skew
	}
}

// mostApart is how far apart clocks may be for their seconds to be the same ones.
const mostApart = 10 * time.Millisecond

// warnClocks warns of clocks that were, or may have been, far apart.
func warnClocks(r *record.Run) {
	n, worst := 0, time.Duration(0)
	for i := range r.Fleet.Epochs {
		if c := r.Fleet.Epochs[i].Clock; c != nil && c.Apart > mostApart {
			n, worst = n+1, max(worst, c.Apart)
		}
	}
	if n == 0 {
		return
	}
	r.Warnings = append(r.Warnings, record.Warning{Code: "fleet-clock", Text: scenarios.Text{
		"de": fmt.Sprintf("Die Uhren der Lastgeneratoren können um bis zu %s von der des Koordinators abgewichen sein (%d von %d): "+
			"Um so viel sind die Ein-Sekunden-Fenster verwischt, zu denen mehrere beigetragen haben.", scenarios.Span(worst, "de"), n, len(r.Fleet.Epochs)),
		"en": fmt.Sprintf("The workers' clocks may have been up to %s off the coordinator's (%d of %d): "+
			"one-second windows to which several have contributed are smeared by as much.", scenarios.Span(worst, "en"), n, len(r.Fleet.Epochs)),
	}})
}
