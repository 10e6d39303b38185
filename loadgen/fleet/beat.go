package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/ansturm/ansturm/loadgen/fleet/lease"
)

// beatPatience is how long a beat waits for its reply: two that are lost do not make the epoch lost.
const beatPatience = lease.LostAfter / 4

// beat beats until ctx ends, or the coordinator has heard that the epoch is done.
func (l *life) beat(ctx context.Context) {
	for n := uint64(1); ctx.Err() == nil; n++ {
		began := time.Now()
		heard := l.beatOnce(ctx, n)
		l.rest(ctx, l.next(heard)-time.Since(began))
	}
}

// next is when the beat after this one is due, and ends the epoch where there is none.
func (l *life) next(heard bool) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	silent := time.Since(l.heard)
	if away := !heard && silent > lease.LostAfter; away != l.away && l.engine != nil {
		l.away = away
		l.Say(fmt.Sprintf("%s: %s", l, map[bool]string{true: "no coordinator answers; what is held is fired on", false: "a coordinator answers again"}[away]))
	}
	switch {
	case l.told:
		l.drop(nil)
	case !heard && silent > l.Patience:
		l.drop(ErrAway)
	case !heard:
		return beatPatience + lease.BeatEvery/2
	case !l.bearing.measured():
		return exchangeEvery
	}
	return lease.BeatEvery
}

// rest waits until the next beat is due, or wanted.
func (l *life) rest(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(max(wait, time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.nudge:
	case <-ctx.Done():
	}
}

func (l *life) beatOnce(ctx context.Context, n uint64) (heard bool) {
	sent := time.Now()
	b := l.say(n, sent)
	ctx, cancel := context.WithTimeout(ctx, beatPatience)
	defer cancel()
	answer, err := l.link.Beat(ctx, encode(b))
	came := time.Now()
	if err != nil {
		return false
	}
	r, err := decode[Reply]("reply", answer)
	if err != nil || r.N != n {
		return false
	}
	return l.hear(&b, &r, sent, came)
}

// say is what the epoch says of itself.
func (l *life) say(n uint64, now time.Time) Beat {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := Beat{versioned: versioned{Version}, N: n, Sent: l.own.stamp(now), Heard: l.replied, Deals: l.held.Deals, Waiting: l.journal.waiting()}
	if l.state == Preparing && l.bearing.measured() {
		l.state = Ready
	}
	b.State = l.state
	why, fenced := l.lease.Fenced()
	if l.engine != nil {
		b.Progress = l.engine.Progress()
		why, fenced = l.engine.Fenced() // by then no shard begins anything
		if late, known := l.engine.Began(); known {
			l.bearing.began(late)
		}
	}
	if fenced {
		b.Yield = why
		l.leave(why)
	}
	l.bearing.tell(&b, now)
	return b
}

// hear does what a reply says; false for one that is not heard: of a coordinator that another has followed.
func (l *life) hear(b *Beat, r *Reply, sent, came time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Coordinator < l.by {
		return false
	}
	if r.Coordinator > l.by { // its bus may have lost what was kept
		l.by = r.Coordinator
		if l.journal.back(r.Kept) && l.state == Done {
			l.state = Firing
		}
	}
	l.heard, l.replied = came, b.N
	before := l.bearing.start
	l.bearing.hear(sent, came, r)
	if before.IsZero() && !l.bearing.start.IsZero() {
		close(l.started)
	}
	l.stopped = l.stopped || r.Stopped
	l.hold(r)
	if r.Lost {
		l.leave("was taken for lost")
	}
	l.told = l.told || b.State == Done && l.state == Done || r.Stopped && l.bearing.start.IsZero()
	return true
}

// hold follows what the coordinator promises.
func (l *life) hold(r *Reply) {
	if r.Holding == nil {
		return
	}
	h := *r.Holding
	if r.Same {
		h.Grants = l.held.Grants
	}
	err := l.lease.Hold(h)
	if err == nil && r.Last {
		err = l.lease.End(h.Grants)
	}
	if err != nil { // grants that are none: what it may begin is not known
		l.lease.Fence(err.Error())
	} else if h.Coordinator >= l.held.Coordinator && h.Deals >= l.held.Deals {
		l.held = h
	}
	if l.engine != nil {
		l.engine.Wake()
	}
}
