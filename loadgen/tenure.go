package loadgen

import (
	"context"
	"fmt"
	"time"

	"github.com/ansturm/ansturm/scenarios/arrivals"
)

// tenure gives a shard its arrivals by a lease. The shard looks at its clocks before each of them.
type tenure struct {
	*leased
	next arrivals.Arrival
}

func (t *tenure) peek(s *shard) (arrivals.Arrival, time.Duration, bool) {
	s.feel()
	if last := t.lease.last.Load(); last != nil {
		for _, a := range t.rest(*last) {
			s.unsend(a)
		}
		return arrivals.Arrival{}, never, false
	}
	for {
		a, is, more := t.leased.peek(s.clock, s.e.platform(s.clock-mostOverdue))
		switch {
		case !more:
			return a, never, s.stopped || !t.over(s.e.platform(s.clock))
		case is == waits:
			return a, never, true
		case is == begins:
			t.next = a
			return a, s.e.wall(a.Due), true
		}
		t.take(a) // it is forgone
		s.unsend(a)
		s.count.forgone.Add(1)
	}
}

func (t *tenure) advance() { t.take(t.next) }

func (t *tenure) hungry(*shard) bool { return false }

// feel looks at both clocks. It fences the lease of an engine that has stood still, and stops a shard whose lease is fenced.
func (s *shard) feel() {
	now := time.Now()
	run, wall := now.Sub(s.e.start), now.Round(0).Sub(s.e.start.Round(0))
	s.clock, s.fresh = run, true
	if s.pulse.run < 0 && run >= 0 {
		s.e.looked.CompareAndSwap(0, int64(run)+1)
	}
	if why := s.pulse.look(run, wall); why != "" && !s.done { // else there is nothing that it might begin
		s.e.cfg.Lease.Fence(why)
	}
	if _, fenced := s.e.cfg.Lease.Fenced(); fenced && !s.stopped {
		s.stop()
	}
}

// leaseFenced is closed once the lease is fenced; nil without one.
func (e *Engine) leaseFenced() <-chan struct{} {
	if e.cfg.Lease == nil {
		return nil
	}
	return e.cfg.Lease.fence
}

// followLease makes the lease end with ctx, until the function it gives is called.
func (e *Engine) followLease(ctx context.Context) (leave func() bool) {
	lease := e.cfg.Lease
	if lease == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() {
		lease.Fence(fmt.Sprintf("the run was ended: %v", context.Cause(ctx)))
		_ = lease.End(nil) // which cannot fail
		e.Wake()
	})
}

// Began is how long after the start the first of its shards looked whether something was due; it is not known before, and never where the
// engine was made after the start, or has no lease.
func (e *Engine) Began() (late time.Duration, known bool) {
	late = time.Duration(e.looked.Load() - 1)
	return max(0, late), late >= 0
}

// Fenced says why the engine's lease has ended, and whether it is certain by now that no shard begins anything more: it may
// then be yielded.
func (e *Engine) Fenced() (why string, fenced bool) {
	if e.cfg.Lease == nil || !e.begun.Load() {
		return "", false
	}
	why, fenced = e.cfg.Lease.Fenced()
	return why, fenced && int(e.quiet.Load()) == len(e.shards)
}
